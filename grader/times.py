"""Times in rosters: ISO 8601 with a zone, and a mistake is named with its line; and those that Moodle writes."""

from datetime import datetime, tzinfo

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
