"""Task `kl`: the divergence from the posterior to the prior."""

import pytest
import torch

from grader.grading import Probe
from grader.judge import oracles
from grader.judge.check import check
from grader.judge.draw import Draw
from grader.judge.expect import expect_close, expect_dtype, expect_shape, expect_unchanged, expect_varies
from grader.judge.misconceptions import wrong_kl
from grader.judge.monte_carlo import expect_agrees_with_monte_carlo
from grader.judge.tolerances import ATOL64, RTOL64

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


@check("value", 50)
def test_closed_form(probe: Probe, draw: Draw) -> None:
    """kl() equals the closed form, for narrow, wide, near and far posteriors"""
    for batch, z_dim, spread in [(1, 4, 1.0), (6, 3, 1.0), (5, 8, 4.0), (4, 1, 2.0)]:
        mean, logvar = draw.normal(batch, z_dim, scale=spread), draw.normal(batch, z_dim, scale=spread)
        answer = probe("distribution", name="kl", mean=mean, logvar=logvar, calls=2)
        for call in (0, 1):
            expect_close(
                answer[f"value_{call}"],
                oracles.kl(mean, logvar),
                "kl",
                rtol=RTOL64,
                atol=ATOL64 * z_dim,
                known=wrong_kl(mean, logvar),
            )
        expect_unchanged(answer.facts["changed"], "kl()")


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
    mean, logvar, cotangent = draw.normal(5, 4), draw.normal(5, 4), draw.normal(5)
    answer = probe("distribution", name="kl", mean=mean, logvar=logvar, cotangent=cotangent)
    exact = {"mean": cotangent[:, None] * mean, "logvar": cotangent[:, None] * (logvar.exp() - 1) / 2}
    for name, gradient in exact.items():
        expect_close(answer[f"grad_{name}"], gradient, f"d kl / d {name}", rtol=RTOL64, atol=ATOL64)
