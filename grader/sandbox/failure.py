"""How a worker can fail a task, as the judge sees it."""

from dataclasses import dataclass, field
from typing import Any, Literal

_ROOMS = {"assignment", "solution", "grader", "data", "tests"}

Status = Literal["failed", "not attempted", "crashed", "timed out", "out of memory"]


@dataclass(frozen=True)
class Failure:
    """Why no answer came.

    Attributes:
        status: The status that the task gets.
        message: What happened, in one or two lines, in the judge's words.
        traceback: The student's own lines that led there.
        fatal: Whether the worker is gone, so that the task's remaining checks share this failure.
    """

    status: Status
    message: str
    traceback: list[dict[str, Any]] = field(default_factory=list)
    fatal: bool = False


class WorkerFailed(Exception):  # noqa: N818
    """Raised by a worker's `ask` and by a sandbox's `start`; carries the failure."""

    def __init__(self, failure: Failure):
        super().__init__(failure.message)
        self.failure = failure


def from_error(error: dict[str, Any], folder_names: frozenset[str], importing: bool) -> Failure:
    """Return the failure that an error described by a worker amounts to. Nothing in it is believed but as text.

    Args:
        error: What `grader.worker.errors.describe` made.
        folder_names: Names of modules that lie beside the original file and are not handed in.
        importing: Whether the file was being imported.
    """
    kind, name, message = (str(error.get(key, "")) for key in ("kind", "type", "message"))
    lines = _traceback(error.get("traceback"))
    if kind == "todo":
        return Failure("not attempted", "not attempted yet: the TODO is still there", [], importing)
    if kind == "missing":
        return Failure("failed", f"missing: {message}", [], importing)
    if kind == "type":
        return Failure("failed", message, [], importing)
    if kind == "memory":
        return Failure(
            "out of memory", f"your code asked for more memory than a task may use ({name})", lines, importing
        )
    where = "while your file was imported" if importing else "in your code"
    if kind == "exit":
        return Failure("crashed", f"sys.exit() was called {where}", lines, importing)
    return Failure("crashed", f"{name} {where}: {message}{_handed_in(error, folder_names)}", lines, importing)


def _handed_in(error: dict[str, Any], folder_names: frozenset[str]) -> str:
    """Return the hint for an import of what is not handed in: a neighbour of the file, or a room of this project."""
    module = str(error.get("module") or "").split(".")[0]
    relative = "relative import" in str(error.get("message"))
    if not relative and module not in folder_names | _ROOMS:
        return ""
    what = "what lies beside your file" if relative else f"`{module}`"
    return f"; only VAE_Model.py is handed in, not {what}: move what you need into it"


def _traceback(lines: Any) -> list[dict[str, Any]]:
    if not isinstance(lines, list):
        return []
    kept = [line for line in lines[:8] if isinstance(line, dict)]
    return [
        {"line": line.get("line"), "function": str(line.get("function")), "text": str(line.get("text"))}
        for line in kept
    ]
