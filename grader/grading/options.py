"""The options of one grading, from a command line to pytest: checked before anything is graded."""

import os
import re
import sys
from pathlib import Path

import pytest
from _pytest.mark.expression import Expression

from data.commandline import quoted
from grader.judge.offering import BY_ID, TASKS
from grader.report.text import one_line

FOLDER = Path(__file__).resolve().parents[1]
ROOT = FOLDER.parent
TASK_IDS = f"tasks are {', '.join(task.id for task in TASKS)}"
_MORE_ARGUMENTS = ("PYTEST_ADDOPTS", "PYTEST_PLUGINS")


def refuse(command: str, message: object, status: int = 2) -> int:
    """Print why a command did nothing, in one line, whatever names are in it; returns the exit status."""
    print(f"python -m grader {command}: {one_line(str(message))}", file=sys.stderr)
    return status


def clean_environment() -> dict[str, str]:
    """Return the environment in which pytest heeds these arguments alone: somebody's `-x` would cost a class points."""
    kept = {name: value for name, value in os.environ.items() if name not in _MORE_ARGUMENTS}
    return kept | {"PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"}


def check_arguments() -> list[str]:
    """Return the checks and their configuration, from this project alone and never from beside a submission.

    They are for pytest in the folder ROOT. Its own path is not among them, since it may hold what pytest reads as
    syntax: brackets, `::`, `$NAME`.
    """
    configuration = ["--rootdir=.", "--config-file=setup.cfg"]
    # Nothing is kept beside a submission; and no log is captured: nobody writes one, and it costs a tenth of a second.
    return [FOLDER.name, *configuration, "-p", "no:cacheprovider", "-p", "no:logging"]


def grading_arguments(
    file: Path | str,
    *,
    seed: int,
    data: Path | str,
    sandbox: str,
    results: Path | str | None = None,
    tasks: str | None = None,
    offering: Path | str | None = None,
    lanes: int | None = None,
) -> list[str]:
    """Return the arguments that grade one file, for pytest in the folder ROOT; paths are absolute.

    Args:
        file: The submission.
        seed: What all inputs are drawn from.
        data: Images of the training task.
        sandbox: How the submission is kept apart.
        results: Where results.json goes.
        tasks: Only these, as in pytest's -m.
        offering: Points and limits; None for the grader's own.
        lanes: Sandboxes at work at the same time; None for the grader's own choice.
    """
    return [
        *check_arguments(),
        f"--submission={_as_it_is(file)}",
        f"--seed={seed}",
        f"--data={data}",
        f"--sandbox={sandbox}",
        *([f"--results={_as_it_is(results)}"] if results else []),
        *(["-m", tasks] if tasks else []),
        *([f"--offering={offering}"] if offering else []),
        *([f"--lanes={lanes}"] if lanes else []),
    ]


def _as_it_is(path: Path | str) -> str:
    """Return a path in which a `~` at the beginning is no home folder: that was looked up before."""
    return os.path.join(os.curdir, path) if str(path).startswith("~") else str(path)  # noqa: PTH118 - Path drops a "."


def selected(expression: str | None) -> tuple[str, ...]:
    """Return the ids of the tasks that a marker expression selects.

    Raises:
        ValueError: It is no expression, names no known task, or selects none.
    """
    from _pytest.mark.expression import Expression

    ids = tuple(task.id for task in TASKS)
    if expression is None:
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


def check(config: pytest.Config) -> None:
    """Look at what pytest would trip over later, or only once everything is graded.

    Raises:
        pytest.UsageError: The checks would not run here, a selection is none, or results cannot be written.
    """
    refuse_option(_taken_away(config))
    _check_selection(config)
    _check_results(config)


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
