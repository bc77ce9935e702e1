"""Statistics of a class: scores, tasks, misconceptions, time. Pure functions of the results."""

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from grader.judge.result import Result, Status, TaskResult
from grader.report.explain import BROKEN
from grader.report.html import attainment, share_of
from grader.report.results_json import Record


@dataclass(frozen=True)
class ScoreSummary:
    """Summary of a list of scores: count, mean, quartiles, and the number of full scores."""

    count: int
    mean: float
    lower: float
    median: float
    upper: float
    full: int


@dataclass(frozen=True)
class Bin:
    """Scores from `low` to `high`, excluding `high`; the last bin also includes the maximum score."""

    low: float
    high: float
    count: int


@dataclass(frozen=True)
class TaskNumbers:
    """Statistics of one task over a class.

    Attributes:
        task: Id of the task.
        max_score: Maximum points.
        mean: Mean share of the maximum points, 0 to 1; None for a task without points.
        full, partial, zero, not_attempted: Number of submissions that earned all, some or no points, or did not
            attempt the task; for a task without points, the number that passed all, some or no checks.
    """

    task: str
    max_score: float
    mean: float | None
    full: int
    partial: int
    zero: int
    not_attempted: int


@dataclass(frozen=True)
class FoundMisconception:
    """A misconception found in a class: its id, its task, and the submissions that have it."""

    id: str
    task: str
    submissions: tuple[str, ...]


@dataclass(frozen=True)
class Trouble:
    """A submission that crashed, hung or ran out of memory.

    Attributes:
        submission: Name of the submission.
        status: The worst status of its checks.
        tasks: The tasks with that status.
        message: First line of the explanation.
    """

    submission: str
    status: Status
    tasks: tuple[str, ...]
    message: str


def score_summary(scores: Sequence[float], most: float) -> ScoreSummary | None:
    """Return a summary of the scores, or None if there are none. Quartiles are interpolated linearly."""
    if not scores:
        return None
    ordered = sorted(scores)
    quarter, half, three_quarters = (_quantile(ordered, q) for q in (0.25, 0.5, 0.75))
    full = sum(score >= most for score in ordered)
    return ScoreSummary(len(ordered), math.fsum(ordered) / len(ordered), quarter, half, three_quarters, full)


def _quantile(ordered: Sequence[float], q: float) -> float:
    place = q * (len(ordered) - 1)
    below = math.floor(place)
    above = min(below + 1, len(ordered) - 1)
    return ordered[below] + (place - below) * (ordered[above] - ordered[below])


def histogram(scores: Iterable[float], most: float, bins: int = 20) -> tuple[Bin, ...]:
    """Return the number of scores in each of `bins` equal parts of the range from 0 to `most`."""
    counts = [0] * bins
    for score in scores:
        counts[min(max(int(bins * score / most), 0), bins - 1) if most > 0 else bins - 1] += 1
    return tuple(Bin(most * i / bins, most * (i + 1) / bins, count) for i, count in enumerate(counts))


def by_task(results: Sequence[Result]) -> tuple[TaskNumbers, ...]:
    """Return the statistics of each task, in the order of the handout. Results without the task are not counted."""
    of: dict[str, list[TaskResult]] = {}
    for result in results:
        for task in result.tasks:
            of.setdefault(task.id, []).append(task)
    return tuple(_task_numbers(task, found) for task, found in of.items())


def _task_numbers(task: str, found: Sequence[TaskResult]) -> TaskNumbers:
    kinds = [attainment(result) for result in found]
    shares = [share for result in found if (share := share_of(result)) is not None]
    return TaskNumbers(
        task=task,
        max_score=max(result.max_score for result in found) / 100,
        mean=math.fsum(shares) / len(shares) if shares else None,
        full=kinds.count("full"),
        partial=kinds.count("partial"),
        zero=kinds.count("zero"),
        not_attempted=kinds.count("not attempted"),
    )


def misconceptions(records: Iterable[Record]) -> tuple[FoundMisconception, ...]:
    """Return the misconceptions of a class, the most frequent first."""
    who: dict[tuple[str, str], list[str]] = {}
    for record in records:
        for task in record.result.tasks if record.result else ():
            for diagnosis in task.diagnoses:
                who.setdefault((diagnosis, task.id), []).append(record.submission)
    found = [FoundMisconception(diagnosis, task, tuple(submissions)) for (diagnosis, task), submissions in who.items()]
    return tuple(sorted(found, key=lambda f: (-len(f.submissions), f.task, f.id)))


def slowest(records: Iterable[Record], count: int = 5) -> tuple[tuple[str, float], ...]:
    """Return the submissions that took the longest, as (name, seconds)."""
    timed = [(record.submission, record.result.seconds) for record in records if record.result]
    return tuple(sorted(timed, key=lambda pair: (-pair[1], pair[0]))[:count])


def troubles(records: Iterable[Record]) -> tuple[Trouble, ...]:
    """Return the submissions that crashed, hung or ran out of memory, sorted by severity and number of tasks."""
    found = [trouble for record in records if record.result and (trouble := _trouble(record.submission, record.result))]
    order: Callable[[Trouble], tuple[int, int, str]] = lambda t: (BROKEN.index(t.status), -len(t.tasks), t.submission)  # noqa: E731
    return tuple(sorted(found, key=order))


def _trouble(submission: str, result: Result) -> Trouble | None:
    checks = [check for task in result.tasks for check in task.checks]
    worst = next((status for status in BROKEN if any(check.status == status for check in checks)), None)
    if worst is None:
        return None
    of_it = [check for check in checks if check.status == worst]
    explanation = of_it[0].explanation
    words = (explanation.got or explanation.message).partition("\n")[0]
    return Trouble(submission, worst, tuple(dict.fromkeys(check.task for check in of_it)), words)
