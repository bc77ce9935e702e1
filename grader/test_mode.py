"""Task `mode`: the most probable value."""

from functools import partial

import pytest
import torch

from grader.grading.probe import Probe
from grader.judge.check import check
from grader.judge.expect import (
    expect_gradient,
    expect_repeated,
    expect_same,
    expect_unchanged,
    expect_varies,
)
from grader.judge.inputs import Draw
from grader.judge.memory import Exact, expect_no_memory, sent, three_sets
from grader.judge.misconceptions import by_id, right_only, short_axis
from grader.judge.recover import of_distribution

pytestmark = pytest.mark.mode

SHAPES = [(5, 3), (2, 3, 4, 4), (1, 4), (3, 1), (1, 1, 4, 4)]


@check("shape", 20)
def test_shape_and_dtype(probe: Probe, draw: Draw) -> None:
    """mode() has the shape and dtype of the mean"""
    for shape in SHAPES:
        for dtype in (torch.float32, torch.float64):
            mean, logvar = draw.normal(*shape, dtype=dtype), draw.normal(*shape, dtype=dtype)
            answer = probe("distribution", name="mode", mean=mean, logvar=logvar)
            expect_varies(answer.tensor("value_0", shape, "mode", dtype=dtype, otherwise=short_axis(shape)), "a mode")


@check("value", 60)
def test_value(probe: Probe, draw: Draw) -> None:
    """mode() returns the peak of the density, not a random sample"""
    for shape in SHAPES:
        for strided in (False, True):
            mean, logvar = draw.normal(*shape, scale=2000 if shape == (5, 3) else 2), draw.normal(*shape)
            answer = probe("distribution", name="mode", mean=mean, logvar=logvar, calls=2, strided=strided)
            kind = right_only("contiguous") if strided else short_axis(shape)
            one, other = (answer.tensor(f"value_{i}", shape, "mode", otherwise=kind) for i in (0, 1))
            expect_same(one, other, "mode", by_id("mode_sample"))
            recover = partial(of_distribution, "mode", probe.attempt, draw)
            expect_repeated(answer, mean, "mode", otherwise=kind, recover=(lambda: None) if strided else recover)
            expect_unchanged(answer, "mode()")
    sets = three_sets(lambda: {"mean": draw.normal(4, 3), "logvar": draw.normal(4, 3)})
    answer = probe("distribution_remembered", name="mode", **sent(sets))
    # mode() may return the tensor of the means itself, which the probe overwrites: so the first result is not compared.
    exact = [Exact(each["mean"], None, "mode") for each in (sets[1], sets[2], sets[2])]
    expect_no_memory(answer, {"value": exact}, of=("changed", "fresh", "kept"))


@check("gradient", 20)
def test_gradient(probe: Probe, draw: Draw) -> None:
    """Gradients flow through the mode to the mean, so that a loss may use reconstructions"""
    for shape in [(4, 3), (2, 3, 4, 4)]:
        mean, logvar, cotangent = (draw.normal(*shape) for _ in range(3))
        answer = probe("distribution", name="mode", mean=mean, logvar=logvar, cotangent=cotangent)
        expect_gradient(answer, "grad_mean", cotangent, "mode", "mean")
