"""What one grading is asked for, and how pytest is told: the one way in which the checks are started, whoever calls.

Only the standard library is needed here, so that a platform can say that pytest or torch is missing.
"""

import os
import sys
from dataclasses import dataclass
from pathlib import Path

from grader.judge.offering import TASKS
from grader.report.text import one_line

FOLDER = Path(__file__).resolve().parents[1]
ROOT = FOLDER.parent
TASK_IDS = f"tasks are {', '.join(task.id for task in TASKS)}"
_MORE_ARGUMENTS = ("PYTEST_ADDOPTS", "PYTEST_PLUGINS")


@dataclass(frozen=True)
class GradingOptions:
    """What one grading is asked for: made once from a command line or a job, and passed on whole. Paths are absolute.

    Attributes:
        submission: The file, or a folder or an archive that holds it.
        seed: What all inputs are drawn from.
        data: Images of the training task: `sample`, `svhn` or a path.
        sandbox: How the submission is kept apart, a name of `grader.sandbox.SANDBOXES`.
        fork: Whether a zygote may fork workers; else each is a fresh interpreter.
        lanes: Sandboxes at work at the same time: with 2, training has one of its own.
        offering: Points and limits; None for the grader's own.
        results: Where results.json goes; None for nowhere.
        tasks: Only these, as in pytest's -m; empty for all.
        shown: The submission as the user gave it, for reports; empty for its path.
    """

    submission: Path
    seed: int = 0
    data: str = "sample"
    sandbox: str = "auto"
    fork: bool = True
    lanes: int = 2
    offering: Path | None = None
    results: Path | None = None
    tasks: str = ""
    shown: str = ""

    def arguments(self) -> list[str]:
        """Return them as arguments of pytest in the folder ROOT, or in that of another copy of the project."""
        return [
            *check_arguments(),
            f"--submission={_as_it_is(self.submission)}",
            f"--seed={self.seed}",
            f"--data={self.data}",
            f"--sandbox={self.sandbox}",
            f"--lanes={self.lanes}",
            *([] if self.fork else ["--no-fork"]),
            *([f"--offering={self.offering}"] if self.offering else []),
            *([f"--results={_as_it_is(self.results)}"] if self.results else []),
            *(["-m", self.tasks] if self.tasks else []),
        ]


def _as_it_is(path: Path) -> str:
    """Return a path in which a `~` at the beginning is no home folder: that was looked up before."""
    return os.path.join(os.curdir, path) if str(path).startswith("~") else str(path)  # noqa: PTH118 - Path drops a "."


def check_arguments() -> list[str]:
    """Return the checks and their configuration, from this project alone and never from beside a submission.

    They are for pytest in the folder ROOT. Its own path is not among them, since it may hold what pytest reads as
    syntax: brackets, `::`, `$NAME`.
    """
    configuration = ["--rootdir=.", "--config-file=setup.cfg"]
    # Nothing is kept beside a submission; and no log is captured: nobody writes one, and it costs a tenth of a second.
    return [FOLDER.name, *configuration, "-p", "no:cacheprovider", "-p", "no:logging"]


def clean_environment() -> dict[str, str]:
    """Return the environment in which pytest heeds these arguments alone: somebody's `-x` would cost a class points."""
    kept = {name: value for name, value in os.environ.items() if name not in _MORE_ARGUMENTS}
    return kept | {"PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"}


def selected(expression: str | None) -> tuple[str, ...]:
    """Return the ids of the tasks that a marker expression selects; all of them for none.

    Raises:
        ValueError: It is no expression, names no known task, or selects none.
    """
    from _pytest.mark.expression import Expression

    ids = tuple(task.id for task in TASKS)
    if not expression:
        return ids
    try:
        compiled = Expression.compile(expression)
    except SyntaxError as error:
        raise ValueError(f"-m {expression!r}: {error}; {TASK_IDS}") from None
    named: set[str] = set()

    def has(task: str, name: str) -> bool:
        named.add(name)
        return name == task

    chosen = tuple(task for task in ids if compiled.evaluate(lambda name, /, **_: has(task, name)))  # noqa: B023
    if not chosen or named - set(ids):
        raise ValueError(f"-m {expression!r} selects no task; {TASK_IDS}")
    return chosen


def refuse(command: str, message: object, status: int = 2) -> int:
    """Print why a command did nothing, in one line, whatever names are in it; returns the exit status."""
    print(f"python -m grader {command}: {one_line(str(message))}", file=sys.stderr)
    return status
