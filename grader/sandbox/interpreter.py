"""The interpreter that runs workers: what it must be able to read, and the environment that it gets."""

import functools
import os
import sys
import sysconfig
from pathlib import Path

WORKER = Path(__file__).resolve().parents[1] / "worker"
PROGRAM = WORKER / "__main__.py"

_LIBRARIES = ("/usr/lib", "/usr/lib64", "/usr/local/lib", "/lib", "/lib64", "/etc/ld.so.cache")
_PROCESSORS = "/sys/devices/system/cpu"  # torch asks it which instructions there are


def can_fork() -> bool:
    """Whether forking a process that imported torch is safe here: not on Windows, which lacks it, nor on macOS."""
    return sys.platform.startswith("linux")


def environment(home: str) -> dict[str, str]:
    """Return all that a worker sees of the environment: one thread, no GPU, nothing of the user's.

    torch.compile returns what it is given: a worker has no compiler, and the numbers are the same.
    """
    kept = {name: os.environ[name] for name in ("PATH", "SYSTEMROOT") if name in os.environ}
    threads = {f"{library}_NUM_THREADS": "1" for library in ("OMP", "OPENBLAS", "MKL")}
    folders = dict.fromkeys(("HOME", "TMPDIR", "TEMP", "TMP", "MPLCONFIGDIR"), home)
    fixed = {"CUDA_VISIBLE_DEVICES": "", "MPLBACKEND": "Agg", "LC_ALL": "C.UTF-8", "USER": "student"}
    return {**kept, **threads, **folders, **fixed, "TORCHDYNAMO_DISABLE": "1"}


@functools.cache
def readable() -> tuple[str, ...]:
    """Return the files and folders that Python, its packages and their libraries are read from; existing ones only."""
    executable = Path(sys.executable)
    paths = [
        *(sysconfig.get_path(name) for name in ("stdlib", "platstdlib", "purelib", "platlib")),
        str(Path(sys.base_prefix) / "lib"),
        str(executable),
        str(executable.resolve()),
        str(executable.parent.parent / "pyvenv.cfg"),
        *_LIBRARIES,
        _PROCESSORS,
    ]
    return tuple(path for path in dict.fromkeys(paths) if Path(path).exists())
