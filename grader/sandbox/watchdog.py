"""Watches a sandbox from outside: memory, processes and files of all its processes together."""

import contextlib
import os
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import psutil

from . import tree
from .failure import COSTLY_MEMORY, Failure
from .limits import Ceilings

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
            self._members, self._counted = tree.family(self._root), time.monotonic()
        limits, members = self._ceilings, self._members
        if tree.threads(members, limits.threads) > limits.threads:  # first: of a storm the memory takes long to read
            what = f"your code started more than {limits.threads} processes and threads"
            return Failure("crashed", what, fatal=True)
        if tree.memory(members, limits.memory_bytes) > limits.memory_bytes:
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
