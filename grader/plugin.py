"""The options of `pytest grader/`, loaded early (`-p` in setup.cfg) so that pytest does not read their values as paths.

Every pytest run of the project loads this module, so it imports little. A wrong option is reported in one line, before
anything is graded.
"""

import argparse
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any, get_args

import pytest
from _pytest.mark.expression import Expression

from data.commandline import file, image_source, one_of, path, print_everywhere, quoted, whole
from grader.grading.options import FOLDER, GradingOptions, task_ids
from grader.judge.offering import OFFERING, TASKS, OfferingError, load_offering
from grader.judge.result import Hints
from grader.report.text import one_line
from grader.sandbox import SANDBOXES

DEFAULT_SUBMISSION = "assignment/VAE_Model.py"


def pytest_addoption(parser: pytest.Parser) -> None:
    """Register the options."""
    group = parser.getgroup("grader", "grading a submission (pytest grader/)")

    def add(name: str, kind: Callable[[str], Any], metavar: str, default: Any, help: str) -> None:
        group.addoption(name, type=_checked(name, kind), metavar=metavar, default=default, help=help)

    add("--submission", path, "FILE", None, f"file to grade; write --submission=FILE [{DEFAULT_SUBMISSION}]")
    add("--offering", file, "FILE", None, "tasks, points and limits [grader/offering.toml]")
    if (FOLDER / "instructor").is_dir():  # in a student's copy, the offering alone decides
        levels = get_args(Hints)
        add("--hints", one_of(*levels), "|".join(levels), None, "how much the reports say [what the offering says]")
    add("--results", path, "FILE", None, "write the results to this file, in Gradescope's format")
    add("--report", path, "FILE", None, "write the report to this file as a page, to read in a browser")
    add("--seed", whole(), "N", 0, "random seed for the test inputs [0]")
    add("--data", image_source, "sample|svhn|PATH", "sample", "images of the training task [sample]")
    add("--sandbox", one_of(*SANDBOXES), "|".join(SANDBOXES), "auto", "isolation method for the student's code [auto]")
    group.addoption(
        "--in-process",
        action="store_true",
        help="run the submission in pytest's own process, for use with --pdb; the score does not count",
    )
    lanes = "number of sandboxes that run at the same time; with 2, training runs in parallel to the other tasks [2]"
    add("--lanes", whole(1, 2), "1|2", 2, lanes)
    group.addoption(
        "--no-fork",
        action="store_true",
        help="run one task after another in the same Python interpreter, as on Windows and macOS",
    )


def _checked(option: str, convert: Callable[[str], Any]) -> Callable[[str], Any]:
    """Return a converter that reports an invalid value in one line; pytest itself would also print its usage.

    Raises:
        pytest.UsageError: The converter is called with an invalid value.
    """

    def checked(text: str) -> Any:
        try:
            return convert(text)
        except argparse.ArgumentTypeError as error:
            raise pytest.UsageError(f"{option}: {error}") from None

    return checked


def pytest_configure(config: pytest.Config) -> None:
    """Register a marker per task, and replace characters that the terminal cannot show instead of failing on them.

    Raises:
        pytest.UsageError: The option --noconftest is set, so conftest.py would not be read.
    """
    print_everywhere()
    if config.option.noconftest:
        raise pytest.UsageError("--noconftest: the grader is in grader/conftest.py; leave --noconftest out")
    for task in TASKS:
        if (FOLDER / f"test_{task.id}.py").exists():  # a release has the checks of its own tasks only
            config.addinivalue_line("markers", f"{task.id}: checks of the task `{task.id}` ({task.what})")
    config.addinivalue_line("markers", "check(kind, share): a check, its kind, and its percent of the task's points")


def grading_options(config: pytest.Config) -> GradingOptions:
    """Return the options, checked early for errors that pytest would find later, or only after the grading.

    Raises:
        pytest.UsageError: The checks would not run in this process, the selection is invalid, or the results cannot be
            written.
    """
    refuse_option(_taken_away(config))
    folder, submission = config.invocation_params.dir, config.getoption("submission")
    offering = folder / config.getoption("offering") if config.getoption("offering") else None
    _check_selection(config, offering)
    return GradingOptions(
        submission=folder / submission if submission else config.rootpath / DEFAULT_SUBMISSION,
        seed=config.getoption("seed"),
        data=config.getoption("data"),
        sandbox=_sandbox(config),
        fork=not config.getoption("no_fork"),
        lanes=config.getoption("lanes"),
        offering=offering,
        hints=config.getoption("hints", None),
        results=_written_to(config, "results"),
        report=_written_to(config, "report"),
        tasks=config.option.markexpr,
        shown=str(submission or DEFAULT_SUBMISSION),
    )


def refuse_option(option: str) -> None:
    """Refuse an option that would run the checks in another process or not at all.

    Args:
        option: The option; empty if there is none, and then nothing happens.

    Raises:
        pytest.UsageError: There is such an option.
    """
    if option:
        raise pytest.UsageError(f"{option}: the grader has to run its checks itself, each once; leave {option} out")


def _taken_away(config: pytest.Config) -> str:
    """Return the option that would run the checks in another process or not at all; empty if there is none."""
    if hasattr(config, "workerinput") or config.getoption("dist", "no") != "no":  # set by pytest-xdist
        return "-n"
    if config.getoption("forked", False):  # set by pytest-forked
        return "--forked"
    return next((f"--setup-{what}" for what in ("plan", "only") if config.getoption(f"setup{what}", False)), "")


def _check_selection(config: pytest.Config, offering: Path | None) -> None:
    selection = config.option.markexpr
    if not selection:
        return
    try:
        Expression.compile(selection)
    except SyntaxError as error:
        raise pytest.UsageError(f"-m {selection!r}: {error.msg}; {_tasks(offering)}") from None
    markers = {re.split(r"[:(]", line)[0].strip() for line in config.getini("markers")}
    # Remove the arguments of markers, as in check(kind="value"), then list the names.
    names = re.findall(r"[^\s()]+", re.sub(r"\([^()]*=[^()]*\)", "", selection))
    if unknown := [name for name in names if name not in {*markers, "and", "or", "not"}]:
        raise pytest.UsageError(f"-m {selection!r}: there is no task {unknown[0]!r}; {_tasks(offering)}")


def _tasks(offering: Path | None) -> str:
    """Return the tasks that may be selected, as a part of a message.

    Raises:
        pytest.UsageError: The offering is invalid.
    """
    try:
        return task_ids(load_offering(offering or OFFERING))
    except OfferingError as error:
        raise pytest.UsageError(one_line(str(error))) from None


def _sandbox(config: pytest.Config) -> str:
    """Return the name of the requested sandbox.

    Raises:
        pytest.UsageError: Two different sandboxes are requested.
    """
    name: str = config.getoption("sandbox")
    if not config.getoption("in_process"):
        return name
    if name not in ("auto", "in-process"):
        raise pytest.UsageError(
            f"--in-process uses no sandbox, but --sandbox={name} selects one: leave one of them out"
        )
    return "in-process"


def _written_to(config: pytest.Config, option: str) -> Path | None:
    if not (given := config.getoption(option)):
        return None
    path = config.invocation_params.dir / given
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise pytest.UsageError(
            f"--{option} {quoted(given)}: {error.strerror}; name a file that can be written"
        ) from None
    if path.exists() and not path.is_file():
        raise pytest.UsageError(f"--{option} {quoted(given)} is a folder or a device: name a file")
    return path


def may_be_selected(expression: str, task: str) -> bool:
    """Whether -m may select a task; the effect of other selections is known only after the checks are collected."""
    return not expression or Expression.compile(expression).evaluate(lambda name, /, **_: name in (task, "check"))
