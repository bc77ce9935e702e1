"""Which student of a class run is which person of a roster: nobody is guessed at.

A number that Canvas or Moodle gave is looked up in its own roster's column of numbers, and nowhere else. Ids and mail
addresses are looked up in all columns of ids. Full names are the last resort, for Moodle, whose gradebook exports have
no numbers: they must be nobody else's, in the class run and in the roster.
"""

import unicodedata
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field

from grader.report.gradebooks.roster import Person
from grader.report.submissions import Student

from .attempts import Attempt


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


def match(claimed: Sequence[Claim], people: Sequence[Person]) -> Matched:
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
