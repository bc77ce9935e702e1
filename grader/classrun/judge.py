"""A judge as its user sees it: a warm process that is started again when it dies, or, where fork is unsafe, none."""

import contextlib
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Protocol

from grader import arguments

from .folder import outcome, prepare
from .job import Job, Outcome

_MARGIN_S = 60.0  # a judge ends a grading that takes too long itself, unless it hangs too


class JudgeDied(Exception):  # noqa: N818
    """A judge gave no answer; the message holds its last words."""


class Grades(Protocol):
    """A judge, warm or not."""

    def grade(self, job: Job) -> Outcome:
        """Grade one submission."""

    def close(self) -> None:
        """End the judge, and the grading that it is at."""


class WarmJudge:
    """The process of warm.py, and a conversation with it. It ends when this object's process does, however that ends.

    Args:
        data: Images of the training task.
    """

    def __init__(self, data: str):
        threads = {f"{library}_NUM_THREADS": "1" for library in ("OMP", "OPENBLAS", "MKL")}
        # With dask's setting for its workers a judge gives each tensor's memory back to the system, and takes it anew:
        # 0.2 of 0.8 CPU seconds a submission.
        environment = {k: v for k, v in arguments.environment().items() if k != "MALLOC_TRIM_THRESHOLD_"}
        self._log = tempfile.TemporaryFile()  # noqa: SIM115 - it lives as long as the judge
        self._process = subprocess.Popen(
            [sys.executable, "-m", "grader.classrun.warm", data],
            cwd=arguments.ROOT,
            env={**environment, **threads, "CUDA_VISIBLE_DEVICES": ""},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._log,
            start_new_session=True,
        )

    def grade(self, job: Job) -> Outcome:
        """Grade one submission.

        Raises:
            JudgeDied: No answer came. The judge is of no use any more.
        """
        requests, answers = self._process.stdin, self._process.stdout
        assert requests is not None and answers is not None
        patience = threading.Timer(job.limit_s + _MARGIN_S, self._process.kill)
        patience.daemon = True
        patience.start()
        try:
            requests.write(job.to_json())
            requests.flush()
            line = answers.readline()
        except (OSError, ValueError):  # the pipe is broken, or closed by `close` in another thread
            line = b""
        finally:
            patience.cancel()
        if not line.endswith(b"\n"):
            raise JudgeDied(f"the judge died{self._last_words()}")
        return Outcome.from_json(line)

    def close(self) -> None:
        """End the judge, and the grading that it is at; safe to call twice and from another thread."""
        self._process.terminate()
        try:
            self._process.wait(timeout=15.0)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        for stream in (self._process.stdin, self._process.stdout, self._log):
            with contextlib.suppress(OSError, ValueError):  # what was still to be written has no reader
                stream.close()  # type: ignore[union-attr]

    def _last_words(self) -> str:
        with contextlib.suppress(OSError, ValueError):
            self._log.seek(0)
            lines = self._log.read().decode("utf-8", errors="replace").split("\n")
            return next((f": {line[:200]}" for line in reversed(lines) if line.strip()), "")
        return ""


class FreshJudge:
    """Starts `python -m grader grade` for each submission, where a process that imported torch cannot be forked."""

    def __init__(self, data: str):
        self._process: subprocess.Popen[bytes] | None = None

    def grade(self, job: Job) -> Outcome:
        """Grade one submission."""
        with tempfile.TemporaryDirectory(prefix="vae-class-", ignore_cleanup_errors=True) as name:
            folder = Path(name)
            options = arguments.grading(**prepare(job, folder))
            with (folder / "log").open("wb") as log:
                self._process = subprocess.Popen(
                    [sys.executable, "-m", "pytest", *options],
                    cwd=arguments.ROOT,
                    env=arguments.environment(),
                    stdin=subprocess.DEVNULL,
                    stdout=log,
                    stderr=log,
                )
                try:
                    status: int | None = self._process.wait(timeout=job.limit_s)
                except subprocess.TimeoutExpired:
                    self.close()
                    status = None
            return outcome(job, folder, status, 0.0)

    def close(self) -> None:
        """End the grading that is under way."""
        if self._process is not None and self._process.poll() is None:
            self._process.kill()
            self._process.wait()


class LastingJudge:
    """A judge that is started when it is needed, and again when it dies.

    Args:
        start: Makes a judge that knows the images it is given; by default the one for this system.
    """

    def __init__(self, start: Callable[[str], Grades] | None = None):
        self._start = start or (WarmJudge if sys.platform == "linux" else FreshJudge)
        self._judge: Grades | None = None
        self._closed = False

    def grade(self, job: Job) -> Outcome:
        """Grade one submission; once more where the judge or the grading died."""
        problem = ""
        for _ in range(2):
            if self._closed:
                return Outcome(None, "its dask worker was ended", again=True)
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
        """End the judge for good, also from another thread and in the midst of a grading."""
        self._closed = True
        if self._judge is not None:
            self._judge.close()
