"""Fixtures of the checks, and the hooks that turn pytest's outcomes into verdicts, points and reports."""

import contextlib

import pytest
from _pytest.mark.expression import Expression

from data.commandline import like_ctrl_c, quoted
from grader.grading import Grading
from grader.judge.draw import Draw
from grader.judge.offering import OfferingError, load
from grader.judge.tasks import TASKS
from grader.plugin import DEFAULT_SUBMISSION
from grader.probe import Probe
from grader.report.text import one_line
from grader.sandbox.archives import NoSubmission
from grader.sandbox.zygote import SandboxError
from grader.session import Session

_GRADING = pytest.StashKey[Grading]()


def pytest_configure(config: pytest.Config) -> None:
    """Begin at once: the sandbox starts while pytest goes on to import torch and the checks."""
    config.addinivalue_line("filterwarnings", "ignore")  # a warning must never decide a verdict
    if not (config.option.collectonly or config.option.help):
        begin(config)


def begin(config: pytest.Config) -> None:
    """Take the submission that the options name, start its sandbox, and put whoever judges it to work.

    Raises:
        pytest.UsageError: There is nothing to grade, or an option is wrong.
    """
    _check_options(config)
    given = config.getoption("submission")
    submission = config.invocation_params.dir / given if given else config.rootpath / DEFAULT_SUBMISSION
    stopping = contextlib.ExitStack()
    stopping.enter_context(like_ctrl_c())
    config.add_cleanup(stopping.close)
    try:
        chosen = config.getoption("offering")
        offering = load(config.invocation_params.dir / chosen) if chosen else load()
        fork = not config.getoption("no_fork")
        lanes = config.getoption("lanes")
        session = Session(submission, offering, config.getoption("seed"), _sandbox(config), fork, lanes)
        config.add_cleanup(session.close)
        for task in TASKS:
            if _may_be_selected(config, task.id):
                session.prepare(task.id)
    except (NoSubmission, OfferingError, SandboxError) as error:
        raise pytest.UsageError(one_line(str(error))) from None
    shown = ": ".join(str(name) for name in (given or DEFAULT_SUBMISSION, session.file.took) if name)
    grading = Grading(config, session, shown)
    config.stash[_GRADING] = grading
    config.pluginmanager.register(grading, "vae-grading")


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


def _check_options(config: pytest.Config) -> None:
    """Look at what pytest would trip over later, or only once everything is graded.

    Raises:
        pytest.UsageError: A selection is none, or results cannot be written where they are to go.
    """
    selection = config.option.markexpr
    try:
        Expression.compile(selection or "any")
    except SyntaxError as error:
        tasks = ", ".join(task.id for task in TASKS)
        raise pytest.UsageError(f"-m {selection!r}: {error.msg}; tasks are {tasks}") from None
    if results := config.getoption("results"):
        path = config.invocation_params.dir / results
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            reason = f"--results {quoted(results)}: {error.strerror}; name a file that can be written"
            raise pytest.UsageError(reason) from None
        if path.exists() and not path.is_file():
            raise pytest.UsageError(f"--results {quoted(results)} is a folder or a device: name a file")


def _may_be_selected(config: pytest.Config, task: str) -> bool:
    """Whether -m leaves a task in; what else selects checks is not known before they are collected."""
    return not config.option.markexpr or Expression.compile(config.option.markexpr).evaluate(
        lambda name, /, **_: name in (task, "check")
    )


@pytest.fixture(scope="session")
def grading(request: pytest.FixtureRequest) -> Grading:
    """The grading of one submission."""
    return request.config.stash[_GRADING]


@pytest.fixture
def draw(request: pytest.FixtureRequest, grading: Grading) -> Draw:
    """The judge's source of inputs, its stream determined by (seed, check)."""
    return Draw(grading.session.seed, request.node.name)


@pytest.fixture
def probe(request: pytest.FixtureRequest, grading: Grading) -> Probe:
    """Call a probe in the worker of this check's task: probe("kl", mean=..., logvar=...)["value_0"]."""
    return grading.probe(request.node)
