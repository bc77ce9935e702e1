"""Task `training`: the whole file, as it is, learns house numbers."""

import math

import pytest

from grader.grading import Grading
from grader.judge.check import check, fail
from grader.judge.misconceptions import by_id
from grader.judge.short_run import ShortRun

PARTS = ("encoder.", "mean.", "logvar.", "decoder.")  # what else a model holds is its own business

pytestmark = pytest.mark.training


@check("value", 100)
def test_short_run(grading: Grading) -> None:
    """A short run on house numbers closes most of the gap between a constant image and PPCA"""
    run = grading.short_run()
    if not run.losses or not all(math.isfinite(loss) for loss in run.losses):
        _fail(run, f"the loss was not finite at step {len(run.losses)}", "training_diverged")
    frozen = [name for name, change in run.moved.items() if name.startswith(PARTS) and not change > 0]
    if frozen:
        _fail(run, f"parameters that never changed: {', '.join(frozen[:4])}", "training_frozen")
    if not run.gap >= run.threshold:
        _fail(run, f"{run.gap:.2f}, with nll {run.nll:.1f} and kl {run.kl:.1f} nats per image", _cause(run))


def _cause(run: ShortRun) -> str | None:
    """Return the misconception that the numbers point to."""
    first, last = (sum(part) / 10 for part in (run.losses[:10], run.losses[-10:]))
    if last > first - 5.0:  # nats; the first steps of any model that learns win a hundred
        return "training_no_learning"
    if run.kl < 0.5:
        return "training_collapse"
    if run.kl > 120.0 and run.nll < run.constant_mean:
        return "training_no_kl"
    return "training_no_learning" if -0.5 < run.gap < 0.1 else None


def _fail(run: ShortRun, actual: str, diagnosis: str | None) -> None:
    progress = f"loss {run.losses[0]:.1f} at the first step, {run.losses[-1]:.1f} at the last" if run.losses else ""
    fail(
        f"a gap of at least {run.threshold} after {run.steps} steps (0: a constant image, 1: PPCA)",
        actual,
        deviation=progress,
        hint=by_id(diagnosis).hint if diagnosis else "do all other tasks pass? Then look at the architecture",
        diagnosis=diagnosis,
    )
