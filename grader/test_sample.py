"""Task `sample`: reparameterised sampling."""

from functools import partial

import pytest
import torch

from grader.grading.probe import Probe
from grader.judge import oracles, sizes
from grader.judge.answer import Answer
from grader.judge.check import check, fail, pictured
from grader.judge.expect import (
    Recover,
    expect_gradient,
    expect_repeated,
    expect_unchanged,
    expect_varies,
)
from grader.judge.inputs import EXTREMES, MANY_DIMENSIONS, SHORT_AXES, Draw, examples, parameters
from grader.judge.memory import Exact, expect_no_memory, sent, three_sets
from grader.judge.misconceptions import Misconception, by_id, right_only, short_axis
from grader.judge.normality import expect_standard_normal
from grader.judge.pictures import histogram
from grader.judge.recover import of_distribution
from grader.judge.tolerances import SAME_DRAW

pytestmark = pytest.mark.sample

SHAPES = [(5, 3), (2, 3, 4, 4), (1, 7), (3, 1), (1, 1, 4, 4)]


def expect_sample(
    answer: Answer,
    inputs: dict[str, torch.Tensor],
    what: str,
    *,
    otherwise: Misconception | None = None,
    recover: Recover = lambda: None,
) -> None:
    """Demand the reparameterised sample from both calls."""
    exact, size = oracles.sample(**inputs), sizes.sample(**inputs)
    expect_repeated(answer, exact, what, size=size, otherwise=otherwise, recover=recover)


def expect_no_repetition(noise: torch.Tensor) -> None:
    """Demand noise (calls, *shape) that is not the same along a whole axis; so that a message can say where it is."""
    for axis, length in enumerate(noise.shape):
        # Equal up to rounding; two independent tensors of 256 normal numbers are this close with probability 0.
        if length > 1 and bool((noise - noise.narrow(axis, 0, 1)).abs().max() < SAME_DRAW):
            where = "the same noise in every call" if axis == 0 else f"the same noise along axis {axis - 1} of the mean"
            found = by_id("noise_not_fresh")
            fail("new noise for every call, row and dimension", where, found=found)


@check("shape", 20)
def test_shape_and_dtype(probe: Probe, draw: Draw) -> None:
    """sample() has the shape and dtype of the mean, with and without the noise argument"""
    for shape in SHAPES:
        for dtype in (torch.float32, torch.float64):
            mean, logvar = draw.normal(*shape, dtype=dtype), draw.normal(*shape, dtype=dtype)
            for noise in (None, draw.normal(*shape, dtype=dtype)):
                answer = probe("distribution", name="sample", mean=mean, logvar=logvar, noise=noise)
                value = answer.tensor("value_0", shape, "sample", dtype=dtype, otherwise=short_axis(shape))
                expect_varies(value, "a sample")


@check("value", 40)
def test_value_for_given_noise(probe: Probe, draw: Draw) -> None:
    """sample(noise) returns the reparameterised sample for this noise"""
    for shape in [(5, 3), (2, 3, 4, 4)]:
        inputs = {name: draw.normal(*shape) for name in ("mean", "logvar", "noise")}
        answer = probe("distribution", name="sample", **inputs, calls=2)
        expect_unchanged(answer, "sample()")
        expect_sample(answer, inputs, "sample", recover=partial(of_distribution, "sample", probe.attempt, draw))
        answer = probe("distribution", name="sample", **{k: t.float() for k, t in inputs.items()}, calls=2)
        expect_sample(answer, inputs, "sample in float32", otherwise=right_only("in_float64"))
        answer = probe("distribution", name="sample", **inputs, calls=2, strided=True)
        expect_sample(answer, inputs, "sample of non-contiguous tensors", otherwise=right_only("contiguous"))
    drawn = examples(parameters(), 12, draw.seed())
    for case, kind in [
        *((each, right_only("moderate")) for each in EXTREMES),
        *((each, right_only("few_dimensions")) for each in MANY_DIMENSIONS),
        *((each, right_only("longer_axes")) for each in SHORT_AXES),
        *((each, right_only("elsewhere")) for each in drawn),
    ]:
        mean, logvar = case.fill(draw)
        inputs = {"mean": mean, "logvar": logvar, "noise": draw.normal(*mean.shape)}
        answer = probe("distribution", name="sample", **inputs, calls=2)
        expect_unchanged(answer, "sample()")
        expect_sample(answer, inputs, f"sample {case}", otherwise=kind)
    sets = three_sets(lambda: {name: draw.normal(4, 3) for name in ("mean", "logvar", "noise")})
    answer = probe("distribution_remembered", name="sample", **sent(sets))
    asked = [*sets, sets[2], sets[2] | {"noise": sets[1]["noise"]}]
    exact = [Exact(oracles.sample(**each), sizes.sample(**each), "sample") for each in asked]
    expect_no_memory(answer, {"value": exact})


@check("gradient", 20)
def test_pathwise_gradient(probe: Probe, draw: Draw) -> None:
    """Gradients flow through a sample to mean and logvar"""
    for shape in [(6, 5), (1, 3)]:
        for given in (None, draw.normal(*shape)):
            mean, logvar, cotangent = draw.normal(*shape), draw.normal(*shape), draw.normal(*shape)
            answer = probe("distribution", name="sample", mean=mean, logvar=logvar, noise=given, cotangent=cotangent)
            sample = answer.tensor("value_0", shape, "sample", finite=True).double()
            std = (0.5 * logvar).exp()
            noise = (sample - mean) / std  # recovered from the sample
            exact = {"mean": cotangent, "logvar": cotangent * noise * std / 2}
            # The recovered noise is as exact as the sample.
            sizes_of = {"mean": cotangent.abs(), "logvar": cotangent.abs() * sizes.sample(mean, logvar, noise) / 2}
            for name, gradient in exact.items():
                expect_gradient(answer, f"grad_{name}", gradient, "sample", name, size=sizes_of[name])


@check("statistics", 20)
def test_noise_is_fresh_standard_normal(probe: Probe, draw: Draw) -> None:
    """Without the noise argument, every call draws new standard normal noise"""
    drawn = []
    for shape in [(64, 32), (8, 4, 8, 8), (1, 256)]:  # codes, images, and a single row
        mean, logvar = draw.normal(*shape, scale=3), draw.normal(*shape)
        answer = probe("distribution", name="sample", mean=mean, logvar=logvar, calls=2, objects=2)
        samples = [answer.tensor(f"value_{i}", shape, "sample", finite=True).double() for i in range(4)]
        values = torch.stack(samples)
        fresh = (values - mean) / (0.5 * logvar).exp()
        with pictured(partial(histogram, fresh)):
            expect_no_repetition(fresh)
        drawn.append(fresh.reshape(4, -1, 32))
    noise = torch.cat(drawn, dim=1)  # tested together, so that the bound on false failures holds once for all shapes
    with pictured(partial(histogram, noise)):
        if len(torch.unique(noise.abs().float().round(decimals=5))) < 0.9 * noise.numel():
            fail(
                "new noise for every call, row and dimension",
                "repeated numbers",
                found=by_id("noise_not_fresh"),
            )
        expect_standard_normal(noise, "the noise of sample()")
    probe.note_devices("distribution", name="sample", mean=mean, logvar=logvar)
