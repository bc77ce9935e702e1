"""The arguments of pytest with which the checks run, whoever calls."""

import os
from pathlib import Path

from grader.judge.tasks import TASKS

FOLDER = Path(__file__).resolve().parent
ROOT = FOLDER.parent
TASK_IDS = f"tasks are {', '.join(task.id for task in TASKS)}"
_MORE_ARGUMENTS = ("PYTEST_ADDOPTS", "PYTEST_PLUGINS")


def environment() -> dict[str, str]:
    """Return the environment in which pytest heeds these arguments alone: somebody's `-x` would cost a class points."""
    kept = {name: value for name, value in os.environ.items() if name not in _MORE_ARGUMENTS}
    return kept | {"PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"}


def checks() -> list[str]:
    """Return the checks and their configuration, from this project alone and never from beside a submission.

    They are for pytest in the folder ROOT. Its own path is not among them, since it may hold what pytest reads as
    syntax: brackets, `::`, `$NAME`.
    """
    configuration = ["--rootdir=.", "--config-file=setup.cfg"]
    # Nothing is kept beside a submission; and no log is captured: nobody writes one, and it costs a tenth of a second.
    return [FOLDER.name, *configuration, "-p", "no:cacheprovider", "-p", "no:logging"]


def grading(
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
        *checks(),
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
