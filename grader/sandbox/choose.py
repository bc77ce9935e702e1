"""Which sandbox there is: the best that works here, or the one asked for; and none at all, for `--pdb`."""

import contextlib
import importlib
import os
import sys
import tempfile
import warnings
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, TypeAlias

from torch import Tensor

from .bubblewrap import Bubblewrap
from .failure import Failure, from_error
from .interpreter import can_fork
from .process import FreshInterpreters, PlainProcess, UnprivilegedUser
from .submission import FILE_NAME, SubmittedFile, take
from .worker import Ceilings, Limits
from .zygote import SandboxError


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

    def start(self, limits: Limits, standins: dict[str, str], seed: int) -> InProcessWorker:
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


Kind: TypeAlias = type[Bubblewrap] | type[UnprivilegedUser] | type[PlainProcess] | type[FreshInterpreters]

BEST_FIRST: tuple[Kind, ...] = (Bubblewrap, UnprivilegedUser, PlainProcess)


def chosen(name: str, fork: bool = True) -> str:
    """Return the name of the sandbox that `name` stands for here: `auto` is the best that works.

    One that is named is not looked into for packages, which takes a moment: it says itself when it does not start.

    Args:
        name: As asked for.
        fork: Whether workers may be forked; without, there are plain processes only.

    Raises:
        SandboxError: The one asked for does not work here, or none does.
    """
    if name == "auto":
        return _first(name, fork, lambda kind: kind.why_not() or kind.missing())
    return _first(name, fork, lambda kind: kind.why_not())


def proven(name: str) -> str:
    """Return the same for what is then used many times: each is started, and imports torch, before it is chosen.

    Raises:
        SandboxError: The one asked for does not work here, or none does.
    """
    return _first(name, True, why_not_started)


def _first(name: str, fork: bool, why_not: Callable[[Kind], str]) -> str:
    if name == "in-process":
        return name
    if not fork and name in (Bubblewrap.name, UnprivilegedUser.name):
        raise SandboxError(f"--sandbox={name} forks its workers: leave out --no-fork, or name --sandbox=process")
    reason = ""
    for kind in BEST_FIRST if fork else (PlainProcess,):
        if name in ("auto", kind.name):
            reason = why_not(kind if kind is not PlainProcess or (fork and can_fork()) else FreshInterpreters)
            if not reason:
                return kind.name
    raise SandboxError(f"no sandbox works here: {reason}" if name == "auto" else f"--sandbox={name}: {reason}")


def why_not_started(kind: Kind) -> str:
    """Return why a sandbox cannot be used here, found out by starting it; empty if it can."""
    if reason := kind.why_not() or kind.missing():
        return reason
    with tempfile.TemporaryDirectory(prefix="vae-sandbox-") as name:
        folder = Path(name)
        folder.chmod(0o711)  # another user must get through to its own
        for part in ("copy", "home"):
            (folder / part).mkdir()
        (folder / FILE_NAME).touch()
        try:
            sandbox = kind(take(folder / FILE_NAME, folder / "copy"), folder / "home")
            try:
                sandbox.await_ready()
            finally:
                sandbox.close()
        except SandboxError as error:
            return str(error)
    return ""


def open_sandbox(name: str, file: SubmittedFile, home: Path, ceilings: Ceilings, fork: bool = True) -> Any:
    """Open the sandbox of a name that `chosen` returned.

    Args:
        name: Its name.
        file: The submission.
        home: An empty folder for it.
        ceilings: Limits of all its processes together.
        fork: Whether plain processes may be forked; else each is a fresh interpreter.
    """
    if name == "in-process":
        return InProcess(file, home)
    if name == PlainProcess.name and not (fork and can_fork()):
        return FreshInterpreters(file, home, ceilings)
    return next(kind for kind in BEST_FIRST if kind.name == name)(file, home, ceilings)
