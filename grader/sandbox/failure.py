"""The ways in which a worker can fail a task, as the judge sees them, and the line it was running at a timeout.

From a worker's trace at a timeout, the judge uses only line numbers and function names. The text of each line comes
from the judge's own copy of the file.
"""

import contextlib
import os
import platform
import re
import sys
import tempfile
from collections.abc import Set
from dataclasses import dataclass, field
from importlib import metadata
from pathlib import Path
from typing import IO, Any, Literal

_PROJECT_FOLDERS = {"assignment", "solution", "grader", "data", "tests"}

LEFT_EMPTY = "not attempted yet: a function that this task needs is empty"
UNTOUCHED = "not attempted yet: the TODO is still there"

COSTLY_TIME = (
    "The usual causes are a loop that never ends, a Python loop over pixels, dimensions or K, and a (B, D, D) tensor. "
    "Can one operation on whole tensors do the work?"
)
COSTLY_IMPORT = "Code at the top level of the file runs at every import. Does it compute or wait for something?"
COSTLY_MEMORY = (
    "The usual causes are a tensor of all pairs, (B, D, D) or (B, B, D), and one that holds all K images at once. "
    "Which of your tensors is the largest?"
)
MISSING = "The grader calls this name. Compare it with the skeleton: is it spelled the same, and inside its class?"
RETURNED_ANOTHER = "Look at the return statement. The docstring of the function says what it returns."
CALLED_WRONGLY = "Print the shapes of the arguments before this line. Are they as the docstring of that function says?"
NOT_UTF8 = "This line is not in UTF-8. Which encoding does your editor show for the file? Save it in UTF-8."
RETURNED_NONE = "A function that this line calls returned None. Is a `return` missing in it?"

NO_DISPLAY = "There is no display here. Are windows opened outside of `if __name__ == '__main__':`?"
NOBODY_TYPES = "There is no keyboard input here. Is input() called outside of `if __name__ == '__main__':`?"

# Syntax that is new in Python 3.12 (any expression in f-strings, `type`, type parameters) or in 3.14 (the others).
_NEWER_LINE = re.compile(
    r"type\s+\w+\s*(\[.*)?=|(async\s+def|def|class)\s+\w+\s*\[|except\s+[\w.]+\s*,"
    r"|.*\b([rR]?[fFtT]|[fFtT][rR])['\"]"
)
_MISSING = re.compile(r"module '([\w.]+)' has no attribute|cannot import name '\w+' from '([\w.]+)'", re.ASCII)

Status = Literal["failed", "not attempted", "crashed", "timed out", "out of memory"]


@dataclass(frozen=True)
class Failure:
    """The reason why a worker gave no answer.

    Attributes:
        status: The status of the task.
        message: What happened, in one or two lines, written by the judge.
        traceback: The lines of the student's file in the traceback.
        fatal: Whether the worker has ended, so that the remaining checks of the task fail in the same way.
        hint: A sentence that tells the student what to look at; empty if there is none.
        standin: Id of the stand-in that could not handle a call; empty for every other failure.
    """

    status: Status
    message: str
    traceback: list[dict[str, Any]] = field(default_factory=list)
    fatal: bool = False
    hint: str = ""
    standin: str = ""


class WorkerFailed(Exception):  # noqa: N818
    """Raised by a worker's `ask` and a sandbox's `start`; the failure is in its attribute `failure`."""

    def __init__(self, failure: Failure):
        super().__init__(failure.message)
        self.failure = failure


def from_error(
    error: dict[str, Any], folder_names: frozenset[str], importing: bool, standins: Set[str] = frozenset()
) -> Failure:
    """Convert the description of an error into a failure. The worker is not trusted: its values are used as text only.

    Args:
        error: The dictionary that `grader.worker.errors.describe` returned.
        folder_names: Names of modules in the folder of the original file; they are not part of the submission.
        importing: Whether the error was raised while the file was imported.
        standins: Ids of the stand-ins that the worker has.
    """
    kind, name, message = (str(error.get(key, "")) for key in ("kind", "type", "message"))
    lines = _traceback(error.get("traceback"))
    if kind == "todo":
        if error.get("begun") is True and lines:  # the line shows which of several TODOs is left
            return Failure("not attempted", "begun, but a TODO is left", lines[-1:], importing)
        return Failure("not attempted", LEFT_EMPTY if name == "NotAttempted" else UNTOUCHED, [], importing)
    if kind == "missing":
        return Failure("failed", f"missing: {message}", [], importing, MISSING)
    if kind == "type":
        return Failure("failed", message, [], importing, RETURNED_ANOTHER)
    if kind == "memory":
        what = f"your code asked for more memory than a task may use{_asked_for(message)} ({name})"
        return Failure("out of memory", what, lines, importing, COSTLY_MEMORY, _known(error, standins))
    if standin := _known(error, standins):
        what = f"{message}. While this task is judged, a correct `{standin}` replaces yours"
        return Failure("crashed", what, lines, importing, CALLED_WRONGLY, standin)
    where = "while your file was imported" if importing else "in your code"
    if kind == "exit":
        return Failure("crashed", f"sys.exit() was called {where}", lines, importing)
    what = f"{name} {where}: {message}{_handed_in(error, folder_names)}"
    return Failure("crashed", what, lines, importing, _hint(error, name, message, lines))


def _known(error: dict[str, Any], standins: Set[str]) -> str:
    """Return the id of the stand-in that an error names if the worker has it, else an empty string."""
    name = error.get("standin")
    return name if isinstance(name, str) and name in standins else ""


def _asked_for(message: str) -> str:
    """Return the size of the failed allocation, if the message of torch or numpy contains it."""
    if found := re.search(r"tried to allocate (\d{1,18}) bytes", message, re.ASCII):
        return f": {int(found[1]) / (1 << 30):.1f} GiB at once"
    if found := re.search(r"Unable to allocate ([\d.]{1,9} [KMGTPE]iB)", message, re.ASCII):
        return f": {found[1]} at once"
    return ""


def _hint(error: dict[str, Any], name: str, message: str, lines: list[dict[str, Any]]) -> str:
    owner, attribute = (str(error.get(key, "")) for key in ("owner", "attribute"))
    if owner.isidentifier() and attribute.isidentifier():
        return f"`{owner}.__init__` ran and did not set `{attribute}`. Is self.{attribute} assigned there?"
    if error.get("type") == "SyntaxError" and "'utf-8' codec can't decode" in message:
        return NOT_UTF8
    maker, made = (str(error.get(key, ""))[:120] for key in ("maker", "made"))
    if made and maker.replace(".", "").isidentifier():
        return f"This line is given code. It uses values from `{maker}`: {made}. Are they what they should be?"
    if newer := _newer(name, message, lines):
        return newer
    if "Cannot load backend" in message or "$DISPLAY" in message:
        return NO_DISPLAY
    if name == "EOFError" and "reading a line" in message:
        return NOBODY_TYPES
    return RETURNED_NONE if "NoneType" in message else ""


def hint_of_crash(message: str) -> str:
    """Return a hint for an exception of which nothing else is known."""
    if re.search(r"shape|size|dimension|channels", message, re.IGNORECASE):
        return "The grader calls this with other sizes than 64 images of 3 x 32 x 32. Is a size fixed, or an axis lost?"
    if "is not defined" in message or "has no attribute" in message:
        return "Is this name spelled as where it is defined, and is it defined before this line runs?"
    return "The last of these lines is where it stopped. Print the values that enter it."


def _newer(name: str, message: str, lines: list[dict[str, Any]]) -> str:
    """Return a hint with the installed version, if the code may be valid in another version of Python or a package."""
    python = f"Python {platform.python_version()}"
    if name == "SyntaxError":
        newer = "f-string" in message or any(_NEWER_LINE.match(line["text"].strip()) for line in lines)
        return f"{python} runs here. Does this line use syntax of a newer version?" if newer else ""
    found = _MISSING.search(message)
    package = (found[1] or found[2]).partition(".")[0] if found else ""
    if package in sys.stdlib_module_names:
        return f"{python} runs here. Does this name exist in a newer version only, or is it misspelt?"
    with contextlib.suppress(metadata.PackageNotFoundError):
        if package and "circular import" not in message:
            installed = f"{package} {metadata.version(package)}"
            return f"{installed} is installed here. Does this name exist in another version only, or is it misspelt?"
    return ""


def _handed_in(error: dict[str, Any], folder_names: frozenset[str]) -> str:
    """Return the hint for an import that is not part of the submission: a file next to it or a project folder."""
    module = str(error.get("module") or "").split(".")[0]
    relative = "relative import" in str(error.get("message"))
    if not relative and module not in folder_names | _PROJECT_FOLDERS:
        return ""
    what = "other files of its folder" if relative else f"`{module}`"
    return f"; only VAE_Model.py is handed in, not {what}: move the code that you need into VAE_Model.py"


def _traceback(lines: Any) -> list[dict[str, Any]]:
    if not isinstance(lines, list):
        return []
    kept = [line for line in lines[:8] if isinstance(line, dict)]
    return [
        {"line": line.get("line"), "function": str(line.get("function")), "text": str(line.get("text"))}
        for line in kept
    ]


_LINE = re.compile(r'VAE_Model\.py", line (\d{1,7}) in (\w{1,80}|<\w{1,20}>)$', re.MULTILINE | re.ASCII)
_BYTES = 16 << 10
_LINES = 8


def trace_lines(trace: str, copy: Path) -> list[dict[str, Any]]:
    """Return the lines of a trace that are in the student's file, the outermost first, as in a traceback.

    Args:
        trace: The output of faulthandler, in which the innermost frame comes first.
        copy: The judge's copy of the file.
    """
    source = copy.read_text(encoding="utf-8", errors="replace").split("\n")
    found = [(int(number), function) for number, function in _LINE.findall(trace)[:_LINES]]
    return [
        {"line": number, "function": function, "text": source[number - 1].strip()[:200]}
        for number, function in reversed(found)
        if 0 < number <= len(source)
    ]


def new_trace() -> IO[bytes] | None:
    """Return an unnamed file to which a worker writes its trace; None if a worker cannot inherit one."""
    return tempfile.TemporaryFile() if os.name == "posix" else None


def taken_trace(file: IO[bytes] | None) -> str:
    """Return the trace that a worker wrote to the file, and close the file."""
    if file is None:
        return ""
    with file, contextlib.suppress(OSError, ValueError):
        return os.pread(file.fileno(), _BYTES, 0).decode("ascii", errors="replace")
    return ""
