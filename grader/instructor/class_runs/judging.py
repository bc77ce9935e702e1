"""The judges of a class run. A judge that dies is started again."""

import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Protocol

from grader.grading.grading_process import Child
from grader.grading.jobs import Job, JudgeDied, Outcome, WarmJudge, lay_out, outcome


class Grades(Protocol):
    """The interface of a judge."""

    def grade(self, job: Job) -> Outcome:
        """Grade one submission."""

    def close(self) -> None:
        """End the judge, and the grading in progress."""


class FreshJudge:
    """Starts a new grader for each submission, for systems where a process that imported torch cannot be forked."""

    def __init__(self, data: str):
        self._child: Child | None = None

    def grade(self, job: Job) -> Outcome:
        """Grade one submission."""
        with tempfile.TemporaryDirectory(prefix="vae-class-", ignore_cleanup_errors=True) as name:
            folder = Path(name)
            self._child = Child(lay_out(job, folder), folder / "log")
            return outcome(job, folder, self._child.wait(job.limit_s), 0.0)

    def close(self) -> None:
        """End the grading in progress."""
        if self._child is not None:
            self._child.end()


def warm_judge(data: str) -> WarmJudge:
    """Return a new judge that has collected the checks, and forks its sandboxes from a parent zygote."""
    return WarmJudge(data, module="grader.instructor.class_runs.warm_judge")


class LastingJudge:
    """A judge that is started on demand, and started again when it dies.

    Args:
        start: Creates a judge from the name of the images; by default the kind of judge that suits this system.
    """

    def __init__(self, start: Callable[[str], Grades] | None = None):
        self._start = start or (warm_judge if sys.platform == "linux" else FreshJudge)
        self._judge: Grades | None = None
        self._closed = False

    def grade(self, job: Job) -> Outcome:
        """Grade one submission; try a second time if the judge or the grading died."""
        problem = ""
        for _ in range(2):
            if self._closed:
                return Outcome(None, "the dask worker was stopped", again=True)
            self._judge = self._judge or self._start(job.data)
            try:
                outcome = self._judge.grade(job)
            except JudgeDied as error:
                self._judge.close()
                self._judge, problem = None, str(error)
                continue
            if not outcome.again:
                return outcome
            problem = outcome.problem
        return Outcome(None, f"{problem} (tried twice)")

    def close(self) -> None:
        """End the judge for good. Safe to call from another thread, also during a grading."""
        self._closed = True
        if self._judge is not None:
            self._judge.close()
