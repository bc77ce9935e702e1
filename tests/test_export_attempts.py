"""Several attempts of a student: their order, and which counts; what held nothing to grade never stands in the way."""

import csv
import random
from datetime import datetime, timedelta
from decimal import Decimal
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from grader.instructor.class_runs.grades import record
from grader.instructor.class_runs.submissions import HandedIn, Student
from grader.instructor.gradebooks.attempts import Attempt, decide
from grader.judge.late_policy import Late
from grader.judge.offering import Counts
from tests.made_up_class import entry
from tests.made_up_run import DUE, class_run, export, handed, offering, ten_percent, written
from tests.wording import lines_with

DAY = timedelta(days=1)
TEN = Late(percent_per_day=Decimal(10))
FULL, LESS, LITTLE = 22_00, 20_40, 14_00
OUTCOMES: dict[int, dict[str, str]] = {FULL: {}, LESS: {"mode": "wrong"}, LITTLE: {"kl": "wrong"}}


def attempt(
    place: int,
    earned: int = FULL,
    *,
    submitted: datetime | None = None,
    number: int | None = None,
    problem: str = "",
    pending: bool = False,
) -> Attempt:
    """Return the attempt of some student that is in some place of the class run."""
    one = entry(f"row-{place}", OUTCOMES[earned])
    if problem or pending:
        one = type(one)(one.submission, problem or "the grader died")
    found = HandedIn("a.py", (Student("a"),), one.submission, problem, submitted, number)
    return Attempt(found, record(one), place)


def counting(attempts: list[Attempt], counts: Counts, late: Late = TEN) -> tuple[str, int | None]:
    """Return which attempt counts, and its points."""
    decided = decide(attempts, counts, late, DUE, FULL)
    return decided.attempt.record.submission, decided.grade.points if decided.grade else None


# ## Which counts
BY_TIME = [
    attempt(0, LESS, submitted=DUE + 1 * DAY),  # the last one: 18.36
    attempt(1, LITTLE, submitted=DUE - 2 * DAY),  # the first one: 14.00
    attempt(2, LESS, submitted=DUE - 1 * DAY),  # the best one: 20.40
]


@pytest.mark.parametrize(
    ("counts", "row", "points"), [("last", "row-0", 18_36), ("first", "row-1", LITTLE), ("best", "row-2", LESS)]
)
def test_last_first_and_best_go_by_time_and_by_points_after_the_penalty(counts: Counts, row: str, points: int) -> None:
    assert counting(BY_TIME, counts) == (row, points)


def test_a_late_attempt_that_earned_more_can_be_worth_less() -> None:
    attempts = [attempt(0, LESS, submitted=DUE), attempt(1, FULL, submitted=DUE + DAY)]
    assert counting(attempts, "best") == ("row-0", LESS)
    assert counting(attempts, "best", Late()) == ("row-1", FULL)


def test_among_equals_the_first_is_the_best() -> None:
    attempts = [attempt(0, submitted=DUE), attempt(1, submitted=DUE - DAY)]
    assert counting(attempts, "best") == ("row-1", FULL)


def test_numbers_tell_the_order_where_a_time_is_unknown() -> None:
    attempts = [attempt(0, number=3), attempt(1, number=1, submitted=DUE), attempt(2, number=2)]
    assert [counting(attempts, counts)[0] for counts in ("first", "last")] == ["row-1", "row-0"]


def test_at_the_same_time_numbers_tell_the_order() -> None:
    attempts = [attempt(0, number=2, submitted=DUE), attempt(1, number=1, submitted=DUE)]
    assert counting(attempts, "last")[0] == "row-0"


@pytest.mark.parametrize("numbers", [(None, None), (1, 1), (2, None)])
def test_where_nothing_tells_the_order_names_do_and_it_is_said(numbers: tuple[int | None, int | None]) -> None:
    attempts = [attempt(i, number=number) for i, number in enumerate(numbers)]
    decided = decide(attempts, "last", TEN, DUE, FULL)
    assert (decided.attempt.place, decided.ordered) == (1, False)
    assert decide(attempts, "best", TEN, DUE, FULL).ordered, "the order does not matter"
    assert decide(attempts[:1], "last", TEN, DUE, FULL).ordered, "there is nothing to order"


def test_where_there_was_nothing_to_grade_counts_only_if_it_is_all_there_is() -> None:
    """Canvas's download holds every file that a student handed in: notes beside VAE_Model.py are no attempt."""
    notes = attempt(1, submitted=DUE + DAY, problem="neither a .py file nor a folder, a .zip or a .tar.gz")
    assert counting([attempt(0, LESS, submitted=DUE), notes], "last") == ("row-0", LESS)
    assert counting([notes], "last") == ("row-1", 0)


def test_what_the_grader_owes_leaves_a_choice_open_that_depends_on_it() -> None:
    attempts = [attempt(0, submitted=DUE), attempt(1, submitted=DUE + DAY, pending=True)]
    assert counting(attempts, "last") == ("row-1", None)
    assert counting(attempts, "best")[1] is None
    assert counting(attempts, "first") == ("row-0", FULL)


ATTEMPTS = st.lists(
    st.tuples(st.sampled_from(sorted(OUTCOMES)), st.integers(-5, 20).map(lambda days: DUE + days * DAY)),
    min_size=1,
    max_size=6,
)


@settings(deadline=None)
@given(ATTEMPTS, st.randoms(use_true_random=False))
def test_the_best_is_at_least_as_good_as_any_and_no_order_of_names_matters(
    drawn: list[tuple[int, datetime]],
    chance: random.Random,
) -> None:
    attempts = [attempt(i, earned, submitted=time, number=i + 1) for i, (earned, time) in enumerate(drawn)]
    alone = [counting([one], "last")[1] or 0 for one in attempts]
    assert counting(attempts, "best")[1] == max(alone)
    shuffled = chance.sample(attempts, len(attempts))
    for counts in ("last", "first", "best"):
        assert counting(shuffled, counts) == counting(attempts, counts)


# ## From the offering to the gradebook
@pytest.mark.parametrize(
    ("counts", "points", "which"),
    [("last", "18.36", "2 of 2"), ("first", "14.00", "1 of 2"), ("best", "18.36", "2 of 2")],
)
def test_the_offering_says_which_counts(tmp_path: Path, counts: str, points: str, which: str) -> None:
    run = class_run(
        tmp_path,
        handed("jane", {"kl": "wrong"}, row="jane", submitted=DUE),
        handed("jane", {"mode": "wrong"}, row="jane-2", submitted=DUE + DAY),
    )
    policy = ten_percent(tmp_path, ('counts = "last"', f'counts = "{counts}"'))
    assert export(run, "--format=csv", "--offering", policy) == 0
    (row,) = csv.DictReader((run / "gradebook-csv.csv").read_text(encoding="utf-8").splitlines())
    assert (row["student"], row["points"], row["attempt"]) == ("jane", points, which)
    assert f"Attempt {which} counts." in row["feedback"]


def test_attempts_without_an_order_are_pointed_out(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run = class_run(tmp_path, handed("jane", row="jane"), handed("jane", row="jane-2"), handed("bob"))
    assert export(run, "--format=csv", "--offering", offering(tmp_path)) == 1
    assert "several attempts, ordered by name" in capsys.readouterr().err


def test_two_names_for_one_person_of_a_roster_are_two_attempts(tmp_path: Path) -> None:
    run = class_run(
        tmp_path,
        handed(Student("jane@example.edu"), {"kl": "wrong"}, submitted=DUE - DAY),
        handed(Student("s1"), submitted=DUE),
    )
    roster = written(tmp_path / "r.csv", "id,email\ns1,jane@example.edu\n")
    assert export(run, "--format=csv", "--roster", roster) == 0
    (row,) = csv.DictReader((run / "gradebook-csv.csv").read_text(encoding="utf-8").splitlines())
    assert (row["points"], row["attempt"]) == ("22.00", "2 of 2")


def test_one_time_for_several_attempts_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run = class_run(tmp_path, handed("jane", row="jane"), handed("jane", row="jane-2"))
    roster = written(tmp_path / "r.csv", "id,submitted\njane,2026-12-01T10:00Z\n")
    assert export(run, "--format=csv", "--roster", roster) == 2
    assert lines_with(capsys.readouterr().err, "r.csv, line 2: ", "`submitted`", " 2 ")
