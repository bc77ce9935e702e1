"""What lateness costs: the arithmetic of an offering's late policy, and points in time.

Times are compared as instants, whatever zones they were written in, and a day is 24 hours: a night in which clocks
change makes nobody late or early.
"""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import ROUND_HALF_UP, Decimal

_DAY = timedelta(days=1)
_EVERYTHING = Decimal(100)
_LIKE = "as 2026-12-01T23:59+01:00"


@dataclass(frozen=True)
class Late:
    """The late policy of an offering. As it stands without arguments, nothing is ever late.

    Attributes:
        due: When submissions are due; None for never.
        percent_per_day: Percent of the points earned that each day begun costs, 0 to 100.
        grace: After `due`, costs nothing. Days are counted from its end.
        most_days: What comes more days late than these has no points; 0 for no such end.
    """

    due: datetime | None = None
    percent_per_day: Decimal = Decimal(0)
    grace: timedelta = timedelta(0)
    most_days: int = 0

    def days(self, late_by: timedelta) -> int:
        """Return how many days had begun since the grace ended; 0 for what came until then, or early."""
        return max(0, -((self.grace - late_by) // _DAY))

    def penalty(self, late_by: timedelta) -> Decimal:
        """Return the percent of its points that a submission loses, 0 to 100, by how long after `due` it came.

        The moment at which the grace, or a day, ends still belongs to it.
        """
        days = self.days(late_by)
        if self.most_days and days > self.most_days:
            return _EVERYTHING
        return min(_EVERYTHING, days * self.percent_per_day)


def reduced(hundredths: int, percent: Decimal) -> int:
    """Return hundredths of points less a penalty in percent, rounded to whole hundredths, halves up."""
    left = Decimal(hundredths) * (_EVERYTHING - percent) / _EVERYTHING
    return int(left.to_integral_value(ROUND_HALF_UP))


def moment(text: str) -> datetime:
    """Return the instant that an ISO 8601 time with a zone means, in UTC.

    Raises:
        ValueError: It is no such time, or has no zone; the message says how to write it.
    """
    written = text.strip()
    try:
        time = datetime.fromisoformat(written)
    except ValueError:
        raise ValueError(f"{written!r} is no time; write it {_LIKE}") from None
    if time.tzinfo is None:
        raise ValueError(f"{written!r} has no zone; write it {_LIKE}")
    try:
        return time.astimezone(UTC)
    except OverflowError:  # in the first or the last year that there is
        raise ValueError(f"{written!r} is no time; write it {_LIKE}") from None
