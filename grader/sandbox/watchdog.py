"""Watch a sandbox from outside: measure all its processes and files, end the processes and remove the files."""

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
    """Return the process `root` and all its descendants; an empty list if `root` has ended."""
    try:
        process = psutil.Process(root)
        return [process, *process.children(recursive=True)]
    except psutil.Error:
        return []


def threads_of(members: list[psutil.Process], enough: int) -> int:
    """Return the total number of threads of some processes; counting stops when it exceeds `enough`."""
    total = len(members)
    for process in members:
        if total > enough:
            break
        with contextlib.suppress(psutil.Error):  # the process has ended, or is a zombie
            total += process.num_threads() - 1
    return total


def memory_of(members: list[psutil.Process], enough: int) -> int:
    """Return the total memory of some processes in bytes; counting stops when it exceeds `enough`.

    Resident sizes are fast to read, but they count shared pages once per process. Proportional sizes take the kernel
    milliseconds per process; they are read only when the sum of the resident sizes exceeds `enough`.
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
    """Kill all descendants of the process `root`, and `root` too if `itself` is true.

    All processes are stopped first, repeatedly, until no new one appears. A stopped process cannot start others, so
    even code that forks faster than it can be killed does not escape. A process may still finish a fork after the
    signal to stop; therefore the search for new processes is conclusive only when all known ones have stopped.
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
    except psutil.Error:  # the process has ended
        return True


def remove_folder(folder: Path) -> None:
    """Remove a folder with any permissions and any depth; files that cannot be removed are left without an error."""
    with contextlib.suppress(RecursionError):
        shutil.rmtree(folder, ignore_errors=True)
    if not folder.exists():
        return
    with contextlib.suppress(OSError, RecursionError):
        for path in (folder, *(p for p in folder.rglob("*") if p.is_dir() and not p.is_symlink())):
            path.chmod(stat.S_IRWXU)
    with contextlib.suppress(RecursionError):
        shutil.rmtree(folder, ignore_errors=True)
    if folder.exists() and (rm := shutil.which("rm")):  # Python's recursion limit stops it at about 1000 folders deep
        subprocess.run([rm, "-rf", "--", str(folder)], check=False, capture_output=True)


_EVERY_S = 0.1
_FAMILY_EVERY_S = 0.5  # less often: to find the descendants, all processes of the machine must be read


class Watchdog:
    """A thread that ends a sandbox when it exceeds its ceilings, and records the reason in `breach`.

    Args:
        root: The process that is watched, together with its descendants.
        ceilings: The limits.
        folders: Writable folders whose size is limited; folders on a file system of fixed size are not listed.
        end: Called to end the sandbox.
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
        """Stop watching."""
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
        # Threads are checked first: with very many processes, reading the memory takes long.
        if threads_of(members, limits.threads) > limits.threads:
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
    """Return the total size of some folders in bytes; counting stops when it exceeds `enough`."""
    total, todo = 0, [str(folder) for folder in folders]
    while todo and total <= enough:
        with contextlib.suppress(OSError), os.scandir(todo.pop()) as entries:
            for entry in entries:
                with contextlib.suppress(OSError):
                    if entry.is_dir(follow_symlinks=False):
                        todo.append(entry.path)
                    total += 4096 + entry.stat(follow_symlinks=False).st_blocks * 512
    return total
