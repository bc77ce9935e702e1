"""Fixtures of the checks, and the hooks that turn pytest's outcomes into verdicts, points and reports."""

import contextlib

import pytest

from data.commandline import like_ctrl_c
from grader.grading import options
from grader.grading.options import ROOT
from grader.grading.probe import Probe
from grader.grading.session import Session
from grader.grading.verdicts import Grading
from grader.judge.inputs import Draw
from grader.judge.offering import TASKS, OfferingError, load
from grader.plugin import DEFAULT_SUBMISSION
from grader.report.text import one_line
from grader.sandbox.archives import NoSubmission
from grader.sandbox.zygote import SandboxError

_GRADING = pytest.StashKey[Grading]()


def pytest_addoption(pluginmanager: pytest.PytestPluginManager) -> None:
    """Look whether setup.cfg was read: it loads the plugin with the grader's options.

    Raises:
        pytest.UsageError: It was not, as beside a pytest.ini.
    """
    if not pluginmanager.has_plugin("grader.plugin"):
        raise pytest.UsageError(
            "pytest has read its settings from another file than setup.cfg (a pytest.ini, tox.ini or pyproject.toml?), "
            f"so the grader is not loaded: start it in {ROOT} with `pytest -c setup.cfg grader/`"
        )


@pytest.hookimpl(tryfirst=True)
def pytest_cmdline_main(config: pytest.Config) -> None:
    """Refuse pytest-xdist's -f here: it starts pytest anew, with other options, before it comes to `begin`."""
    options.refuse_option("--looponfail" if config.getoption("looponfail", False) else "")


@pytest.hookimpl(trylast=True)  # when the options and markers of other plugins are known
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
    options.check(config)
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
        session = Session(submission, offering, config.getoption("seed"), options.sandbox(config), fork, lanes)
        shown = ": ".join(str(name) for name in (given or DEFAULT_SUBMISSION, session.file.took) if name)
        grading = Grading(config, session, shown)
        config.add_cleanup(grading.close)  # however pytest ends
        for task in TASKS:
            if options.may_be_selected(config, task.id):
                session.prepare(task.id)
    except (NoSubmission, OfferingError, SandboxError) as error:
        raise pytest.UsageError(one_line(str(error))) from None
    config.stash[_GRADING] = grading
    config.pluginmanager.register(grading, "vae-grading")


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
