"""A plain CSV table of a class for all other uses: a row per student, with everything that the grade depends on."""

import csv
import io
from collections.abc import Sequence
from dataclasses import dataclass

from grader.report.text import safe_cell

from ..csv_tables import Table
from . import canvas, moodle
from .gradebook import COLUMNS, ZERO, Grade, Person

NO_SUBMISSION = "no submission"


@dataclass(frozen=True)
class StudentLine:
    """One student with the grade; if `grade` is None, `status` says why."""

    student: str
    name: str
    email: str
    grade: Grade | None
    status: str = NO_SUBMISSION


def people(table: Table, id_column: str | None = None) -> list[Person]:
    """Return the students of a roster: an export of Canvas or Moodle, or any list with a column `id`.

    Raises:
        TableError: The column is missing, a row has no id, or an id occurs twice.
    """
    if id_column is None and [name.strip() for name in table.header[:2]] == ["Student", "ID"]:
        return canvas.people(table)
    if id_column is None and (moodle.is_worksheet(table) or table.column("id") is None):
        return moodle.people(table, moodle.columns(table))
    column = id_column or "id"
    if table.column(column) is None:
        raise table.error(table.top, f"no column {column!r}: the columns are {', '.join(table.header)}")
    lines: dict[str, int] = {}
    found = []
    for row in table.rows:
        own = table.cell(row, column)
        if not own:
            raise table.error(row.line, f"no {column}")
        if lines.setdefault(own.casefold(), row.line) != row.line:
            raise table.error(row.line, f"{column} {own!r} is also in line {lines[own.casefold()]}")
        ids = tuple(cell for cell in (own, table.cell(row, "email")) if cell)
        found.append(Person(row, table.cell(row, "name"), ids))
    return found


def text(lines: Sequence[StudentLine], zero: bool) -> str:
    """Return the text of the file. Students without a submission have no points, or 0 if `zero` is true."""
    stream = io.StringIO()
    writer = csv.writer(stream, lineterminator="\n", quoting=csv.QUOTE_ALL)
    writer.writerow(["student", "name", "email", "submission", *COLUMNS, "feedback"])
    for line in lines:
        blank = {**dict.fromkeys(COLUMNS, ""), "status": safe_cell(line.status)}
        if zero and line.status == NO_SUBMISSION:
            blank["points"] = ZERO
        cells = line.grade.cells() if line.grade else blank
        who = [safe_cell(cell) for cell in (line.student, line.name, line.email)]
        what = safe_cell(line.grade.submission) if line.grade else ""
        words = safe_cell(line.grade.words()) if line.grade else ""
        writer.writerow([*who, what, *(cells[column] for column in COLUMNS), words])
    return stream.getvalue()
