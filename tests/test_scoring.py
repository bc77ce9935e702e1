"""From verdicts to points: exact shares, what a wrong value leaves of them, and the status of a task."""

import importlib
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from grader.judge.check import UNPAID, Verdict, score, validate_shares
from grader.judge.offering import OWN, TASKS, load_offering
from grader.judge.result import Explanation, Kind, Status, TaskResult

GRADER = Path(__file__).parents[1] / "grader"
POINTS = load_offering().points
STATUSES: tuple[Status, ...] = ("passed", "failed", "not attempted", "crashed", "timed out", "out of memory")

KL: list[tuple[Kind, int]] = [("shape", 20), ("value", 50), ("statistics", 10), ("gradient", 20)]


def verdicts(*statuses: Status, task: str = "kl", shares: list[tuple[Kind, int]] = KL) -> list[Verdict]:
    """Return verdicts of checks of one task, in order."""
    return [
        Verdict(
            task, f"test_{i}", f"title {i}", kind, share, status, Explanation(got="" if status == "passed" else "why")
        )
        for i, ((kind, share), status) in enumerate(zip(shares, statuses, strict=True))
    ]


def scored(*statuses: Status) -> TaskResult:
    """Return the result of the task kl."""
    (task,) = score(verdicts(*statuses), POINTS)
    return task


def checks_of(task: str) -> list[tuple[str, Kind, int, str]]:
    """Return (name, kind, share, title) of the checks in grader/test_<task>.py."""
    module = importlib.import_module(f"grader.test_{task}")
    assert module.pytestmark.name == task, "the module's marker is its task"
    found = []
    for name, function in vars(module).items():
        marks = [mark for mark in getattr(function, "pytestmark", []) if mark.name == "check"]
        if name.startswith("test_"):
            (mark,) = marks
            found.append((name, mark.kwargs["kind"], mark.kwargs["share"], function.__doc__ or ""))
    return found


# ## The checks as they are
@pytest.mark.parametrize("task", [task.id for task in TASKS])
def test_the_checks_of_each_task_share_its_points(task: str) -> None:
    checks = checks_of(task)
    validate_shares((task, kind, share) for _, kind, share, _ in checks)
    assert all(share > 0 for _, _, share, _ in checks), "every check is worth something"


@pytest.mark.parametrize("points", [0.5, 1.5, 7.5])
@pytest.mark.parametrize("task", [task.id for task in TASKS])
def test_half_points_are_shared_without_a_rest(task: str, points: float) -> None:
    """Also where percent of half points are no whole hundredths."""
    shares = [(kind, share) for _, kind, share, _ in checks_of(task)]
    (found,) = score(verdicts(*["passed"] * len(shares), task=task, shares=shares), {task: points})  # type: ignore
    assert found.score == found.max_score == found.worth == 100 * points
    for check, (_, share) in zip(found.checks, shares, strict=True):
        assert abs(check.max_score - share * points) < 1


def test_every_module_of_checks_belongs_to_a_task() -> None:
    assert {path.stem for path in GRADER.glob("test_*.py")} == {f"test_{task.id}" for task in TASKS}
    assert not OWN, "which only a copy for --checks has"


def test_every_check_has_a_title_of_its_own() -> None:
    titles = [title for task in TASKS for *_, title in checks_of(task.id)]
    assert len(set(titles)) == len(titles)
    assert all(title.strip() and len(title) <= 120 and "\n" not in title.strip() for title in titles)


@pytest.mark.parametrize(
    ("shares", "reason"),
    [
        ([("shape", 40), ("value", 59)], "add up to 99"),
        ([("shape", 40), ("value", 61)], "add up to 101"),
        ([("shape", 20), ("shape", 21), ("value", 59)], "shapes to 41"),
        ([("shape", 40), ("gradient", 60)], "value check: False"),
    ],
)
def test_shares_that_break_the_rules_are_refused(shares: list[tuple[Kind, int]], reason: str) -> None:
    with pytest.raises(ValueError, match=reason):
        validate_shares(("kl", kind, share) for kind, share in shares)


# ## What is paid
def test_all_passed_pays_all() -> None:
    task = scored("passed", "passed", "passed", "passed")
    assert (task.score, task.max_score, task.status) == (1000, 1000, "passed")
    assert [check.score for check in task.checks] == [200, 500, 100, 200]


@pytest.mark.parametrize("status", STATUSES[1:])
def test_a_wrong_value_leaves_the_shape_checks_alone(status: Status) -> None:
    task = scored("passed", status, "passed", "passed")
    assert [check.score for check in task.checks] == [200, 0, 0, 0]
    assert task.status == status


def test_a_check_that_passes_unpaid_says_why_and_is_no_failure() -> None:
    task = scored("passed", "failed", "passed", "failed")
    statistics, gradient = task.checks[2:]
    assert statistics.status == "passed"
    assert statistics.output == UNPAID
    assert gradient.status == "failed"
    assert gradient.explanation.got == "why"


def test_one_wrong_value_check_of_several_leaves_the_shape_checks_alone() -> None:
    shares: list[tuple[Kind, int]] = [("shape", 15), ("value", 45), ("value", 20), ("statistics", 20)]
    of_task = verdicts("passed", "passed", "failed", "passed", task="log_likelihood", shares=shares)
    (task,) = score(of_task, POINTS)
    assert [check.score for check in task.checks] == [240, 0, 0, 0]
    assert task.checks[1].status == "passed"
    assert task.checks[1].output == UNPAID


def test_a_wrong_gradient_or_shape_costs_its_own_share_only() -> None:
    assert scored("passed", "passed", "passed", "failed").score == 800
    assert scored("failed", "passed", "passed", "passed").score == 800


def test_one_task_does_not_touch_another() -> None:
    wrong = verdicts("passed", "failed", "passed", "passed")
    right = verdicts("passed", "passed", "passed", "passed", task="nll")
    assert [task.score for task in score(right + wrong, POINTS)] == [200, 1000]


@settings(deadline=None)
@given(
    st.lists(st.integers(1, 99), min_size=1, max_size=6),
    st.integers(0, 1000),
    st.data(),
)
def test_scores_are_whole_hundredths_that_add_up(cuts: list[int], points: int, data: st.DataObject) -> None:
    edges = [0, *sorted(set(cuts)), 100]
    shares: list[tuple[Kind, int]] = [
        (data.draw(st.sampled_from(["shape", "value", "gradient", "statistics"])), high - low)
        for low, high in pairwise(edges)
    ]
    statuses = [data.draw(st.sampled_from(STATUSES)) for _ in shares]
    (task,) = score(verdicts(*statuses, shares=shares), {"kl": points})
    assert task.max_score == 100 * points, "not a hundredth is lost by rounding"
    assert task.score == sum(check.score for check in task.checks)
    assert all(check.score in (0, check.max_score) for check in task.checks)
    assert (task.score == task.max_score) or task.status != "passed"


# ## Order and status
def test_tasks_come_in_the_order_of_the_handout_and_only_those_judged() -> None:
    mixed = verdicts("passed", task="training", shares=[("value", 100)]) + verdicts(
        "failed", task="encoder", shares=[("value", 100)]
    )
    assert [task.id for task in score(mixed, POINTS)] == ["encoder", "training"]


@pytest.mark.parametrize("status", STATUSES[1:])
def test_a_task_has_the_status_of_its_first_check_that_did_not_pass(status: Status) -> None:
    assert scored("passed", status, "failed", "crashed").status == status


def test_diagnoses_are_collected_once_each() -> None:
    named = [
        Verdict("kl", f"test_{i}", "title", "value", 25, "failed", Explanation(diagnosis=diagnosis))
        for i, diagnosis in enumerate(["kl_missing_half", None, "kl_missing_half", "kl_sum_over_batch"])
    ]
    (task,) = score(named, POINTS)
    assert task.diagnoses == ["kl_missing_half", "kl_sum_over_batch"]


def test_what_was_not_judged_pays_nothing_and_is_not_wrong() -> None:
    stopped = scored("passed", "not judged", "not judged", "not judged")
    assert (stopped.score, stopped.judged, stopped.max_score, stopped.status) == (200, 200, 1000, "not judged")
    assert scored("failed", "not judged", "not judged", "not judged").status == "failed"


def test_checks_that_were_left_out_are_not_judged_either() -> None:
    (task,) = score(verdicts("passed", "passed", "passed", "passed")[:2], POINTS)
    assert (task.score, task.judged, task.max_score, task.worth) == (700, 700, 700, 1000)
    assert scored("passed", "passed", "passed", "passed").left_out == 0


def test_an_untouched_skeleton_earns_nothing() -> None:
    every = [
        Verdict(task.id, name, title, kind, share, "not attempted")
        for task in TASKS
        for name, kind, share, title in checks_of(task.id)
    ]
    tasks = score(every, POINTS)
    assert [task.id for task in tasks] == [task.id for task in TASKS]
    assert all(task.score == 0 and task.status == "not attempted" for task in tasks)
    assert sum(task.max_score for task in tasks) == 10_000
