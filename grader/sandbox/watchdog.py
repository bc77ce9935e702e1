"""A sandbox seen from outside: all its processes and files, how large they are, and how to end and remove them."""

import contextlib
import os
import shutil
import stat
import subprocess
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import psutil

from .failure import COSTLY_MEMORY, Failure
from .worker import Ceilings

_PATIENCE_S = 10.0


def family_of(root: int) -> list[psutil.Process]:
    """Return the processes that descend from `root`, and itself; empty if it is gone."""
    try:
        process = psutil.Process(root)
        return [process, *process.children(recursive=True)]
    except psutil.Error:
        return []


def threads_of(members: list[psutil.Process], enough: int) -> int:
    """Return how many threads processes have together; counting ends when there are more than `enough`."""
    total = len(members)
    for process in members:
        if total > enough:
            break
        with contextlib.suppress(psutil.Error):  # it ended meanwhile, or is a zombie
            total += process.num_threads() - 1
    return total


def memory_of(members: list[psutil.Process], enough: int) -> int:
    """Return how many bytes of memory processes hold together; counting ends when there are more than `enough`.

    Resident sizes are quick to read, but count shared pages once for each process. Only when their sum is more than
    `enough` are the proportional sizes read, which take the kernel milliseconds each.
    """
    total = 0
    for process in members:
        with contextlib.suppress(psutil.Error):
            total += process.memory_info().rss
    if total <= enough:
        return total
    total = 0
    for process in members:
        if total > enough:
            break
        with contextlib.suppress(psutil.Error):
            info = process.memory_full_info()
            total += int(getattr(info, "pss", info.uss))
    return total


def end_family(root: int, itself: bool) -> None:
    """Kill all that descends from `root`, and `itself` if asked for.

    All are stopped first, again and again until nobody new appears: what is stopped can start nothing, so that not
    even those who fork faster than we kill can escape. A process that was told to stop may still finish a fork: so
    nobody new counts only once all have stopped.
    """
    stopped: dict[int, psutil.Process] = {}
    until = time.monotonic() + _PATIENCE_S
    while time.monotonic() < until:
        at_rest = all(_is_at_rest(process) for process in stopped.values())
        new = [p for p in family_of(root) if p.pid not in stopped and (itself or p.pid != root)]
        if at_rest and not new:
            break
        for process in new:
            stopped[process.pid] = process
            with contextlib.suppress(psutil.Error):
                process.suspend()
    for process in stopped.values():
        with contextlib.suppress(psutil.Error):
            process.kill()


def _is_at_rest(process: psutil.Process) -> bool:
    try:
        return process.status() in (psutil.STATUS_STOPPED, psutil.STATUS_ZOMBIE, psutil.STATUS_DEAD)
    except psutil.Error:  # it is gone
        return True


def remove_folder(folder: Path) -> None:
    """Remove a folder, whatever the permissions and however deep what lies in it; what cannot be removed stays."""
    with contextlib.suppress(RecursionError):
        shutil.rmtree(folder, ignore_errors=True)
    if not folder.exists():
        return
    with contextlib.suppress(OSError, RecursionError):
        for path in (folder, *(p for p in folder.rglob("*") if p.is_dir() and not p.is_symlink())):
            path.chmod(stat.S_IRWXU)
    with contextlib.suppress(RecursionError):
        shutil.rmtree(folder, ignore_errors=True)
    if folder.exists() and (rm := shutil.which("rm")):  # Python gives up a thousand folders deep
        subprocess.run([rm, "-rf", "--", str(folder)], check=False, capture_output=True)


_EVERY_S = 0.1
_FAMILY_EVERY_S = 0.5  # to find out who belongs to it, all processes of the machine must be looked at


class Watchdog:
    """A thread that ends a sandbox which outgrows its ceilings, and says why.

    Args:
        root: The process whose family is watched.
        ceilings: How large it may become.
        folders: Writable folders whose content counts; those of a sized file system need no watching.
        end: Ends the sandbox.
    """

    def __init__(self, root: int, ceilings: Ceilings, folders: Sequence[Path], end: Callable[[], None]):
        self._root, self._ceilings, self._folders, self._end = root, ceilings, folders, end
        self._over = threading.Event()
        self._members: list[psutil.Process] = []
        self._counted = -_FAMILY_EVERY_S
        self.breach: Failure | None = None
        self._thread = threading.Thread(target=self._watch, daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Watch no longer."""
        self._over.set()
        if threading.current_thread() is not self._thread:
            self._thread.join()

    def _watch(self) -> None:
        while not self._over.wait(_EVERY_S):
            self.breach = self._look()
            if self.breach:
                self._end()
                return

    def _look(self) -> Failure | None:
        if time.monotonic() - self._counted > _FAMILY_EVERY_S:
            self._members, self._counted = family_of(self._root), time.monotonic()
        limits, members = self._ceilings, self._members
        if threads_of(members, limits.threads) > limits.threads:  # first: of a storm the memory takes long to read
            what = f"your code started more than {limits.threads} processes and threads"
            return Failure("crashed", what, fatal=True)
        if memory_of(members, limits.memory_bytes) > limits.memory_bytes:
            what = f"your code and what it started used more than {limits.memory_bytes >> 20} MiB together"
            return Failure("out of memory", what, fatal=True, hint=COSTLY_MEMORY)
        if self._folders and _content_bytes(self._folders, limits.folder_bytes) > limits.folder_bytes:
            what = f"your code wrote more than {limits.folder_bytes >> 20} MiB of files"
            return Failure("crashed", what, fatal=True)
        return None


def _content_bytes(folders: Sequence[Path], enough: int) -> int:
    """Return how many bytes lie below folders; counting ends when there are more than enough."""
    total, todo = 0, [str(folder) for folder in folders]
    while todo and total <= enough:
        with contextlib.suppress(OSError), os.scandir(todo.pop()) as entries:
            for entry in entries:
                with contextlib.suppress(OSError):
                    if entry.is_dir(follow_symlinks=False):
                        todo.append(entry.path)
                    total += 4096 + entry.stat(follow_symlinks=False).st_blocks * 512
    return total
