"""No sandbox: for `--pdb`, the submission runs in the judge's own process. The score does not count."""

import contextlib
import importlib
import os
import sys
import tempfile
import warnings
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .failure import Failure, from_error
from .submission import SubmittedFile
from .worker import WorkerLimits

if TYPE_CHECKING:
    from torch import Tensor


class InProcessWorker:
    """Call probes directly. Errors in the student's code are not caught, so a debugger stops where they are raised."""

    def __init__(self, sandbox: "InProcess", submission: Any):
        self._sandbox, self._submission = sandbox, submission

    def ask(
        self, probe: str, arguments: Mapping[str, Any], tensors: "Mapping[str, Tensor]", seed: int
    ) -> "tuple[dict[str, Tensor], dict[str, Any]]":
        """Run a probe; raises whatever the student's code raises."""
        serve = importlib.import_module("grader.worker.serve")
        serve.seed_everything(seed)
        probes = importlib.import_module("grader.worker.probes").PROBES
        with warnings.catch_warnings(), serve.own_command_line(Path(self._sandbox.submission)):
            warnings.simplefilter("ignore")  # pytest may turn warnings into errors; the student's must not be
            with self._sandbox.noting(self._submission, probe, arguments):
                found = probes[probe](self._submission, **arguments, **{k: v.clone() for k, v in tensors.items()})
        return {name: tensor.detach() for name, tensor in found.tensors.items()}, found.facts

    def printed(self) -> str:
        """Return an empty string, since pytest captures the printed text."""
        return ""

    def close(self) -> None:
        """Do nothing: there is no process to end."""


class InProcess:
    """Import the submission into this process, again for every task, because stand-ins change its classes.

    The student's own file is imported, not the copy, so that a debugger shows its path.

    Attributes:
        raised: The last error that the student's code raised, and the failure that it becomes.
    """

    name = "in-process"

    def __init__(self, file: SubmittedFile, home: Path):
        self._file, self._home = file, home
        self.raised: tuple[BaseException, Failure] | None = None

    @property
    def submission(self) -> str:
        """Path of the student's file."""
        return str(self._file.original)

    def await_ready(self) -> None:
        """Do nothing: there is nothing to wait for."""

    def start(self, limits: WorkerLimits, standins: dict[str, str], seed: int) -> InProcessWorker:
        """Import the file and raise whatever it raises. Limits are not enforced."""
        serve = importlib.import_module("grader.worker.serve")
        serve.seed_everything(seed)
        before = Path.cwd()
        os.chdir(tempfile.mkdtemp(dir=self._home))
        try:
            with self.noting(), serve.own_command_line(self._file.original):
                return InProcessWorker(self, serve.open_submission(self._file.original, standins))
        finally:
            os.chdir(before)

    @contextlib.contextmanager
    def noting(
        self, submission: Any = None, probe: str = "", arguments: Mapping[str, Any] | None = None
    ) -> Iterator[None]:
        """Do not catch errors of the student's code, but record the failure that a worker would have reported.

        Args:
            submission: The loaded submission; None while the file is imported.
            probe, arguments: The requested probe and its arguments.
        """
        try:
            yield
        except BaseException as error:
            serve = importlib.import_module("grader.worker.serve")
            known, standins = error, getattr(submission, "standins", {})
            if submission:
                known = serve.not_attempted.instead_of(error, submission.module, probe, arguments)
            described = serve.describe(known, self._file.original, standins)
            self.raised = error, from_error(described, self._file.neighbours, submission is None, frozenset(standins))
            raise

    def close(self) -> None:
        """Remove the student's module from `sys.modules`."""
        sys.modules.pop("VAE_Model", None)
