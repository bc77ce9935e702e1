"""A student's attempts: who that is on a roster, which attempt counts, and what an instructor should look at.

A number that Canvas or Moodle gave is looked up in its own roster's column of numbers, and nowhere else. Ids and mail
addresses are looked up in all columns of ids. Full names are the last resort, for Moodle, whose gradebook exports have
no numbers: they must be nobody else's, in the class run and in the roster.
"""

import unicodedata
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from decimal import Decimal, InvalidOperation
from typing import Any

from grader.judge.offering import Counts, Late, reduced
from grader.report.results_json import Record
from grader.report.text import harmless, two_decimals

from ..classes.submissions import HandedIn, Student
from .gradebook import Grade, Person


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


@dataclass(frozen=True)
class Claim:
    """A submission, and one of the students whom it belongs to."""

    student: Student
    attempt: Attempt

    def called(self) -> str:
        """Return what tells an instructor which this is."""
        name = f" ({self.student.name})" if self.student.name else ""
        return f"{self.student.id}{name}"


@dataclass
class Matched:
    """What was found.

    Attributes:
        of: The submissions of each person, by line of the roster.
        strangers: Submissions of nobody in the roster.
        ambiguous: Submissions that could be several persons'.
        by_name: Submissions that were matched by a full name alone.
    """

    of: dict[int, list[Claim]] = field(default_factory=lambda: defaultdict(list))
    strangers: list[Claim] = field(default_factory=list)
    ambiguous: list[Claim] = field(default_factory=list)
    by_name: list[Claim] = field(default_factory=list)


def claims(attempts: Iterable[Attempt]) -> Iterator[Claim]:
    """Yield a claim for each submission and each of its students."""
    for attempt in attempts:
        yield from (Claim(student, attempt) for student in attempt.handed_in.students)


def by_student(claimed: Iterable[Claim]) -> list[list[Claim]]:
    """Return the submissions of each student, as the class run calls them, where there is no roster."""
    found: dict[str, list[Claim]] = {}
    for claim in claimed:
        found.setdefault(_folded(claim.student.id), []).append(claim)
    return list(found.values())


def match_students(claimed: Sequence[Claim], people: Sequence[Person]) -> Matched:
    """Return whose each submission is."""
    numbers, ids, names = _index(people)
    owners: dict[str, set[str]] = defaultdict(set)
    for claim in claimed:
        owners[_same_name(claim.student.name)].add(_folded(claim.student.id))
    found = Matched()
    for claim in claimed:
        student = claim.student
        lines = numbers.get((student.system, student.number), set()) if student.number else set()
        lines = lines or set().union(*(ids.get(key, set()) for key in _keys(student, people)))
        if not lines and student.system == "moodle" and len(owners[_same_name(student.name)]) == 1:
            lines = names.get(_same_name(student.name), set())
            found.by_name.extend([claim] if len(lines) == 1 else [])
        if len(lines) == 1:
            found.of[next(iter(lines))].append(claim)
        else:
            (found.ambiguous if lines else found.strangers).append(claim)
    return found


_Lines = dict[str, set[int]]


def _index(people: Sequence[Person]) -> tuple[dict[tuple[str, str], set[int]], _Lines, _Lines]:
    numbers: dict[tuple[str, str], set[int]] = defaultdict(set)
    ids: _Lines = defaultdict(set)
    names: _Lines = defaultdict(set)
    for person in people:
        line = person.row.line
        if person.number:
            numbers[person.system, person.number].add(line)
        for own in person.ids:
            ids[_folded(own)].add(line)
        if person.name:
            names[_same_name(person.name)].add(line)
    return numbers, ids, names


def _keys(student: Student, people: Sequence[Person]) -> set[str]:
    """Return what to look up among ids: not the number of another system, which may be anyone's id here."""
    foreign = student.number if student.system in ("canvas", "moodle") and any(p.system for p in people) else ""
    keys = {student.id, student.email, student.number} - {foreign, ""}
    return {_folded(key) for key in keys}


def _folded(text: str) -> str:
    """Return what is the same for ids and addresses that differ in capitals, or in how a system writes accents."""
    return unicodedata.normalize("NFC", text.strip()).casefold()


def _same_name(text: str) -> str:
    return _folded(" ".join(text.replace("_", " ").split()))


@dataclass
class Findings:
    """Lines about what needs a look; none if all is well. Names in them are harmless to a terminal.

    Attributes:
        of_roster: What the roster is called; empty without one.
        lines: So far.
    """

    of_roster: str = ""
    lines: list[str] = field(default_factory=list)

    def matching(self, matched: Matched, lacking: Sequence[Person]) -> None:
        """Say who of the class run and of the roster found no partner."""
        if lacking and not matched.of and matched.strangers:
            theirs, ours = next((own for one in lacking for own in one.ids), "nothing"), matched.strangers[0].student.id
            self.lines.append(
                f"nobody of {self.of_roster} is in the class run: ids like {harmless(theirs)} there, like "
                f"{harmless(ours)} here; give the class run a --roster that says which is which"
            )
        strangers = [claim.called() for claim in matched.strangers]
        ambiguous = [claim.called() for claim in matched.ambiguous]
        by_name = [claim.called() for claim in matched.by_name]
        self._say(f"in the class run, but not in {self.of_roster}", strangers)
        self._say(f"several lines of {self.of_roster} fit, so none was taken", ambiguous)
        self._say(f"in {self.of_roster}, but without a submission", [person.called() for person in lacking])
        self._say("matched by the full name alone; the grading worksheet has numbers", by_name)

    def decisions(self, decided: Sequence[tuple[str, Decided]]) -> None:
        """Say whose grade is missing, or not as sure as it looks."""
        pending = [f"{name}: {one.attempt.record.status}" for name, one in decided if one.grade is None]
        self._say("without a verdict, so without a grade; run the class run again", pending)
        self._say(
            "several attempts, and nothing tells their order but their names; give `submitted` in a roster",
            [name for name, one in decided if not one.ordered],
        )
        timeless = [
            f"{name}{' (LATE, says Canvas)' if one.attempt.handed_in.marked_late else ''}"
            for name, one in decided
            if one.grade and one.grade.earned and one.grade.due and not one.grade.submitted
        ]
        self._say("no penalty, as nothing tells when they handed in; give `submitted` in a roster", timeless)

    def times_of_moodle(self, decided: Sequence[tuple[Person, Decided]], zoned: bool) -> None:
        """Say whose time of submission stands in Moodle's worksheet and could not be used, and why."""
        unused = [
            person
            for person, one in decided
            if person.submitted and one.grade and one.grade.due and not one.grade.submitted
        ]
        if unused and not zoned:
            example = f"`{harmless(unused[0].submitted)}`"
            self.lines.append(
                f"times like {example} in {self.of_roster} count with their zone: --timezone Europe/Berlin"
            )
        elif unused:
            what = "their times cannot be read; download the worksheet with Moodle in English, or give `submitted`"
            self._say(what, [f"{person.called()}: {person.submitted}" for person in unused])

    def points(self, possible: str, max_points: int) -> None:
        """Say if the system has other points possible than were graded."""
        try:
            same = Decimal(possible.replace(",", ".")) * 100 == max_points
        except InvalidOperation:  # nothing, or words
            return
        if not same:
            graded = two_decimals(max_points)
            self.lines.append(
                f"{self.of_roster} has {possible} points possible, the class run {graded}: change one of them"
            )

    def excused(self, names: Sequence[str]) -> None:
        """Say who keeps no points because of being excused."""
        self._say("excused, and stay so, although they have a submission", names)

    def unreturned(self, nameless: Sequence[str]) -> None:
        """Say whose report has no place in the zip."""
        self._say("not in the zip, as nothing tells what the system calls their files", nameless)

    def _say(self, what: str, names: Sequence[str]) -> None:
        if names:
            shown = "; ".join(harmless(" ".join(name.split())) for name in names)
            self.lines.append(f"{what} ({len(names)}): {shown}")
