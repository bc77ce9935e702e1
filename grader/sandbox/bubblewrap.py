"""The best sandbox: namespaces of its own, made by bubblewrap. What is not mounted does not exist.

Inside there is no network, no other process, no privilege, and of the file system nothing but the interpreter with
its packages (read-only), the worker's program, the one submitted file, and small writable folders in memory. The
zygote is process 1 there, which its workers can neither kill nor stop nor look into.
"""

import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from .interpreter import PROGRAM, WORKER, can_fork, environment, missing_packages, readable, why_it_ended
from .zygote import View, Zygote

_MIB = 1 << 20
_FOLDER, _PROGRAM, _SUBMISSION = (f"/vae-sandbox/{name}" for name in ("work", "worker", "submission"))
_HIDDEN = ("standins", "__pycache__")  # right answers: the judge sends those that a worker may have
_NAMESPACES = ["--unshare-all", "--unshare-user", "--disable-userns", "--cap-drop", "ALL", "--as-pid-1"]
_PROCESS = ["--die-with-parent", "--new-session", "--uid", "65534", "--gid", "65534", "--hostname", "sandbox"]


class Bubblewrap(Zygote):
    """A zygote and its workers in namespaces of their own."""

    name = "bubblewrap"
    guard = "namespace"

    @staticmethod
    def why_not() -> str:
        """Return why this sandbox cannot be used here, found out by using it; empty if it can."""
        if not can_fork():
            return "bubblewrap needs Linux"
        if not shutil.which("bwrap"):
            return "there is no program bwrap: install the package `bubblewrap`"
        command = [*_inside([], 64 * _MIB), "--", sys.executable, "-I", "-S", "-c", ""]
        tried = subprocess.run(
            command, env=environment(_FOLDER), stdin=subprocess.DEVNULL, capture_output=True, check=False
        )
        if tried.returncode == 0:
            return ""
        return f"bubblewrap does not work here (0.8 or newer is needed): {why_it_ended(tried.stderr)}"

    @staticmethod
    def missing() -> str:
        """Return which package workers would not find, and what to do; empty if they find all that they need."""
        return missing_packages([*_inside([], 64 * _MIB), "--"])

    def _view(self) -> View:
        writable = [_FOLDER, *_shared_folders()]
        return View(f"{_PROGRAM}/{PROGRAM.name}", f"{_SUBMISSION}/{self._file.copy.name}", _FOLDER, ["/"], writable)

    def _command_line(self, program: Sequence[str]) -> list[str]:
        mounts = ["--ro-bind", str(self._file.copy.parent), _SUBMISSION]
        for path in sorted(WORKER.iterdir()):
            if path.name not in _HIDDEN:
                mounts += ["--ro-bind", str(path), f"{_PROGRAM}/{path.name}"]
        return [*_inside(mounts, self._ceilings.folder_bytes), "--", *program]

    def _watched_folders(self) -> list[Path]:
        return []  # their file systems are sized

    def _kill(self) -> None:
        self._lost = True
        self._process.kill()  # with it goes process 1 inside, and with that the kernel ends the whole namespace


def _shared_folders() -> list[str]:
    """Return the usual writable folders; one below which something must be mounted is none."""
    return [f for f in ("/tmp", "/dev/shm") if not any(path.startswith(f"{f}/") for path in readable())]


def _inside(mounts: list[str], folder_bytes: int) -> list[str]:
    """Return the command that puts a program into a sandbox; half of the bytes go to the workers' folder."""
    shared = _shared_folders()
    sizes = {_FOLDER: folder_bytes // 2, **dict.fromkeys(shared, folder_bytes // 2 // max(1, len(shared)))}
    folders = [word for path, size in sizes.items() for word in ("--size", str(size), "--tmpfs", path)]
    python = [word for path in readable() for word in ("--ro-bind", path, path)]
    sealed = ["--remount-ro", "/dev", "--remount-ro", "/"]
    kernel = ["--proc", "/proc", "--dev", "/dev"]
    return ["bwrap", *_NAMESPACES, *_PROCESS, *kernel, *folders, *python, *mounts, "--chdir", _FOLDER, *sealed]
