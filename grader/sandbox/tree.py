"""A process and all that descends from it: how large the family is, and how to end it."""

import contextlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import psutil


@dataclass(frozen=True)
class Size:
    """What a family of processes uses.

    Attributes:
        threads: Processes and their threads.
        memory_bytes: Resident memory; what processes share is counted once where that makes a difference to the limit.
    """

    threads: int
    memory_bytes: int


def family(root: int) -> list[psutil.Process]:
    """Return the processes that descend from `root`, and itself; empty if it is gone."""
    try:
        process = psutil.Process(root)
        return [process, *process.children(recursive=True)]
    except psutil.Error:
        return []


def size(root: int, memory_limit: int) -> Size:
    """Return the size of a family.

    Resident sizes are quick to read, but count shared pages once for each process. Only when their sum exceeds
    `memory_limit` are the proportional sizes read, which take the kernel milliseconds each.
    """
    members = family(root)
    threads = sum(_each(members, lambda p: p.num_threads()))
    resident = sum(_each(members, lambda p: p.memory_info().rss))
    if resident <= memory_limit:
        return Size(threads, resident)
    return Size(threads, sum(_each(members, _proportional)))


def end(root: int, itself: bool) -> None:
    """Kill all that descends from `root`, and `itself` if asked for.

    All are stopped first, again and again until nobody new appears: what is stopped can start nothing, so that not
    even those who fork faster than we kill can escape.
    """
    stopped: dict[int, psutil.Process] = {}
    for _ in range(200):
        new = [p for p in family(root) if p.pid not in stopped and (itself or p.pid != root)]
        if not new:
            break
        for process in new:
            stopped[process.pid] = process
            with contextlib.suppress(psutil.Error):
                process.suspend()
    for process in stopped.values():
        with contextlib.suppress(psutil.Error):
            process.kill()


def _proportional(process: psutil.Process) -> int:
    info = process.memory_full_info()
    return int(getattr(info, "pss", info.uss))


def _each(processes: list[psutil.Process], read: Callable[[psutil.Process], int]) -> Iterator[int]:
    for process in processes:
        with contextlib.suppress(psutil.Error):  # it ended meanwhile, or is a zombie
            yield read(process)
