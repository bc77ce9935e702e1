"""A student's attempts: their order, their grades, and which of them counts."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from decimal import Decimal
from typing import Any

from grader.judge.late import Late, reduced
from grader.judge.offering import Counts
from grader.report.gradebooks.grade import Grade
from grader.report.reading import Record
from grader.report.submissions import HandedIn


@dataclass(frozen=True)
class Attempt:
    """One submission of a class run.

    Attributes:
        handed_in: What was handed in, by whom and when.
        record: What became of it.
        place: In the order of the class run.
    """

    handed_in: HandedIn
    record: Record
    place: int

    @property
    def is_empty(self) -> bool:
        """Whether there was nothing to grade."""
        return bool(self.handed_in.problem)

    @property
    def is_pending(self) -> bool:
        """Whether the grader owes a verdict: it died, or the class run has not come so far."""
        return not self.is_empty and self.record.result is None


@dataclass(frozen=True)
class Decided:
    """Which attempt counts, and its grade.

    Attributes:
        attempt: The one that counts.
        grade: Its grade; None where the grader owes a verdict that the choice depends on.
        ordered: Whether times or numbers told which attempt came last, where that matters.
    """

    attempt: Attempt
    grade: Grade | None
    ordered: bool = True


def considered(attempts: Sequence[Attempt]) -> list[Attempt]:
    """Return the attempts that can count: where there was nothing to grade counts only if it is all there is."""
    return [one for one in attempts if not one.is_empty] or list(attempts)


def decide(attempts: Sequence[Attempt], counts: Counts, late: Late, due: datetime | None, max_points: int) -> Decided:
    """Return the attempt of a student that counts, with its grade.

    Attempts are ordered by time; by number where a time is unknown; else by name. The best one has the most points
    after the penalty; among equals, the first.

    Args:
        attempts: At least one, all of the same student.
        counts: Which.
        late: What lateness costs.
        due: The student's due date; None for never.
        max_points: To earn where there was nothing to grade, in hundredths.
    """
    ordered, told = _order(considered(attempts))
    grades = [
        replace(_grade(one, late, due, max_points), attempt=i, attempts=len(ordered))
        for i, one in enumerate(ordered, 1)
    ]
    if counts == "best":
        place = max(range(len(ordered)), key=lambda i: (grades[i].points, -i))
        pending = any(one.is_pending for one in ordered)
    else:
        place = 0 if counts == "first" else len(ordered) - 1
        pending = ordered[place].is_pending
    return Decided(ordered[place], None if pending else grades[place], told or counts == "best")


def _order(attempts: Sequence[Attempt]) -> tuple[list[Attempt], bool]:
    """Return attempts in their order, and whether it is known rather than that of their names."""
    numbers = [one.handed_in.attempt for one in attempts]
    times = [one.handed_in.submitted for one in attempts]
    if all(times):
        key: Callable[[Attempt], Any] = lambda one: (one.handed_in.submitted, one.handed_in.attempt or 0, one.place)  # noqa: E731
    elif None not in numbers and len(set(numbers)) == len(numbers):
        key = lambda one: one.handed_in.attempt  # noqa: E731
    else:
        return sorted(attempts, key=lambda one: one.place), len(attempts) == 1
    return sorted(attempts, key=key), True


def _grade(attempt: Attempt, late: Late, due: datetime | None, max_points: int) -> Grade:
    result, submitted = attempt.record.result, attempt.handed_in.submitted
    earned = result.score if result else 0
    late_by = submitted - due if submitted and due else None
    percent = Decimal(0) if late_by is None else late.penalty(late_by)
    return Grade(
        submission=attempt.record.submission,
        status=attempt.record.status,
        points=reduced(earned, percent),
        max_points=result.max_score if result else max_points,
        earned=earned,
        days_late=0 if late_by is None else late.days(late_by),
        percent=percent,
        submitted=submitted,
        due=due,
        result=result,
    )
