"""No report misleads: it names things as the student's file and the handout do, and says nothing that is not so."""

from collections.abc import Callable, Iterable
from typing import Any, cast

import pytest
import torch

from grader.grading.verdicts import Grading
from grader.judge.answer import Answer
from grader.judge.check import CheckFailed
from grader.judge.expect import expect_close, expect_gradient
from grader.judge.inputs import Parameters
from grader.judge.known_models import AS_STUDENTS_SAY
from grader.judge.misconceptions import by_id
from grader.judge.result import CheckResult, Explanation, TaskResult
from grader.judge.short_run import ShortRun
from grader.report.explain import shown
from grader.sandbox.failure import UNTOUCHED, from_error
from grader.test_training import test_short_run as check_of_short_run
from tests.wording import misleading, numbers
from tests.zoo.build import source
from tests.zoo.grade import Graded, Job, grade
from tests.zoo.wrong import WRONG


def told(call: Callable[..., None], *given: Any, **named: Any) -> str:
    with pytest.raises(CheckFailed) as failed:
        call(*given, **named)
    return failed.value.explanation.text()


# ## The words themselves
@pytest.mark.parametrize(
    "text",
    [
        "expected  kl of 1 x 1 numbers, means 0 +- 0, log-variances 0 +- 0 of shape (1,)",
        "expected  kl = 3 at [0]\ngot       nan\ndeviation nan at most",
        "expected  the output = nan at [0]",
        "expected  a gradient with respect to mean_weight",
        "expected  a result `value_0`",
        "got       1 of 1 values differ",
    ],
)
def test_what_was_said_once_is_found(text: str) -> None:
    assert misleading(text)


def test_of_one_distribution_without_spread_it_is_said_what_it_is() -> None:
    text = str(Parameters((1, 1), mean_scale=0.0, logvar_scale=0.0, logvar_shift=0.0))
    assert numbers(text) == ["1", "1", "0", "0"] and "+-" not in text
    spread = str(Parameters((4, 3), mean_scale=0.3, logvar_scale=1.0, logvar_shift=-25.0))
    assert numbers(spread) == ["4", "3", "0", "0.3", "25", "1"]
    assert " 0 +- 0.3" in spread and " -25 +- 1" in spread


@pytest.mark.parametrize("got", [float("nan"), float("inf"), -float("inf")])
def test_what_is_no_number_has_no_deviation(got: float) -> None:
    answer = Answer({"value_0": torch.tensor([1.0, got])}, {}, 1e-6)
    text = told(expect_close, answer, "value_0", torch.tensor([1.0, 2.0]), "kl", otherwise=by_id("kl_negated"))
    assert "deviation" not in text and not misleading(text)


def test_a_single_wrong_number_is_not_counted() -> None:
    answer = Answer({"value_0": torch.tensor([1.0])}, {}, 1e-6)
    text = told(expect_close, answer, "value_0", torch.tensor([2.0]), "kl")
    assert text.splitlines()[:2] == ["expected  kl = 2 at [0]", "got       1"]


@pytest.mark.parametrize("name", AS_STUDENTS_SAY)
@pytest.mark.parametrize("gradient", [None, torch.zeros(2, 2), torch.ones(2, 2), torch.zeros(3)])
def test_a_gradient_is_named_as_the_file_names_what_it_is_by(name: str, gradient: torch.Tensor | None) -> None:
    tensors = {} if gradient is None else {f"nll_grad_{name}": gradient}
    by = AS_STUDENTS_SAY[name]
    text = told(expect_gradient, Answer(tensors, {}, 1e-6), f"nll_grad_{name}", 3 * torch.ones(2, 2), "nll", by)
    assert by in text and not misleading(text)


@pytest.mark.parametrize(
    "run",
    [
        ShortRun([3400.0, 2950.0], {"mean.weight": 0.1}, 2900.0, 150.0, 0.3, 3140.0, 2880.0),
        ShortRun([3400.0, float("nan")], {}, 0.0, 0.0, 0.0, 3140.0, 2880.0),
        ShortRun([float("inf")], {}, 0.0, 0.0, 0.0, 3140.0, 2880.0),
    ],
)
def test_the_loss_of_a_short_run_is_no_deviation(run: ShortRun) -> None:
    class Graded:
        def short_run(self) -> ShortRun:
            return run

    text = told(check_of_short_run, cast(Grading, Graded()))
    assert "loss" in text and "deviation" not in text and not misleading(text)


# ## A TODO that is left
def test_a_todo_that_is_left_in_a_task_that_was_begun_is_shown_with_its_line() -> None:
    line = {"line": 59, "function": "forward", "text": 'raise NotImplementedError("TODO: encoder")'}
    error = {"kind": "todo", "type": "NotImplementedError", "message": "TODO: encoder", "traceback": [line]}
    begun = from_error({**error, "begun": True}, frozenset(), False)
    assert (begun.status, begun.traceback) == ("not attempted", [line])
    untouched = from_error({**error, "begun": False}, frozenset(), False)
    assert (untouched.status, untouched.traceback) == ("not attempted", [])


def test_the_report_shows_the_todo_that_is_left_once_and_of_untouched_tasks_nothing() -> None:
    def task(told: Explanation) -> TaskResult:
        each = ("shape", "value")
        return TaskResult(
            "encoder",
            tuple(CheckResult("encoder", kind, kind, kind, 0, 100, "not attempted", told) for kind in each),  # type: ignore[arg-type]
        )

    left = shown(task(Explanation(got="begun, but a TODO is left\nline 59, in forward: raise")))
    assert [check.name for check in left.explained] == ["shape"] and left.waiting == ()
    assert shown(task(Explanation(message=UNTOUCHED))).explained == ()


# ## Whole reports
def misleading_reports(graded: Iterable[Graded]) -> dict[str, list[str]]:
    """Return what is misleading in reports, by the title of the submission."""
    found = {
        one.name: [f"{each} in\n{text}" for text in one.output.values() for each in misleading(text)] for one in graded
    }
    return {title: wrong for title, wrong in found.items() if wrong}


@pytest.mark.long
def test_no_report_of_a_wrong_submission_misleads() -> None:
    jobs = [Job(entry.title, source(entry), " or ".join(entry.must_fall)) for entry in WRONG]
    assert misleading_reports(grade(jobs)) == {}
