"""What can go wrong with a submission inside a worker, as plain data for the judge."""

import traceback
from pathlib import Path
from typing import Any


class MissingName(Exception):  # noqa: N818 - named for what the student reads
    """The submission lacks a class, function or method of the contract."""


class WrongType(Exception):  # noqa: N818
    """The submission returned something other than the contract says."""


def describe(error: BaseException, submission: Path) -> dict[str, Any]:
    """Return an error as JSON data: its kind, message and the student's own traceback lines.

    Kinds: `todo` (an untouched TODO), `missing`, `type`, `memory`, `exit` (sys.exit), `exception`.
    """
    return {
        "kind": _kind(error),
        "type": type(error).__name__,
        "message": _safe_str(error)[:2000],
        "traceback": _own_lines(error, submission),
        "module": getattr(error, "name", None) if isinstance(error, ModuleNotFoundError) else None,
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


def _own_lines(error: BaseException, submission: Path) -> list[dict[str, Any]]:
    """Return the frames that lie in the student's file; a syntax error has none, but names its line."""
    if isinstance(error, SyntaxError) and error.lineno is not None:
        return [{"line": error.lineno, "function": "", "text": (error.text or "").strip()[:200]}]
    frames = traceback.extract_tb(error.__traceback__)
    own = [f for f in frames if Path(f.filename).name == submission.name]
    return [{"line": f.lineno, "function": f.name, "text": (f.line or "")[:200]} for f in own[-8:]]
