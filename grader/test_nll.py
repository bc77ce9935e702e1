"""Task `nll`: the negative log-density."""

import pytest
import torch

from grader.grading import Probe
from grader.judge import oracles
from grader.judge.check import check, fail
from grader.judge.draw import Draw
from grader.judge.examples import examples
from grader.judge.expect import (
    ONLY_EXTREMES,
    ONLY_IN_FLOAT32,
    ONLY_THESE,
    expect_close,
    expect_dtype,
    expect_gradient,
    expect_repeated,
    expect_shape,
    expect_unchanged,
    expect_varies,
)
from grader.judge.misconceptions import wrong_nll
from grader.judge.strategies import EXTREMES, parameters
from grader.judge.tolerances import ATOL32, ATOL64, RTOL32, RTOL64

pytestmark = pytest.mark.nll

CASES = [((5, 7), [1]), ((1, 4), [1]), ((3, 2, 4, 4), [1, 2, 3]), ((1, 3, 5, 5), [1, 2, 3]), ((2, 3, 4, 5), [2, 3])]


@check("shape", 20)
def test_sums_over_dims(probe: Probe, draw: Draw) -> None:
    """nll() sums over the given dimensions and keeps the others"""
    for shape, dims in CASES:
        for dtype in (torch.float32, torch.float64):
            mean, logvar, sample = (draw.normal(*shape, dtype=dtype) for _ in range(3))
            value = probe("distribution", name="nll", mean=mean, logvar=logvar, sample=sample, dims=dims)["value_0"]
            expect_shape(value, [n for d, n in enumerate(shape) if d not in dims], "nll")
            expect_dtype(value, dtype, "nll")
            expect_varies(value, "an nll")


@check("value", 40)
def test_log_density(probe: Probe, draw: Draw) -> None:
    """nll() is minus the log-density of a normal distribution, constant included"""
    for shape, dims in CASES:
        mean, logvar, sample = draw.normal(*shape), draw.normal(*shape), draw.normal(*shape, scale=2.0)
        inputs = {"mean": mean, "logvar": logvar, "sample": sample}
        answer = probe("distribution", name="nll", **inputs, dims=dims, calls=2)
        expect_unchanged(answer.facts["changed"], "nll()")
        exact, known = oracles.nll(**inputs, dims=dims), wrong_nll(**inputs, dims=dims)
        what = f"nll over dims {dims}"
        expect_repeated(answer, exact, what, rtol=RTOL64, atol=ATOL64 * mean[0].numel(), known=known)
        single = probe("distribution", name="nll", **{k: t.float() for k, t in inputs.items()}, dims=dims)["value_0"]
        expect_close(single, exact, f"{what} in float32", rtol=RTOL32, atol=ATOL32, hint=ONLY_IN_FLOAT32)
    drawn = examples(parameters(), 12, draw.seed())
    for case, hint in [*((each, ONLY_EXTREMES) for each in EXTREMES), *((each, ONLY_THESE) for each in drawn)]:
        mean, logvar = case.fill(draw)
        strided = case in drawn and draw.integer(0, 1) == 1
        for distance in (2.0, 200.0):  # 200 standard deviations off, a density is 0 in float64
            sample = mean + distance * (0.5 * logvar).exp() * draw.normal(*mean.shape)
            inputs = {"mean": mean, "logvar": logvar, "sample": sample}
            answer = probe("distribution", name="nll", **inputs, dims=[1], calls=2, strided=strided)
            expect_unchanged(answer.facts["changed"], "nll()")
            exact, atol = oracles.nll(**inputs, dims=[1]), ATOL64 * mean.shape[1]
            expect_repeated(answer, exact, f"nll {case}", rtol=RTOL64, atol=atol, hint=hint)


@check("value", 10)
def test_images_by_default(probe: Probe, draw: Draw) -> None:
    """Without dims, nll() sums over channels, height and width; without logvar the variance is one"""
    for shape in [(3, 2, 4, 4), (1, 3, 2, 2)]:
        mean, sample = draw.normal(*shape), draw.normal(*shape)
        value = probe("distribution", name="nll", mean=mean, sample=sample)["value_0"]
        zeros = torch.zeros_like(mean)
        # At unit variance several wrong formulas agree: none is named here.
        expect_close(value, oracles.nll(mean, zeros, sample, [1, 2, 3]), "nll", rtol=RTOL64, atol=ATOL64 * 32)


@check("statistics", 10)
def test_density_integrates_to_one(probe: Probe, draw: Draw) -> None:
    """exp(-nll) is a density: it integrates to one"""
    grid = torch.linspace(-12, 12, 2001, dtype=torch.float64)[:, None]
    center, logvar = draw.uniform(-1, 1, 1).expand(2001, 1), draw.uniform(-1, 1, 1).expand(2001, 1)
    value = probe("distribution", name="nll", mean=center.clone(), logvar=logvar.clone(), sample=grid, dims=[1])
    expect_shape(value["value_0"], (2001,), "nll")
    # The trapezoidal rule is exact to 1e-12 for a normal density of standard deviation 0.6 or more and steps of 0.012.
    integral = float(torch.trapezoid((-value["value_0"].double()).exp(), grid[:, 0]))
    if not abs(integral - 1) < 1e-4:
        fail("an integral of 1", f"{integral:.5g}", hint="which factor normalises a normal density?")


@check("gradient", 20)
def test_gradient(probe: Probe, draw: Draw) -> None:
    """The gradient of nll() reaches mean, logvar and sample"""
    for shape, dims in [((4, 6), [1]), ((1, 2, 3, 3), [1, 2, 3])]:
        mean, logvar, sample, cotangent = *(draw.normal(*shape) for _ in range(3)), draw.normal(shape[0])
        answer = probe(
            "distribution", name="nll", mean=mean, logvar=logvar, sample=sample, dims=dims, cotangent=cotangent
        )
        error, var, outer = sample - mean, logvar.exp(), cotangent.view(-1, *[1] * (len(shape) - 1))
        of_mean, of_logvar = -outer * error / var, outer * (1 - error**2 / var) / 2
        for name, gradient in {"mean": of_mean, "logvar": of_logvar, "sample": -of_mean}.items():
            expect_gradient(answer, f"grad_{name}", gradient, f"d nll / d {name}", rtol=RTOL64, atol=ATOL64)
