"""CSV files that another program or a person wrote, and the times in them: a mistake is named with its line.

Spreadsheets write such files in many ways: separated by commas, semicolons or tabs, with a first line `sep=;` or blank
lines first, in UTF-8 with or without a byte order mark, UTF-16 or Windows-1252. All of them are read here, and here
alone.
"""

import csv
import io
import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, tzinfo
from pathlib import Path

from grader.judge.offering import moment

_SEPARATORS = ("\t", ";", ",")  # the rarest inside a heading first: that decides where two fit as well
_KNOWN = {
    *("id", "submission", "name", "email", "submitted", "due", "attempt", "status", "score", "student", "section"),
    *("email address", "id number", "username", "first name", "last name", "full name", "identifier", "grade"),
}
"""Columns that some reader of a table looks for: a separator that finds more of them is the right one."""
_ANNOUNCED = re.compile(r'"?sep=(.)"?\r?\n?', re.IGNORECASE)  # what Excel writes, and reads, as a first line
_OLD = "cp1252"  # what spreadsheets write as plain CSV in Western Europe and America


class TableError(ValueError):
    """The file is unusable; the message is one line, and names the file and the line in it."""


@dataclass(frozen=True)
class Row:
    """A row: the line on which it begins, and as many cells as the header has."""

    line: int
    cells: tuple[str, ...]


@dataclass(frozen=True)
class Table:
    """A CSV file.

    Attributes:
        path: Of the file.
        header: Its first row that is not blank.
        rows: The others; blank ones are left out.
        top: The line of the header.
    """

    path: Path
    header: tuple[str, ...]
    rows: tuple[Row, ...]
    top: int = 1

    def column(self, name: str) -> int | None:
        """Return the place of a column, whatever its capitals; None if there is none.

        Raises:
            TableError: There are several.
        """
        places = [i for i, own in enumerate(self.header) if _same(own) == _same(name)]
        if len(places) > 1:
            raise self.error(self.top, f"{len(places)} columns are called `{name}`")
        return places[0] if places else None

    def cell(self, row: Row, name: str) -> str:
        """Return what a row holds in a column, without blanks around it; nothing if there is no such column."""
        place = self.column(name)
        return "" if place is None else row.cells[place].strip()

    def cells(self, place: int) -> list[str]:
        """Return what the rows hold in a place, without blanks around it; empty cells are left out."""
        return [cell for row in self.rows if (cell := row.cells[place].strip())]

    def error(self, line: int, message: str) -> TableError:
        """Return the error that names a line of this file."""
        return TableError(f"{self.path}, line {line}: {message}")


def read_table(path: Path) -> Table:
    """Read a CSV file as spreadsheets, other programs and people write it.

    Raises:
        TableError: It cannot be read, is in another encoding, is no CSV, or a row has more cells than the header.
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
    """Yield the rows that are not blank, each with the line on which it begins.

    Raises:
        csv.Error: What follows is no CSV; the message names the line.
    """
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=separator, strict=True)
    line = before + 1
    try:
        for cells in reader:
            if any(cell.strip() for cell in cells):
                yield line, cells
            line = before + reader.line_num + 1
    except csv.Error as error:
        raise csv.Error(f"line {line}: no CSV: {error}") from None


def _separator(text: str) -> str:
    """Return what separates the cells of a table that does not say so: the one that fits its header best."""
    best = max(_SEPARATORS, key=lambda separator: _fit(text, separator))
    return best if _fit(text, best)[1] > 1 else ","


def _fit(text: str, separator: str) -> tuple[int, int]:
    """Return how well a separator fits the header: how many known columns it finds, and how many in all."""
    try:
        _, header = next(_lines(text, separator, 0), (0, []))
    except csv.Error:  # with another one a quoted cell may end where it should
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
        raise TableError(f"{path}: a workbook, not a CSV file; save it as CSV in UTF-8")
    encoding = json.detect_encoding(content)  # UTF-8, UTF-16 or UTF-32, by their marks or by their zeros
    try:
        return content.decode(encoding)
    except UnicodeDecodeError as error:
        line = content[: error.start].count(b"\n") + 1
    try:
        return content.decode(_OLD if encoding.startswith("utf-8") else encoding)
    except UnicodeDecodeError:
        raise TableError(f"{path}, line {line}: text in no encoding that is known; save it as CSV in UTF-8") from None


def _same(name: str) -> str:
    return " ".join(name.split()).casefold()


def time_in(table: Table, row: Row, column: str) -> datetime | None:
    """Return the time in a cell; None if it is empty, or there is no such column.

    Raises:
        TableError: It is no time with a zone.
    """
    cell = table.cell(row, column)
    try:
        return moment(cell) if cell else None
    except ValueError as error:
        raise table.error(row.line, f"{column}: {error}") from None


_OF_MOODLE = ("%d %B %Y, %I:%M %p", "%d %B %Y, %H:%M", "%B %d, %Y, %I:%M %p", "%B %d, %Y, %H:%M")
"""What follows the day of the week, in English: `Tuesday, 1 December 2026, 11:58 PM`."""


def moodle_time(text: str, zone: tzinfo) -> datetime | None:
    """Return the time that Moodle writes without a zone; None if it is in another language or form."""
    written = " ".join(text.split()).partition(", ")[2]
    for form in _OF_MOODLE:
        try:
            return datetime.strptime(written, form).replace(tzinfo=zone)
        except ValueError:
            continue
    return None
