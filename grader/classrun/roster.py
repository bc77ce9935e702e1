"""A roster of the instructor's own: ids for submissions, and what else is known of them."""

from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from grader.report.tables import Row, Table, read_table
from grader.times import time_in


@dataclass(frozen=True)
class Listed:
    """What a roster says of a submission; None or empty where it says nothing.

    Attributes:
        id: What the student is called.
        name, email: Of the student.
        submitted: When it was handed in.
        due: When it was due, if the student has another date than everyone.
        attempt: Its number among those of the same student.
    """

    id: str
    name: str = ""
    email: str = ""
    submitted: datetime | None = None
    due: datetime | None = None
    attempt: int | None = None


def read_roster(path: Path) -> dict[str, Listed]:
    """Return what a roster lists, by submission.

    A roster is a CSV file with a header. Its column `submission` names the entry, with or without extension, or the
    id or mail address that an export gave; its column `id` is what the student is called. It may have the columns
    `name`, `email`, `submitted`, `due` and `attempt` too; further ones are left out of account. An id may stand in
    several lines if each has `submitted`, or each has `attempt`: these are attempts of one student.

    Raises:
        TableError: It cannot be read, a needed cell is missing, a cell cannot be understood, or a line repeats another.
    """
    table = read_table(path)
    for column in ("submission", "id"):
        if table.column(column) is None:
            raise table.error(1, f"no column `{column}`; a roster has `submission` and `id`")
    found: dict[str, Listed] = {}
    lines: dict[str, int] = {}
    first_of: dict[str, tuple[int, Listed]] = {}
    for row in table.rows:
        submission, listed = table.cell(row, "submission"), _listed(table, row)
        if not submission:
            raise table.error(row.line, "no submission")
        if submission in found:
            raise table.error(row.line, f"submission {submission!r} stands in line {lines[submission]} too")
        line, first = first_of.setdefault(listed.id, (row.line, listed))
        if first is not listed and not _ordered(first, listed):
            told = f"id {listed.id!r} stands in line {line} too; attempts of one student need `submitted` or `attempt`"
            raise table.error(row.line, told)
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
        name=table.cell(row, "name"),
        email=table.cell(row, "email"),
        submitted=time_in(table, row, "submitted"),
        due=time_in(table, row, "due"),
        attempt=_attempt(table, row),
    )


def _attempt(table: Table, row: Row) -> int | None:
    cell = table.cell(row, "attempt")
    if cell and not (cell.isascii() and cell.isdigit() and len(cell) < 10):
        raise table.error(row.line, f"attempt: {cell!r} is no number of an attempt")
    return int(cell) if cell else None
