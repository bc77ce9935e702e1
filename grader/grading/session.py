"""The grading of one submission: its copy, its sandboxes, and one worker per task while the checks of the task run."""

import ast
import contextlib
import functools
import hashlib
import platform
import tempfile
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from grader.grading.options import FOLDER, GradingOptions
from grader.judge.offering import BY_ID
from grader.sandbox.bubblewrap import Bubblewrap
from grader.sandbox.choose import Sandbox, chosen, is_unforked, open_sandbox
from grader.sandbox.failure import Failure, WorkerFailed
from grader.sandbox.parent_zygote import ParentZygote
from grader.sandbox.submission import take
from grader.sandbox.watchdog import remove_folder
from grader.sandbox.worker import Asks, Ceilings, WorkerLimits

_STANDINS = FOLDER / "worker" / "standins.py"
_MIB = 1 << 20
_COMPARED = 512  # numbers of each result that are compared with those of earlier calls


def standin_sources(task: str) -> dict[str, str]:
    """Return the source texts of the stand-ins that a task leans on, each with the imports it needs, by task id."""
    sources = _sources()
    return {name: sources[name.title().replace("_", "")] for name in BY_ID[task].leans_on}


@functools.cache
def _sources() -> dict[str, str]:
    nodes = ast.parse(_STANDINS.read_text(encoding="utf-8")).body
    imports = [ast.unparse(node) for node in nodes if isinstance(node, ast.Import | ast.ImportFrom)]
    return {node.name: "\n".join([*imports, ast.unparse(node)]) for node in nodes if isinstance(node, ast.ClassDef)}


class NoWorker(WorkerFailed):
    """Raised if no call was made: the file cannot be imported, or an earlier call ended the worker of the task."""


@dataclass
class _TaskState:
    worker: Asks | None = None
    failure: Failure | None = None
    results: set[bytes] = field(default_factory=set)


class Session:
    """Grade one submission.

    Args:
        options: The options of the grading.
        parent: A class run's parent zygote, from which sandboxes are forked; None to start each one from scratch.

    Raises:
        NoSubmission: There is no file to grade.
        OfferingError: The offering is invalid.
        SandboxError: The requested sandbox does not work here.

    Attributes:
        sandbox: Name of the sandbox that is used.
    """

    def __init__(self, options: GradingOptions, parent: ParentZygote | None = None):
        self.offering = options.read_offering()
        self.seed = options.seed
        self.sandbox = Bubblewrap.name if parent else chosen(options.sandbox, options.fork)
        self._fork, self._lanes, self._parent = options.fork, options.lanes, parent
        self._folder = Path(tempfile.mkdtemp(prefix="vae-grader-"))
        try:
            (self._folder / "submission").mkdir()
            self.file = take(options.submission, self._folder / "submission")
        except BaseException:
            remove_folder(self._folder)
            raise
        self._sandboxes: dict[str, Sandbox] = {}
        self._tasks: dict[str, _TaskState] = {}
        self._lock = threading.Lock()
        self._import_failures = 0
        self.started = time.monotonic()

    @property
    def trains_beside(self) -> bool:
        """Whether the training run has a separate sandbox, so that it can run in parallel with the other tasks."""
        return self._lanes > 1 and self.sandbox != "in-process"

    def prepare(self, task: str) -> None:
        """Start the sandbox of a task early, since importing torch takes a second.

        Raises:
            SandboxError: The sandbox cannot be started.
        """
        self._sandbox_of(task)

    def renew(self, submission: Path) -> None:
        """Take the submission as it is now. No worker has been started yet, so its sandboxes have met no submission.

        A zygote imports the well-known packages that a file mentions. If these have changed, it is replaced.

        Raises:
            NoSubmission: There is no file to grade.
            SandboxError: A sandbox cannot be started.
        """
        assert not self._tasks
        preloaded = self.file.preload()
        self.file = take(submission, self.file.copy.parent)
        self.started = time.monotonic()
        if self.file.preload() != preloaded:
            for lane in list(self._sandboxes):
                self._sandboxes.pop(lane).close()
                self._open(lane)

    def await_ready(self) -> None:
        """Wait until the first prepared sandbox has imported torch; all sandboxes are of the same kind.

        Raises:
            SandboxError: The sandbox does not start; the message says why, and what to do.
        """
        for sandbox in list(self._sandboxes.values())[:1]:
            sandbox.await_ready()

    def _sandbox_of(self, task: str, apart: bool = False) -> Sandbox:
        lane = "training" if task == "training" and self._lanes > 1 else "checks"
        if apart and is_unforked(self.sandbox, self._fork):
            lane = "apart"
        with self._lock:
            if lane not in self._sandboxes:
                self._open(lane)
            return self._sandboxes[lane]

    def _open(self, lane: str) -> None:
        home = self._folder / lane
        home.mkdir(exist_ok=True)
        if self._parent:
            self._sandboxes[lane] = self._parent.sandbox(self.file, home, self._ceilings())
        else:
            self._sandboxes[lane] = open_sandbox(self.sandbox, self.file, home, self._ceilings(), self._fork)

    def ask(self, task: str, probe: str, arguments: Mapping[str, Any], tensors: Mapping[str, Any], seed: int) -> Any:
        """Run a probe in the worker of a task; the first call starts the worker.

        Raises:
            WorkerFailed: There was no answer.
            NoWorker: There is no worker. After a worker has ended, every later call fails in the same way.
        """
        state = self._tasks.setdefault(task, _TaskState())
        if state.failure is not None:
            raise NoWorker(state.failure)
        if state.worker is None:
            try:
                state.worker = self.start_worker(task)
            except WorkerFailed as error:
                state.failure = error.failure
                raise NoWorker(error.failure) from None
        try:
            return state.worker.ask(probe, arguments, tensors, seed)
        except WorkerFailed as error:
            if error.failure.fatal:
                state.failure = error.failure
            raise

    def repeated(self, task: str, tensors: Mapping[str, Any]) -> frozenset[str]:
        """Return the names of results that an earlier call for the task has returned too, by their first numbers.

        Results of one number, and of numbers that are all the same, do not count.
        """
        earlier, digests = self._tasks[task].results, {}
        for name, tensor in tensors.items():
            numbers = tensor.flatten()[:_COMPARED].double()
            if len(numbers) > 1 and bool((numbers != numbers[0]).any()):
                digests[name] = hashlib.sha256(numbers.numpy().tobytes()).digest()
        found = frozenset(name for name, digest in digests.items() if digest in earlier)
        earlier.update(digests.values())
        return found

    def note_end(self, task: str, failure: Failure) -> None:
        """Store the failure that ended the worker of a task, to report it for all later calls."""
        self._tasks[task].failure = failure

    def start_worker(self, task: str, apart: bool = False) -> Asks:
        """Start a worker for a task, with the stand-ins that the task needs.

        Args:
            task: Id of the task.
            apart: Whether this worker must not share a process with the other workers of the task, because they must
                not know what it is shown.

        Raises:
            WorkerFailed: The file cannot be imported, or the submission has used up its time.
        """
        limits = self._limits(task)
        if limits.wall_s <= 0:
            raise WorkerFailed(Failure("timed out", "the time for the whole submission was used up", fatal=True))
        with self._lock:
            if isinstance(self._dead_on_import, Failure):
                raise WorkerFailed(self._dead_on_import)
        sandbox, sources = self._sandbox_of(task, apart), standin_sources(task)
        if task == "training":
            self._sandbox_of(task, apart=True)  # it starts while the model is trained
        try:
            return sandbox.start(limits, sources, seed=probe_seed(self.seed, task, 0))
        except WorkerFailed as error:
            raise WorkerFailed(self._note_import_failure(error.failure)) from None

    def printed(self, task: str) -> str:
        """Return what the submission printed in the worker of a task."""
        state = self._tasks.get(task)
        return state.worker.printed() if state and state.worker else ""

    def tidy(self, text: str) -> str:
        """Remove the temporary paths of this grading from text of a student, since they differ between runs."""
        for path in {self.file.copy, *(sandbox.submission for sandbox in self._sandboxes.values())}:
            text = text.replace(str(path), self.file.copy.name)
        return text

    def failure_of(self, error: BaseException) -> Failure | None:
        """Return the failure for an error that the submission raised in this process; None for any other error."""
        for sandbox in self._sandboxes.values():
            raised, failure = getattr(sandbox, "raised", None) or (None, None)
            if raised is error:
                return failure
        return None

    def finish_task(self, task: str) -> None:
        """End the worker of a task after its last check."""
        state = self._tasks.get(task)
        if state and state.worker:
            state.worker.close()
            state.worker = None

    def close(self) -> None:
        """End everything and remove the folder; safe to call twice."""
        for task in list(self._tasks):
            with contextlib.suppress(Exception):
                self.finish_task(task)
        while self._sandboxes:
            self._sandboxes.popitem()[1].close()
        remove_folder(self._folder)

    def environment(self) -> dict[str, Any]:
        """Return the versions and settings that a result records about the machine."""
        import torch

        return {"python": platform.python_version(), "torch": torch.__version__, "threads": 1}

    @property
    def _dead_on_import(self) -> Failure | None:
        return self._import_failure if self._import_failures >= 2 else None

    _import_failure: Failure | None = None

    def _note_import_failure(self, failure: Failure) -> Failure:
        """Record that importing the file failed; after this happened in two workers, no more are started."""
        fatal = replace(failure, fatal=True)
        with self._lock:
            self._import_failures += 1
            self._import_failure = fatal
        return fatal

    def _limits(self, task: str) -> WorkerLimits:
        limits, trains = self.offering.limits, task == "training"
        left = limits.submission_wall_s - (time.monotonic() - self.started)
        return WorkerLimits(
            cpu_s=limits.training_cpu_s if trains else limits.task_cpu_s,
            wall_s=min(limits.training_wall_s if trains else limits.task_wall_s, left),
            memory_bytes=int(limits.memory_mib) * _MIB,
            file_bytes=int(limits.file_mib) * _MIB,
        )

    def _ceilings(self) -> Ceilings:
        limits = self.offering.limits
        return Ceilings(
            memory_bytes=int(limits.sandbox_memory_mib) * _MIB,
            threads=int(limits.sandbox_threads),
            folder_bytes=int(limits.sandbox_files_mib) * _MIB,
        )


def probe_seed(seed: int, check: str, call: int) -> int:
    """Return the seed of a worker's random generators for one probe."""
    return int.from_bytes(hashlib.sha256(f"{seed}/{check}/{call}".encode()).digest()[:4], "big")
