"""Task `kl_free_bits`: an instructor's own question, the KL divergence with 0.5 nats of free bits per dimension.

Students write a method `kl_free_bits()` of DiagonalGaussianDistribution: each dimension counts at least 0.5 nats. Run
with `python -m grader grade FILE --checks tests/own_checks --offering tests/own_checks/offering.toml`.
"""

import pytest
import torch
from jaxtyping import Float64
from torch import Tensor
from torch.distributions import Normal, kl_divergence

from grader.grading.probe import Probe
from grader.judge.check import check
from grader.judge.expect import expect_close, expect_gradient
from grader.judge.inputs import Draw

pytestmark = pytest.mark.kl_free_bits

LEANS_ON = ("sample", "kl", "nll", "mode")
FREE = 0.5  # nats per dimension


def of_dimensions(mean: Float64[Tensor, "B z"], logvar: Float64[Tensor, "B z"]) -> Float64[Tensor, "B z"]:
    """Return the KL divergence of each dimension, without free bits."""
    return kl_divergence(Normal(mean, (0.5 * logvar).exp()), Normal(torch.zeros_like(mean), torch.ones_like(mean)))


def size(mean: Float64[Tensor, "B z"], logvar: Float64[Tensor, "B z"]) -> Float64[Tensor, " B"]:
    """Return the sum of the absolute terms, from which the tolerance follows."""
    return (mean**2 + logvar.exp() + logvar.abs() + 1.0).sum(1) / 2 + FREE * mean.shape[1]


@check("shape", 20)
def test_one_number_per_row(probe: Probe, draw: Draw) -> None:
    """kl_free_bits() returns one number per row, (B, z) -> (B,)"""
    for shape in [(1, 7), (5, 3), (4, 1)]:
        answer = probe("distribution", name="kl_free_bits", mean=draw.normal(*shape), logvar=draw.normal(*shape))
        answer.tensor("value_0", shape[:1], "kl_free_bits", finite=True)


@check("value", 60)
def test_each_dimension_counts_at_least_its_free_bits(probe: Probe, draw: Draw) -> None:
    """kl_free_bits() counts each dimension with at least 0.5 nats"""
    mean, logvar = draw.normal(6, 5), draw.normal(6, 5)
    answer = probe("distribution", name="kl_free_bits", mean=mean, logvar=logvar)
    exact = of_dimensions(mean, logvar).clamp(min=FREE).sum(1)
    hint = "Some dimensions are below 0.5 nats, others above. Is the limit applied before the sum over dimensions?"
    expect_close(answer, "value_0", exact, "kl_free_bits", size=size(mean, logvar), hint=hint)


@check("gradient", 20)
def test_free_dimensions_have_no_gradient(probe: Probe, draw: Draw) -> None:
    """Dimensions within their free bits have no gradient, and all others that of kl()"""
    mean, logvar, cotangent = draw.normal(5, 4), draw.normal(5, 4), draw.normal(5)
    answer = probe("distribution", name="kl_free_bits", mean=mean, logvar=logvar, cotangent=cotangent)
    counts = of_dimensions(mean, logvar) > FREE
    exact = torch.where(counts, cotangent[:, None] * mean, 0.0)
    expect_gradient(answer, "grad_mean", exact, "kl_free_bits", "mean", size=(cotangent[:, None] * mean).abs())
