"""The strongest sandbox: separate Linux namespaces, created by bubblewrap. Files that are not mounted do not exist.

Inside there is no network, no process from outside and no privilege. The file system has only the interpreter with its
packages (read-only), the worker's program, the one submitted file, and small writable folders in memory. The zygote is
process 1 inside; its workers cannot kill it, stop it or inspect it.
"""

import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from .interpreter import PROGRAM, WORKER, can_fork, environment, missing_packages, readable, why_it_ended
from .zygote import View, Zygote

_MIB = 1 << 20
FOLDER, _PROGRAM, SUBMISSION = (f"/vae-sandbox/{name}" for name in ("work", "worker", "submission"))
INSIDE = f"{_PROGRAM}/{PROGRAM.name}"
_HIDDEN = ("standins.py", "__pycache__")  # correct solutions: the judge sends only those that a worker may have
_NAMESPACES = ["--unshare-all", "--unshare-user", "--cap-drop", "ALL", "--as-pid-1"]
_PROCESS = ["--die-with-parent", "--new-session", "--uid", "65534", "--gid", "65534", "--hostname", "sandbox"]


class Bubblewrap(Zygote):
    """A zygote and its workers in separate namespaces."""

    name = "bubblewrap"
    guard = "namespace"

    @staticmethod
    def why_not() -> str:
        """Try to run a program in this sandbox; return why it cannot be used here, or an empty string if it can."""
        if not can_fork():
            return "bubblewrap needs Linux"
        if not shutil.which("bwrap"):
            return "the program bwrap was not found: install the package `bubblewrap`"
        command = [*_sealed([], 64 * _MIB), "--", sys.executable, "-I", "-S", "-c", ""]
        tried = subprocess.run(
            command, env=environment(FOLDER), stdin=subprocess.DEVNULL, capture_output=True, check=False
        )
        if tried.returncode == 0:
            return ""
        return f"bubblewrap does not work here (version 0.8 or newer is required): {why_it_ended(tried.stderr)}"

    @staticmethod
    def missing() -> str:
        """Return which package workers cannot import, and what to do; empty if they can import all of them."""
        return missing_packages([*_sealed([], 64 * _MIB), "--"])

    def _view(self) -> View:
        submission = f"{SUBMISSION}/{self._file.copy.name}"
        return View(INSIDE, submission, FOLDER, ["/"], list(writable_sizes(self._ceilings.folder_bytes)))

    def _command_line(self, program: Sequence[str]) -> list[str]:
        mounts = ["--ro-bind", str(self._file.copy.parent), SUBMISSION]
        return [*_sealed([*mounts, *worker_mounts()], self._ceilings.folder_bytes), "--", *program]

    def _watched_folders(self) -> list[Path]:
        return []  # the size of their file systems is already limited

    def _kill(self) -> None:
        self._lost = True
        self._process.kill()  # process 1 inside dies with it, and then the kernel ends the whole namespace


def worker_mounts() -> list[str]:
    """Return the options that mount the worker's program."""
    paths = [path for path in sorted(WORKER.iterdir()) if path.name not in _HIDDEN]
    return [word for path in paths for word in ("--ro-bind", str(path), f"{_PROGRAM}/{path.name}")]


def writable_sizes(total: int) -> dict[str, int]:
    """Return the sizes of the folders for writing, which are `total` bytes together; half is for the workers' folder.

    The usual folders are left out if something must be mounted in them.
    """
    shared = [f for f in ("/tmp", "/dev/shm") if not any(path.startswith(f"{f}/") for path in readable())]
    return {FOLDER: total // 2, **dict.fromkeys(shared, total // 2 // max(1, len(shared)))}


def inside(mounts: list[str], folder_bytes: int) -> list[str]:
    """Return the command that runs a program in the sandbox, where it may create further namespaces.

    Args:
        mounts: Options for further mounts.
        folder_bytes: Size of the folders for writing together.
    """
    sizes = writable_sizes(folder_bytes)
    folders = [word for path, size in sizes.items() for word in ("--size", str(size), "--tmpfs", path)]
    python = [word for path in readable() for word in ("--ro-bind", path, path)]
    sealed = ["--remount-ro", "/dev", "--remount-ro", "/"]
    kernel = ["--proc", "/proc", "--dev", "/dev"]
    return ["bwrap", *_NAMESPACES, *_PROCESS, *kernel, *folders, *python, *mounts, "--chdir", FOLDER, *sealed]


def _sealed(mounts: list[str], folder_bytes: int) -> list[str]:
    return [*inside(mounts, folder_bytes), "--disable-userns"]
