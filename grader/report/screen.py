"""The screen of `python -m grader watch`: one task with its first failure, the points, and the keys."""

import re
import textwrap
from collections.abc import Mapping
from dataclasses import dataclass, field

from grader.judge.result import CheckResult, Result, TaskResult

from .explain import shown
from .terminal import colored, render, table
from .text import harmless, one_line, points_text

_KEYS = ("h one more hint", "n next task", "l list of tasks", "r run again", "t training run", "q quit")
_LABELS_OF_HINTS = ("hint", "computes", "smallest")
_HANDOUT = "Read the section of task `{task}` in the handout. What does *Check it yourself* show for your code?"
_TODO = "Read the docstring at this TODO: what goes in, what comes out, and in which shapes?"
_CRASHED = "Look at the last line of your file that is shown: which values, shapes and types meet there?"
_NEXT = " Press n for the next one."
_BAR = 24


@dataclass(frozen=True)
class View:
    """What the screen shows.

    Attributes:
        file: The submission, as the user wrote it.
        points: Points of each selected task, in the order of the handout.
        results: The last result of each task that has one.
        due: Tasks whose result belongs to an earlier version of the file, or that have none yet.
        grading, training: Whether checks or the training run are in progress.
        current: The task on top.
        hints: How many hints are shown.
        told: Whether the offering lets reports give hints.
        listed: Whether the list of tasks is shown instead of one task.
        notice: A line about the file or the grader; usually empty.
        about: Seconds, seed and sandbox of the last grading, as one line.
    """

    file: str
    points: Mapping[str, float]
    results: Mapping[str, TaskResult] = field(default_factory=dict)
    due: frozenset[str] = frozenset()
    grading: bool = False
    training: bool = False
    current: str = ""
    hints: int = 1
    told: bool = True
    listed: bool = False
    notice: str = ""
    about: str = ""


def hints_of(check: CheckResult) -> tuple[str, ...]:
    """Return the hints on a failed check, from general to specific; there are two or three, as lines of a report.

    First comes where to look, then the formula that the code computes, then the smallest input that it gets wrong.
    """
    said = check.explanation
    steps = [f"{label:<10}{text}" for label in _LABELS_OF_HINTS if (text := getattr(said, label))]
    if said.reproduce:
        lines = textwrap.indent(said.reproduce, " " * 10).strip()
        example = f"{'try':<10}{lines}"
        steps = [*steps[:-1], f"{steps[-1]}\n{example}"] if said.smallest else [*steps, example]
    if len(steps) < 2:
        general = {"not attempted": _TODO, "crashed": _CRASHED}.get(check.status, "")
        steps = [*([f"{'hint':<10}{general}"] if general else []), *steps]
        steps = [*steps, f"{'hint':<10}{_HANDOUT.format(task=check.task)}"] if len(steps) < 2 else steps
    return tuple(steps)


def names_lines(task: TaskResult) -> bool:
    """Whether the report on a task names lines of the file."""
    return any(re.search(r"\blines? \d", check.output) for check in task.checks)


def failure_of(task: TaskResult) -> CheckResult | None:
    """Return the check of a task that a student should look at first; None if all passed."""
    explained = [check for check in shown(task).explained if check.status != "passed"]
    short = [check for check in task.checks if check.status != "passed"]
    return next(iter([*explained, *short]), None)


def screen(view: View, width: int, height: int, color: bool = True) -> str:
    """Return the whole screen as lines of text.

    Args:
        view: What to show.
        width, height: Size of the terminal, in characters.
        color: Whether to use ANSI colours.
    """
    body = _list(view, color) if view.listed else _task(view, color)
    foot = [_progress(view, color), _keys(view)]
    head = [f"{view.file}   {view.about}".rstrip(), *([colored(view.notice, "33", color)] if view.notice else []), ""]
    lines = [piece for line in body.split("\n") for piece in _wrapped(line, width)]
    room = max(3, height - len(head) - len(foot) - 2)
    if len(lines) > room:
        lines = [*lines[: room - 1], f"... ({len(lines) - room + 1} more lines: pytest grader/ -m {view.current})"]
    return "\n".join([*(line[:width] if not color else line for line in head), *lines, "", *foot])


def _wrapped(line: str, width: int) -> list[str]:
    """Wrap a long line; its other pieces are indented like the text of a report."""
    if len(line) <= width:
        return [line]
    return textwrap.wrap(line, width, subsequent_indent=" " * 14, drop_whitespace=True, replace_whitespace=False)


def _task(view: View, color: bool) -> str:
    result = view.results.get(view.current)
    if result is None:
        return f"{view.current}: {'grading ...' if view.grading else 'not graded yet'}"
    earned = f"{points_text(result.score)} / {points_text(result.max_score)}"
    state = "   (grading the new version)" if view.current in view.due else ""
    title = colored(f"{view.current}   {earned}   {result.status}", "32" if result.status == "passed" else "31", color)
    check = failure_of(result)
    if check is None:
        done = all(task in view.results and view.results[task].status == "passed" for task in view.points)
        return f"{title}{state}\n\n{'All tasks have' if done else 'This task has'} full points.{'' if done else _NEXT}"
    steps = hints_of(check)
    seen = [
        f"{label:<10}{text}" if label else text
        for label, text in check.explanation.parts()
        if label not in _LABELS_OF_HINTS
    ]
    given = [f"[{i}/{len(steps)}] {step}" for i, step in enumerate(steps[: view.hints], start=1)] if view.told else []
    text = harmless("\n".join([*seen, "", *given]).rstrip())
    return f"{title}{state}\n\n{check.title}\n{textwrap.indent(text, '    ')}"


def _keys(view: View) -> str:
    """Return the keys that do something, in one line."""
    without = [*("h" if not view.told else ""), *("t" if "training" not in view.points else "")]
    return "   ".join(key for key in _KEYS if key[0] not in without)


def _list(view: View, color: bool) -> str:
    graded = tuple(view.results[task] for task in view.points if task in view.results)
    rows = table(Result(view.file, graded, 0.0, "", 0), color).split("\n")[:-1]
    for task in (task for task in view.points if task not in view.results):
        amount, state = f"- / {view.points[task]:g}", "training" if view.training else "waiting"
        rows.append(f"{task:<16}{amount:>14}   {state}")
    return "\n".join(rows)


def _progress(view: View, color: bool) -> str:
    """Return the bar of points, and what is in progress."""
    most = round(100 * sum(view.points.values()))
    earned = sum(view.results[task].score for task in view.points if task in view.results)
    full = _BAR * earned // most if most else 0
    bar = colored("#" * full, "32", color) + "-" * (_BAR - full)
    now = "grading ..." if view.grading else "training ..." if view.training else ""
    return f"[{bar}] {points_text(earned)} / {points_text(most)} points   {now}".rstrip()


def plain_report(result: Result, changed: frozenset[str], color: bool = False) -> str:
    """Return the report after one save: explanations of the changed tasks, then the table, changed tasks first."""
    tasks = sorted(result.tasks, key=lambda task: task.id not in changed)
    ordered = Result(one_line(result.submission), tuple(tasks), result.seconds, result.sandbox, result.seed)
    return render(ordered, color, explained=changed)
