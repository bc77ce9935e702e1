"""Moodle: grade and feedback go together, in the columns of a grading worksheet or of a gradebook export.

A worksheet (Assignment > View all submissions > Download grading worksheet) goes back whole, with grade and feedback
filled in: its upload finds students by its first column, of participants' numbers. Of a gradebook export (Grades >
Export) the columns that tell who a student is go back, with Grade and Feedback beside them: its import asks which
column is what.

Moodle writes headings in the language of whoever downloads. English ones are known; others are known by what stands
below them: `Teilnehmer/in 501`, mail addresses, one and the same maximum in every row, times.
"""

import csv
import html
import io
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from grader.report.text import safe_cell, two_decimals

from ..tables import Row, Table
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
    """The places of the columns that count; None, or none at all, for what a file does not have.

    Attributes:
        ids: Ids, logins and mail addresses.
        names: Of a full name, or of its parts.
        identifier: Of the participants' numbers, in a worksheet.
        grade, maximum, comments: To fill in, in a worksheet.
        submitted: When something was handed in, in a worksheet.
    """

    ids: tuple[int, ...]
    names: tuple[int, ...]
    identifier: int | None = None
    grade: int | None = None
    maximum: int | None = None
    comments: int | None = None
    submitted: int | None = None


def columns(table: Table, id_column: str | None = None, grade_column: str | None = None) -> Columns:
    """Return what is where in a worksheet or a gradebook export.

    Args:
        table: Either.
        id_column: Heading of a column with ids or mail addresses, where nothing else tells.
        grade_column: Heading of the column to fill in, where nothing else tells.

    Raises:
        TableError: No column tells who a student is or, in a worksheet, where the grade goes, or a heading is unknown.
    """
    there = f"there are {', '.join(table.header)}"
    named = _named(table, id_column, there)
    known = [place for name in _IDS if (place := table.column(name)) is not None]
    addresses = [i for i in range(len(table.header)) if _all(table, i, _ADDRESS.fullmatch)]
    ids = tuple(dict.fromkeys([*named, *known, *addresses]))
    identifier = _identifier(table)
    if identifier is None:
        if not ids:
            message = f"no column tells who a student is: {there}; name one of ids or mail addresses with --id-column"
            raise table.error(table.top, message)
        if grade_column:
            raise table.error(table.top, f"--grade-column is for a grading worksheet, and this is none: {there}")
        return Columns(ids, _known_names(table) or tuple(i for i in (0, 1) if i < len(table.header) and i not in ids))
    grade = next(iter(_named(table, grade_column, there)), None)
    grade = _grade(table, identifier) if grade is None else grade
    if grade is None:
        raise table.error(table.top, f"no column tells where grades go: {there}; name it with --grade-column")
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
    """Whether this is a grading worksheet."""
    identifier = _identifier(table)
    return identifier is not None and _grade(table, identifier) is not None


def _named(table: Table, heading: str | None, there: str) -> list[int]:
    """Return the place of a column that was named, if one was."""
    place = table.column(heading) if heading else None
    if heading and place is None:
        raise table.error(table.top, f"no column {heading!r}: {there}")
    return [] if place is None else [place]


def _or(known: int | None, found: int | None) -> int | None:
    return found if known is None else known


def _all(table: Table, place: int, fits: Callable[[str], object]) -> bool:
    """Whether all cells of a column that are not empty fit, and there are some."""
    cells = table.cells(place) if 0 <= place < len(table.header) else []
    return bool(cells) and all(fits(cell) for cell in cells)


def _known_names(table: Table) -> tuple[int, ...]:
    return tuple(place for name in _NAMES if (place := table.column(name)) is not None)


def _identifier(table: Table) -> int | None:
    """Return the place of the participants' numbers: in another language, the same word before each in column one."""
    known = table.column(_IDENTIFIER)
    if known is not None or not table.header:
        return known
    found = [_NUMBERED.fullmatch(cell) for cell in table.cells(0)]
    words = {match[1] if match else "" for match in found}
    numbers = {match[2] for match in found if match}
    same = len(words) == 1 and any(c.isalpha() for c in next(iter(words)))
    return 0 if same and len(numbers) == len(table.rows) else None


def _grade(table: Table, identifier: int) -> int | None:
    """Return the place of the grades: in another language, the only points that stand before one maximum for all."""
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
    """Return the place of the comments: in another language, the last column, if it is not one of times."""
    last = len(table.header) - 1
    english = table.column(_IDENTIFIER) is not None
    return None if english or last <= grade + 1 or _all(table, last, _TIME.fullmatch) else last


def _submitted(table: Table, grade: int) -> int | None:
    """Return the place of the submission's times: in another language, the first column of times or dashes alone."""
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
    """Return the maximum grade that a worksheet states; empty if it states none, or not the same in every row."""
    stated = set() if found.maximum is None else {row.cells[found.maximum].strip() for row in table.rows}
    return stated.pop() if len(stated) == 1 else ""


def text(table: Table, found: Columns, grades: Grades, zero: bool) -> str:
    """Return the file to upload or import.

    A student without a submission gets 0 if `zero`. Otherwise its row in a worksheet stays as it is, and it has none
    in the file for a gradebook, where an empty cell could erase a grade.
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
    """Return grade and feedback; None where nothing is to change."""
    if line not in grades:
        return (ZERO, _NOTHING) if zero else None
    grade = grades[line]
    return None if grade is None else (two_decimals(grade.points), comment(grade))


def comment(grade: Grade) -> str:
    """Return the feedback as a cell. Moodle shows it as HTML: what is none stays text."""
    return safe_cell(html.escape(grade.words(), quote=False))
