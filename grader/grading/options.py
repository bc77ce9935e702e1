"""The options of one grading, and their conversion to arguments of pytest. Every caller starts the checks this way.

This module needs only the standard library, so that a platform can report that pytest or torch is missing.
"""

import argparse
import os
import sys
from dataclasses import dataclass
from pathlib import Path

from data.commandline import SOURCES, file, image_source, words
from grader.judge.offering import BY_ID, OFFERING, Offering, load_offering
from grader.judge.result import Hints
from grader.report.text import one_line

FOLDER = Path(__file__).resolve().parents[1]
ROOT = FOLDER.parent
_MORE_ARGUMENTS = ("PYTEST_ADDOPTS", "PYTEST_PLUGINS")


@dataclass(frozen=True)
class GradingOptions:
    """The options of one grading, created once from a command line or a job and passed on unchanged.

    Paths are absolute.

    Attributes:
        submission: The file, or a folder or an archive that contains it.
        seed: Random seed for the test inputs.
        data: Images of the training task: `sample`, `svhn` or a path.
        sandbox: Isolation method for the submission, a name in `grader.sandbox.SANDBOXES`.
        fork: Whether a zygote may fork workers; if not, one interpreter serves one task after another.
        lanes: Number of sandboxes that run at the same time; with 2, the training task has a separate one.
        offering: File with tasks, points and limits; None for the grader's own file.
        hints: How much the reports of this grading say; None for what the offering says.
        results: Path for results.json; None to write no file.
        report: Path for the report as a page; None to write no file.
        tasks: Expression that selects tasks, as in pytest's -m; empty for all tasks.
        shown: The submission as the user wrote it, for reports; empty to show its path.
    """

    submission: Path
    seed: int = 0
    data: str = "sample"
    sandbox: str = "auto"
    fork: bool = True
    lanes: int = 2
    offering: Path | None = None
    hints: Hints | None = None
    results: Path | None = None
    report: Path | None = None
    tasks: str = ""
    shown: str = ""

    def arguments(self) -> list[str]:
        """Return the arguments of pytest, to be run in the folder ROOT of this or another copy of the project."""
        return [
            *check_arguments(),
            f"--submission={_as_it_is(self.submission)}",
            f"--seed={self.seed}",
            f"--data={self.data}",
            f"--sandbox={self.sandbox}",
            f"--lanes={self.lanes}",
            *([] if self.fork else ["--no-fork"]),
            *([f"--offering={_as_it_is(self.offering)}"] if self.offering else []),
            *([f"--hints={self.hints}"] if self.hints else []),
            *([f"--results={_as_it_is(self.results)}"] if self.results else []),
            *([f"--report={_as_it_is(self.report)}"] if self.report else []),
            *(["-m", self.tasks] if self.tasks else []),
        ]

    def read_offering(self) -> Offering:
        """Return the offering.

        Raises:
            OfferingError: It is invalid.
        """
        return load_offering(self.offering or OFFERING)


def _as_it_is(path: Path) -> str:
    """Return a path whose leading `~` is not expanded again, since it is part of the file's name."""
    return os.path.join(os.curdir, path) if str(path).startswith("~") else str(path)  # noqa: PTH118 - Path drops a "."


def add_shared_options(parser: argparse.ArgumentParser) -> None:
    """Add the options of all commands that grade: which tasks, which offering, and which images."""
    parser.add_argument(
        "-m",
        dest="tasks",
        type=words,
        metavar="TASK",
        help="grade only these tasks, as in pytest -m: `kl or nll` [all tasks]",
    )
    parser.add_argument("--offering", type=file, metavar="FILE", help="tasks, points and limits [grader/offering.toml]")
    parser.add_argument(
        "--data",
        type=image_source,
        default="sample",
        metavar="sample|svhn|PATH",
        help="images of the training task [sample]",
    )


def of_command_line(options: argparse.Namespace, submission: Path) -> GradingOptions:
    """Return the options that commands for one file have: seed, images, sandbox, fork and offering."""
    return GradingOptions(
        submission=submission.absolute(),
        seed=options.seed,
        data=options.data if options.data in SOURCES else str(Path(options.data).absolute()),
        sandbox=options.sandbox,
        fork=not options.no_fork,
        offering=options.offering.absolute() if options.offering else None,
    )


def check_arguments() -> list[str]:
    """Return the arguments of pytest for the checks and their configuration, which always come from this project.

    Files next to a submission are never used. The arguments are for pytest in the folder ROOT. They do not contain the
    path of ROOT, because pytest would interpret brackets, `::` or `$NAME` in it.
    """
    configuration = ["--rootdir=.", "--config-file=setup.cfg"]
    # No cache is written. Log capture is off, since nothing is logged and it takes a tenth of a second.
    return [FOLDER.name, *configuration, "-p", "no:cacheprovider", "-p", "no:logging"]


def clean_environment() -> dict[str, str]:
    """Return an environment without extra arguments for pytest: a user's `-x`, for example, would change the grades."""
    kept = {name: value for name, value in os.environ.items() if name not in _MORE_ARGUMENTS}
    return kept | {"PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"}


def task_ids(offering: Offering) -> str:
    """Return the ids of the graded tasks, as a part of a message."""
    return f"the tasks are {', '.join(offering.graded)}"


def selected(expression: str | None, offering: Offering) -> tuple[str, ...]:
    """Return the ids of the graded tasks that a marker expression selects; all of them if there is no expression.

    Raises:
        ValueError: The expression is invalid, names an unknown task, or selects no task.
    """
    from _pytest.mark.expression import Expression

    if not expression:
        return offering.graded
    try:
        compiled = Expression.compile(expression)
    except SyntaxError as error:
        raise ValueError(f"-m {expression!r}: {error}; {task_ids(offering)}") from None
    named: set[str] = set()

    def has(task: str, name: str) -> bool:
        named.add(name)
        return name == task

    chosen = tuple(task for task in offering.graded if compiled.evaluate(lambda name, /, **_: has(task, name)))  # noqa: B023
    if not chosen or named - set(BY_ID):
        raise ValueError(f"-m {expression!r} selects no task; {task_ids(offering)}")
    return chosen


def refuse(command: str, message: object, status: int = 2) -> int:
    """Print in one safe line why a command did nothing, and return the exit status."""
    print(f"python -m grader {command}: {one_line(str(message))}", file=sys.stderr)
    return status
