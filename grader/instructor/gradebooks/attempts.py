"""A student's attempts: find the student in a roster, choose the attempt that counts, and list what needs a check.

A number from Canvas or Moodle is looked up only in the column of numbers of a roster of the same system. Ids and mail
addresses are looked up in all columns of ids. Full names are the last resort, for Moodle, whose gradebook exports have
no numbers: a name must be unique in the class run and in the roster.
"""

import unicodedata
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from decimal import Decimal
from typing import Any

from grader.judge.late_policy import Late, reduced
from grader.judge.offering import Counts
from grader.report.results_json import Record
from grader.report.text import harmless, two_decimals

from ..class_runs.submissions import HandedIn, Student
from .gradebook import Grade, Person, hundredths


@dataclass(frozen=True)
class Attempt:
    """One submission of a class run.

    Attributes:
        handed_in: What was handed in, by whom and when.
        record: Its grading.
        place: Position in the class run.
    """

    handed_in: HandedIn
    record: Record
    place: int

    @property
    def is_empty(self) -> bool:
        """True if there was nothing to grade."""
        return bool(self.handed_in.problem)

    @property
    def is_pending(self) -> bool:
        """True if the verdict is still missing: the grader died, or the class run is not complete."""
        return not self.is_empty and self.record.result is None


@dataclass(frozen=True)
class Decided:
    """The attempt that counts, and its grade.

    Attributes:
        attempt: The attempt that counts.
        grade: Its grade; None if a verdict that the choice depends on is missing.
        ordered: False if the order of the attempts matters, but times and numbers do not determine it.
    """

    attempt: Attempt
    grade: Grade | None
    ordered: bool = True


def considered(attempts: Sequence[Attempt]) -> list[Attempt]:
    """Return the attempts that can count: those with something to grade, or all if there are none."""
    return [one for one in attempts if not one.is_empty] or list(attempts)


def decide(attempts: Sequence[Attempt], counts: Counts, late: Late, due: datetime | None, max_points: int) -> Decided:
    """Return the attempt of a student that counts, with its grade.

    Attempts are ordered by time; by number if a time is unknown; otherwise by name. The best attempt is the one with
    the most points after the late penalty; of several such attempts, the first.

    Args:
        attempts: All attempts of one student, at least one.
        counts: Which attempt counts.
        late: The late policy.
        due: The student's due date; None if there is none.
        max_points: Maximum points of an attempt with nothing to grade, in hundredths.
    """
    ordered, is_known = _order(considered(attempts))
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
    return Decided(ordered[place], None if pending else grades[place], is_known or counts == "best")


def _order(attempts: Sequence[Attempt]) -> tuple[list[Attempt], bool]:
    """Return the sorted attempts, and whether times or numbers determine their order (if not, it is by name)."""
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
    """A submission, and one of the students who handed it in."""

    student: Student
    attempt: Attempt

    def called(self) -> str:
        """Return the student's id and name, for messages."""
        name = f" ({self.student.name})" if self.student.name else ""
        return f"{self.student.id}{name}"


@dataclass
class Matched:
    """Submissions matched with the lines of a roster.

    Attributes:
        of: The submissions of each person, by line of the roster.
        strangers: Submissions whose student is not in the roster.
        ambiguous: Submissions that match several lines.
        by_name: Submissions that were matched by the full name only.
    """

    of: dict[int, list[Claim]] = field(default_factory=lambda: defaultdict(list))
    strangers: list[Claim] = field(default_factory=list)
    ambiguous: list[Claim] = field(default_factory=list)
    by_name: list[Claim] = field(default_factory=list)


def claims(attempts: Iterable[Attempt]) -> Iterator[Claim]:
    """Yield a claim for each pair of a submission and one of its students."""
    for attempt in attempts:
        yield from (Claim(student, attempt) for student in attempt.handed_in.students)


def by_student(claimed: Iterable[Claim]) -> list[list[Claim]]:
    """Group submissions by the student's id in the class run, for exports without a roster."""
    found: dict[str, list[Claim]] = {}
    for claim in claimed:
        found.setdefault(folded(claim.student.id), []).append(claim)
    return list(found.values())


def match_students(claimed: Sequence[Claim], people: Sequence[Person]) -> Matched:
    """Match submissions with the people of a roster."""
    numbers, ids, names = _index(people)
    owners: dict[str, set[str]] = defaultdict(set)
    for claim in claimed:
        owners[_same_name(claim.student.name)].add(folded(claim.student.id))
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
            ids[folded(own)].add(line)
        if person.name:
            names[_same_name(person.name)].add(line)
    return numbers, ids, names


def _keys(student: Student, people: Sequence[Person]) -> set[str]:
    """Return the ids to look up: without the number of another system, which may be another person's id here."""
    foreign = student.number if student.system in ("canvas", "moodle") and any(p.system for p in people) else ""
    keys = {student.id, student.email, student.number} - {foreign, ""}
    return {folded(key) for key in keys}


def folded(text: str) -> str:
    """Normalise an id or address, so that case and the encoding of accents do not matter."""
    return unicodedata.normalize("NFC", text.strip()).casefold()


def _same_name(text: str) -> str:
    return folded(" ".join(text.replace("_", " ").split()))


@dataclass
class Findings:
    """Messages about what the instructor should check; empty if there is nothing. Names are safe for a terminal.

    Attributes:
        of_roster: Name of the roster; empty without a roster.
        lines: The messages so far.
    """

    of_roster: str = ""
    lines: list[str] = field(default_factory=list)

    def matching(self, matched: Matched, lacking: Sequence[Person]) -> None:
        """Report submissions and people of the roster without a match."""
        if lacking and not matched.of and matched.strangers:
            theirs, ours = next((own for one in lacking for own in one.ids), "nothing"), matched.strangers[0].student.id
            self.lines.append(
                f"nobody in {self.of_roster} is in the class run: it has ids like {harmless(theirs)}, the class run "
                f"has ids like {harmless(ours)}; give the class run a --roster that maps entries to ids"
            )
        strangers = [claim.called() for claim in matched.strangers]
        ambiguous = [claim.called() for claim in matched.ambiguous]
        by_name = [claim.called() for claim in matched.by_name]
        self._say(f"in the class run, but not in {self.of_roster}", strangers)
        self._say(f"match several lines of {self.of_roster}, so none was used", ambiguous)
        self._say(f"in {self.of_roster}, but without a submission", [person.called() for person in lacking])
        self._say("matched by full name only; the grading worksheet has numbers", by_name)

    def decisions(self, decided: Sequence[tuple[str, Decided]]) -> None:
        """Report grades that are missing or uncertain."""
        pending = [f"{name}: {one.attempt.record.status}" for name, one in decided if one.grade is None]
        self._say("no verdict, so no grade; run the class run again", pending)
        self._say(
            "several attempts, ordered by name as their times are unknown; give `submitted` in a roster",
            [name for name, one in decided if not one.ordered],
        )
        timeless = [
            f"{name}{' (marked LATE by Canvas)' if one.attempt.handed_in.marked_late else ''}"
            for name, one in decided
            if one.grade and one.grade.earned and one.grade.due and not one.grade.submitted
        ]
        self._say("no late penalty, as the time of submission is unknown; give `submitted` in a roster", timeless)

    def times_of_moodle(self, decided: Sequence[tuple[Person, Decided]], zoned: bool) -> None:
        """Report times of submission in Moodle's worksheet that could not be used, and why."""
        unused = [
            person
            for person, one in decided
            if person.submitted and one.grade and one.grade.due and not one.grade.submitted
        ]
        if unused and not zoned:
            example = f"`{harmless(unused[0].submitted)}`"
            self.lines.append(
                f"times like {example} in {self.of_roster} are ignored without a time zone: give one, as in "
                "--timezone Europe/Berlin"
            )
        elif unused:
            what = "times that cannot be read; download the worksheet with Moodle in English, or give `submitted`"
            self._say(what, [f"{person.called()}: {person.submitted}" for person in unused])

    def points(self, possible: str, max_points: int) -> None:
        """Report if the maximum points in the system differ from those of the class run."""
        stated = hundredths(possible)
        same = stated is None or stated == max_points  # None: empty, or not a number
        if not same:
            graded = two_decimals(max_points)
            self.lines.append(
                f"the maximum is {possible} points in {self.of_roster}, but the grades are out of {graded}: change one "
                "of them, or add --scale-to column"
            )

    def excused(self, names: Sequence[str]) -> None:
        """Report students who get no points because they are excused."""
        self._say("excused although they have a submission; they stay excused", names)

    def unreturned(self, nameless: Sequence[str]) -> None:
        """Report students whose report could not be added to the zip."""
        self._say("not in the zip, as the name of their file in the system is unknown", nameless)

    def _say(self, what: str, names: Sequence[str]) -> None:
        if names:
            shown = "; ".join(harmless(" ".join(name.split())) for name in names)
            self.lines.append(f"{what} ({len(names)}): {shown}")
