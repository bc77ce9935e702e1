"""Which sandbox there is: the best that works here, or the one asked for."""

from pathlib import Path
from typing import Any

from .bubblewrap import Bubblewrap
from .in_process import InProcess
from .interpreter import can_fork
from .limits import Ceilings
from .process import FreshInterpreters, PlainProcess
from .submission import SubmittedFile
from .user import UnprivilegedUser
from .zygote import SandboxError

BEST_FIRST = (Bubblewrap, UnprivilegedUser, PlainProcess)


def chosen(name: str) -> str:
    """Return the name of the sandbox that `name` stands for here: `auto` is the best that works.

    Raises:
        SandboxError: The one asked for does not work here.
    """
    if name == "in-process":
        return name
    for kind in BEST_FIRST:
        if name in ("auto", kind.name):
            reason = kind.why_not()
            if not reason:
                return kind.name
            if name == kind.name:
                raise SandboxError(f"--sandbox={name}: {reason}")
    return PlainProcess.name


def open_sandbox(name: str, file: SubmittedFile, home: Path, ceilings: Ceilings, fork: bool = True) -> Any:
    """Open the sandbox of a name that `chosen` returned.

    Args:
        name: Its name.
        file: The submission.
        home: An empty folder for it.
        ceilings: Limits of all its processes together.
        fork: Whether workers may be forked; else each is a fresh interpreter, as a plain process.
    """
    if name == "in-process":
        return InProcess(file, home)
    if not fork or not can_fork():
        return FreshInterpreters(file, home, ceilings)
    return next(kind for kind in BEST_FIRST if kind.name == name)(file, home, ceilings)
