"""Moodle: write grade and feedback together, into a grading worksheet or a file for the gradebook import.

A worksheet (Assignment > View all submissions > Download grading worksheet) is uploaded as a whole, with grade and
feedback filled in: Moodle finds students by the participant numbers in the first column. Of a gradebook export (Grades
> Export), only the columns that identify students are kept, and Grade and Feedback are added: the import asks what
each column means.

Moodle writes headings in the language of the user. English headings are recognised by name. In other languages, columns
are recognised by their cells: `Teilnehmer/in 501`, mail addresses, the same maximum in every row, times.
"""

import csv
import html
import io
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from grader.report.text import safe_cell, two_decimals

from ..csv_tables import Row, Table
from .gradebook import ZERO, Grade, Grades, Person, kept_cell

_IDS = ("Email address", "Email", "ID number", "Username")
_NAMES = ("Full name", "First name", "Last name", "Surname")
_IDENTIFIER, _GRADE, _COMMENTS, _FEEDBACK = "Identifier", "Grade", "Feedback comments", "Feedback"
_MAXIMUM, _SUBMITTED = "Maximum Grade", "Last modified (submission)"
_NOTHING = "No submission."

_NUMBERED = re.compile(r"(\D*)(\d+)")  # Participant 1234
_ADDRESS = re.compile(r"[^@\s]+@[^@\s]+\.[^@\s]+")
_POINTS = re.compile(r"-|\d+([.,]\d+)?")
_TIME = re.compile(r"-|.*\b\d{4}\b.*\d[:.]\d\d.*")


@dataclass(frozen=True)
class Columns:
    """The indices of the relevant columns; None, or an empty tuple, for columns that a file does not have.

    Attributes:
        ids: Columns of ids, logins and mail addresses.
        names: The column of full names, or the columns of their parts.
        identifier: Column of participant numbers, in a worksheet.
        grade, comments: Columns to fill in, in a worksheet.
        maximum: Column of maximum grades, in a worksheet.
        submitted: Column of submission times, in a worksheet.
    """

    ids: tuple[int, ...]
    names: tuple[int, ...]
    identifier: int | None = None
    grade: int | None = None
    maximum: int | None = None
    comments: int | None = None
    submitted: int | None = None


def columns(table: Table, id_column: str | None = None, grade_column: str | None = None) -> Columns:
    """Find the columns of a worksheet or a gradebook export.

    Args:
        table: A worksheet or a gradebook export.
        id_column: Heading of a column with ids or mail addresses, if it is not found automatically.
        grade_column: Heading of the column of grades, if it is not found automatically.

    Raises:
        TableError: No column identifies students, a worksheet has no column of grades, or a heading is unknown.
    """
    there = f"the columns are {', '.join(table.header)}"
    named = _named(table, id_column, there)
    known = [place for name in _IDS if (place := table.column(name)) is not None]
    addresses = [i for i in range(len(table.header)) if _all(table, i, _ADDRESS.fullmatch)]
    ids = tuple(dict.fromkeys([*named, *known, *addresses]))
    identifier = _identifier(table)
    if identifier is None:
        if not ids:
            message = f"no column identifies students: {there}; name one with ids or mail addresses with --id-column"
            raise table.error(table.top, message)
        if grade_column:
            raise table.error(table.top, f"--grade-column is for grading worksheets, which this is not: {there}")
        return Columns(ids, _known_names(table) or tuple(i for i in (0, 1) if i < len(table.header) and i not in ids))
    grade = next(iter(_named(table, grade_column, there)), None)
    grade = _grade(table, identifier) if grade is None else grade
    if grade is None:
        raise table.error(table.top, f"no column for grades was found: {there}; name it with --grade-column")
    return Columns(
        ids=ids,
        names=_known_names(table) or (identifier + 1,),
        identifier=identifier,
        grade=grade,
        maximum=_or(table.column(_MAXIMUM), grade + 1 if _is_maximum(table, grade + 1) else None),
        comments=_or(table.column(_COMMENTS), _comments(table, grade)),
        submitted=_or(table.column(_SUBMITTED), _submitted(table, grade)),
    )


def is_worksheet(table: Table) -> bool:
    """Return whether this is a grading worksheet."""
    identifier = _identifier(table)
    return identifier is not None and _grade(table, identifier) is not None


def _named(table: Table, heading: str | None, there: str) -> list[int]:
    """Return the index of the column with this heading, in a list; an empty list if `heading` is None."""
    place = table.column(heading) if heading else None
    if heading and place is None:
        raise table.error(table.top, f"no column {heading!r}: {there}")
    return [] if place is None else [place]


def _or(known: int | None, found: int | None) -> int | None:
    return found if known is None else known


def _all(table: Table, place: int, fits: Callable[[str], object]) -> bool:
    """Return whether all non-empty cells of a column fit, and there is at least one."""
    cells = table.cells(place) if 0 <= place < len(table.header) else []
    return bool(cells) and all(fits(cell) for cell in cells)


def _known_names(table: Table) -> tuple[int, ...]:
    return tuple(place for name in _NAMES if (place := table.column(name)) is not None)


def _identifier(table: Table) -> int | None:
    """Return the index of the participant numbers. In other languages: column 0, if its cells are like `Nummer 12`."""
    known = table.column(_IDENTIFIER)
    if known is not None or not table.header:
        return known
    found = [_NUMBERED.fullmatch(cell) for cell in table.cells(0)]
    words = {match[1] if match else "" for match in found}
    numbers = {match[2] for match in found if match}
    same = len(words) == 1 and any(c.isalpha() for c in next(iter(words)))
    return 0 if same and len(numbers) == len(table.rows) else None


def _grade(table: Table, identifier: int) -> int | None:
    """Return the index of the grades. In other languages: the only column of points before a column of equal maxima."""
    known = table.column(_GRADE)
    if known is not None:
        return known
    places = range(identifier + 1, len(table.header) - 1)
    fitting = [i for i in places if _is_maximum(table, i + 1) and all(map(_POINTS.fullmatch, table.cells(i)))]
    return fitting[0] if len(fitting) == 1 else None


def _is_maximum(table: Table, place: int) -> bool:
    cells = table.cells(place) if place < len(table.header) else []
    return len(cells) == len(table.rows) and len(set(cells)) == 1 and _POINTS.fullmatch(cells[0]) is not None


def _comments(table: Table, grade: int) -> int | None:
    """Return the index of the comments in other languages than English: the last column, unless it holds times."""
    last = len(table.header) - 1
    english = table.column(_IDENTIFIER) is not None
    return None if english or last <= grade + 1 or _all(table, last, _TIME.fullmatch) else last


def _submitted(table: Table, grade: int) -> int | None:
    """Return the index of the submission times in other languages than English: the first column of times or dashes."""
    if table.column(_IDENTIFIER) is not None:
        return None
    for place in range(grade + 1, len(table.header)):
        if len(table.cells(place)) == len(table.rows) and _all(table, place, _TIME.fullmatch):
            return place
    return None


def people(table: Table, found: Columns) -> list[Person]:
    """Return the students of a worksheet or of a gradebook export."""
    return [_person(row, found) for row in table.rows]


def _person(row: Row, found: Columns) -> Person:
    cells = [cell.strip() for cell in row.cells]
    number = _NUMBERED.fullmatch(cells[found.identifier]) if found.identifier is not None else None
    submitted = cells[found.submitted] if found.submitted is not None else ""
    return Person(
        row=row,
        name=" ".join(cells[i] for i in found.names if cells[i]),
        ids=tuple(cells[i] for i in found.ids if cells[i]),
        system="moodle",
        number=number[2] if number else "",
        submitted="" if submitted == "-" else submitted,
    )


def possible(table: Table, found: Columns) -> str:
    """Return the maximum grade in a worksheet; empty if there is none, or not the same in every row."""
    stated = set() if found.maximum is None else {row.cells[found.maximum].strip() for row in table.rows}
    return stated.pop() if len(stated) == 1 else ""


def text(table: Table, found: Columns, grades: Grades, zero: bool) -> str:
    """Return the file to upload or import.

    Students without a submission get 0 if `zero` is true. Otherwise their rows in a worksheet stay as they are, and
    they are left out of a file for the gradebook, where an empty cell could delete a grade.
    """
    rows = _gradebook(table, found, grades, zero)
    if found.grade is not None:
        rows = _worksheet(table, found.grade, found.comments, grades, zero)
    stream = io.StringIO()
    csv.writer(stream, lineterminator="\n", quoting=csv.QUOTE_ALL).writerows(rows)
    return stream.getvalue()


def _worksheet(table: Table, grade: int, comments: int | None, grades: Grades, zero: bool) -> Iterator[list[str]]:
    yield [*map(safe_cell, table.header), *([_COMMENTS] if comments is None else [])]
    for row in table.rows:
        cells = [kept_cell(cell) for cell in row.cells] + ([""] if comments is None else [])
        if said := _said(grades, row.line, zero):
            cells[grade], cells[-1 if comments is None else comments] = said
        yield cells


def _gradebook(table: Table, found: Columns, grades: Grades, zero: bool) -> Iterator[list[str]]:
    places = sorted({*found.ids, *found.names})
    yield [*(safe_cell(table.header[i]) for i in places), _GRADE, _FEEDBACK]
    for row in table.rows:
        if said := _said(grades, row.line, zero):
            yield [*(safe_cell(row.cells[i]) for i in places), *said]


def _said(grades: Grades, line: int, zero: bool) -> tuple[str, str] | None:
    """Return grade and feedback; None if the row must not change."""
    if line not in grades:
        return (ZERO, _NOTHING) if zero else None
    grade = grades[line]
    return None if grade is None else (two_decimals(grade.points), comment(grade))


def comment(grade: Grade) -> str:
    """Return the feedback as a cell. It is escaped, as Moodle displays it as HTML."""
    return safe_cell(html.escape(grade.words(), quote=False))
