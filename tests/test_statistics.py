"""The numbers of a class."""

import statistics as reference
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from grader.instructor.class_runs.grades import record
from grader.instructor.pages import class_statistics
from grader.instructor.pages.class_statistics import Bin, FoundMisconception, TaskNumbers
from grader.judge.result import TaskResult
from tests.made_up_class import a_class, checks, result

RECORDS = [record(entry) for entry in a_class()]
RESULTS = [one.result for one in RECORDS if one.result]


# ## Scores
def test_of_no_scores_there_is_nothing_to_say() -> None:
    assert class_statistics.score_summary([], 100) is None
    assert class_statistics.by_task([]) == ()
    assert sum(b.count for b in class_statistics.histogram([], 100)) == 0


def test_a_summary_of_one_score_is_that_score() -> None:
    found = class_statistics.score_summary([7.5], 10)
    assert found is not None
    assert (found.mean, found.lower, found.median, found.upper, found.full) == (7.5, 7.5, 7.5, 7.5, 0)


@settings(deadline=None, max_examples=100)
@given(st.lists(st.integers(0, 10000).map(lambda n: n / 100), min_size=2, max_size=40))
def test_mean_and_quartiles_are_those_of_the_standard_library(scores: list[float]) -> None:
    found = class_statistics.score_summary(scores, 100)
    assert found is not None
    quartiles = reference.quantiles(scores, n=4, method="inclusive")
    assert [found.lower, found.median, found.upper] == pytest.approx(quartiles)
    assert found.mean == pytest.approx(reference.fmean(scores))
    assert found.full == scores.count(100)


def test_a_histogram_puts_borders_into_the_upper_part_and_full_points_into_the_last() -> None:
    assert class_statistics.histogram([0, 4.99, 5, 10, 10], 10, bins=2) == (Bin(0, 5, 2), Bin(5, 10, 3))


@settings(deadline=None, max_examples=100)
@given(st.lists(st.floats(0, 37), max_size=40), st.integers(1, 30))
def test_every_score_is_in_one_part(scores: list[float], bins: int) -> None:
    assert sum(b.count for b in class_statistics.histogram(scores, 37, bins)) == len(scores)


# ## Tasks
def test_a_task_tells_wrong_from_not_attempted() -> None:
    kl, mode, training = class_statistics.by_task(RESULTS)
    mean = (6 * 1 + 3 * 0.2) / 11  # six are full, three have the shape alone, two have nothing
    assert kl.mean == pytest.approx(mean)
    assert replace(kl, mean=mean) == TaskNumbers("kl", 10, mean, full=6, partial=3, zero=1, not_attempted=1)
    assert (mode.full, mode.partial, mode.zero, mode.not_attempted) == (8, 1, 1, 1)
    assert (training.full, training.partial, training.zero, training.not_attempted) == (6, 3, 1, 1)


def test_each_task_counts_all_that_were_graded() -> None:
    for task in class_statistics.by_task(RESULTS):
        assert task.full + task.partial + task.zero + task.not_attempted == len(RESULTS) == 11


# ## Misconceptions and trouble
def test_misconceptions_come_by_frequency() -> None:
    assert class_statistics.misconceptions(RECORDS) == (
        FoundMisconception("kl_missing_half", "kl", ("half-0", "half-1", "half-2")),
        FoundMisconception("mode_std", "mode", ("std",)),
    )


def test_the_slowest_come_first() -> None:
    assert class_statistics.slowest(RECORDS, 1) == (("hangs", 80.0),)
    assert len(class_statistics.slowest(RECORDS, 100)) == 11


def test_trouble_is_what_crashed_hung_or_grew_the_worst_first() -> None:
    found = class_statistics.troubles(RECORDS)
    assert [(t.submission, t.status, t.tasks) for t in found] == [
        ("hangs", "timed out", ("kl",)),
        ("breaks", "crashed", ("mode", "training")),
    ]
    assert found[0].message == "it timed out"


# ## Tasks without points
def worthless(outcome: str) -> TaskResult:
    """Return `kl` in an offering in which it has no points."""
    return TaskResult("kl", tuple(replace(check, score=0, max_score=0) for check in checks("kl", outcome)))


@pytest.mark.parametrize(
    ("outcome", "kind"),
    [("full", "full"), ("kl_missing_half", "partial"), ("crashed", "zero"), ("not attempted", "not attempted")],
)
def test_without_points_the_checks_say_what_became_of_a_task(outcome: str, kind: str) -> None:
    assert class_statistics.attainment(worthless(outcome)) == kind


def test_a_task_without_points_has_no_mean() -> None:
    found = [replace(result({}), tasks=(worthless(o),)) for o in ("full", "crashed", "not attempted", "not attempted")]
    (kl,) = class_statistics.by_task(found)
    assert kl == TaskNumbers("kl", 0, None, full=1, partial=0, zero=1, not_attempted=2)
