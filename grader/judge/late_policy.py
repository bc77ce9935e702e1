"""The late policy of an offering: how days of lateness turn into lost points, and how points in time are read.

Times may be written in any time zone; they are compared as instants. A day is 24 hours, also when the clocks change.
"""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import ROUND_HALF_UP, Decimal

_DAY = timedelta(days=1)
_EVERYTHING = Decimal(100)
_LIKE = "like 2026-12-01T23:59+01:00"


@dataclass(frozen=True)
class Late:
    """The late policy of an offering. With the defaults, no submission is late.

    Attributes:
        due: When submissions are due; None if there is no due date.
        percent_per_day: Percent of the earned points that are deducted for each started day, 0 to 100.
        grace: Time after `due` without a penalty. Days are counted from its end.
        most_days: Submissions that are more days late get no points; 0 for no such limit.
    """

    due: datetime | None = None
    percent_per_day: Decimal = Decimal(0)
    grace: timedelta = timedelta(0)
    most_days: int = 0

    def days(self, late_by: timedelta) -> int:
        """Return the number of days started since the end of the grace period; 0 before that."""
        return max(0, -((self.grace - late_by) // _DAY))

    def penalty(self, late_by: timedelta) -> Decimal:
        """Return the percent of its points that a submission loses, 0 to 100, given its time after `due`.

        The last moment of the grace period, or of a day, still belongs to it.
        """
        days = self.days(late_by)
        if self.most_days and days > self.most_days:
            return _EVERYTHING
        return min(_EVERYTHING, days * self.percent_per_day)


def reduced(hundredths: int, percent: Decimal) -> int:
    """Return hundredths of points after a penalty in percent, rounded to whole hundredths, halves up."""
    left = Decimal(hundredths) * (_EVERYTHING - percent) / _EVERYTHING
    return int(left.to_integral_value(ROUND_HALF_UP))


def moment(text: str) -> datetime:
    """Return an ISO 8601 time with a time zone as an instant in UTC.

    Raises:
        ValueError: The text is not such a time, or has no time zone; the message says how to write it.
    """
    written = text.strip()
    try:
        time = datetime.fromisoformat(written)
    except ValueError:
        raise ValueError(f"{written!r} is not a time; write it {_LIKE}") from None
    if time.tzinfo is None:
        raise ValueError(f"{written!r} has no time zone; write it {_LIKE}")
    try:
        return time.astimezone(UTC)
    except OverflowError:  # in the first or the last year of the calendar
        raise ValueError(f"{written!r} is not a time; write it {_LIKE}") from None
