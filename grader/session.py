"""Grading one submission: its copy, its sandbox, and a worker for each task while its checks run."""

import contextlib
import hashlib
import platform
import shutil
import tempfile
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from grader.judge.offering import Offering
from grader.judge.tasks import BY_ID
from grader.sandbox.failure import Failure, WorkerFailed
from grader.sandbox.in_process import InProcess
from grader.sandbox.limits import Limits
from grader.sandbox.process import FreshInterpreters, Zygote, can_fork
from grader.sandbox.submission import take

_STANDINS = Path(__file__).resolve().parent / "worker" / "standins"
_MIB = 1 << 20


class Asks(Protocol):
    """A worker, of whatever sandbox."""

    def ask(
        self, probe: str, arguments: Mapping[str, Any], tensors: Mapping[str, Any], seed: int
    ) -> tuple[dict[str, Any], dict[str, Any]]:
        """Run a probe."""

    def printed(self) -> str:
        """Return what the submission printed."""

    def close(self) -> None:
        """End the worker."""


@dataclass
class _TaskState:
    worker: Asks | None = None
    failure: Failure | None = None


class Session:
    """Grades one submission.

    Args:
        submission: The file.
        offering: Points and limits.
        seed: What all inputs are drawn from.
        sandbox: `auto`, `process` or `in-process`.
        fork: Whether a zygote may fork workers; else each is a fresh interpreter.

    Raises:
        NoSubmission: There is no regular file to grade.
    """

    def __init__(self, submission: Path, offering: Offering, seed: int, sandbox: str = "auto", fork: bool = True):
        self._folder = Path(tempfile.mkdtemp(prefix="vae-grader-"))
        try:
            (self._folder / "submission").mkdir()
            (self._folder / "work").mkdir()
            self.file = take(submission, self._folder / "submission")
            self._sandbox = _sandbox(sandbox, fork)(self.file, self._folder / "work")
        except BaseException:
            shutil.rmtree(self._folder, ignore_errors=True)
            raise
        self.offering, self.seed = offering, seed
        self._tasks: dict[str, _TaskState] = {}
        self._lock = threading.Lock()
        self._import_failures = 0
        self.started = time.monotonic()

    @property
    def sandbox(self) -> str:
        """Name of the sandbox in use."""
        return self._sandbox.name

    def ask(self, task: str, probe: str, arguments: Mapping[str, Any], tensors: Mapping[str, Any], seed: int) -> Any:
        """Run a probe in the worker of a task, which is started at the first call.

        Raises:
            WorkerFailed: No answer came; once the worker is gone, every later call fails the same way.
        """
        state = self._tasks.setdefault(task, _TaskState())
        if state.failure is not None:
            raise WorkerFailed(state.failure)
        try:
            if state.worker is None:
                state.worker = self.start_worker(task)
            return state.worker.ask(probe, arguments, tensors, seed)
        except WorkerFailed as error:
            if error.failure.fatal:
                state.failure = error.failure
            raise

    def start_worker(self, task: str) -> Asks:
        """Start a worker for a task, with the stand-ins that it leans on.

        Raises:
            WorkerFailed: The file cannot be imported, or the submission's time is up.
        """
        limits = self._limits(task)
        if limits.wall_s <= 0:
            raise WorkerFailed(Failure("timed out", "the time for the whole submission was up", fatal=True))
        with self._lock:
            if isinstance(self._dead_on_import, Failure):
                raise WorkerFailed(self._dead_on_import)
        standins = {name: (_STANDINS / f"{name}.py").read_text(encoding="utf-8") for name in BY_ID[task].leans_on}
        try:
            return self._sandbox.start(limits, standins, seed=self.seed)
        except WorkerFailed as error:
            raise WorkerFailed(self._note_import_failure(error.failure)) from None

    def printed(self, task: str) -> str:
        """Return what the submission printed in the worker of a task."""
        state = self._tasks.get(task)
        return state.worker.printed() if state and state.worker else ""

    def finish_task(self, task: str) -> None:
        """End the worker of a task; its checks are through."""
        state = self._tasks.get(task)
        if state and state.worker:
            state.worker.close()
            state.worker = None

    def close(self) -> None:
        """End everything and remove the folder."""
        for task in list(self._tasks):
            with contextlib.suppress(Exception):
                self.finish_task(task)
        self._sandbox.close()
        shutil.rmtree(self._folder, ignore_errors=True)

    def environment(self) -> dict[str, Any]:
        """Return what a result states about where it was made."""
        import torch

        return {"python": platform.python_version(), "torch": torch.__version__, "threads": 1}

    @property
    def _dead_on_import(self) -> Failure | None:
        return self._import_failure if self._import_failures >= 2 else None

    _import_failure: Failure | None = None

    def _note_import_failure(self, failure: Failure) -> Failure:
        """Remember that importing the file failed: after two workers the others are not tried."""
        fatal = Failure(failure.status, failure.message, failure.traceback, fatal=True)
        with self._lock:
            self._import_failures += 1
            self._import_failure = fatal
        return fatal

    def _limits(self, task: str) -> Limits:
        limits = self.offering.limits
        kind = "training" if task == "training" else "task"
        left = limits["submission_wall_s"] - (time.monotonic() - self.started)
        return Limits(
            cpu_s=limits[f"{kind}_cpu_s"],
            wall_s=min(limits[f"{kind}_wall_s"], left),
            memory_bytes=int(limits["memory_mib"]) * _MIB,
            file_bytes=int(limits["file_mib"]) * _MIB,
        )


def _sandbox(name: str, fork: bool) -> Any:
    if name == "in-process":
        return InProcess
    return Zygote if fork and can_fork() else FreshInterpreters


def probe_seed(seed: int, check: str, call: int) -> int:
    """Return the seed of a worker's generators for one probe."""
    return int.from_bytes(hashlib.sha256(f"{seed}/{check}/{call}".encode()).digest()[:4], "big")
