"""Choose a sandbox: the one that was requested, or the strongest one that works on this machine."""

import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Protocol, TypeAlias

from .bubblewrap import Bubblewrap
from .in_process import InProcess
from .interpreter import can_fork
from .process import PlainProcess, UnprivilegedUser
from .submission import FILE_NAME, SubmittedFile, take
from .unforked import UnforkedProcess
from .worker import Asks, Ceilings, WorkerLimits
from .zygote import SandboxError


class Sandbox(Protocol):
    """The interface that every kind of sandbox offers to a session."""

    @property
    def submission(self) -> str:
        """Path of the student's file as a worker sees it."""

    def await_ready(self) -> None:
        """Wait until workers can be started; raises SandboxError if they cannot."""

    def start(self, limits: WorkerLimits, standins: dict[str, str], seed: int) -> Asks:
        """End the previous worker, start a new one and let it import the file."""

    def close(self) -> None:
        """End everything in the sandbox."""


Kind: TypeAlias = type[Bubblewrap] | type[UnprivilegedUser] | type[PlainProcess] | type[UnforkedProcess]

BEST_FIRST: tuple[Kind, ...] = (Bubblewrap, UnprivilegedUser, PlainProcess)


def chosen(name: str, fork: bool = True) -> str:
    """Return the name of the sandbox to use; `auto` selects the strongest one that works on this machine.

    If a sandbox is requested by name, missing packages are not searched for, since that takes time: the sandbox
    reports them itself when it does not start.

    Args:
        name: The name that the user requested.
        fork: Whether workers may be forked; if not, only plain processes are available.

    Raises:
        SandboxError: The requested sandbox does not work here, or none does.
    """
    if name == "auto":
        return _first(name, fork, lambda kind: kind.why_not() or kind.missing())
    return _first(name, fork, lambda kind: kind.why_not())


def proven(name: str) -> str:
    """Do the same as `chosen`, for many runs: a sandbox is chosen only after it has started and imported torch.

    Raises:
        SandboxError: The requested sandbox does not work here, or none does.
    """
    return _first(name, True, why_not_started)


def _first(name: str, fork: bool, why_not: Callable[[Kind], str]) -> str:
    if name == "in-process":
        return name
    if not fork and name in (Bubblewrap.name, UnprivilegedUser.name):
        raise SandboxError(f"--sandbox={name} needs to fork: remove --no-fork, or use --sandbox=process")
    reason = ""
    for kind in BEST_FIRST if fork else (PlainProcess,):
        if name in ("auto", kind.name):
            reason = why_not(kind if kind is not PlainProcess or (fork and can_fork()) else UnforkedProcess)
            if not reason:
                return kind.name
    raise SandboxError(f"no sandbox works here: {reason}" if name == "auto" else f"--sandbox={name}: {reason}")


def is_unforked(name: str, fork: bool) -> bool:
    """Whether the sandbox with this name runs one task after another in the same process."""
    return name == PlainProcess.name and not (fork and can_fork())


def why_not_started(kind: Kind) -> str:
    """Start a sandbox; return why it cannot be used here, or an empty string if it can."""
    if reason := kind.why_not() or kind.missing():
        return reason
    with tempfile.TemporaryDirectory(prefix="vae-sandbox-") as name:
        folder = Path(name)
        folder.chmod(0o711)  # a worker that runs as another user must be able to reach its own folder
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


def open_sandbox(name: str, file: SubmittedFile, home: Path, ceilings: Ceilings, fork: bool = True) -> Sandbox:
    """Open the sandbox with the given name.

    Args:
        name: A name that `chosen` returned.
        file: The submission.
        home: An empty folder for the sandbox.
        ceilings: Limits for all its processes together.
        fork: Whether plain processes may be forked; if not, one interpreter serves all tasks.
    """
    if name == "in-process":
        return InProcess(file, home)
    if is_unforked(name, fork):
        return UnforkedProcess(file, home, ceilings)
    return next(kind for kind in BEST_FIRST if kind.name == name)(file, home, ceilings)
