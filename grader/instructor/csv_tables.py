"""Read CSV files written by other programs or by hand, and the times in them. Error messages name the line.

Spreadsheets write such files in many ways: separated by commas, semicolons or tabs; with a first line `sep=;` or with
blank lines at the top; in UTF-8 with or without a byte order mark, UTF-16 or Windows-1252. All of these are read here.
Other modules do not parse CSV themselves.
"""

import csv
import io
import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, tzinfo
from pathlib import Path

from grader.judge.late_policy import moment

_SEPARATORS = ("\t", ";", ",")  # the first one wins a tie, so the rarest in headings comes first
_KNOWN = {
    *("id", "submission", "name", "email", "submitted", "due", "attempt", "status", "score", "student", "section"),
    *("email address", "id number", "username", "first name", "last name", "full name", "identifier", "grade"),
    *("points", "comment", "question", "max_points"),
}
"""Known column names: of several separators, the one that yields more of them is right."""
_ANNOUNCED = re.compile(r'"?sep=(.)"?\r?\n?', re.IGNORECASE)  # a first line that Excel writes and reads
_OLD = "cp1252"  # the default encoding of CSV in spreadsheets in Western Europe and America


class TableError(ValueError):
    """The file cannot be used; the message is one line that names the file and the line in it."""


@dataclass(frozen=True)
class Row:
    """A row: the line where it begins, and as many cells as the header has."""

    line: int
    cells: tuple[str, ...]


@dataclass(frozen=True)
class Table:
    """A CSV file.

    Attributes:
        path: Path of the file.
        header: The first row that is not blank.
        rows: The other rows, without blank ones.
        top: Line of the header.
    """

    path: Path
    header: tuple[str, ...]
    rows: tuple[Row, ...]
    top: int = 1

    def column(self, name: str) -> int | None:
        """Return the index of a column, ignoring case; None if there is no such column.

        Raises:
            TableError: There are several columns with this name.
        """
        places = [i for i, own in enumerate(self.header) if _same(own) == _same(name)]
        if len(places) > 1:
            raise self.error(self.top, f"{len(places)} columns are called `{name}`")
        return places[0] if places else None

    def cell(self, row: Row, name: str) -> str:
        """Return the cell of a row in a column, stripped; an empty string if there is no such column."""
        place = self.column(name)
        return "" if place is None else row.cells[place].strip()

    def cells(self, place: int) -> list[str]:
        """Return the cells of the column at an index, stripped, without empty ones."""
        return [cell for row in self.rows if (cell := row.cells[place].strip())]

    def error(self, line: int, message: str) -> TableError:
        """Return an error that names a line of this file."""
        return TableError(f"{self.path}, line {line}: {message}")


def read_table(path: Path) -> Table:
    """Read a CSV file written by a spreadsheet, another program or a person.

    Raises:
        TableError: The file cannot be read, has an unknown encoding or is not CSV, or a row has more cells than the
            header.
    """
    text = _text(path)
    announced = _ANNOUNCED.match(text)
    before, text = (1, text[announced.end() :]) if announced else (0, text)
    separator = announced[1] if announced else _separator(text)
    header: tuple[str, ...] = ()
    rows, top = [], 1
    try:
        for line, cells in _lines(text, separator, before):
            if header:
                rows.append(_row(path, line, cells, len(header)))
            else:
                header, top = tuple(cells), line
    except csv.Error as error:
        raise TableError(f"{path}, {error}") from None
    return Table(path, header, tuple(rows), top)


def _lines(text: str, separator: str, before: int) -> Iterator[tuple[int, list[str]]]:
    """Yield the rows that are not blank, each with the line where it begins.

    Raises:
        csv.Error: The text is not CSV; the message names the line.
    """
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=separator, strict=True)
    line = before + 1
    try:
        for cells in reader:
            if any(cell.strip() for cell in cells):
                yield line, cells
            line = before + reader.line_num + 1
    except csv.Error as error:
        raise csv.Error(f"line {line}: not valid CSV: {error}") from None


def _separator(text: str) -> str:
    """Return the most likely separator of a table that does not declare it: the one that fits the header best."""
    best = max(_SEPARATORS, key=lambda separator: _fit(text, separator))
    return best if _fit(text, best)[1] > 1 else ","


def _fit(text: str, separator: str) -> tuple[int, int]:
    """Return how well a separator fits the header: the number of known columns, and of all columns."""
    try:
        _, header = next(_lines(text, separator, 0), (0, []))
    except csv.Error:  # a quoted cell does not end correctly with this separator
        return 0, 0
    return len({_same(name) for name in header} & _KNOWN), len(header)


def _row(path: Path, line: int, cells: list[str], width: int) -> Row:
    if any(cell.strip() for cell in cells[width:]):
        raise TableError(f"{path}, line {line}: {len(cells)} cells, but the header has {width}")
    return Row(line, tuple(cells[:width] + [""] * (width - len(cells))))


def _text(path: Path) -> str:
    try:
        content = path.read_bytes()
    except OSError as error:
        raise TableError(f"{path}: cannot be read: {error.strerror or error}") from None
    if content.startswith(b"PK\x03\x04"):
        raise TableError(f"{path}: this is a workbook, not a CSV file; save it as CSV in UTF-8")
    encoding = json.detect_encoding(content)  # UTF-8, UTF-16 or UTF-32, detected from byte order marks and null bytes
    try:
        return content.decode(encoding)
    except UnicodeDecodeError as error:
        line = content[: error.start].count(b"\n") + 1
    try:
        return content.decode(_OLD if encoding.startswith("utf-8") else encoding)
    except UnicodeDecodeError:
        raise TableError(f"{path}, line {line}: unknown text encoding; save the file as CSV in UTF-8") from None


def _same(name: str) -> str:
    return " ".join(name.split()).casefold()


def time_in(table: Table, row: Row, column: str) -> datetime | None:
    """Return the time in a cell; None if the cell is empty or there is no such column.

    Raises:
        TableError: The cell is not a time with a zone.
    """
    cell = table.cell(row, column)
    try:
        return moment(cell) if cell else None
    except ValueError as error:
        raise table.error(row.line, f"{column}: {error}") from None


_OF_MOODLE = ("%d %B %Y, %I:%M %p", "%d %B %Y, %H:%M", "%B %d, %Y, %I:%M %p", "%B %d, %Y, %H:%M")
"""Formats of Moodle's times in English, after the day of the week: `Tuesday, 1 December 2026, 11:58 PM`."""


def moodle_time(text: str, zone: tzinfo) -> datetime | None:
    """Parse a time that Moodle wrote without a zone; None if it is in another language or format."""
    written = " ".join(text.split()).partition(", ")[2]
    for form in _OF_MOODLE:
        try:
            return datetime.strptime(written, form).replace(tzinfo=zone)
        except ValueError:
            continue
    return None
