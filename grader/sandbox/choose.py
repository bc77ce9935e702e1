"""Which sandbox there is: the best that works here, or the one asked for."""

import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Protocol, TypeAlias

from .bubblewrap import Bubblewrap
from .in_process import InProcess
from .interpreter import can_fork
from .process import FreshInterpreters, PlainProcess, UnprivilegedUser
from .submission import FILE_NAME, SubmittedFile, take
from .worker import Asks, Ceilings, WorkerLimits
from .zygote import SandboxError


class Sandbox(Protocol):
    """What a session needs of a sandbox, whatever its kind."""

    @property
    def submission(self) -> str:
        """Path of the student's file as a worker sees it."""

    def await_ready(self) -> None:
        """Wait until workers can be started; raises SandboxError where they cannot."""

    def start(self, limits: WorkerLimits, standins: dict[str, str], seed: int) -> Asks:
        """Start a worker and let it import the file; the one before it is ended."""

    def close(self) -> None:
        """End everything in it."""


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


def open_sandbox(name: str, file: SubmittedFile, home: Path, ceilings: Ceilings, fork: bool = True) -> Sandbox:
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
