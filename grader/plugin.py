"""The options of `pytest grader/`, loaded early (`-p` in setup.cfg) so that pytest never takes their values for paths.

Light on purpose: every pytest run of the project loads it. What it grades with is in conftest.py and session.py.
"""

import pytest

from grader.judge.tasks import TASKS
from grader.sandbox.names import SANDBOXES

DEFAULT_SUBMISSION = "assignment/VAE_Model.py"


def pytest_addoption(parser: pytest.Parser) -> None:
    """Register the options."""
    group = parser.getgroup("grader", "grading a submission (pytest grader/)")
    group.addoption(
        "--submission",
        metavar="FILE",
        default=None,
        help=f"the file to grade; write --submission=FILE [{DEFAULT_SUBMISSION}]",
    )
    group.addoption("--offering", metavar="FILE", default=None, help="points and limits [grader/offering.toml]")
    group.addoption("--results", metavar="FILE", default=None, help="write Gradescope's results.json here")
    group.addoption("--seed", type=int, default=0, metavar="N", help="what all inputs are drawn from [0]")
    group.addoption("--data", default="sample", metavar="sample|svhn|PATH", help="images of the training task [sample]")
    group.addoption("--sandbox", choices=SANDBOXES, default="auto", help="how the submission is kept apart [auto]")
    group.addoption(
        "--in-process",
        dest="sandbox",
        action="store_const",
        const="in-process",
        help="run the submission in pytest's own process, for --pdb; the score does not count",
    )
    group.addoption(
        "--lanes",
        type=int,
        choices=(1, 2),
        default=2,
        help="sandboxes at work at the same time: with 2, training runs beside the other tasks [2]",
    )
    group.addoption(
        "--no-fork", action="store_true", help="start a fresh interpreter per task, as on Windows and macOS (slower)"
    )


def pytest_configure(config: pytest.Config) -> None:
    """Register a marker per task."""
    for task in TASKS:
        config.addinivalue_line("markers", f"{task.id}: checks of the task `{task.id}` ({task.what})")
    config.addinivalue_line("markers", "check(kind, share): a check, what it looks at, and its percent of the task")
