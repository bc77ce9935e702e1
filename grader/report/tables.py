"""A CSV file that another program or a person wrote, each row with its line: a mistake in it can be named."""

import csv
import io
from dataclasses import dataclass
from pathlib import Path


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
        header: Its first row.
        rows: The others; empty ones are left out.
    """

    path: Path
    header: tuple[str, ...]
    rows: tuple[Row, ...]

    def column(self, name: str) -> int | None:
        """Return the place of a column, whatever its capitals; None if there is none.

        Raises:
            TableError: There are several.
        """
        places = [i for i, own in enumerate(self.header) if _same(own) == _same(name)]
        if len(places) > 1:
            raise self.error(1, f"{len(places)} columns are called `{name}`")
        return places[0] if places else None

    def cell(self, row: Row, name: str) -> str:
        """Return what a row holds in a column, without blanks around it; nothing if there is no such column."""
        place = self.column(name)
        return "" if place is None else row.cells[place].strip()

    def error(self, line: int, message: str) -> TableError:
        """Return the error that names a line of this file."""
        return TableError(f"{self.path}, line {line}: {message}")


def read_table(path: Path) -> Table:
    """Read a CSV file in UTF-8, its cells separated by commas, or by semicolons or tabs where the header has no comma.

    Raises:
        TableError: It cannot be read, is in another encoding, is no CSV, or a row has more cells than the header.
    """
    text = _text(path)
    first = text.partition("\n")[0]
    separator = next((s for s in (",", ";", "\t") if s in first), ",")
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=separator, strict=True)
    header: tuple[str, ...] | None = None
    rows, line = [], 1
    try:
        for cells in reader:
            if header is None:
                header = tuple(cells)
            elif any(cell.strip() for cell in cells):
                rows.append(_row(path, line, cells, len(header)))
            line = reader.line_num + 1
    except csv.Error as error:
        raise TableError(f"{path}, line {line}: no CSV: {error}") from None
    return Table(path, header or (), tuple(rows))


def _row(path: Path, line: int, cells: list[str], width: int) -> Row:
    if any(cell.strip() for cell in cells[width:]):
        raise TableError(f"{path}, line {line}: {len(cells)} cells, but the header has {width}")
    return Row(line, tuple(cells[:width] + [""] * (width - len(cells))))


def _text(path: Path) -> str:
    try:
        content = path.read_bytes()
    except OSError as error:
        raise TableError(f"{path}: cannot be read: {error.strerror or error}") from None
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content[: error.start].count(b"\n") + 1
        raise TableError(f"{path}, line {line}: no UTF-8 text; save it as CSV in UTF-8") from None


def _same(name: str) -> str:
    return " ".join(name.split()).casefold()
