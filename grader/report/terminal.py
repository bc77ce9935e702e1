"""The report on the terminal: explanations, then the table of tasks and points."""

import textwrap
from collections.abc import Collection

from grader.judge.result import CheckResult, Result, TaskResult

from .explain import judged_part, shown
from .text import harmless, one_line, points_text

_COLORS = {"passed": "32", "not attempted": "33", "not judged": "33"}
_RED = "31"


def render(result: Result, color: bool = False, verbose: bool = False, explained: Collection[str] | None = None) -> str:
    """Return the report as text.

    Args:
        result: The result.
        color: Whether to use ANSI colours.
        verbose: Whether to show the lines that reproduce a wrong answer; they are also shown for a single task.
        explained: Ids of the tasks with explanations; None for all. The table has all tasks.
    """
    tasks = [task for task in result.tasks if explained is None or task.id in explained]
    verbose = verbose or len(tasks) == 1
    blocks = [_explanations(task, color, verbose) for task in tasks]
    return "\n".join(["", *(block for block in blocks if block), table(result, color), ""])


def _explanations(task: TaskResult, color: bool, verbose: bool) -> str:
    """Return the text for the student about the checks of a task that did not pass."""
    checks = shown(task)
    blocks = [_explanation(check, color) for check in checks.explained]
    if checks.following:
        titles = "".join(f"\n    - {check.title}" for check in checks.following)
        blocks.append(f"{task.id}: follows from the above{titles}\n")
    if checks.waiting:
        titles = "".join(f"\n    - {check.title} ({check.status})" for check in checks.waiting)
        blocks.append(f"{task.id}: these checks count once the value is right{titles}\n")
    reproduce = next((lines for check in checks.explained if (lines := check.explanation.reproduce)), "")
    if verbose and reproduce:
        lines = textwrap.indent(harmless(reproduce), "    ")
        blocks.append(f"{task.id}: these lines show it without the grader\n{lines}\n")
    return "\n".join(blocks)


def _explanation(check: CheckResult, color: bool) -> str:
    head = colored(f"{check.task}: {check.title}", _COLORS.get(check.status, _RED), color)
    return "\n".join([head, *([textwrap.indent(harmless(check.output), "    ")] if check.output else []), ""])


def table(result: Result, color: bool = False) -> str:
    """Return the table of tasks and points; its last line is the score."""
    lines = [f"{'task':<16}{'points':>14}   status"]
    for task in result.tasks:
        amount = f"{points_text(task.score)} / {points_text(task.max_score)}"
        status = task.status + (f" ({', '.join(task.diagnoses)})" if task.diagnoses else "")
        if task.judged and (part := judged_part(task)):
            status += f", {part}"
        lines.append(f"{task.id:<16}{amount:>14}   " + colored(status, _COLORS.get(task.status, _RED), color))
    total = f"{points_text(result.score)} / {points_text(result.max_score)}"
    about = f"{one_line(result.submission)}, seed {result.seed}, sandbox {result.sandbox}, {result.seconds:.1f} s"
    if part := judged_part(result):
        about += f"; unfinished: {part}" if result.unfinished else f"; {part}"
    if result.sandbox == "in-process":
        about += "; run in-process: this score does not count"
    return "\n".join([*lines, f"{'score':<16}{total:>14}   {about}"])


def colored(text: str, code: str, color: bool) -> str:
    """Return text in an ANSI colour, or unchanged."""
    return f"\x1b[{code}m{text}\x1b[0m" if color else text
