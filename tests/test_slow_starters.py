"""Which short run counts: the small one, the usual one, or a longer one."""

from collections.abc import Callable
from dataclasses import replace

import pytest
import torch

from grader.grading.training_run import judged
from grader.judge import short_run
from grader.judge.short_run import LONGER, SMALL, USUAL, Images, Plan, ShortRun
from grader.judge.short_run_causes import passes
from grader.sandbox.failure import Failure, WorkerFailed

CONSTANT, PPCA = 3140.0, 2880.0
BLACK = torch.zeros(1, 3, 32, 32, dtype=torch.uint8)
IMAGES = Images(BLACK, BLACK, CONSTANT, PPCA)


def outcome(nll: float, kl: float, plan: Plan = USUAL) -> ShortRun:
    moved = {"encoder.weight": 0.1}
    return ShortRun([3400.0], moved, nll, kl, (CONSTANT - nll - kl) / (CONSTANT - PPCA), CONSTANT, PPCA, plan)


@pytest.mark.parametrize(
    ("what", "nll", "kl", "slowly"),
    [
        ("a right model that knows the mean colour only, as measured", 2996.4, 10.1, True),
        ("the reference", 2893.1, 11.6, False),
        ("without the KL term: codes cost too much", 2893.2, 158.9, False),
        ("the KL term a thousand times too light", 2892.9, 138.9, False),
        ("collapsed", 3140.0, 0.1, False),
        ("not finite", float("inf"), float("inf"), False),
    ],
)
def test_who_starts_slowly(what: str, nll: float, kl: float, slowly: bool) -> None:
    assert outcome(nll, kl).starts_slowly is slowly, what


def test_other_runs_than_the_usual_one_must_reach_more() -> None:
    assert min(SMALL.threshold, LONGER.threshold) > USUAL.threshold
    assert passes(outcome(2958.0, 12.0))  # a gap of 0.65
    assert not passes(outcome(2958.0, 12.0, SMALL)) and not passes(outcome(2958.0, 12.0, LONGER))


@pytest.fixture
def runs(monkeypatch: pytest.MonkeyPatch) -> Callable[..., list[Plan]]:
    """Let short runs have the outcomes that a test names, by plan; returns the plans of all that were asked for."""

    def given(outcomes: dict[Plan, ShortRun | WorkerFailed]) -> list[Plan]:
        asked = []

        def run(_ask: object, _images: Images, _seed: int, plan: Plan = USUAL) -> ShortRun:
            asked.append(plan)
            found = outcomes[plan]
            if isinstance(found, WorkerFailed):
                raise found
            return found

        monkeypatch.setattr(short_run, "run", run)
        return asked

    return given


def ask(*_: object) -> tuple[dict[str, torch.Tensor], dict[str, object]]:
    raise AssertionError("no worker is needed here")


def test_the_longer_run_counts(runs: Callable[..., list[Plan]]) -> None:
    longer = outcome(2897.0, 14.0, LONGER)
    asked = runs({SMALL: outcome(3010.0, 10.1, SMALL), USUAL: outcome(2996.4, 10.1), LONGER: longer})
    assert judged(ask, IMAGES, 0) is longer and asked == [SMALL, USUAL, LONGER]


def test_a_longer_run_that_breaks_off_leaves_the_first(runs: Callable[..., list[Plan]]) -> None:
    first = outcome(2996.4, 10.1)
    small = outcome(3010.0, 10.1, SMALL)
    late = WorkerFailed(Failure("timed out", "60 s of CPU time are used up"))
    asked = runs({SMALL: small, USUAL: first, LONGER: late})
    assert judged(ask, IMAGES, 0) is first and asked == [SMALL, USUAL, LONGER]


def test_one_run_is_enough_for_others(runs: Callable[..., list[Plan]]) -> None:
    asked = runs({SMALL: outcome(2970.0, 12.0, SMALL), USUAL: outcome(2893.1, 11.6)})
    assert judged(ask, IMAGES, 0).gap > USUAL.threshold and asked == [SMALL, USUAL]


def test_the_small_run_is_enough_if_it_passes(runs: Callable[..., list[Plan]]) -> None:
    small = outcome(2920.0, 12.0, SMALL)
    asked = runs({SMALL: small})
    assert judged(ask, IMAGES, 0) is small and asked == [SMALL]


@pytest.mark.parametrize(
    "small",
    [
        outcome(2950.0, 12.0, SMALL),  # a gap of 0.68
        replace(outcome(2920.0, 12.0, SMALL), moved={"encoder.weight": 0.1, "decoder.weight": 0.0}),
        replace(outcome(2920.0, 12.0, SMALL), losses=[3400.0, float("inf"), 2950.0]),
        replace(outcome(2920.0, 12.0, SMALL), unmoved=("decoder.layers.3",)),
    ],
    ids=["gap too small", "a part is frozen", "a loss not finite", "statistics that never changed"],
)
def test_a_small_run_that_does_not_pass_does_not_count(runs: Callable[..., list[Plan]], small: ShortRun) -> None:
    usual = outcome(2893.1, 11.6)
    asked = runs({SMALL: small, USUAL: usual})
    assert judged(ask, IMAGES, 0) is usual and asked == [SMALL, USUAL]
