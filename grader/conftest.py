"""Fixtures of the checks, and the pytest hooks that start the grading."""

import contextlib
import gc
from typing import TYPE_CHECKING

import pytest

from data.commandline import ctrl_c_afterwards, like_ctrl_c
from grader.grading.options import ROOT, GradingOptions
from grader.grading.session import Session
from grader.judge.offering import OfferingError
from grader.plugin import grading_options, may_be_selected, refuse_option
from grader.report.text import one_line
from grader.sandbox.archives import NoSubmission
from grader.sandbox.zygote import SandboxError

if TYPE_CHECKING:  # these import torch: the sandboxes start before that, and import it at the same time
    from grader.grading.probe import Probe
    from grader.grading.verdicts import Grading
    from grader.judge.inputs import Draw
    from grader.sandbox.parent_zygote import ParentZygote

_GRADING = pytest.StashKey["Grading"]()


def pytest_addoption(pluginmanager: pytest.PytestPluginManager) -> None:
    """Check that pytest has read setup.cfg, which loads the plugin with the grader's options.

    Raises:
        pytest.UsageError: It has not, for example because of a pytest.ini.
    """
    if not pluginmanager.has_plugin("grader.plugin"):
        raise pytest.UsageError(
            "pytest did not read setup.cfg, but another file (a pytest.ini, tox.ini or pyproject.toml?), so the grader "
            f"is not loaded: run `pytest -c setup.cfg grader/` in {ROOT}"
        )


@pytest.hookimpl(tryfirst=True)
def pytest_cmdline_main(config: pytest.Config) -> None:
    """Refuse the option -f of pytest-xdist, which would restart pytest with other options before `begin` is called."""
    refuse_option("--looponfail" if config.getoption("looponfail", False) else "")


@pytest.hookimpl(trylast=True)  # after other plugins have registered their options and markers
def pytest_configure(config: pytest.Config) -> None:
    """Start the grading early: the sandbox starts while pytest imports torch and the checks."""
    config.addinivalue_line("filterwarnings", "ignore")  # a warning must never change a verdict
    gc.disable()  # until the checks are collected: imports create a million objects, and none of them is garbage
    config.add_cleanup(gc.enable)
    if not (config.option.collectonly or config.option.help):
        begin(config, grading_options(config))


def pytest_collection_finish() -> None:
    """Exclude all that has been imported from garbage collections; most of the time is saved at the exit."""
    gc.freeze()
    gc.enable()


def begin(config: pytest.Config, options: GradingOptions, parent: "ParentZygote | None" = None) -> "Grading":
    """Read the submission, start its sandboxes, and register and return the plugin that judges it.

    Args:
        config: The configuration of this run.
        options: The options of the grading.
        parent: A class run's parent zygote; None to start each sandbox from scratch.

    Raises:
        pytest.UsageError: There is no file to grade, the offering is invalid, or the sandbox does not work.
    """
    stopping = contextlib.ExitStack()
    stopping.enter_context(like_ctrl_c())
    config.add_cleanup(stopping.close)
    try:
        session = Session(options, parent)
        config.add_cleanup(session.close)
        for task in session.offering.graded:
            if may_be_selected(options.tasks, task):
                session.prepare(task)
    except (NoSubmission, OfferingError, SandboxError) as error:
        raise pytest.UsageError(one_line(str(error))) from None
    with ctrl_c_afterwards():
        from grader.grading.verdicts import Grading

    grading = Grading(config, session, options)
    config.add_cleanup(grading.close)  # called however pytest ends
    config.stash[_GRADING] = grading
    config.pluginmanager.register(grading, "vae-grading")
    return grading


@pytest.fixture(scope="session")
def grading(request: pytest.FixtureRequest) -> "Grading":
    """The grading of one submission."""
    return request.config.stash[_GRADING]


@pytest.fixture
def draw(request: pytest.FixtureRequest, grading: "Grading") -> "Draw":
    """The random generator of the test inputs; it depends only on the seed and the name of the check."""
    from grader.judge.inputs import Draw

    return Draw(grading.session.seed, request.node.name)


@pytest.fixture
def probe(request: pytest.FixtureRequest, grading: "Grading") -> "Probe":
    """Calls a probe in the worker of this check's task: probe("kl", mean=..., logvar=...)["value_0"]."""
    return grading.probe(request.node)
