"""Jobs for a warm judge, their outcomes, and the process that grades them. Class runs, `watch` and `check` use it."""

import base64
import contextlib
import json
import subprocess
import sys
import tempfile
import threading
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import IO, Any, Protocol

from grader.grading.grading_process import GraderFailed, graded, last_words
from grader.grading.options import ROOT, GradingOptions, clean_environment
from grader.judge.result import Hints


@dataclass(frozen=True)
class Job:
    """One submission to grade. Unless it names a path, it contains the file, so judges need no shared file system.

    Attributes:
        content: Content of the file; not used if there is a path.
        seed: Seed of the test inputs.
        sandbox: Name of the sandbox; class runs never send `auto`, so that all their machines use the same one.
        data: Images of the training task.
        tasks: Selected tasks, as in pytest's -m; None for all.
        offering: Tasks, points and limits as text; empty for the grader's own.
        hints: How much the results say; None for what the offering says.
        limit_s: Wall-clock limit of the whole grading in seconds; the grader's own limits are shorter.
        path: The file on this machine, which is read when the grading begins.
        shown: The file as the user wrote it, for reports; empty to show its path.
        fork: Whether a zygote may fork workers.
        first: Ids of the tasks that are graded first.
        in_parts: Whether there is also an outcome for each task, as soon as the task is graded.
        number: Tells jobs apart that run at the same time, and outcomes.
        fresh_sandbox: Whether the sandbox of a class run is started from scratch, not forked from a parent zygote.
    """

    content: bytes
    seed: int
    sandbox: str
    data: str = "sample"
    tasks: str | None = None
    offering: str = ""
    hints: Hints | None = None
    limit_s: float = 600.0
    path: str = ""
    shown: str = ""
    fork: bool = True
    first: tuple[str, ...] = ()
    in_parts: bool = False
    number: int = 0
    fresh_sandbox: bool = False

    def to_json(self) -> bytes:
        """Return the job as one line of JSON."""
        return json.dumps({**asdict(self), "content": base64.b64encode(self.content).decode()}).encode() + b"\n"

    @staticmethod
    def from_json(line: bytes) -> "Job":
        """Return the job that `to_json` wrote."""
        fields = json.loads(line)
        return Job(**{**fields, "content": base64.b64decode(fields["content"]), "first": tuple(fields["first"])})


@dataclass(frozen=True)
class Outcome:
    """The outcome of a job.

    Attributes:
        results: Content of the grader's results.json; None if there is none.
        problem: Why there are no results, in one line; otherwise empty.
        again: Whether a second try may help: true if the grader died, false if it refused or took too long.
        cpu_s: CPU seconds of the whole grading.
        sandbox_cpu_s: CPU seconds of the zygote and its workers.
        number: The number of the job.
        part: Whether the results are those of one task, and more will follow.
    """

    results: dict[str, Any] | None
    problem: str = ""
    again: bool = False
    cpu_s: float = 0.0
    sandbox_cpu_s: float = 0.0
    number: int = 0
    part: bool = False

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
    if not job.path:
        file.write_bytes(job.content)
    if job.offering:
        offering.write_text(job.offering, encoding="utf-8")
    return GradingOptions(
        submission=Path(job.path) if job.path else file,
        seed=job.seed,
        data=job.data,
        sandbox=job.sandbox,
        fork=job.fork,
        lanes=1,  # one core per submission: two lanes would share it, and import torch twice
        offering=offering if job.offering else None,
        hints=job.hints,
        results=folder / "results.json",
        tasks=job.tasks or "",
        shown=job.shown,
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
        return Outcome(None, str(failure), again=failure.again, cpu_s=cpu_s, number=job.number)
    if found.flawed:
        problem = f"the grader itself failed{last_words(log)}"
        return Outcome(None, problem, again=True, cpu_s=cpu_s, number=job.number)
    sandbox_cpu_s = 0.0
    with contextlib.suppress(OSError, ValueError):
        sandbox_cpu_s = float((folder / SANDBOX_CPU).read_text())
    return Outcome(found.results, cpu_s=cpu_s, sandbox_cpu_s=sandbox_cpu_s, number=job.number)


_MARGIN_S = 60.0  # normally the judge ends a grading that takes too long; this is for a judge that hangs too


class JudgeDied(Exception):  # noqa: N818
    """A judge gave no answer; the message contains the last line of its log."""


def start_warm(
    data: str, *how: str, log: IO[bytes] | None = None, module: str = "grader.grading.warm"
) -> subprocess.Popen[bytes]:
    """Start a warm judge.

    Args:
        data: Images of the training task.
        how: Its options, see warm.py.
        log: Where its error messages go to; None to drop them.
        module: The program; class runs and tests have others.
    """
    threads = {f"{library}_NUM_THREADS": "1" for library in ("OMP", "OPENBLAS", "MKL")}
    # With dask's setting for its workers, a judge returns each tensor's memory to the system and allocates it
    # again: 0.2 of 0.8 CPU seconds per submission.
    environment = {k: v for k, v in clean_environment().items() if k != "MALLOC_TRIM_THRESHOLD_"}
    return subprocess.Popen(
        [sys.executable, "-m", module, data, *how],
        cwd=ROOT,
        env={**environment, **threads, "CUDA_VISIBLE_DEVICES": ""},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=log or subprocess.DEVNULL,
        start_new_session=True,
    )


class Judges(Protocol):
    """The interface of a judge that grades jobs in the background."""

    def send(self, job: Job) -> None:
        """Begin to grade a job; `receive` returns its outcomes."""

    def cancel(self, number: int) -> None:
        """End the grading of a job."""

    def receive(self) -> Outcome:
        """Wait for the next outcome; raises JudgeDied if there will be none."""

    def close(self) -> None:
        """End all gradings."""


class WarmJudge:
    """Runs warm.py in a separate process and sends it jobs. That process always ends when the current one ends.

    Args:
        data: Images of the training task.
        ahead: Whether the judge starts the sandbox of the next job before the job comes.
        module: The program, see `start_warm`.
    """

    def __init__(self, data: str, ahead: bool = False, module: str = "grader.grading.warm"):
        self._log = tempfile.TemporaryFile()  # noqa: SIM115 - open as long as the judge runs
        self._process = start_warm(data, *(["--ahead"] if ahead else []), log=self._log, module=module)

    def grade(self, job: Job) -> Outcome:
        """Grade one submission.

        Raises:
            JudgeDied: There was no answer. This judge cannot be used any more.
        """
        patience = threading.Timer(job.limit_s + _MARGIN_S, self._process.kill)
        patience.daemon = True
        patience.start()
        try:
            with contextlib.suppress(OSError, ValueError):  # `receive` says what happened
                self.send(job)
            return self.receive()
        finally:
            patience.cancel()

    def send(self, job: Job) -> None:
        """Send a job; `receive` returns its outcome.

        Raises:
            OSError, ValueError: The judge has ended, or was closed by another thread.
        """
        self._write(job.to_json())

    def cancel(self, number: int) -> None:
        """End the grading of a job; its outcome never comes. Does nothing if the grading has ended.

        Raises:
            OSError, ValueError: The judge has ended, or was closed by another thread.
        """
        self._write(json.dumps({"cancel": number}).encode() + b"\n")

    def receive(self) -> Outcome:
        """Wait for the next outcome.

        Raises:
            JudgeDied: The judge has ended. This judge cannot be used any more.
        """
        answers = self._process.stdout
        assert answers is not None
        try:
            line = answers.readline()
        except (OSError, ValueError):  # the pipe is broken, or closed by `close` in another thread
            line = b""
        if not line.endswith(b"\n"):
            raise JudgeDied(f"the judge died{self._last_words()}")
        return Outcome.from_json(line)

    def close(self) -> None:
        """End the judge and the gradings in progress. Safe to call twice and from another thread."""
        self._process.terminate()
        try:
            self._process.wait(timeout=15.0)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        for stream in (self._process.stdin, self._process.stdout, self._log):
            with contextlib.suppress(OSError, ValueError):  # unwritten data has no reader any more
                stream.close()  # type: ignore[union-attr]

    def _write(self, line: bytes) -> None:
        requests = self._process.stdin
        assert requests is not None
        requests.write(line)
        requests.flush()

    def _last_words(self) -> str:
        with contextlib.suppress(OSError, ValueError):
            self._log.seek(0)
            lines = self._log.read().decode("utf-8", errors="replace").split("\n")
            return next((f": {line[:200]}" for line in reversed(lines) if line.strip()), "")
        return ""
