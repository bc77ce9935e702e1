"""The options of `pytest grader/`, loaded early (`-p` in setup.cfg) so that pytest never takes their values for paths.

Light on purpose: every pytest run of the project loads it. What it grades with is in conftest.py and session.py.
"""

import argparse
from collections.abc import Callable
from typing import Any

import pytest

from data.commandline import file, image_source, one_of, path, print_everywhere, whole
from grader.judge.offering import TASKS
from grader.sandbox import SANDBOXES

DEFAULT_SUBMISSION = "assignment/VAE_Model.py"


def pytest_addoption(parser: pytest.Parser) -> None:
    """Register the options."""
    group = parser.getgroup("grader", "grading a submission (pytest grader/)")

    def add(name: str, kind: Callable[[str], Any], metavar: str, default: Any, help: str) -> None:
        group.addoption(name, type=_checked(name, kind), metavar=metavar, default=default, help=help)

    add("--submission", path, "FILE", None, f"the file to grade; write --submission=FILE [{DEFAULT_SUBMISSION}]")
    add("--offering", file, "FILE", None, "points and limits [grader/offering.toml]")
    add("--results", path, "FILE", None, "write Gradescope's results.json here")
    add("--seed", whole(), "N", 0, "what all inputs are drawn from [0]")
    add("--data", image_source, "sample|svhn|PATH", "sample", "images of the training task [sample]")
    add("--sandbox", one_of(*SANDBOXES), "|".join(SANDBOXES), "auto", "how the submission is kept apart [auto]")
    group.addoption(
        "--in-process",
        action="store_true",
        help="run the submission in pytest's own process, for --pdb; the score does not count",
    )
    beside = "sandboxes at work at the same time: with 2, training runs beside the other tasks [2]"
    add("--lanes", whole(1, 2), "1|2", 2, beside)
    group.addoption(
        "--no-fork", action="store_true", help="start a fresh interpreter per task, as on Windows and macOS (slower)"
    )


def _checked(option: str, convert: Callable[[str], Any]) -> Callable[[str], Any]:
    """Return a kind of option that says in one line what is wrong; pytest would print its usage and its settings too.

    Raises:
        pytest.UsageError: When it is called with a value that is not allowed.
    """

    def checked(text: str) -> Any:
        try:
            return convert(text)
        except argparse.ArgumentTypeError as error:
            raise pytest.UsageError(f"{option}: {error}") from None

    return checked


def pytest_configure(config: pytest.Config) -> None:
    """Register a marker per task, and let no character that the terminal cannot show spoil a report.

    Raises:
        pytest.UsageError: The files that the tests lean on, conftest.py, would not be read.
    """
    print_everywhere()
    if config.option.noconftest:
        raise pytest.UsageError("--noconftest: the grader is in grader/conftest.py; leave --noconftest out")
    for task in TASKS:
        config.addinivalue_line("markers", f"{task.id}: checks of the task `{task.id}` ({task.what})")
    config.addinivalue_line("markers", "check(kind, share): a check, what it looks at, and its percent of the task")
