"""report.html: what one student reads."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from ..judge.results import CheckResult, Result, TaskResult
from .explain import BROKEN, parts, shown
from .files import write_whole
from .pages import render
from .reading import Record
from .statistics import attainment, share_of


@dataclass(frozen=True)
class ShownCheck:
    """A check that missed points, ready to be shown; `parts` are pairs of label and text."""

    title: str
    status: str
    score: float
    max_score: float
    parts: tuple[tuple[str, str], ...]


@dataclass(frozen=True)
class ShownTask:
    """A task, ready to be shown.

    Attributes:
        id, status, score, max_score: The task's.
        share: Part of its points that was earned, 0 to 1; 0 where it has none.
        attainment: `full`, `partial`, `zero` or `not attempted`.
        diagnoses: Ids of the misconceptions found.
        checks: Those to explain.
        waiting: Titles of those that count once the value is right.
        same: How many more checks failed for the reason of an explained one.
    """

    id: str
    status: str
    score: float
    max_score: float
    share: float
    attainment: str
    diagnoses: tuple[str, ...]
    checks: tuple[ShownCheck, ...]
    waiting: tuple[str, ...]
    same: int


@dataclass(frozen=True)
class Everywhere:
    """One thing that ended several tasks, as an error on import does: said once, above the tasks."""

    status: str
    parts: tuple[tuple[str, str], ...]
    tasks: tuple[str, ...]


def page(record: Record, title: str, notes: Sequence[str] = ()) -> str:
    """Return the report of one submission as a page of HTML.

    Args:
        record: The submission, graded or not.
        title: What was graded, as the heading's small line says it: course, assignment, term.
        notes: What else there is to say about the points, as what lateness took.
    """
    tasks = [_task(task) for task in record.result.tasks] if record.result else []
    everywhere = _everywhere(tasks)
    return render(
        "report.html",
        title=title,
        notes=notes,
        record=record,
        result=record.result,
        tasks=tasks,
        everywhere=everywhere,
        said={task for one in everywhere for task in one.tasks},
        untouched=[task.id for task in tasks if task.attainment == "not attempted"],
        counts={kind: sum(task.attainment == kind for task in tasks) for kind in ("full", "partial", "zero")},
        environment=_environment(record.result),
    )


def write(folder: Path, record: Record, title: str) -> Path:
    """Write report.html atomically into the submission's folder and return its path.

    Raises:
        OSError: It cannot be written.
    """
    path = folder / "report.html"
    write_whole(path, page(record, title))
    return path


def _task(task: TaskResult) -> ShownTask:
    checks = shown(task)
    return ShownTask(
        id=task.id,
        status=task.status,
        score=task.score / 100,
        max_score=task.max_score / 100,
        share=share_of(task) or 0.0,
        attainment=attainment(task),
        diagnoses=tuple(task.diagnoses),
        checks=tuple(_check(check) for check in checks.explained),
        waiting=tuple(check.title for check in checks.waiting),
        same=checks.same,
    )


def _everywhere(tasks: Sequence[ShownTask]) -> list[Everywhere]:
    """Return what ended more than one task in the very same words."""
    ended: dict[tuple[str, tuple[tuple[str, str], ...]], list[str]] = {}
    for task in tasks:
        if task.status in BROKEN and len(task.checks) == 1:
            ended.setdefault((task.status, task.checks[0].parts), []).append(task.id)
    return [Everywhere(*what, tuple(ids)) for what, ids in ended.items() if len(ids) > 1]


def _check(check: CheckResult) -> ShownCheck:
    return ShownCheck(
        title=check.title,
        status=check.status,
        score=check.score / 100,
        max_score=check.max_score / 100,
        parts=parts(check.output),
    )


def _environment(result: Result | None) -> str:
    if result is None:
        return ""
    versions = [f"{name} {result.environment[name]}" for name in ("python", "torch") if name in result.environment]
    return ", ".join(versions)
