"""Task `kl`: the divergence from the posterior to the prior."""

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
from grader.judge.misconceptions import wrong_kl
from grader.judge.monte_carlo import expect_agrees_with_monte_carlo
from grader.judge.strategies import EXTREMES, parameters
from grader.judge.tolerances import ATOL32, ATOL64, RTOL32, RTOL64

pytestmark = pytest.mark.kl


@check("shape", 20)
def test_one_number_per_row(probe: Probe, draw: Draw) -> None:
    """kl() returns one number per row, (B, z) -> (B,), also for B = 1 and z = 1"""
    for shape in [(1, 7), (5, 3), (4, 1), (1, 1)]:
        for dtype in (torch.float32, torch.float64):
            mean, logvar = draw.normal(*shape, dtype=dtype), draw.normal(*shape, dtype=dtype)
            value = probe("distribution", name="kl", mean=mean, logvar=logvar)["value_0"]
            expect_shape(value, shape[:1], "kl")
            expect_dtype(value, dtype, "kl")
            expect_varies(value, "a divergence")


@check("value", 40)
def test_closed_form(probe: Probe, draw: Draw) -> None:
    """kl() equals the closed form, for narrow, wide, near and far posteriors"""
    mean, logvar = draw.normal(6, 3), draw.normal(6, 3)
    answer = probe("distribution", name="kl", mean=mean, logvar=logvar, calls=2)
    expect_unchanged(answer.facts["changed"], "kl()")
    exact, known = oracles.kl(mean, logvar), wrong_kl(mean, logvar)
    expect_repeated(answer, exact, "kl", rtol=RTOL64, atol=3 * ATOL64, known=known)
    single = probe("distribution", name="kl", mean=mean.float(), logvar=logvar.float())["value_0"]
    expect_close(single, exact, "kl in float32", rtol=RTOL32, atol=ATOL32, hint=ONLY_IN_FLOAT32)
    drawn = examples(parameters(), 20, draw.seed())
    for case, hint in [*((each, ONLY_EXTREMES) for each in EXTREMES), *((each, ONLY_THESE) for each in drawn)]:
        mean, logvar = case.fill(draw)
        strided = case in drawn and draw.integer(0, 1) == 1
        answer = probe("distribution", name="kl", mean=mean, logvar=logvar, calls=2, strided=strided)
        expect_unchanged(answer.facts["changed"], "kl()")
        atol = ATOL64 * mean.shape[1]
        expect_repeated(answer, oracles.kl(mean, logvar), f"kl {case}", rtol=RTOL64, atol=atol, hint=hint)


@check("value", 10)
def test_zero_at_the_prior_only(probe: Probe, draw: Draw) -> None:
    """kl() is zero for the standard normal and for nothing else"""
    mean, logvar = torch.zeros(5, 4, dtype=torch.float64), torch.zeros(5, 4, dtype=torch.float64)
    for row, parameter, sign in ((1, mean, 1), (2, mean, -1), (3, logvar, 1), (4, logvar, -1)):
        parameter[row, draw.integer(0, 3)] = sign * float(draw.uniform(0.008, 0.02, 1))
    value = probe("distribution", name="kl", mean=mean, logvar=logvar)["value_0"]
    expect_close(value, oracles.kl(mean, logvar), "kl", rtol=1e-3, atol=1e-7, known=wrong_kl(mean, logvar))
    without = probe("distribution", name="kl", mean=mean[:1])["value_0"]
    if float(without.abs().max()) > 1e-6:
        fail("kl = 0 for mean 0 and no logvar given (unit variance)", f"{float(without[0]):.6g}")


@check("statistics", 10)
def test_monte_carlo(probe: Probe, draw: Draw) -> None:
    """kl() agrees with a Monte-Carlo estimate of E_q[log q(z) - log p(z)]"""
    mean, logvar = draw.normal(4, 3), draw.normal(4, 3)
    value = probe("distribution", name="kl", mean=mean, logvar=logvar)["value_0"]
    expect_shape(value, (4,), "kl")
    expect_agrees_with_monte_carlo(value, mean, logvar, draw)


@check("gradient", 20)
def test_gradient(probe: Probe, draw: Draw) -> None:
    """The gradient of kl() is that of the closed form"""
    for batch in (1, 5):
        mean, logvar, cotangent = draw.normal(batch, 4), draw.normal(batch, 4), draw.normal(batch)
        answer = probe("distribution", name="kl", mean=mean, logvar=logvar, cotangent=cotangent)
        exact = {"mean": cotangent[:, None] * mean, "logvar": cotangent[:, None] * (logvar.exp() - 1) / 2}
        for name, gradient in exact.items():
            expect_gradient(answer, f"grad_{name}", gradient, f"d kl / d {name}", rtol=RTOL64, atol=ATOL64)
