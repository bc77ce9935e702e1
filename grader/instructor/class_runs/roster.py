"""Find out who handed in which entry: from an export and from the instructor's roster, which takes precedence."""

import csv
import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path

from grader.report.text import safe_cell, some

from ..csv_tables import Row, Table, read_table, time_in
from .entries import Told, by_form, stem
from .submissions import HandedIn, Student

UNMATCHED = "unmatched.csv"


@dataclass(frozen=True)
class Listed:
    """The information of a roster about a submission; empty cells are None or empty.

    Attributes:
        id: Id of the student.
        line: Line of the roster.
        name, email: Name and mail address of the student.
        submitted: When it was handed in.
        due: The student's own due date, if it differs from that of the class.
        attempt: Number of the attempt among those of the same student.
    """

    id: str
    line: int = 0
    name: str = ""
    email: str = ""
    submitted: datetime | None = None
    due: datetime | None = None
    attempt: int | None = None


def read_roster(path: Path) -> dict[str, Listed]:
    """Return the lines of a roster, by submission.

    A roster is a CSV file with a header. The column `submission` holds the name of an entry, with or without
    extension, or the id or mail address in an export. The column `id` holds the id of the student. The columns
    `name`, `email`, `submitted`, `due` and `attempt` are optional; others are ignored. An id may occur in several
    lines if all of them have `submitted`, or all have `attempt`: these are attempts of one student.

    Raises:
        TableError: The file cannot be read, a required cell is missing, a cell is invalid, or a line repeats another.
    """
    table = read_table(path)
    for column in ("submission", "id"):
        if table.column(column) is None:
            raise table.error(table.top, f"no column `{column}`; a roster has `submission` and `id`")
    found: dict[str, Listed] = {}
    lines: dict[str, int] = {}
    first_of: dict[str, tuple[int, Listed]] = {}
    for row in table.rows:
        submission, listed = table.cell(row, "submission"), _listed(table, row)
        if not submission:
            raise table.error(row.line, "no submission")
        if submission in found:
            raise table.error(row.line, f"submission {submission!r} is also in line {lines[submission]}")
        line, first = first_of.setdefault(listed.id, (row.line, listed))
        if first is not listed and not _ordered(first, listed):
            message = f"id {listed.id!r} is also in line {line}; attempts of one student need `submitted` or `attempt`"
            raise table.error(row.line, message)
        found[submission], lines[submission] = listed, row.line
    return found


def _ordered(one: Listed, other: Listed) -> bool:
    times, numbers = (one.submitted, other.submitted), (one.attempt, other.attempt)
    return None not in times or (None not in numbers and one.attempt != other.attempt)


def _listed(table: Table, row: Row) -> Listed:
    own = table.cell(row, "id")
    if not own:
        raise table.error(row.line, "no id")
    return Listed(
        id=own,
        line=row.line,
        name=table.cell(row, "name"),
        email=table.cell(row, "email"),
        submitted=time_in(table, row, "submitted"),
        due=time_in(table, row, "due"),
        attempt=_attempt(table, row),
    )


def _attempt(table: Table, row: Row) -> int | None:
    cell = table.cell(row, "attempt")
    if cell and not (cell.isascii() and cell.isdigit() and len(cell) < 10):
        raise table.error(row.line, f"attempt: {cell!r} is not a whole number of at most 9 digits")
    return int(cell) if cell else None


@dataclass(frozen=True)
class Unmatched:
    """The lines of a table of submissions that match no entry, and the entries that match no line.

    Attributes:
        table: Name of the table.
        lines: The lines without an entry; `of_lines` is the number of all lines.
        entries: Names of the entries without a line; `of_entries` is the number of all entries.
    """

    table: str
    lines: tuple[str, ...]
    of_lines: int
    entries: tuple[str, ...]
    of_entries: int

    def __str__(self) -> str:
        """Return one line for a terminal."""
        lines = f"{len(self.lines)} of {self.of_lines} lines match no entry ({some(self.lines)})"
        entries = f"{len(self.entries)} of {self.of_entries} entries have no line ({some(self.entries)})"
        parts = [text for text, names in ((lines, self.lines), (entries, self.entries)) if names]
        return f"{self.table}: {'; '.join(parts)}"


def unmatched(table: str, roster: Mapping[str, Listed], handed_in: Sequence[HandedIn]) -> Unmatched:
    """Return which lines of a roster match no entry, and which entries have no line.

    Args:
        table: Name of the roster.
        roster: From `read_roster`.
        handed_in: The entries, as they are without a roster.
    """
    keys = {one.entry: _keys(one) for one in handed_in}
    named = set().union(*keys.values())
    lines = tuple(f"line {listed.line}: {key}" for key, listed in roster.items() if key not in named)
    entries = tuple(entry for entry, own in keys.items() if not own & set(roster))
    return Unmatched(table, lines, len(roster), entries, len(keys))


def _keys(one: HandedIn) -> set[str]:
    """Return the names by which a line may refer to an entry."""
    return {one.entry, stem(one.entry), *(key for s in one.students for key in (s.id, s.email, s.name))}


def unmatched_text(found: Sequence[Unmatched]) -> str:
    """Return the text of unmatched.csv: all lines without an entry, and all entries without a line."""
    stream = io.StringIO()
    writer = csv.writer(stream, lineterminator="\n", quoting=csv.QUOTE_ALL)
    writer.writerow(["what", "which"])
    for one in found:
        writer.writerows([f"no entry for a line of {safe_cell(one.table)}", safe_cell(line)] for line in one.lines)
        writer.writerows([f"no line in {safe_cell(one.table)}", safe_cell(entry)] for entry in one.entries)
    return stream.getvalue()


def owners(entries: Sequence[Path], roster: Mapping[str, Listed], gradescope: Mapping[str, Told]) -> list[HandedIn]:
    """Return who handed in each entry; if this is unknown, the name of the entry is used as the student's id.

    `submission` is the intended name of the row: the id in the roster, else the id in an export (for a group, all of
    their ids), else the name of the entry without extension. It may still be unsafe or used twice.

    Args:
        entries: Files, folders and archives.
        roster: From `read_roster`.
        gradescope: From `read_gradescope`.
    """
    forms = by_form([entry.name for entry in entries])
    return [_owner(entry, roster, gradescope.get(entry.name) or forms.get(entry.name)) for entry in entries]


def _owner(entry: Path, roster: Mapping[str, Listed], export: Told | None) -> HandedIn:
    own = entry.name if entry.is_dir() else stem(entry.name)
    export = export or Told(())
    of_entry = _listed_as(roster, entry.name, own)
    members = export.students or (Student(own),)
    lines = [_listed_as(roster, one.id, one.email, one.name) for one in export.students] or [None]
    if of_entry and len(members) == 1:
        lines = [of_entry]
    students = tuple(map(_known, members, lines))
    row = export.row if export.row and not any(lines) else "_".join(student.id for student in students)
    line = of_entry or next((line for line in lines if line), Listed(""))
    return HandedIn(
        entry=entry.name,
        students=students,
        submission=of_entry.id if of_entry else row,
        submitted=line.submitted or export.submitted,
        attempt=export.attempt if line.attempt is None else line.attempt,
        marked_late=export.marked_late,
    )


def _listed_as(roster: Mapping[str, Listed], *keys: str) -> Listed | None:
    return next((roster[key] for key in keys if key in roster), None)


def _known(student: Student, line: Listed | None) -> Student:
    if line is None:
        return student
    return replace(student, id=line.id, name=line.name or student.name, email=line.email or student.email, due=line.due)
