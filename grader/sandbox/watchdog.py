"""Watches a sandbox from outside: memory, processes and files of all its processes together."""

import contextlib
import os
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from . import tree
from .failure import Failure
from .limits import Ceilings

_EVERY_S = 0.1
_SHARE = 0.02  # of a processor that watching may take


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
        self.breach: Failure | None = None
        self._thread = threading.Thread(target=self._watch, daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Watch no longer."""
        self._over.set()
        if threading.current_thread() is not self._thread:
            self._thread.join()

    def _watch(self) -> None:
        pause = _EVERY_S
        while not self._over.wait(pause):
            started = time.thread_time()
            self.breach = self._look()
            if self.breach:
                self._end()
                return
            pause = max(_EVERY_S, (time.thread_time() - started) / _SHARE)

    def _look(self) -> Failure | None:
        size = tree.size(self._root, self._ceilings.memory_bytes)
        if size.memory_bytes > self._ceilings.memory_bytes:
            limit = self._ceilings.memory_bytes >> 20
            return Failure(
                "out of memory", f"your code and what it started used more than {limit} MiB together", fatal=True
            )
        if size.threads > self._ceilings.threads:
            limit = self._ceilings.threads
            return Failure("crashed", f"your code started more than {limit} processes and threads", fatal=True)
        if self._folders and _content_bytes(self._folders, self._ceilings.folder_bytes) > self._ceilings.folder_bytes:
            limit = self._ceilings.folder_bytes >> 20
            return Failure("crashed", f"your code wrote more than {limit} MiB of files", fatal=True)
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
