"""Where a worker was when its time was up: on SIGXCPU it writes its stack into a small file in memory, and dies.

The kernel sends the signal at the limit of CPU seconds, the zygote at that of wall-clock seconds. Neither depends on
what is written: a submission can write there what it likes, or ignore the signal and be killed.
"""

import contextlib
import faulthandler
import os
import signal

PATIENCE_S = 0.3
"""How long a worker may take to write and die, once it is interrupted."""

_BYTES = 16 << 10
_LINES, _WIDTH = 8, 160  # what is handed on fits a control message, with every character escaped


def new() -> int | None:
    """Return a descriptor of an empty file in memory that cannot grow; None where there is no such thing."""
    try:
        import fcntl

        descriptor = os.memfd_create("trace", os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING)
        os.ftruncate(descriptor, _BYTES)
        fcntl.fcntl(descriptor, fcntl.F_ADD_SEALS, fcntl.F_SEAL_GROW | fcntl.F_SEAL_SHRINK | fcntl.F_SEAL_SEAL)
        return descriptor
    except (ImportError, AttributeError, OSError):  # no Linux, or an old one
        return None


def write_on_signal(descriptor: int | None) -> None:
    """Let SIGXCPU write the stack of the main thread to a descriptor before it ends this process."""
    if descriptor is not None:
        with contextlib.suppress(AttributeError, OSError, RuntimeError, ValueError):  # Windows has neither
            faulthandler.register(signal.SIGXCPU, file=descriptor, all_threads=False, chain=True)


def taken(descriptor: int | None) -> str:
    """Return those lines of a trace that are about the submission, and close its file."""
    if descriptor is None:
        return ""
    try:
        text = os.pread(descriptor, _BYTES, 0).partition(b"\0")[0].decode("ascii", errors="ignore")
    except OSError:
        return ""
    finally:
        with contextlib.suppress(OSError):
            os.close(descriptor)
    about = [line for line in text.splitlines() if 'VAE_Model.py"' in line and line.isprintable()]
    return "\n".join(line[-_WIDTH:] for line in about[:_LINES])
