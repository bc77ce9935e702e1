"""Times in rosters: ISO 8601 with a zone, and a mistake is named with its line."""

from datetime import datetime

from grader.judge.late import moment
from grader.report.tables import Row, Table


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
