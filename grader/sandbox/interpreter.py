"""The interpreter that runs workers: which files it must read, its environment, and which packages are missing."""

import functools
import importlib.util
import json
import os
import re
import subprocess
import sys
import sysconfig
from collections.abc import Sequence
from pathlib import Path
from typing import Any

WORKER = Path(__file__).resolve().parents[1] / "worker"
PROGRAM = WORKER / "__main__.py"

_LIBRARIES = ("/usr/lib", "/usr/lib64", "/usr/local/lib", "/lib", "/lib64", "/etc/ld.so.cache")
_PROCESSORS = "/sys/devices/system/cpu"  # torch reads it to find the CPU's instruction sets
_NEEDED = ("torch", "numpy", "safetensors")  # imported by the worker's own program
_USUAL = (*_NEEDED, "torchvision", "matplotlib", "tqdm", "jaxtyping", "scipy")
_LOOK = """
import importlib.util, json, sys
sys.path += json.loads(sys.argv[1])
print(*(name for name in sys.argv[2:] if importlib.util.find_spec(name) is None))
"""
_NOT_PASSED_ON = ("LD_LIBRARY_PATH", "PYTHONHOME", "PYTHONPATH")
_NOT_FOUND = re.compile(r"shared (?:object|librar)|No module named")


def can_fork() -> bool:
    """Whether it is safe to fork a process that has imported torch: on Linux only. Windows has no fork at all."""
    return sys.platform.startswith("linux")


def environment(home: str) -> dict[str, str]:
    """Return the complete environment of a worker: one thread, no GPU, no settings of the user.

    torch.compile is disabled and returns its argument unchanged: a worker has no compiler, and the numbers are the
    same.
    """
    kept = {name: os.environ[name] for name in ("PATH", "SYSTEMROOT") if name in os.environ}
    threads = {f"{library}_NUM_THREADS": "1" for library in ("OMP", "OPENBLAS", "MKL")}
    folders = dict.fromkeys(("HOME", "TMPDIR", "TEMP", "TMP", "MPLCONFIGDIR"), home)
    fixed = {"CUDA_VISIBLE_DEVICES": "", "MPLBACKEND": "Agg", "LC_ALL": "C.UTF-8", "USER": "student"}
    return {**kept, **threads, **folders, **fixed, "TORCHDYNAMO_DISABLE": "1"}


@functools.cache
def readable() -> tuple[str, ...]:
    """Return the existing files and folders from which Python, its packages and their libraries are loaded."""
    executable = Path(sys.executable)
    paths = [
        *(sysconfig.get_path(name) for name in ("stdlib", "platstdlib", "purelib", "platlib")),
        *packages(),
        str(Path(sys.base_prefix) / "lib"),
        str(executable),
        str(executable.resolve()),
        str(executable.parent.parent / "pyvenv.cfg"),
        *_LIBRARIES,
        _PROCESSORS,
    ]
    return tuple(path for path in dict.fromkeys(paths) if Path(path).exists())


@functools.cache
def packages() -> tuple[str, ...]:
    """Return the folders of the usual packages, which may be outside of Python, as after `pip install --user`.

    Workers add these folders to their import path, which contains nothing of the user by itself. A folder that
    contains this project is left out.
    """
    folders = [folder for name in _USUAL if (folder := _folder_of(name)) and not WORKER.is_relative_to(folder)]
    return tuple(str(folder) for folder in dict.fromkeys(folders))


def _folder_of(package: str) -> Path | None:
    """Return the folder in which this process finds a package; None if it does not find it."""
    spec = importlib.util.find_spec(package)
    if spec is None or spec.origin is None or not spec.submodule_search_locations:
        return None
    return Path(os.path.abspath(next(iter(spec.submodule_search_locations)))).parent  # noqa: PTH100 - keeps links


def missing_packages(inside: Sequence[str] = (), **options: Any) -> str:
    """Return which package workers cannot import, and what to do; empty if they can import all of them.

    Args:
        inside: The command that starts a program in the same way as the sandbox.
        options: Options of `subprocess.run` for the same purpose.
    """
    command = [*inside, sys.executable, "-I", "-c", _LOOK, json.dumps(packages()), *_NEEDED]
    try:
        looked = subprocess.run(
            command,
            env=environment("/"),
            cwd="/",
            stdin=subprocess.DEVNULL,
            capture_output=True,
            check=False,
            **options,
        )
    except OSError as error:
        return f"{sys.executable} cannot be started: {error.strerror}"
    if looked.returncode != 0:
        return f"{sys.executable} does not start in the sandbox: {why_it_ended(looked.stderr)}"
    for package in looked.stdout.decode(errors="replace").split():
        return (
            f"the package {package} is not visible in the sandbox (the grader imports it from {_folder_of(package)}): "
            "install it into a virtual environment, and start the grader from that environment"
        )
    return ""


def why_it_ended(errors: bytes) -> str:
    """Return in one line why a program ended, based on its output on standard error."""
    text = errors.decode(errors="replace").strip()
    line = text.splitlines()[-1].strip()[:300] if text else "it ended without an error message"
    unset = ", ".join(name for name in _NOT_PASSED_ON if os.environ.get(name))
    if not unset or not _NOT_FOUND.search(line):
        return line
    return f"{line}; {unset} is not passed to the sandbox: start the grader from a Python that works without it"
