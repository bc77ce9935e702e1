"""Task `nll`: the negative log-density."""

from functools import partial

import pytest
import torch

from grader.grading.probe import Probe
from grader.judge import oracles, sizes
from grader.judge.answer import Answer
from grader.judge.check import check
from grader.judge.expect import (
    Recover,
    expect_close,
    expect_gradient,
    expect_repeated,
    expect_unchanged,
    expect_varies,
)
from grader.judge.inputs import EXTREMES, MANY_DIMENSIONS, SHORT_AXES, Draw, examples, parameters, single
from grader.judge.memory import Exact, expect_no_memory, sent, three_sets
from grader.judge.misconceptions import Misconception, right_only, short_axis
from grader.judge.recover import of_distribution
from grader.judge.tolerances import UNIT_INTEGRAL

pytestmark = pytest.mark.nll

CASES = [
    ((5, 7), [1]),
    ((3, 2, 4, 4), [1, 2, 3]),
    ((1, 4), [1]),
    ((1, 3, 5, 5), [1, 2, 3]),
    ((2, 3, 4, 5), [2, 3]),
    ((2, 1, 4, 4), [1, 2, 3]),
    ((2, 3, 4, 5), [1]),
    ((2, 3, 4, 5), [1, 3]),
]


def nll_size(inputs: dict[str, torch.Tensor], dims: list[int]) -> torch.Tensor:
    """Return the size of nll for exact inputs."""
    return sizes.nll(inputs["mean"], inputs["logvar"], inputs["sample"], dims)


def expect_nll(
    answer: Answer,
    inputs: dict[str, torch.Tensor],
    dims: list[int],
    what: str,
    *,
    recover: Recover = lambda: None,
    otherwise: Misconception | None = None,
) -> None:
    """Demand the negative log-density from both calls."""
    exact, size = oracles.nll(**inputs, dims=dims), nll_size(inputs, dims)
    expect_repeated(answer, exact, what, size=size, otherwise=otherwise, recover=recover)


@check("shape", 20)
def test_sums_over_dims(probe: Probe, draw: Draw) -> None:
    """nll() sums over the given dimensions and keeps the others"""
    for shape, dims in CASES:
        for dtype in (torch.float32, torch.float64):
            mean, logvar, sample = (draw.normal(*shape, dtype=dtype) for _ in range(3))
            answer = probe("distribution", name="nll", mean=mean, logvar=logvar, sample=sample, dims=dims)
            left = [n for d, n in enumerate(shape) if d not in dims]
            expect_varies(answer.tensor("value_0", left, "nll", dtype=dtype, otherwise=short_axis(shape)), "an nll")


@check("value", 40)
def test_log_density(probe: Probe, draw: Draw) -> None:
    """nll() is the negative log-density of a normal distribution, including its constant"""
    for shape, dims in CASES:
        inputs = {"mean": draw.normal(*shape), "logvar": draw.normal(*shape), "sample": draw.normal(*shape, scale=2.0)}
        answer = probe("distribution", name="nll", **inputs, dims=dims, calls=2)
        expect_unchanged(answer, "nll()")
        what, recover = f"nll over dims {dims}", partial(of_distribution, "nll", probe.attempt, draw)
        expect_nll(answer, inputs, dims, what, recover=recover, otherwise=short_axis(shape))
        answer = probe("distribution", name="nll", **{k: t.float() for k, t in inputs.items()}, dims=dims, calls=2)
        expect_nll(answer, inputs, dims, f"{what} in float32", otherwise=right_only("in_float64"))
        answer = probe("distribution", name="nll", **inputs, dims=dims, calls=2, strided=True)
        expect_nll(answer, inputs, dims, f"{what}, of non-contiguous tensors", otherwise=right_only("contiguous"))
    drawn = examples(parameters(), 12, draw.seed())
    for case, kind in [
        *((each, right_only("moderate")) for each in EXTREMES),
        *((each, right_only("few_dimensions")) for each in MANY_DIMENSIONS),
        *((each, right_only("longer_axes")) for each in SHORT_AXES),
        *((each, right_only("elsewhere")) for each in drawn),
    ]:
        mean, logvar = case.fill(draw)
        for distance in (2.0, 200.0):  # at a distance of 200 standard deviations, a density is 0 in float64
            sample = single(mean + distance * (0.5 * logvar).exp() * draw.normal(*mean.shape))
            inputs = {"mean": mean, "logvar": logvar, "sample": sample}
            answer = probe("distribution", name="nll", **inputs, dims=[1], calls=2)
            expect_unchanged(answer, "nll()")
            expect_nll(answer, inputs, [1], f"nll {case}", otherwise=kind)
    sets = three_sets(lambda: {name: draw.normal(4, 3) for name in ("mean", "logvar", "sample")})
    answer = probe("distribution_remembered", name="nll", dims=[1], **sent(sets))
    asked = [*sets, sets[2], sets[2] | {"sample": sets[1]["sample"]}]
    exact = [Exact(oracles.nll(**each, dims=[1]), nll_size(each, [1]), "nll") for each in asked]
    expect_no_memory(answer, {"value": exact})


@check("value", 10)
def test_images_by_default(probe: Probe, draw: Draw) -> None:
    """By default, nll() sums over channels, height and width, and the variance is one"""
    for shape in [(3, 2, 4, 4), (1, 3, 2, 2), (2, 1, 4, 4), (1, 1, 1, 1)]:
        mean, sample = draw.normal(*shape), draw.normal(*shape)
        answer = probe("distribution", name="nll", mean=mean, sample=sample)
        inputs = {"mean": mean, "logvar": torch.zeros_like(mean), "sample": sample}
        exact = oracles.nll(**inputs, dims=[1, 2, 3])
        # Several wrong formulas agree at unit variance, so none is named here.
        expect_close(answer, "value_0", exact, "nll", size=nll_size(inputs, [1, 2, 3]), otherwise=short_axis(shape))


@check("statistics", 10)
def test_density_integrates_to_one(probe: Probe, draw: Draw) -> None:
    """exp(-nll) is a density: it integrates to one"""
    grid = torch.linspace(-12, 12, 2001, dtype=torch.float64)[:, None]
    center, logvar = draw.uniform(-1, 1, 1).expand(2001, 1), draw.uniform(-1, 1, 1).expand(2001, 1)
    answer = probe("distribution", name="nll", mean=center.clone(), logvar=logvar.clone(), sample=grid, dims=[1])
    value = answer.tensor("value_0", (2001,), "nll", finite=True).double()
    # For a normal density of standard deviation 0.6 or more and steps of 0.012, the trapezoidal rule is exact to 1e-12.
    found = Answer({"integral": torch.trapezoid((-value).exp(), grid[:, 0])}, {}, UNIT_INTEGRAL)
    one, hint = torch.tensor(1.0, dtype=torch.float64), "Which factor normalises a normal density?"
    expect_close(found, "integral", one, "the integral of exp(-nll)", hint=hint)


@check("gradient", 20)
def test_gradient(probe: Probe, draw: Draw) -> None:
    """The gradient of nll() reaches mean, logvar and sample"""
    for shape, dims in [((4, 6), [1]), ((1, 2, 3, 3), [1, 2, 3])]:
        mean, logvar, sample, cotangent = *(draw.normal(*shape) for _ in range(3)), draw.normal(shape[0])
        sample[1:2] = mean[1:2]  # where a square root is not differentiable
        answer = probe(
            "distribution", name="nll", mean=mean, logvar=logvar, sample=sample, dims=dims, cotangent=cotangent
        )
        error, var, outer = sample - mean, logvar.exp(), cotangent.view(-1, *[1] * (len(shape) - 1))
        of_mean, of_logvar = -outer * error / var, outer * (1 - error**2 / var) / 2
        far = (sample.abs() + mean.abs()) / var
        sizes_of = {"mean": far, "logvar": (1 + error.abs() * far) / 2, "sample": far}
        for name, gradient in {"mean": of_mean, "logvar": of_logvar, "sample": -of_mean}.items():
            size = outer.abs() * sizes_of[name]
            expect_gradient(answer, f"grad_{name}", gradient, "nll", name, size=size)
    probe.note_devices("distribution", name="nll", mean=mean, logvar=logvar, sample=sample, dims=dims)
