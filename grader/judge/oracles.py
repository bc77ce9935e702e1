"""Exact answers, in float64, from torch.distributions and linear algebra."""

import math
from collections.abc import Sequence

import torch
from jaxtyping import Float64
from torch import Tensor
from torch.distributions import Independent, LowRankMultivariateNormal, Normal, kl_divergence


def kl(mean: Float64[Tensor, "B z"], logvar: Float64[Tensor, "B z"]) -> Float64[Tensor, " B"]:
    """Return KL(N(mean, exp logvar) || N(0, I)) per row, in nats (Kingma and Welling 2014, appendix B)."""
    posterior = Independent(Normal(mean, (0.5 * logvar).exp()), 1)
    prior = Independent(Normal(torch.zeros_like(mean), torch.ones_like(mean)), 1)
    return kl_divergence(posterior, prior)


def nll(
    mean: Float64[Tensor, "B *dims"],
    logvar: Float64[Tensor, "B *dims"],
    sample: Float64[Tensor, "B *dims"],
    dims: Sequence[int],
) -> Float64[Tensor, "..."]:
    """Return -log N(sample; mean, exp logvar), summed over `dims`, in nats (Bishop 2006, equation 1.46)."""
    return -Normal(mean, (0.5 * logvar).exp()).log_prob(sample).sum(dim=tuple(dims))


def sample(
    mean: Float64[Tensor, "*shape"], logvar: Float64[Tensor, "*shape"], noise: Float64[Tensor, "*shape"]
) -> Float64[Tensor, "*shape"]:
    """Return the reparameterised sample for given noise (Kingma and Welling 2014, section 2.4)."""
    return torch.addcmul(mean, (0.5 * logvar).exp(), noise)


def linear_log_likelihood(
    x: Float64[Tensor, "B D"], weight: Float64[Tensor, "D z"], bias: Float64[Tensor, " D"]
) -> Float64[Tensor, " B"]:
    """Return log p(x) of the linear model x = weight z + bias + noise, z and noise standard normal, in nats.

    The marginal is N(bias, weight weight^T + I) (Tipping and Bishop 1999, equation 6, with unit noise variance).
    """
    return LowRankMultivariateNormal(bias, weight, torch.ones_like(bias)).log_prob(x)


def elbo_gap_of_inflation(factor: float, z_dim: int) -> float:
    """Return by how many nats the ELBO falls when the true posterior's variance is multiplied by `factor`.

    It is KL(N(0, c) || N(0, 1)) summed over the dimensions: z_dim / 2 (c - 1 - log c).
    """
    return 0.5 * z_dim * (factor - 1.0 - math.log(factor))
