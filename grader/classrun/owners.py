"""Who handed in which entry: what an export tells, and what the instructor's roster knows better."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from grader.report.submissions import HandedIn, Student

from . import exports
from .exports import Told
from .names import stem
from .roster import Listed


def owners(entries: Sequence[Path], roster: Mapping[str, Listed], gradescope: Mapping[str, Told]) -> list[HandedIn]:
    """Return who handed in each entry; where nothing tells, the student is called like the entry.

    `submission` is the name of a row as it should be: the roster's id, or that of an export (of a group: all their
    ids), or the entry's name without extension. It is neither unique nor harmless yet.

    Args:
        entries: Files, folders and archives.
        roster: Of `read_roster`.
        gradescope: Of `read_gradescope`.
    """
    forms = exports.by_form([entry.name for entry in entries])
    return [_owner(entry, roster, gradescope.get(entry.name) or forms.get(entry.name)) for entry in entries]


def _owner(entry: Path, roster: Mapping[str, Listed], told: Told | None) -> HandedIn:
    own = entry.name if entry.is_dir() else stem(entry.name)
    told = told or Told(())
    of_entry = _listed(roster, entry.name, own)
    members = told.students or (Student(own),)
    lines = [_listed(roster, one.id, one.email, one.name) for one in told.students] or [None]
    if of_entry and len(members) == 1:
        lines = [of_entry]
    students = tuple(map(_known, members, lines))
    row = told.row if told.row and not any(lines) else "_".join(student.id for student in students)
    line = of_entry or next((line for line in lines if line), Listed(""))
    return HandedIn(
        entry=entry.name,
        students=students,
        submission=of_entry.id if of_entry else row,
        submitted=line.submitted or told.submitted,
        attempt=told.attempt if line.attempt is None else line.attempt,
        marked_late=told.marked_late,
    )


def _listed(roster: Mapping[str, Listed], *keys: str) -> Listed | None:
    return next((roster[key] for key in keys if key in roster), None)


def _known(student: Student, line: Listed | None) -> Student:
    if line is None:
        return student
    return replace(student, id=line.id, name=line.name or student.name, email=line.email or student.email, due=line.due)
