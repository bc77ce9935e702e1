"""Jobs and their outcomes, and the judges that grade them. A judge that dies is started again."""

import base64
import contextlib
import json
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Protocol

from grader.grading.grading_process import Child, GraderFailed, graded, last_words
from grader.grading.options import ROOT, GradingOptions, clean_environment


@dataclass(frozen=True)
class Job:
    """One submission to grade. It contains the file itself, so that judges need no shared file system.

    Attributes:
        content: Content of the file.
        seed: Official seed of the submission.
        sandbox: Name of the sandbox, never `auto`.
        data: Images of the training task.
        tasks: Selected tasks, as in pytest's -m; None for all.
        offering: Points and limits as text; empty for the grader's own.
        limit_s: Wall-clock limit of the whole grading in seconds; the grader's own limits are shorter.
    """

    content: bytes
    seed: int
    sandbox: str
    data: str = "sample"
    tasks: str | None = None
    offering: str = ""
    limit_s: float = 600.0

    def to_json(self) -> bytes:
        """Return the job as one line of JSON."""
        return json.dumps({**asdict(self), "content": base64.b64encode(self.content).decode()}).encode() + b"\n"

    @staticmethod
    def from_json(line: bytes) -> "Job":
        """Return the job that `to_json` wrote."""
        fields = json.loads(line)
        return Job(**{**fields, "content": base64.b64decode(fields["content"])})


@dataclass(frozen=True)
class Outcome:
    """The outcome of a job.

    Attributes:
        results: Content of the grader's results.json; None if there is none.
        problem: Why there are no results, in one line for the instructor; otherwise empty.
        again: Whether a second try may help: true if the grader died, false if it refused or took too long.
        cpu_s: CPU seconds of the whole grading.
        sandbox_cpu_s: CPU seconds of the zygote and its workers.
    """

    results: dict[str, Any] | None
    problem: str = ""
    again: bool = False
    cpu_s: float = 0.0
    sandbox_cpu_s: float = 0.0

    def to_json(self) -> bytes:
        """Return the outcome as one line of JSON."""
        return json.dumps(asdict(self)).encode() + b"\n"

    @staticmethod
    def from_json(line: bytes) -> "Outcome":
        """Return the outcome that `to_json` wrote."""
        return Outcome(**json.loads(line))


SANDBOX_CPU = "sandbox_cpu_s"


def lay_out(job: Job, folder: Path) -> GradingOptions:
    """Write the files of a grading into an empty folder; return the options of the grading."""
    for name in ("submission", "tmp"):
        (folder / name).mkdir()
        (folder / name).chmod(0o711)  # a sandbox may run as another user, which must be able to reach its own folder
    folder.chmod(0o711)
    file, offering = folder / "submission" / "VAE_Model.py", folder / "offering.toml"
    file.write_bytes(job.content)
    if job.offering:
        offering.write_text(job.offering, encoding="utf-8")
    return GradingOptions(
        submission=file,
        seed=job.seed,
        data=job.data,
        sandbox=job.sandbox,
        lanes=1,  # one core per submission: two lanes would share it, and import torch twice
        offering=offering if job.offering else None,
        hints="full",  # these reports are for instructors; students get them after the deadline
        results=folder / "results.json",
        tasks=job.tasks or "",
    )


def outcome(job: Job, folder: Path, status: int | None, cpu_s: float) -> Outcome:
    """Return the outcome of a grading that has ended.

    Args:
        job: The submission.
        folder: Folder with its results.json and its log.
        status: Exit status of pytest; None if it took too long.
        cpu_s: CPU seconds used.
    """
    log = folder / "log"
    try:
        found = graded(status, folder / "results.json", log, job.limit_s)
    except GraderFailed as failure:
        return Outcome(None, str(failure), again=failure.again, cpu_s=cpu_s)
    if found.flawed:
        return Outcome(None, f"the grader itself failed{last_words(log)}", again=True, cpu_s=cpu_s)
    sandbox_cpu_s = 0.0
    with contextlib.suppress(OSError, ValueError):
        sandbox_cpu_s = float((folder / SANDBOX_CPU).read_text())
    return Outcome(found.results, cpu_s=cpu_s, sandbox_cpu_s=sandbox_cpu_s)


_MARGIN_S = 60.0  # normally the judge ends a grading that takes too long; this is for a judge that hangs too


class JudgeDied(Exception):  # noqa: N818
    """A judge gave no answer; the message contains the last line of its log."""


class Grades(Protocol):
    """The interface of a judge."""

    def grade(self, job: Job) -> Outcome:
        """Grade one submission."""

    def close(self) -> None:
        """End the judge, and the grading in progress."""


class WarmJudge:
    """Runs warm.py in a separate process and sends it jobs. That process always ends when the current one ends.

    Args:
        data: Images of the training task.
    """

    def __init__(self, data: str):
        threads = {f"{library}_NUM_THREADS": "1" for library in ("OMP", "OPENBLAS", "MKL")}
        # With dask's setting for its workers, a judge returns each tensor's memory to the system and allocates it
        # again: 0.2 of 0.8 CPU seconds per submission.
        environment = {k: v for k, v in clean_environment().items() if k != "MALLOC_TRIM_THRESHOLD_"}
        self._log = tempfile.TemporaryFile()  # noqa: SIM115 - open as long as the judge runs
        self._process = subprocess.Popen(
            [sys.executable, "-m", "grader.instructor.class_runs.warm_judge", data],
            cwd=ROOT,
            env={**environment, **threads, "CUDA_VISIBLE_DEVICES": ""},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._log,
            start_new_session=True,
        )

    def grade(self, job: Job) -> Outcome:
        """Grade one submission.

        Raises:
            JudgeDied: There was no answer. This judge cannot be used any more.
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
        """End the judge and the grading in progress. Safe to call twice and from another thread."""
        self._process.terminate()
        try:
            self._process.wait(timeout=15.0)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        for stream in (self._process.stdin, self._process.stdout, self._log):
            with contextlib.suppress(OSError, ValueError):  # unwritten data has no reader any more
                stream.close()  # type: ignore[union-attr]

    def _last_words(self) -> str:
        with contextlib.suppress(OSError, ValueError):
            self._log.seek(0)
            lines = self._log.read().decode("utf-8", errors="replace").split("\n")
            return next((f": {line[:200]}" for line in reversed(lines) if line.strip()), "")
        return ""


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


class LastingJudge:
    """A judge that is started on demand, and started again when it dies.

    Args:
        start: Creates a judge from the name of the images; by default the kind of judge that suits this system.
    """

    def __init__(self, start: Callable[[str], Grades] | None = None):
        self._start = start or (WarmJudge if sys.platform == "linux" else FreshJudge)
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
