"""Families of processes: counted, measured, and ended so that nobody escapes, not even while it forks."""

import os
import secrets
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager

import psutil
import pytest

from grader.sandbox.watchdog import Watchdog, end_family, family_of, memory_of, threads_of
from grader.sandbox.worker import Ceilings
from grader.worker.confine import filter_for

pytestmark = pytest.mark.skipif(os.name != "posix", reason="needs fork")

MIB = 1 << 20
STORM = "import os, time\nfor _ in range(7): os.fork()\ntime.sleep(60)"
CHILDREN = "import os, time\nfor _ in range(3):\n    if os.fork() == 0: break\nprint(flush=True)\ntime.sleep(60)"


@contextmanager
def running(code: str) -> Iterator[tuple[subprocess.Popen[bytes], str]]:
    """Run some Python; yield the process and a mark that all its descendants carry."""
    mark = secrets.token_hex(8)
    process = subprocess.Popen([sys.executable, "-ISc", code, mark], stdout=subprocess.PIPE)
    try:
        yield process, mark
    finally:
        end_family(process.pid, itself=True)
        process.wait()
        assert process.stdout is not None
        process.stdout.close()


def alive(mark: str) -> int:
    """Return how many processes carry a mark, zombies not counted."""
    seen = psutil.process_iter(["cmdline", "status"])
    return sum(mark in (p.info["cmdline"] or ()) and p.info["status"] != psutil.STATUS_ZOMBIE for p in seen)


def gone(mark: str, seconds: float = 5.0) -> bool:
    """Whether no process carries a mark any more, within some seconds."""
    until = time.monotonic() + seconds
    while alive(mark) and time.monotonic() < until:
        time.sleep(0.02)
    return not alive(mark)


def told(process: subprocess.Popen[bytes], lines: int) -> None:
    """Wait until a process and its children have said so."""
    assert process.stdout is not None
    for _ in range(lines):
        process.stdout.readline()


# ## Ending
@pytest.mark.parametrize("after_s", [0.0, 0.03, 0.05, 0.08, 0.15])
def test_nobody_escapes_while_it_forks(after_s: float) -> None:
    with running(STORM) as (process, mark):
        time.sleep(after_s)
        end_family(process.pid, itself=True)
        process.wait()
        assert gone(mark)


def test_the_root_may_be_spared() -> None:
    with running(CHILDREN) as (process, mark):
        told(process, 4)
        end_family(process.pid, itself=False)
        time.sleep(0.1)
        assert (alive(mark), process.poll()) == (1, None)


def test_who_is_gone_has_no_family() -> None:
    with running("") as (process, _):
        process.wait()
        assert family_of(process.pid) == []
        end_family(process.pid, itself=True)


# ## Measuring
def test_threads_and_processes_are_counted_until_there_are_enough() -> None:
    with running(CHILDREN) as (process, _):
        told(process, 4)
        members = family_of(process.pid)
        assert threads_of(members, enough=100) == 4
        assert threads_of(members, enough=2) > 2


def test_memory_that_is_shared_counts_once() -> None:
    """A parent's 100 MiB, which three children share, are 100 and not 400."""
    code = f"block = b'x' * {100 * MIB}\n{CHILDREN}"
    with running(code) as (process, _):
        told(process, 4)
        members = family_of(process.pid)
        assert memory_of(members, enough=1000 * MIB) > 300 * MIB, "quick, and too much"
        if sys.platform == "linux":
            assert 90 * MIB < memory_of(members, enough=250 * MIB) < 200 * MIB, "exact where it matters"


# ## Watching
@pytest.mark.parametrize(
    ("code", "ceilings", "words"),
    [
        (CHILDREN, Ceilings(threads=3), "more than 3 processes and threads"),
        (f"block = b'x' * {64 * MIB}\n{CHILDREN}", Ceilings(memory_bytes=32 * MIB), "more than 32 MiB together"),
    ],
)
def test_a_family_that_outgrows_a_ceiling_is_ended_with_a_reason(code: str, ceilings: Ceilings, words: str) -> None:
    with running(code) as (process, mark):
        watchdog = Watchdog(process.pid, ceilings, [], lambda: end_family(process.pid, itself=True))
        process.wait(timeout=10)
        watchdog.stop()
        assert watchdog.breach is not None and words in watchdog.breach.message
        assert gone(mark)


def test_a_family_within_its_ceilings_is_left_alone() -> None:
    with running(CHILDREN) as (process, mark):
        told(process, 4)
        watchdog = Watchdog(process.pid, Ceilings(), [], lambda: end_family(process.pid, itself=True))
        time.sleep(0.7)
        watchdog.stop()
        assert (watchdog.breach, alive(mark)) == (None, 4)


# ## The filter of system calls
@pytest.mark.parametrize("machine", ["x86_64", "aarch64"])
def test_every_jump_of_the_filter_stays_within_it(machine: str) -> None:
    program = filter_for(machine)
    assert program is not None and len(program) % 8 == 0
    lines = [program[i : i + 8] for i in range(0, len(program), 8)]
    for here, line in enumerate(lines[:-3]):
        assert here + 1 + max(line[2], line[3]) < len(lines)
    assert [line[:2] for line in lines[-3:]] == [b"\x06\x00"] * 3, "it ends in `allow`, `refuse` and `unknown`"


def test_an_unknown_machine_has_no_filter() -> None:
    assert filter_for("pdp11") is None
