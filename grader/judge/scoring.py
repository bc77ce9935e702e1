"""From verdicts to points: shares within a task, and what a wrong value leaves of them."""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from .results import CheckResult, Kind, Status, TaskResult
from .tasks import TASKS

MOST_FOR_FORM = 40  # percent of a task that shape checks may pay at most


@dataclass(frozen=True)
class Verdict:
    """How one check ended, before points: see CheckResult for the fields; `share` is in percent of the task."""

    task: str
    name: str
    title: str
    kind: Kind
    share: int
    status: Status
    output: str = ""
    diagnosis: str | None = None


def validate(shares: Iterable[tuple[str, Kind, int]]) -> None:
    """Hold the checks of every task to the rules.

    Args:
        shares: (task id, kind, share in percent) of all checks of the tasks named.

    Raises:
        ValueError: The shares of a task are not 100 in sum, its shape checks exceed 40, or it has no value check.
    """
    totals: dict[str, int] = defaultdict(int)
    form: dict[str, int] = defaultdict(int)
    valued: set[str] = set()
    for task, kind, share in shares:
        totals[task] += share
        form[task] += share if kind == "shape" else 0
        valued |= {task} if kind == "value" else set()
    for task, total in totals.items():
        if total != 100 or form[task] > MOST_FOR_FORM or task not in valued:
            raise ValueError(
                f"task {task}: shares add up to {total}, shapes to {form[task]}, value check: {task in valued}"
            )


def score(verdicts: Sequence[Verdict], points: dict[str, int]) -> tuple[TaskResult, ...]:
    """Return the results of the tasks judged, in the order of the handout.

    Where a value check of a task did not pass, only its shape checks pay, whatever the others found.
    """
    tasks = []
    for task in TASKS:
        of_task = [v for v in verdicts if v.task == task.id]
        if of_task:
            wrong = any(v.kind == "value" and v.status != "passed" for v in of_task)
            checks = tuple(_paid(v, points[task.id], wrong) for v in of_task)
            left_out = points[task.id] * max(0, 100 - sum(v.share for v in of_task))
            tasks.append(TaskResult(task.id, checks, left_out))
    return tuple(tasks)


def _paid(verdict: Verdict, points: int, value_is_wrong: bool) -> CheckResult:
    worth = points * verdict.share  # percent of whole points are hundredths
    result = CheckResult(
        task=verdict.task,
        name=verdict.name,
        title=verdict.title,
        kind=verdict.kind,
        score=worth if verdict.status == "passed" else 0,
        max_score=worth,
        status=verdict.status,
        output=verdict.output,
        diagnosis=verdict.diagnosis,
    )
    if not value_is_wrong or verdict.kind == "shape":
        return result
    if result.score:
        return replace(result, score=0, output="passes, but pays only once the value is right")
    # What follows from a wrong value is no mistake of its own: it must not be named as one.
    return result if verdict.kind == "value" else replace(result, diagnosis=None)
