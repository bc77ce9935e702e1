"""Task `kl`: the divergence from the posterior to the prior."""

from functools import partial

import pytest
import torch

from grader.grading.probe import Probe
from grader.judge import oracles, sizes
from grader.judge.answer import Answer
from grader.judge.check import check
from grader.judge.expect import (
    Bound,
    Recover,
    expect_close,
    expect_gradient,
    expect_repeated,
    expect_unchanged,
    expect_varies,
)
from grader.judge.inputs import EXTREMES, MANY_DIMENSIONS, SHORT_AXES, Draw, examples, parameters
from grader.judge.memory import Exact, expect_no_memory, sent, three_sets
from grader.judge.misconceptions import Misconception, right_only, short_axis
from grader.judge.oracles import expect_agrees_with_monte_carlo
from grader.judge.recover import of_distribution
from grader.judge.tolerances import UNIT64, UNIT_NEAR_ZERO

pytestmark = pytest.mark.kl


NEVER_NEGATIVE = Bound("a divergence is never negative", low=0.0)


def expect_kl(
    answer: Answer,
    mean: torch.Tensor,
    logvar: torch.Tensor,
    what: str,
    *,
    otherwise: Misconception | None = None,
    recover: Recover = lambda: None,
) -> None:
    """Demand the closed form from both calls."""
    exact, size = oracles.kl(mean, logvar), sizes.kl(mean, logvar)
    expect_repeated(answer, exact, what, size=size, otherwise=otherwise, recover=recover, bound=NEVER_NEGATIVE)


@check("shape", 20)
def test_one_number_per_row(probe: Probe, draw: Draw) -> None:
    """kl() returns one number per row, (B, z) -> (B,), also for B = 1 and z = 1"""
    for shape in [(5, 3), (1, 7), (4, 1), (1, 1)]:
        for dtype in (torch.float32, torch.float64):
            mean, logvar = draw.normal(*shape, dtype=dtype), draw.normal(*shape, dtype=dtype)
            answer = probe("distribution", name="kl", mean=mean, logvar=logvar)
            value = answer.tensor("value_0", shape[:1], "kl", dtype=dtype, otherwise=short_axis(shape))
            expect_varies(value, "a divergence")


@check("value", 40)
def test_closed_form(probe: Probe, draw: Draw) -> None:
    """kl() equals the closed form, for narrow and wide posteriors, near the prior and far from it"""
    mean, logvar = draw.normal(6, 3), draw.normal(6, 3)
    answer = probe("distribution", name="kl", mean=mean, logvar=logvar, calls=2)
    expect_unchanged(answer, "kl()")
    expect_kl(answer, mean, logvar, "kl", recover=partial(of_distribution, "kl", probe.attempt, draw))
    answer = probe("distribution", name="kl", mean=mean.float(), logvar=logvar.float(), calls=2)
    expect_kl(answer, mean, logvar, "kl in float32", otherwise=right_only("in_float64"))
    expect_kl(
        probe("distribution", name="kl", mean=mean, logvar=logvar, calls=2, strided=True),
        mean,
        logvar,
        "kl of non-contiguous parameters",
        otherwise=right_only("contiguous"),
    )
    drawn = examples(parameters(), 20, draw.seed())
    for case, kind in [
        *((each, right_only("moderate")) for each in EXTREMES),
        *((each, right_only("few_dimensions")) for each in MANY_DIMENSIONS),
        *((each, right_only("longer_axes")) for each in SHORT_AXES),
        *((each, right_only("elsewhere")) for each in drawn),
    ]:
        mean, logvar = case.fill(draw)
        answer = probe("distribution", name="kl", mean=mean, logvar=logvar, calls=2)
        expect_unchanged(answer, "kl()")
        expect_kl(answer, mean, logvar, f"kl {case}", otherwise=kind)
    sets = three_sets(lambda: {"mean": draw.normal(4, 3), "logvar": draw.normal(4, 3)})
    answer = probe("distribution_remembered", name="kl", **sent(sets))
    exact = [Exact(oracles.kl(**each), sizes.kl(**each), "kl") for each in [*sets, sets[2]]]
    expect_no_memory(answer, {"value": exact})


@check("value", 10)
def test_zero_at_the_prior_only(probe: Probe, draw: Draw) -> None:
    """kl() is zero for the standard normal distribution only"""
    mean, logvar = torch.zeros(5, 4, dtype=torch.float64), torch.zeros(5, 4, dtype=torch.float64)
    for row, parameter, sign in ((1, mean, 1), (2, mean, -1), (3, logvar, 1), (4, logvar, -1)):
        parameter[row, draw.integer(0, 3)] = sign * float(draw.uniform(0.008, 0.02, 1))
    answer = probe("distribution", name="kl", mean=mean, logvar=logvar)
    unit = min(answer.unit, UNIT_NEAR_ZERO) if answer.unit == UNIT64 else answer.unit
    exact, size = oracles.kl(mean, logvar), sizes.kl(mean, logvar)
    recover = partial(of_distribution, "kl", probe.attempt, draw)
    expect_close(answer, "value_0", exact, "kl", unit=unit, size=size, recover=recover)
    without = probe("distribution", name="kl", mean=mean[:1])
    what = "kl for mean 0 and logvar=None (unit variance)"
    expect_close(without, "value_0", exact[:1], what, unit=unit, size=size[:1])


@check("statistics", 10)
def test_monte_carlo(probe: Probe, draw: Draw) -> None:
    """kl() agrees with a Monte-Carlo estimate of E_q[log q(z) - log p(z)]"""
    mean, logvar = draw.normal(4, 3), draw.normal(4, 3)
    value = probe("distribution", name="kl", mean=mean, logvar=logvar).tensor("value_0", (4,), "kl", finite=True)
    expect_agrees_with_monte_carlo(value.double(), mean, logvar, draw)


@check("gradient", 20)
def test_gradient(probe: Probe, draw: Draw) -> None:
    """The gradient of kl() equals that of the closed form"""
    for batch in (1, 5):
        mean, logvar, cotangent = draw.normal(batch, 4), draw.normal(batch, 4), draw.normal(batch)
        mean[1:2] = 0.0  # where a square root is not differentiable
        answer = probe("distribution", name="kl", mean=mean, logvar=logvar, cotangent=cotangent)
        exact = {"mean": cotangent[:, None] * mean, "logvar": cotangent[:, None] * (logvar.exp() - 1) / 2}
        for name, gradient in exact.items():
            size = cotangent[:, None].abs() * (mean.abs() if name == "mean" else (logvar.exp() + 1) / 2)
            expect_gradient(answer, f"grad_{name}", gradient, "kl", name, size=size)
    probe.note_devices("distribution", name="kl", mean=mean, logvar=logvar)
