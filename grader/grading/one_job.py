"""What a process does that has collected the checks and gets a job: it runs them as pytest does, and sends results."""

import contextlib
import os
import shutil
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import IO, TYPE_CHECKING

import pytest

from grader.grading.jobs import Job, Outcome, lay_out, outcome
from grader.grading.options import GradingOptions, selected
from grader.judge.offering import Offering
from grader.report.results_json import as_json

if TYPE_CHECKING:
    from grader.grading.verdicts import Grading
    from grader.sandbox.parent_zygote import ParentZygote


class RunsOneJob:
    """A pytest plugin that runs collected checks for one job.

    Attributes:
        folder: The folder of the grading; None as long as nothing is graded in this process.
        job: The job.
    """

    def __init__(self) -> None:
        self.folder: Path | None = None
        self.job: Job | None = None
        self._grading: Grading | None = None
        self._parent: ParentZygote | None = None  # only class runs have one

    def _run(
        self, session: pytest.Session, folder: Path, options: GradingOptions, job: Callable[[], Job | None]
    ) -> object:
        """Start the sandbox, wait for the job, and continue as pytest does.

        Args:
            session: The session, with all checks collected.
            folder: The folder of the grading.
            options: The options of the grading.
            job: Returns the job; None if it is the one that the options were made for.
        """
        from grader.conftest import begin

        self.folder = folder
        self._write_log(folder)
        self._grading = begin(session.config, options, self._parent)
        if came := job():
            self.job = came
            self._grading.renew()
        assert self.job
        select_tasks(session, self.job, self._grading.session.offering)
        return session.config.hook.pytest_runtestloop(session=session)

    def _sort(self, items: list[pytest.Item]) -> None:
        """Put the tasks that the job wants first before the others."""
        from grader.grading.verdicts import task_of

        assert self.job
        first = self.job.first
        items.sort(key=lambda item: task_of(item) not in first)

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtest_teardown(self, item: pytest.Item, nextitem: pytest.Item | None) -> None:
        """Send the results of a task after its last check, before its worker is ended."""
        from grader.grading.verdicts import task_of

        assert self.job and self._grading
        if self.job.in_parts and (nextitem is None or task_of(nextitem) != task_of(item)):
            part = as_json(self._grading.result_of(task_of(item)))
            with contextlib.suppress(OSError):
                self._send(Outcome(part, number=self.job.number, part=True))

    def _send(self, outcome: Outcome) -> None:
        raise NotImplementedError

    def _write_log(self, folder: Path) -> None:
        log = os.open(folder / "log", os.O_WRONLY | os.O_CREAT, 0o600)
        os.dup2(log, 1)
        os.dup2(log, 2)
        os.close(log)
        os.environ["TMPDIR"] = tempfile.tempdir = str(folder / "tmp")


class Waiting(RunsOneJob):
    """Runs the checks of one job in the process that collected them, for systems where it must not be forked.

    Args:
        requests: Stream to read the job from.
        answers: Stream to write outcomes to.
    """

    def __init__(self, requests: IO[bytes], answers: IO[bytes]):
        super().__init__()
        self._requests, self._answers = requests, answers

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtestloop(self, session: pytest.Session) -> object:
        """Wait for the job, then run the checks."""
        if session.testsfailed:
            return None
        if self.folder:
            self._sort(session.items)
            return None
        if not (line := self._requests.readline()):
            return True
        self.job = Job.from_json(line)
        folder = Path(tempfile.mkdtemp(prefix="vae-warm-"))
        return self._run(session, folder, lay_out(self.job, folder), lambda: None)

    def finish(self, status: int) -> None:
        """Send the outcome and remove the folder, after pytest has ended."""
        if self.folder and self.job:
            self._send(outcome(self.job, self.folder, status, time.process_time()))
            shutil.rmtree(self.folder, ignore_errors=True)

    def _send(self, outcome: Outcome) -> None:
        self._answers.write(outcome.to_json())
        self._answers.flush()


def select_tasks(session: pytest.Session, job: Job, offering: Offering) -> None:
    """Keep only the checks of a job's tasks.

    Raises:
        pytest.UsageError: The job selects no task.
    """
    from grader.grading.verdicts import task_of

    try:
        tasks = selected(job.tasks, offering)
    except ValueError as error:
        raise pytest.UsageError(str(error)) from None
    session.config.option.collectonly = False
    session.items[:] = [item for item in session.items if task_of(item) in tasks]
    session.testscollected = len(session.items)
