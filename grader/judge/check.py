"""What a check is: a test function of one task, with a kind and a share; and how verdicts become points."""

import contextlib
import itertools
import math
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import NoReturn, TypeVar

import pytest

from .behaviours import NUMBERS
from .misconceptions import Misconception
from .offering import TASKS
from .result import CheckResult, Draws, Explanation, Kind, Picture, Status, TaskResult

_Function = TypeVar("_Function", bound=Callable[..., None])


def check(kind: Kind, share: int) -> Callable[[_Function], _Function]:
    """Mark a test function as a check; its docstring is the title that the student reads.

    Args:
        kind: `shape` (dtypes too), `value`, `gradient` or `statistics`.
        share: Percent of the task's points. The shares of a task add up to 100; the task is the module's marker.
    """

    def mark(function: _Function) -> _Function:
        return pytest.mark.check(kind=kind, share=share)(function)

    return mark


class CheckFailed(Exception):  # noqa: N818
    """Raised by a check that the submission does not pass.

    Attributes:
        explanation: What the student reads.
        draws: Makes a picture of the failure; None if there is none.
    """

    def __init__(self, explanation: Explanation, draws: Draws | None = None):
        super().__init__(explanation.text())
        self.explanation, self.draws = explanation, draws


def fail(
    expected: str,
    got: str,
    *,
    deviation: str = "",
    computes: str = "",
    smallest: str = "",
    reproduce: str = "",
    hint: str = "",
    diagnosis: str | None = None,
    found: Misconception | None = None,
    draws: Draws | None = None,
) -> NoReturn:
    """Fail the running check; see Explanation and CheckFailed for the other arguments.

    Args:
        found: The misconception to name, with its hint unless another one is given.

    Raises:
        CheckFailed: Always.
    """
    if found:
        hint, diagnosis = hint or found.hint, found.id
    explanation = Explanation(expected, got, deviation, computes, smallest, hint, reproduce=reproduce)
    raise CheckFailed(replace(explanation, diagnosis=diagnosis), draws)


@contextlib.contextmanager
def pictured(draws: Draws | None) -> Iterator[None]:
    """Add a picture to a failure of the checks inside, in place of their own; None adds nothing."""
    try:
        yield
    except CheckFailed as error:
        error.draws = draws or error.draws
        raise


MOST_FOR_FORM = 40  # the largest share, in percent, that the shape checks of a task may have
UNPAID = "passes, but counts only once the value is right"


@dataclass(frozen=True)
class Verdict:
    """How one check ended, before points: see CheckResult for the fields; `share` is in percent of the task."""

    task: str
    name: str
    title: str
    kind: Kind
    share: int
    status: Status
    explanation: Explanation = field(default_factory=Explanation)
    picture: Picture | None = None


def validate_shares(shares: Iterable[tuple[str, Kind, int]]) -> None:
    """Check the rules for the shares of every task.

    Args:
        shares: (task id, kind, share in percent) of all checks of the tasks.

    Raises:
        ValueError: The shares of a task do not add up to 100, its shape checks exceed 40, or it has no value check.
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


def score(verdicts: Sequence[Verdict], points: Mapping[str, float]) -> tuple[TaskResult, ...]:
    """Return the results of the judged tasks, in the order of the handout.

    If a value check of a task did not pass, only its shape checks earn points.
    """
    tasks = []
    for task in TASKS:
        of_task = [v for v in verdicts if v.task == task.id]
        if of_task:
            wrong = any(v.kind == "value" and v.status != "passed" for v in of_task)
            of_task = _without_echoes(of_task)
            worth = _worth([v.share for v in of_task], points[task.id])
            checks = tuple(_paid(v, each, wrong) for v, each in zip(of_task, worth, strict=True))
            tasks.append(TaskResult(task.id, checks, max(0, round(100 * points[task.id]) - sum(worth))))
    return tuple(tasks)


def _without_echoes(verdicts: Sequence[Verdict]) -> list[Verdict]:
    """Return the verdicts of a task; where one names the mistake, others do not name how its numbers differ."""
    names = [v.explanation.diagnosis for v in verdicts if v.explanation.diagnosis]
    if not names or names[0] in NUMBERS:
        return list(verdicts)
    return [
        replace(v, explanation=replace(v.explanation, diagnosis=None)) if v.explanation.diagnosis in NUMBERS else v
        for v in verdicts
    ]


def _worth(shares: Sequence[int], points: float) -> list[int]:
    """Return the hundredths of points of each check. Percent of half points may end in halves: the sum is exact."""
    ends = [math.floor(points * share) for share in itertools.accumulate(shares, initial=0)]
    return [end - begin for begin, end in itertools.pairwise(ends)]


def _paid(verdict: Verdict, worth: int, value_is_wrong: bool) -> CheckResult:
    result = CheckResult(
        task=verdict.task,
        name=verdict.name,
        title=verdict.title,
        kind=verdict.kind,
        score=worth if verdict.status == "passed" else 0,
        max_score=worth,
        status=verdict.status,
        explanation=verdict.explanation,
        picture=verdict.picture,
    )
    if not value_is_wrong or verdict.kind == "shape":
        return result
    if result.score:
        return replace(result, score=0, explanation=Explanation(message=UNPAID))
    # A failure that follows from a wrong value is not a second mistake: it gets no diagnosis.
    if verdict.kind == "value":
        return result
    # Its hint would look for another cause, such as detach() in a gradient, and so would its picture.
    plain = replace(result.explanation, diagnosis=None, hint="", computes="", smallest="", reproduce="")
    return replace(result, explanation=plain, picture=None)
