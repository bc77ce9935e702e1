"""Moodle: grade and feedback go together, in the columns of a grading worksheet or of a gradebook export.

A worksheet (Assignment > View all submissions > Download grading worksheet) goes back whole, with grade and feedback
filled in: its upload finds students by the column Identifier. Of a gradebook export (Grades > Export) the columns that
tell who a student is go back, with Grade and Feedback beside them: its import asks which column is what.
"""

import csv
import html
import io
import re
from collections.abc import Iterator

from ..cells import safe_cell
from ..tables import Row, Table
from .grade import Grade, Grades, two_decimals
from .roster import ZERO, Person, kept

_IDS = ("Email address", "Email", "ID number", "Username")
_NAMES = ("Full name", "First name", "Last name", "Surname")
_IDENTIFIER = re.compile(r"\D*(\d+)")  # Participant 1234
_GRADE, _COMMENTS, _FEEDBACK, _MAXIMUM = "Grade", "Feedback comments", "Feedback", "Maximum Grade"
_NOTHING = "No submission."


def people(table: Table, id_column: str | None = None) -> list[Person]:
    """Return the students of a worksheet or of a gradebook export.

    Args:
        table: Either.
        id_column: Heading of a column with ids or mail addresses, where headings are in another language.

    Raises:
        TableError: No column tells who a student is.
    """
    ids = _ids(table, id_column)
    if not ids and not is_worksheet(table):
        message = f"no column tells who a student is: one of {', '.join(_IDS)}; name another with --id-column"
        raise table.error(table.top, message)
    return [_person(table, row, ids) for row in table.rows]


def is_worksheet(table: Table) -> bool:
    """Whether this is a grading worksheet."""
    return table.column("Identifier") is not None and table.column(_GRADE) is not None


def _person(table: Table, row: Row, ids: list[str]) -> Person:
    full, *parts = (table.cell(row, name) for name in _NAMES)
    number = _IDENTIFIER.fullmatch(table.cell(row, "Identifier"))
    own = tuple(cell for name in ids if (cell := table.cell(row, name)))
    return Person(row, full or " ".join(part for part in parts if part), own, "moodle", number[1] if number else "")


def _ids(table: Table, id_column: str | None) -> list[str]:
    """Return the headings of columns with ids.

    Raises:
        TableError: The one that was named is not there.
    """
    if id_column and table.column(id_column) is None:
        raise table.error(table.top, f"no column {id_column!r}: there are {', '.join(table.header)}")
    return [
        name for name in dict.fromkeys((*([id_column] if id_column else []), *_IDS)) if table.column(name) is not None
    ]


def possible(table: Table) -> str:
    """Return the maximum grade that a worksheet states; empty if it states none, or not the same in every row."""
    stated = {table.cell(row, _MAXIMUM) for row in table.rows}
    return stated.pop() if len(stated) == 1 else ""


def text(table: Table, grades: Grades, zero: bool, id_column: str | None = None) -> str:
    """Return the file to upload or import.

    A student without a submission gets 0 if `zero`. Otherwise its row in a worksheet stays as it is, and it has none
    in the file for a gradebook, where an empty cell could erase a grade.
    """
    rows = _worksheet(table, grades, zero) if is_worksheet(table) else _gradebook(table, grades, zero, id_column)
    stream = io.StringIO()
    csv.writer(stream, lineterminator="\n", quoting=csv.QUOTE_ALL).writerows(rows)
    return stream.getvalue()


def _worksheet(table: Table, grades: Grades, zero: bool) -> Iterator[list[str]]:
    grade, comments = table.column(_GRADE), table.column(_COMMENTS)
    assert grade is not None
    yield [*map(safe_cell, table.header), *([_COMMENTS] if comments is None else [])]
    for row in table.rows:
        cells = [kept(cell) for cell in row.cells] + ([""] if comments is None else [])
        if said := _said(grades, row.line, zero):
            cells[grade], cells[-1 if comments is None else comments] = said
        yield cells


def _gradebook(table: Table, grades: Grades, zero: bool, id_column: str | None) -> Iterator[list[str]]:
    names = {name.casefold() for name in (*_ids(table, id_column), *_NAMES)}
    places = [i for i, name in enumerate(table.header) if name.strip().casefold() in names]
    yield [*(safe_cell(table.header[i]) for i in places), _GRADE, _FEEDBACK]
    for row in table.rows:
        if said := _said(grades, row.line, zero):
            yield [*(safe_cell(row.cells[i]) for i in places), *said]


def _said(grades: Grades, line: int, zero: bool) -> tuple[str, str] | None:
    """Return grade and feedback; None where nothing is to change."""
    if line not in grades:
        return (ZERO, _NOTHING) if zero else None
    grade = grades[line]
    return None if grade is None else (two_decimals(grade.points), comment(grade))


def comment(grade: Grade) -> str:
    """Return the feedback as a cell. Moodle shows it as HTML: what is none stays text."""
    return safe_cell(html.escape(grade.words(), quote=False))
