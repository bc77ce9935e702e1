"""What lateness costs: exact at its boundaries, never less for coming later, the same in every zone."""

from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from grader.judge.late_policy import Late, moment, reduced

DAY, HOUR, INSTANT = timedelta(days=1), timedelta(hours=1), timedelta(microseconds=1)
TEN = Late(percent_per_day=Decimal(10), grace=2 * HOUR, most_days=3)

POLICIES = st.builds(
    Late,
    percent_per_day=st.decimals(0, 100, places=2),
    grace=st.timedeltas(timedelta(0), 3 * DAY),
    most_days=st.integers(0, 20),
)
LATENESS = st.timedeltas(-40 * DAY, 400 * DAY)
PERCENT = st.decimals(0, 100, places=3)
POINTS = st.integers(0, 100_00)


# ## Days and percent
@pytest.mark.parametrize(
    ("late_by", "days", "percent"),
    [
        (-30 * DAY, 0, 0),
        (timedelta(0), 0, 0),
        (2 * HOUR, 0, 0),
        (2 * HOUR + INSTANT, 1, 10),
        (1 * DAY, 1, 10),
        (1 * DAY + 2 * HOUR, 1, 10),
        (1 * DAY + 2 * HOUR + INSTANT, 2, 20),
        (3 * DAY + 2 * HOUR, 3, 30),
        (3 * DAY + 2 * HOUR + INSTANT, 4, 100),
        (1000 * DAY, 1000, 100),
    ],
)
def test_each_day_begun_after_the_grace_costs_the_same_until_nothing_is_left(
    late_by: timedelta, days: int, percent: int
) -> None:
    assert (TEN.days(late_by), TEN.penalty(late_by)) == (days, percent)


def test_without_an_end_nobody_loses_more_than_everything() -> None:
    policy = Late(percent_per_day=Decimal("33.5"))
    assert [policy.penalty(days * DAY) for days in range(5)] == [0, Decimal("33.5"), 67, 100, 100]


def test_an_end_holds_also_where_days_cost_nothing() -> None:
    policy = Late(most_days=1)
    assert [policy.penalty(days * DAY) for days in range(4)] == [0, 0, 100, 100]


def test_no_policy_takes_nothing() -> None:
    assert Late().penalty(1000 * DAY) == 0


@given(POLICIES, LATENESS, st.timedeltas(timedelta(0), 40 * DAY))
def test_coming_later_never_costs_less(policy: Late, late_by: timedelta, more: timedelta) -> None:
    assert 0 <= policy.penalty(late_by) <= policy.penalty(late_by + more) <= 100
    assert 0 <= policy.days(late_by) <= policy.days(late_by + more)


@given(POLICIES, st.integers(0, 30))
def test_the_moment_at_which_a_day_ends_still_belongs_to_it(policy: Late, day: int) -> None:
    end = policy.grace + day * DAY
    assert (policy.days(end), policy.days(end + INSTANT)) == (day, day + 1)


# ## Points
@pytest.mark.parametrize(
    ("hundredths", "percent", "left"),
    [
        (61_50, 20, 49_20),
        (100_00, 0, 100_00),
        (100_00, 100, 0),
        (1, 50, 1),  # half a hundredth counts as a whole
        (3, 50, 2),
        (33_33, 10, 30_00),  # 29.997
        (33_35, 10, 30_02),  # 30.015, which no float holds
    ],
)
def test_points_are_rounded_once_and_halves_up(hundredths: int, percent: int, left: int) -> None:
    assert reduced(hundredths, Decimal(percent)) == left


@given(POINTS, PERCENT, PERCENT)
def test_a_larger_penalty_never_leaves_more(points: int, one: Decimal, other: Decimal) -> None:
    low, high = sorted([one, other])
    assert 0 <= reduced(points, high) <= reduced(points, low) <= points


@given(POINTS, POINTS, PERCENT)
def test_who_earned_more_never_gets_less(one: int, other: int, percent: Decimal) -> None:
    low, high = sorted([one, other])
    assert reduced(low, percent) <= reduced(high, percent)


@given(POINTS, PERCENT)
def test_rounding_moves_points_by_half_a_hundredth_at_most(points: int, percent: Decimal) -> None:
    exact = Decimal(points) * (100 - percent) / 100
    assert abs(reduced(points, percent) - exact) <= Decimal("0.5")


# ## Times
@pytest.mark.parametrize(
    "text",
    [
        "2026-12-01T23:59+01:00",
        "2026-12-01 23:59:00+0100",
        "2026-12-01T22:59Z",
        " 20261201T225900Z ",
        "2026-12-02T04:29+05:30",
        "2026-12-01T22:59:00.000-00:00",
    ],
)
def test_a_time_is_the_same_instant_in_every_zone(text: str) -> None:
    assert moment(text) == datetime(2026, 12, 1, 22, 59, tzinfo=UTC)


@pytest.mark.parametrize("text", ["2026-12-01T23:59", "2026-12-01", "2026-12-01 23:59:59.5"])
def test_a_time_without_a_zone_means_no_instant(text: str) -> None:
    with pytest.raises(ValueError, match="has no time zone; write it like 2026-12-01T23:59\\+01:00"):
        moment(text)


@pytest.mark.parametrize("text", ["", "tomorrow", "01.12.2026 23:59 +01:00", "2026-13-01T00:00Z", "2026-12-01T25:00Z"])
def test_what_is_no_time_is_told(text: str) -> None:
    with pytest.raises(ValueError, match="is not a time; write it like"):
        moment(text)


@pytest.mark.parametrize("text", ["0001-01-01T00:00+23:00", "9999-12-31T23:00-23:00"])
def test_no_time_is_out_of_reach_without_a_word(text: str) -> None:
    with pytest.raises(ValueError, match="is not a time"):
        moment(text)


ZONES = st.integers(-14 * 60, 14 * 60).map(lambda minutes: timezone(timedelta(minutes=minutes)))
INSTANTS = st.datetimes(datetime(2000, 1, 2), datetime(2090, 1, 1), timezones=st.just(UTC))


@settings(deadline=None)
@given(INSTANTS, INSTANTS, ZONES, ZONES)
def test_zones_make_nobody_late(due: datetime, came: datetime, one: timezone, other: timezone) -> None:
    written = moment(came.astimezone(other).isoformat()) - moment(due.astimezone(one).isoformat())
    assert written == came - due


def test_a_night_in_which_clocks_change_has_its_true_length() -> None:
    """The last hour of summer time in Berlin comes twice; a day later by the clock is 25 hours."""
    berlin = ZoneInfo("Europe/Berlin")
    due = datetime(2026, 10, 24, 12, 0, tzinfo=berlin)
    came = datetime(2026, 10, 25, 12, 0, tzinfo=berlin)
    assert came - due == DAY, "as Python subtracts within one zone"
    assert moment(came.isoformat()) - moment(due.isoformat()) == 25 * HOUR
    assert Late(percent_per_day=Decimal(10)).days(moment(came.isoformat()) - moment(due.isoformat())) == 2
