"""The options of `pytest grader/`, loaded early (`-p` in setup.cfg) so that pytest never takes their values for paths.

Light on purpose: every pytest run of the project loads it. A wrong option is found before anything is graded, and said
in one line.
"""

import argparse
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from _pytest.mark.expression import Expression

from data.commandline import file, image_source, one_of, path, print_everywhere, quoted, whole
from grader.grading.options import TASK_IDS, GradingOptions
from grader.judge.offering import BY_ID, TASKS
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


def grading_options(config: pytest.Config) -> GradingOptions:
    """Return what is asked for, checked: also what pytest would trip over later, or only once everything is graded.

    Raises:
        pytest.UsageError: The checks would not run here, a selection is none, or results cannot be written.
    """
    refuse_option(_taken_away(config))
    _check_selection(config)
    folder, given = config.invocation_params.dir, config.getoption("submission")
    offering: Path | None = config.getoption("offering")
    return GradingOptions(
        submission=folder / given if given else config.rootpath / DEFAULT_SUBMISSION,
        seed=config.getoption("seed"),
        data=config.getoption("data"),
        sandbox=_sandbox(config),
        fork=not config.getoption("no_fork"),
        lanes=config.getoption("lanes"),
        offering=folder / offering if offering else None,
        results=_results(config),
        tasks=config.option.markexpr,
        shown=str(given or DEFAULT_SUBMISSION),
    )


def refuse_option(option: str) -> None:
    """Refuse an option with which the checks would run elsewhere or not at all; nothing if there is none.

    Raises:
        pytest.UsageError: There is one.
    """
    if option:
        raise pytest.UsageError(f"{option}: the grader has to run its checks itself, each once; leave {option} out")


def _taken_away(config: pytest.Config) -> str:
    """Return the option with which the checks would run elsewhere or not at all; empty if there is none."""
    if hasattr(config, "workerinput") or config.getoption("dist", "no") != "no":  # of pytest-xdist
        return "-n"
    if config.getoption("forked", False):  # of pytest-forked
        return "--forked"
    return next((f"--setup-{what}" for what in ("plan", "only") if config.getoption(f"setup{what}", False)), "")


def _check_selection(config: pytest.Config) -> None:
    selection = config.option.markexpr
    if not selection:
        return
    try:
        Expression.compile(selection)
    except SyntaxError as error:
        raise pytest.UsageError(f"-m {selection!r}: {error.msg}; {TASK_IDS}") from None
    markers = {re.split(r"[:(]", line)[0].strip() for line in config.getini("markers")}
    names = re.findall(r"[^\s()]+", re.sub(r"\([^()]*=[^()]*\)", "", selection))  # check(kind="value") is a name too
    if unknown := [name for name in names if name not in {*BY_ID, *markers, "and", "or", "not"}]:
        raise pytest.UsageError(f"-m {selection!r}: there is no task {unknown[0]}; {TASK_IDS}")


def _sandbox(config: pytest.Config) -> str:
    """Return the name of the sandbox that the options ask for.

    Raises:
        pytest.UsageError: They ask for two.
    """
    name: str = config.getoption("sandbox")
    if not config.getoption("in_process"):
        return name
    if name not in ("auto", "in-process"):
        raise pytest.UsageError(f"--in-process is no sandbox, and --sandbox={name} asks for one: leave one of them out")
    return "in-process"


def _results(config: pytest.Config) -> Path | None:
    if not (given := config.getoption("results")):
        return None
    path = config.invocation_params.dir / given
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise pytest.UsageError(
            f"--results {quoted(given)}: {error.strerror}; name a file that can be written"
        ) from None
    if path.exists() and not path.is_file():
        raise pytest.UsageError(f"--results {quoted(given)} is a folder or a device: name a file")
    return path


def may_be_selected(expression: str, task: str) -> bool:
    """Whether -m leaves a task in; what else selects checks is not known before they are collected."""
    return not expression or Expression.compile(expression).evaluate(lambda name, /, **_: name in (task, "check"))
