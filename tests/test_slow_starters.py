"""Who gets a longer short run, and what it must reach then."""

from collections.abc import Callable
from dataclasses import replace

import pytest
import torch

from grader.grading.training_run import judged
from grader.judge import short_run
from grader.judge.short_run import EARLY, EARLY_THRESHOLD, LONGER, LONGER_THRESHOLD, STEPS, THRESHOLD, Images, ShortRun
from grader.sandbox.failure import Failure, WorkerFailed

CONSTANT, PPCA = 3140.0, 2880.0
BLACK = torch.zeros(1, 3, 32, 32, dtype=torch.uint8)
IMAGES = Images(BLACK, BLACK, CONSTANT, PPCA)


def outcome(nll: float, kl: float, steps: int = STEPS) -> ShortRun:
    moved = {"encoder.weight": 0.1}
    return ShortRun([3400.0], moved, nll, kl, (CONSTANT - nll - kl) / (CONSTANT - PPCA), CONSTANT, PPCA, steps)


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


def test_more_steps_must_reach_more() -> None:
    assert outcome(2900.0, 12.0).threshold == THRESHOLD
    assert outcome(2900.0, 12.0, EARLY).threshold == EARLY_THRESHOLD > THRESHOLD
    assert outcome(2900.0, 12.0, LONGER).threshold == LONGER_THRESHOLD > THRESHOLD


@pytest.fixture
def runs(monkeypatch: pytest.MonkeyPatch) -> Callable[..., list[int]]:
    """Let short runs have the outcomes that a test names, by steps; returns the steps of all that were asked for."""

    def given(outcomes: dict[int, ShortRun | WorkerFailed]) -> list[int]:
        asked = []

        def run(_ask: object, _images: Images, _seed: int, steps: int = STEPS) -> ShortRun:
            asked.append(steps)
            found = outcomes[steps]
            if isinstance(found, WorkerFailed):
                raise found
            return found

        monkeypatch.setattr(short_run, "run", run)
        return asked

    return given


def ask(*_: object) -> tuple[dict[str, torch.Tensor], dict[str, object]]:
    raise AssertionError("no worker is needed here")


def test_the_longer_run_counts(runs: Callable[..., list[int]]) -> None:
    longer = outcome(2897.0, 14.0, LONGER)
    asked = runs({EARLY: outcome(3010.0, 10.1, EARLY), STEPS: outcome(2996.4, 10.1), LONGER: longer})
    assert judged(ask, IMAGES, 0) is longer and asked == [EARLY, STEPS, LONGER]


def test_a_longer_run_that_breaks_off_leaves_the_first(runs: Callable[..., list[int]]) -> None:
    first = outcome(2996.4, 10.1)
    early = outcome(3010.0, 10.1, EARLY)
    late = WorkerFailed(Failure("timed out", "60 s of CPU time are used up"))
    asked = runs({EARLY: early, STEPS: first, LONGER: late})
    assert judged(ask, IMAGES, 0) is first and asked == [EARLY, STEPS, LONGER]


def test_one_run_is_enough_for_others(runs: Callable[..., list[int]]) -> None:
    asked = runs({EARLY: outcome(2970.0, 12.0, EARLY), STEPS: outcome(2893.1, 11.6)})
    assert judged(ask, IMAGES, 0).gap > THRESHOLD and asked == [EARLY, STEPS]


def test_the_early_run_is_enough_if_it_is_certain(runs: Callable[..., list[int]]) -> None:
    early = outcome(2920.0, 12.0, EARLY)
    asked = runs({EARLY: early})
    assert judged(ask, IMAGES, 0) is early and asked == [EARLY]


@pytest.mark.parametrize(
    "early",
    [
        outcome(2950.0, 12.0, EARLY),  # a gap of 0.68
        replace(outcome(2920.0, 12.0, EARLY), moved={"encoder.weight": 0.1, "decoder.weight": 0.0}),
        replace(outcome(2920.0, 12.0, EARLY), losses=[3400.0, float("inf"), 2950.0]),
    ],
    ids=["gap too small", "a part is frozen", "a loss not finite"],
)
def test_an_early_run_that_is_not_certain_does_not_count(runs: Callable[..., list[int]], early: ShortRun) -> None:
    usual = outcome(2893.1, 11.6)
    asked = runs({EARLY: early, STEPS: usual})
    assert judged(ask, IMAGES, 0) is usual and asked == [EARLY, STEPS]
