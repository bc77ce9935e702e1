"""What can go wrong with a submission inside a worker, as plain data for the judge."""

import traceback
from collections.abc import Mapping
from pathlib import Path
from types import FrameType, ModuleType
from typing import Any

from . import blame
from .blame import Frames


class MissingName(Exception):  # noqa: N818 - named for what the student reads
    """The submission lacks a class, function or method of the contract."""


class WrongType(Exception):  # noqa: N818
    """The submission returned something other than the contract says."""


class NotAttempted(NotImplementedError):  # noqa: N818
    """A function of the contract does nothing: `pass` stands where the TODO was. Its message begins with "TODO"."""


def describe(
    error: BaseException, submission: Path, standins: Mapping[str, ModuleType] | None = None
) -> dict[str, Any]:
    """Return an error as JSON data: its kind, message and the student's own traceback lines.

    Kinds: `todo` (an untouched TODO), `missing`, `type`, `memory`, `exit` (sys.exit), `exception`. Where a stand-in
    could not answer a call, `standin` is its id, and the message says what was called and how. Where an object lacks
    an attribute that its constructor should have set, `owner` and `attribute` name them; where a given constructor
    fails on what it got, `maker` is the function that it came from, and `made` says what it is.

    Args:
        error: What was raised.
        submission: The student's file.
        standins: The stand-ins of this worker, by id.
    """
    kind, message = _kind(error), _safe_str(error)[:2000]
    frames = blame.up_to_a_part(list(traceback.walk_tb(error.__traceback__)))
    # What a stand-in tried with the student's own part may have met a TODO: that is not the task's.
    accused = (
        None if kind in ("missing", "type", "exit") else blame.standin(error, message, frames, submission, standins)
    )
    if accused:
        kind, message = ("exception" if kind == "todo" else kind), accused.message[:2000]
    return {
        "kind": kind,
        "type": type(error).__name__,
        "message": message,
        "standin": accused.name if accused else "",
        "traceback": _own_lines(error, frames, submission),
        "module": getattr(error, "name", None) if isinstance(error, ModuleNotFoundError) else None,
        **(blame.unset_attribute(error, frames, submission) or blame.handed_on(frames, submission)),
    }


def _kind(error: BaseException) -> str:
    message = _safe_str(error)
    if isinstance(error, NotImplementedError) and message.startswith("TODO"):
        return "todo"
    if isinstance(error, MissingName):
        return "missing"
    if isinstance(error, WrongType):
        return "type"
    if isinstance(error, MemoryError) or "can't allocate memory" in message or "not enough memory" in message:
        return "memory"
    return "exit" if isinstance(error, SystemExit) else "exception"


def _safe_str(error: BaseException) -> str:
    try:
        return str(error)
    except Exception:  # a student's exception class may have a broken __str__
        return "(its message cannot be shown)"


def _own_lines(error: BaseException, frames: Frames, submission: Path) -> list[dict[str, Any]]:
    """Return the frames that lie in the student's file; a syntax error has none, but names its line."""
    if isinstance(error, SyntaxError) and error.lineno is not None:
        return [{"line": error.lineno, "function": "", "text": (error.text or "").strip()[:200]}]
    own: list[tuple[FrameType, int]] = [(f, line) for f, line in frames if blame.is_own(f, submission)]
    summary = traceback.StackSummary.extract(iter(own[-8:]))
    return [{"line": f.lineno, "function": f.name, "text": (f.line or "")[:200]} for f in summary]
