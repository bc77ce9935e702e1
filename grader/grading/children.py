"""Processes that a warm judge starts and leaves behind: adopted, ended, and never outliving it. Linux only."""

import contextlib
import ctypes
import os
import signal
import sys
import time
from collections.abc import Iterator, Set
from pathlib import Path

import psutil

_PR_SET_PDEATHSIG = 1
_PR_SET_CHILD_SUBREAPER = 36


def adopt_orphans(yes: bool = True) -> None:
    """Become the parent of descendants whose own parent ends, so that all can be found; with `yes=False`, stop that."""
    _prctl(_PR_SET_CHILD_SUBREAPER, int(yes))


def die_with_parent(parent: int) -> None:
    """Let the kernel kill this process when its parent dies for any reason."""
    _prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:  # the parent died before the call
        os._exit(1)


def offer_to_the_oom_killer() -> None:
    """Let the kernel kill this process and its children first if the machine runs out of memory."""
    with contextlib.suppress(OSError):
        Path("/proc/self/oom_score_adj").write_text("500", encoding="ascii")


def end_descendants(but: Set[int] = frozenset(), patience_s: float = 10.0) -> None:
    """Kill and reap descendants of this process; repeat while new ones appear, for `patience_s` seconds at most.

    Args:
        but: Children that are left alone, with their own descendants.
        patience_s: Seconds.
    """
    ourselves, deadline = psutil.Process(), time.monotonic() + patience_s
    while time.monotonic() < deadline:
        children = [child for child in ourselves.children() if child.pid not in but]
        if not children:
            return
        _reap(children)  # those that they leave behind become children, so look again
        for process in (process for child in children for process in _with_descendants(child)):
            with contextlib.suppress(psutil.Error):
                process.kill()
        time.sleep(0.005)


def _with_descendants(process: psutil.Process) -> list[psutil.Process]:
    try:
        return [process, *process.children(recursive=True)]
    except psutil.Error:  # it has ended, and was reaped
        return []


def _reap(children: list[psutil.Process]) -> None:
    for child in children:
        with contextlib.suppress(ChildProcessError):
            os.waitpid(child.pid, os.WNOHANG)


def _prctl(option: int, value: int) -> None:
    if sys.platform == "linux":
        ctypes.CDLL(None, use_errno=True).prctl(option, value, 0, 0, 0)


@contextlib.contextmanager
def undisturbed() -> Iterator[None]:
    """Block SIGTERM during a clean-up, so that it is completed."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
