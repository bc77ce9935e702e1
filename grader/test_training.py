"""Task `training`: the whole file, unchanged, is trained on house numbers."""

import pytest

from grader.grading.verdicts import Grading
from grader.judge.check import check, fail
from grader.judge.short_run_causes import cause, has_not_trained, passes

pytestmark = pytest.mark.training


@check("value", 100)
def test_short_run(grading: Grading) -> None:
    """A short training run on house numbers closes most of the gap between a constant image and PPCA"""
    run = grading.short_run()
    if passes(run):
        return
    found = cause(run)
    got = [found.seen] if found else []
    if not has_not_trained(run):
        loss = f"the loss was {run.losses[0]:.6g} at the first step and {run.losses[-1]:.6g} at the last"
        nll, kl = (f"{value:.1f}" if abs(value) < 1e6 else f"{value:.2g}" for value in (run.nll, run.kl))
        gap = f"{run.gap:.2f}" if abs(run.gap) < 1e6 else f"{run.gap:.2g}"
        got = [f"{gap}, with nll {nll} and kl {kl} nats per image", *got, loss]
    expected = f"a gap of at least {run.plan.threshold} after {run.plan.steps} steps (0: a constant image, 1: PPCA)"
    if run.gap >= run.plan.threshold and not has_not_trained(run):
        expected = "reconstructions over the whole range of the images, in which every channel varies"
    fail(
        expected,
        "; ".join(got),
        hint=found.hint
        if found
        else "No cause was recognised. Do all other tasks pass? Then look at the architecture.",
        diagnosis=found.diagnosis if found else None,
    )
