"""A process and all that descends from it: how large the family is, and how to end it."""

import contextlib
import time

import psutil

_PATIENCE_S = 10.0


def family(root: int) -> list[psutil.Process]:
    """Return the processes that descend from `root`, and itself; empty if it is gone."""
    try:
        process = psutil.Process(root)
        return [process, *process.children(recursive=True)]
    except psutil.Error:
        return []


def threads(members: list[psutil.Process], enough: int) -> int:
    """Return how many threads processes have together; counting ends when there are more than `enough`."""
    total = len(members)
    for process in members:
        if total > enough:
            break
        with contextlib.suppress(psutil.Error):  # it ended meanwhile, or is a zombie
            total += process.num_threads() - 1
    return total


def memory(members: list[psutil.Process], enough: int) -> int:
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


def end(root: int, itself: bool) -> None:
    """Kill all that descends from `root`, and `itself` if asked for.

    All are stopped first, again and again until nobody new appears: what is stopped can start nothing, so that not
    even those who fork faster than we kill can escape. A process that was told to stop may still finish a fork: so
    nobody new counts only once all have stopped.
    """
    stopped: dict[int, psutil.Process] = {}
    until = time.monotonic() + _PATIENCE_S
    while time.monotonic() < until:
        at_rest = all(_is_at_rest(process) for process in stopped.values())
        new = [p for p in family(root) if p.pid not in stopped and (itself or p.pid != root)]
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
