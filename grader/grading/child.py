"""Runs the ordinary grader on one file, in a process of its own, and ends it when its time is up."""

import contextlib
import json
import signal
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from grader.grading.options import ROOT, clean_environment, grading_arguments

_VERDICTS = (0, 1)  # exit status: full points, or not
_ITS_OWN_ERROR = 3  # of pytest, and of a check that failed for the grader's own fault


class GraderFailed(Exception):  # noqa: N818
    """The grader gave no verdict, and the student is not to blame; the message says what happened.

    Attributes:
        in_time: Whether it ended before its time was up.
        killed: Whether the system killed it, which it mostly does for its memory.
    """

    def __init__(self, message: str, in_time: bool = True, killed: bool = False):
        super().__init__(message)
        self.in_time, self.killed = in_time, killed


@dataclass(frozen=True)
class Graded:
    """What the grader wrote.

    Attributes:
        results: Its results.json.
        flawed: Whether a check failed for the grader's own fault.
    """

    results: dict[str, Any]
    flawed: bool = False


def grade(file: Path, results: Path, *, seed: int, sandbox: str, lanes: int, seconds: float) -> Graded:
    """Grade one file; what the grader prints goes to standard output.

    Args:
        file: The submission.
        results: Where the grader may write its results.json.
        seed: What all inputs are drawn from.
        sandbox: How the submission is kept apart.
        lanes: Sandboxes at work at the same time.
        seconds: How long to wait.

    Raises:
        GraderFailed: It died, refused, or did not end in time.
    """
    given = grading_arguments(file, seed=seed, data="sample", sandbox=sandbox, results=results, lanes=lanes)
    process = subprocess.Popen(
        [sys.executable, "-m", "pytest", *given],
        cwd=ROOT,
        env=clean_environment(),
        stdin=subprocess.DEVNULL,
        stderr=subprocess.STDOUT,
        start_new_session=True,
    )
    try:
        status = process.wait(seconds)
    except subprocess.TimeoutExpired:
        _end(process)
        raise GraderFailed(f"the grading took more than {seconds:.0f} s", in_time=False) from None
    with contextlib.suppress(OSError, ValueError):
        if status in (*_VERDICTS, _ITS_OWN_ERROR):
            return Graded(json.loads(results.read_text(encoding="utf-8")), flawed=status == _ITS_OWN_ERROR)
    if status == -signal.SIGKILL:
        raise GraderFailed("the grader was killed, most likely for its memory: choose a larger container", killed=True)
    raise GraderFailed(f"the grader ended with exit status {status} and without results")


def _end(process: "subprocess.Popen[bytes]") -> None:
    """End the grader and all that descends from it."""
    try:
        from grader.sandbox.watchdog import end_family

        end_family(process.pid, itself=True)
    except Exception:  # whatever is broken there: the grader itself must end
        process.kill()
    with contextlib.suppress(subprocess.TimeoutExpired):
        process.wait(10)
