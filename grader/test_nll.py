"""Task `nll`: the negative log-density."""

import pytest
import torch

from grader.grading import Probe
from grader.judge import oracles
from grader.judge.check import check
from grader.judge.draw import Draw
from grader.judge.expect import expect_close, expect_dtype, expect_shape, expect_unchanged, expect_varies
from grader.judge.misconceptions import wrong_nll
from grader.judge.tolerances import ATOL64, RTOL64

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


@check("value", 50)
def test_log_density(probe: Probe, draw: Draw) -> None:
    """nll() is minus the log-density of a normal distribution, constant included"""
    for shape, dims in CASES:
        mean, logvar, sample = draw.normal(*shape, scale=2), draw.normal(*shape), draw.normal(*shape, scale=2)
        answer = probe("distribution", name="nll", mean=mean, logvar=logvar, sample=sample, dims=dims, calls=2)
        terms = mean[0].numel()
        for call in (0, 1):
            expect_close(
                answer[f"value_{call}"],
                oracles.nll(mean, logvar, sample, dims),
                f"nll over dims {dims}",
                rtol=RTOL64,
                atol=ATOL64 * terms,
                known=wrong_nll(mean, logvar, sample, dims),
            )
        expect_unchanged(answer.facts["changed"], "nll()")


@check("value", 10)
def test_images_by_default(probe: Probe, draw: Draw) -> None:
    """Without dims, nll() sums over channels, height and width; without logvar the variance is one"""
    mean, sample = draw.normal(3, 2, 4, 4), draw.normal(3, 2, 4, 4)
    value = probe("distribution", name="nll", mean=mean, sample=sample)["value_0"]
    zeros = torch.zeros_like(mean)
    expected, known = oracles.nll(mean, zeros, sample, [1, 2, 3]), wrong_nll(mean, zeros, sample, [1, 2, 3])
    expect_close(value, expected, "nll", rtol=RTOL64, atol=ATOL64 * 32, known=known)


@check("gradient", 20)
def test_gradient(probe: Probe, draw: Draw) -> None:
    """The gradient of nll() reaches mean, logvar and sample"""
    mean, logvar, sample, cotangent = draw.normal(4, 6), draw.normal(4, 6), draw.normal(4, 6), draw.normal(4)
    answer = probe("distribution", name="nll", mean=mean, logvar=logvar, sample=sample, dims=[1], cotangent=cotangent)
    error, var, outer = sample - mean, logvar.exp(), cotangent[:, None]
    exact = {"mean": -outer * error / var, "logvar": outer * (1 - error**2 / var) / 2, "sample": outer * error / var}
    for name, gradient in exact.items():
        expect_close(answer[f"grad_{name}"], gradient, f"d nll / d {name}", rtol=RTOL64, atol=ATOL64)
