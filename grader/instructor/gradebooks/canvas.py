"""Canvas: read its gradebook export, and write a file with the points of one assignment for its gradebook import."""

import csv
import io
import re
from collections.abc import Iterator
from dataclasses import dataclass

from grader.report.text import safe_cell, two_decimals

from ..csv_tables import Row, Table
from .gradebook import ZERO, Grades, Person, kept_cell

_IDS = ("ID", "SIS User ID", "SIS Login ID", "Integration ID")
_NUMBERED = re.compile(r"(?P<title>.+) \((?P<id>\d+)\)", re.DOTALL)
_EXCUSED = "EX"


@dataclass(frozen=True)
class Column:
    """The assignment's column: its heading, and its index in the export; None if the import will create it."""

    heading: str
    place: int | None


def people(table: Table) -> list[Person]:
    """Return the students of a gradebook export.

    Raises:
        TableError: The table is not a gradebook export.
    """
    header = [name.strip() for name in table.header]
    if header[:2] != ["Student", "ID"] or "Section" not in header:
        message = (
            "not a gradebook export of Canvas, which begins with the columns Student and ID: download it in Canvas, "
            "Grades > Export"
        )
        raise table.error(table.top, message)
    return [_person(table, row) for row in table.rows if _ids(table, row)]


def _person(table: Table, row: Row) -> Person:
    return Person(row, row.cells[0].strip(), _ids(table, row), "canvas", row.cells[1].strip())


def _ids(table: Table, row: Row) -> tuple[str, ...]:
    """Return the ids in a row; none for rows without a student: Points Possible, and the one about manual posting."""
    return tuple(cell for name in _IDS if (cell := table.cell(row, name)))


def column(table: Table, wanted: str | None) -> Column:
    """Return the assignment's column.

    Args:
        table: A gradebook export.
        wanted: Title, number or complete heading; None for the only assignment in the export. An unknown title stands
            for a new assignment.

    Raises:
        TableError: Several assignments match, a number is unknown, or `wanted` is None and there is not exactly one.
    """
    first = _width(table)
    found = {i: match for i, name in enumerate(table.header) if i >= first and (match := _NUMBERED.fullmatch(name))}
    there = ", ".join(f"`{table.header[i]}`" for i in found) or "none"
    if wanted is None:
        if len(found) != 1:
            raise table.error(
                table.top, f"choose the assignment with --assignment (there are: {there}), or name a new one"
            )
        return Column(table.header[next(iter(found))], next(iter(found)))
    fitting = [i for i, match in found.items() if wanted in (match["id"], match.string, match["title"])]
    if len(fitting) > 1:
        raise table.error(table.top, f"several assignments are called {wanted!r}: choose one by its number ({there})")
    if fitting:
        return Column(table.header[fitting[0]], fitting[0])
    if wanted.isdigit() or _NUMBERED.fullmatch(wanted):
        raise table.error(table.top, f"no assignment has the number in {wanted!r} (there are: {there})")
    return Column(wanted, None)


def possible(table: Table, column: Column) -> str:
    """Return the points possible of an assignment in Canvas; empty if unknown."""
    row = _points_possible(table)
    return "" if row is None or column.place is None else row.cells[column.place].strip()


def text(table: Table, column: Column, grades: Grades, max_points: int, zero: bool) -> str:
    """Return the file to import: the identifying columns of each student in the export, and one assignment.

    Students without a submission keep the cell of the export, or get 0 if `zero` is true. Excused students stay
    excused.
    """
    stream = io.StringIO()
    writer = csv.writer(stream, lineterminator="\n", quoting=csv.QUOTE_ALL)
    writer.writerow([safe_cell(name) for name in (*table.header[: _width(table)], column.heading)])
    blanks = [""] * (_width(table) - 1)
    writer.writerow(["    Points Possible", *blanks, possible(table, column) or two_decimals(max_points)])
    writer.writerows(_rows(table, column, grades, zero))
    return stream.getvalue()


def excused(table: Table, column: Column) -> list[int]:
    """Return the lines of students who are excused."""
    return [person.row.line for person in people(table) if _before(person.row, column).upper() == _EXCUSED]


def _rows(table: Table, column: Column, grades: Grades, zero: bool) -> Iterator[list[str]]:
    free = set(excused(table, column))
    for person in people(table):
        line = person.row.line
        grade = grades.get(line)
        if line in free:
            cell = _EXCUSED
        elif grade is not None:
            cell = two_decimals(grade.points)
        else:
            cell = ZERO if zero and line not in grades else kept_cell(_before(person.row, column))
        yield [*(safe_cell(cell) for cell in person.row.cells[: _width(table)]), cell]


def _before(row: Row, column: Column) -> str:
    return "" if column.place is None else row.cells[column.place].strip()


def _width(table: Table) -> int:
    """Return the number of columns that identify a student: all up to and including Section."""
    return [name.strip() for name in table.header].index("Section") + 1


def _points_possible(table: Table) -> Row | None:
    return next((row for row in table.rows if row.cells[0].strip().casefold() == "points possible"), None)
