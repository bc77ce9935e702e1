"""What is wrong with the options of a run: found before anything is graded, and said in one line."""

import re

import pytest
from _pytest.mark.expression import Expression

from data.commandline import quoted
from grader.arguments import TASK_IDS
from grader.judge.tasks import BY_ID


def check(config: pytest.Config) -> None:
    """Look at what pytest would trip over later, or only once everything is graded.

    Raises:
        pytest.UsageError: The checks would not run here, a selection is none, or results cannot be written.
    """
    refuse(_taken_away(config))
    _check_selection(config)
    _check_results(config)


def refuse(option: str) -> None:
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


def sandbox(config: pytest.Config) -> str:
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


def _check_results(config: pytest.Config) -> None:
    if results := config.getoption("results"):
        path = config.invocation_params.dir / results
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise pytest.UsageError(
                f"--results {quoted(results)}: {error.strerror}; name a file that can be written"
            ) from None
        if path.exists() and not path.is_file():
            raise pytest.UsageError(f"--results {quoted(results)} is a folder or a device: name a file")


def may_be_selected(config: pytest.Config, task: str) -> bool:
    """Whether -m leaves a task in; what else selects checks is not known before they are collected."""
    return not config.option.markexpr or Expression.compile(config.option.markexpr).evaluate(
        lambda name, /, **_: name in (task, "check")
    )


def nothing_selected(config: pytest.Config) -> str:
    """Return what to say of a run in which no test is left."""
    words = [f"-m {config.option.markexpr!r}"] if config.option.markexpr else []
    words += [f"-k {config.option.keyword!r}"] if config.option.keyword else []
    return f"no check is selected{' by ' + ' and '.join(words) if words else ''}; {TASK_IDS}"
