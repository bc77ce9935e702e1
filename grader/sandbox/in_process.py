"""No sandbox at all: the submission runs in the judge's own process, for `--pdb`. Its score does not count."""

import contextlib
import importlib
import os
import sys
import tempfile
import warnings
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from torch import Tensor

from .failure import Failure, from_error
from .submission import SubmittedFile
from .worker import WorkerLimits


class InProcessWorker:
    """Calls probes directly: what the student's code raises goes straight through, to where a debugger stops."""

    def __init__(self, sandbox: "InProcess", submission: Any):
        self._sandbox, self._submission = sandbox, submission

    def ask(
        self, probe: str, arguments: Mapping[str, Any], tensors: Mapping[str, Tensor], seed: int
    ) -> tuple[dict[str, Tensor], dict[str, Any]]:
        """Run a probe; raises whatever the student's code raises."""
        serve = importlib.import_module("grader.worker.serve")
        serve.seed_everything(seed)
        probes = importlib.import_module("grader.worker.probes").PROBES
        with warnings.catch_warnings(), serve.own_command_line(Path(self._sandbox.submission)):
            warnings.simplefilter("ignore")  # the student's warnings are no errors, whatever pytest thinks
            with self._sandbox.noting(self._submission, probe, arguments):
                found = probes[probe](self._submission, **arguments, **{k: v.clone() for k, v in tensors.items()})
        return {name: tensor.detach() for name, tensor in found.tensors.items()}, found.facts

    def printed(self) -> str:
        """Return nothing: pytest captures what is printed here."""
        return ""

    def close(self) -> None:
        """Nothing to end."""


class InProcess:
    """Imports the submission into this process, anew for every task, since stand-ins are put onto its classes.

    It is the student's own file and not the copy: a debugger shows its path.

    Attributes:
        raised: The last error of the student's code, and what it amounts to.
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
        """Nothing to wait for."""

    def start(self, limits: WorkerLimits, standins: dict[str, str], seed: int) -> InProcessWorker:
        """Import the file; raises whatever it raises. Limits are not enforced."""
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
        """Let pass what the student's code raises, and note what a worker would have said of it.

        Args:
            submission: The loaded one; None while the file is imported.
            probe, arguments: What is asked for.
        """
        try:
            yield
        except BaseException as error:
            serve = importlib.import_module("grader.worker.serve")
            known, standins = error, getattr(submission, "standins", {})
            if submission:
                known = serve.untouched.instead_of(error, submission.module, probe, arguments)
            told = serve.describe(known, self._file.original, standins)
            self.raised = error, from_error(told, self._file.neighbours, submission is None, frozenset(standins))
            raise

    def close(self) -> None:
        """Forget the student's module."""
        sys.modules.pop("VAE_Model", None)
