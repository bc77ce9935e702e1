"""What a worker gives up for good before it meets the student's code, in every sandbox, as far as the system can."""

import os
import tempfile
from pathlib import Path
from typing import Any

from . import kernel, landlock, limits, seccomp

_HOMES = ("HOME", "TMPDIR", "TEMP", "TMP", "MPLCONFIGDIR", "TORCHINDUCTOR_CACHE_DIR")
_DEVICES = ("/dev/null", "/dev/zero", "/dev/full", "/dev/random", "/dev/urandom")


def confine(folder: Path, limited: dict[str, Any], readable: list[str], writable: list[str]) -> None:
    """Work in `folder`, under limits, without privileges, and with the kernel's locks on files, sockets and signals.

    Args:
        folder: The worker's own; home and temporary folder too.
        limited: See `limits.apply`.
        readable: What may be read: the interpreter, packages, the submission.
        writable: What may be written besides `folder`.
    """
    os.chdir(folder)
    os.environ.update(dict.fromkeys(_HOMES, str(folder)))
    tempfile.tempdir = None  # the zygote's, if it has asked for one
    limits.apply(limited)
    if kernel.is_linux():
        kernel.drop_capabilities()
        landlock.confine([*readable, "/proc"], [str(folder), *writable, *_DEVICES])
        seccomp.confine()
