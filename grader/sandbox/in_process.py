"""No sandbox at all: the submission runs in the judge's own process, for `--pdb`. Its score does not count."""

import importlib
import os
import sys
import tempfile
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from torch import Tensor

from .limits import Limits
from .submission import SubmittedFile


class InProcessWorker:
    """Calls probes directly: what the student's code raises goes straight through, to where a debugger stops."""

    def __init__(self, submission: Any, path: Path):
        self._submission, self._path = submission, path

    def ask(
        self, probe: str, arguments: Mapping[str, Any], tensors: Mapping[str, Tensor], seed: int
    ) -> tuple[dict[str, Tensor], dict[str, Any]]:
        """Run a probe; raises whatever the student's code raises."""
        serve = importlib.import_module("grader.worker.serve")
        serve.seed_everything(seed)
        probes = importlib.import_module("grader.worker.probes").PROBES
        with warnings.catch_warnings(), serve.own_command_line(self._path):
            warnings.simplefilter("ignore")  # the student's warnings are no errors, whatever pytest thinks
            found = probes[probe](self._submission, **arguments, **{k: v.clone() for k, v in tensors.items()})
        return {name: tensor.detach() for name, tensor in found.tensors.items()}, found.facts

    def printed(self) -> str:
        """Return nothing: pytest captures what is printed here."""
        return ""

    def close(self) -> None:
        """Nothing to end."""


class InProcess:
    """Imports the submission into this process, anew for every task, since stand-ins are put onto its classes."""

    name = "in-process"

    def __init__(self, file: SubmittedFile, home: Path):
        self._file, self._home = file, home

    @property
    def submission(self) -> str:
        """Path of the student's file."""
        return str(self._file.copy)

    def await_ready(self) -> None:
        """Nothing to wait for."""

    def start(self, limits: Limits, standins: dict[str, str], seed: int) -> InProcessWorker:
        """Import the file; raises whatever it raises. Limits are not enforced."""
        serve = importlib.import_module("grader.worker.serve")
        serve.seed_everything(seed)
        before = Path.cwd()
        os.chdir(tempfile.mkdtemp(dir=self._home))
        try:
            with serve.own_command_line(self._file.copy):
                return InProcessWorker(serve.open_submission(self._file.copy, standins), self._file.copy)
        finally:
            os.chdir(before)

    def close(self) -> None:
        """Forget the student's module."""
        sys.modules.pop("VAE_Model", None)
