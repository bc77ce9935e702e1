"""Exact answers in float64 from torch.distributions and linear algebra; and a Monte-Carlo estimate of the kl."""

import math
from collections.abc import Sequence

import torch
from jaxtyping import Float64
from torch import Tensor
from torch.distributions import Independent, LowRankMultivariateNormal, Normal, kl_divergence

from .check import fail
from .inputs import Draw


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
    """Return by how many nats the ELBO decreases when the true posterior's variance is multiplied by `factor`.

    It is KL(N(0, c) || N(0, 1)) summed over the dimensions: z_dim / 2 (c - 1 - log c).
    """
    return 0.5 * z_dim * (factor - 1.0 - math.log(factor))


_DRAWS = 20_000


def expect_agrees_with_monte_carlo(
    value: Float64[Tensor, " B"], mean: Float64[Tensor, "B z"], logvar: Float64[Tensor, "B z"], draw: Draw
) -> None:
    """Demand that divergences agree with E_q[log q(z) - log p(z)], estimated from 20,000 samples, within its error.

    With z = mean + std e, the term of one dimension is (var e^2 + 2 mean std e + mean^2 - e^2 - logvar) / 2. Its
    variance is exactly ((var - 1)^2 / 2 + mean^2 var); dimensions add up. The mean of 20,000 samples is approximately
    normal, and the bound of 7.5 standard errors fails a right value with probability below 1e-10 even if the tails of
    the sum are exponential (Bernstein). It detects an error of about 0.1 nats at a standard deviation of 2 nats.

    Raises:
        CheckFailed: A value is outside the bound.
    """
    noise = draw.normal(_DRAWS, *mean.shape)
    z = mean + (0.5 * logvar).exp() * noise
    terms = 0.5 * (z**2 - noise**2 - logvar).sum(dim=2)
    variance = (0.5 * (logvar.exp() - 1) ** 2 + mean**2 * logvar.exp()).sum(dim=1)
    bound = 7.5 * (variance / _DRAWS).sqrt() + 1e-6
    excess = (value - terms.mean(dim=0)).abs() - bound
    if not bool((excess <= 0).all()):
        row = int(excess.argmax())
        estimate, error = float(terms.mean(dim=0)[row]), float(bound[row])
        fail(
            f"kl = {estimate:.4f} +- {error:.4f} at [{row}], by Monte Carlo",
            f"{float(value[row]):.4f}",
            hint="The divergence is the mean of log q(z) - log p(z) under q. Which of your terms disagrees with this?",
        )
