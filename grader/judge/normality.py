"""Is this noise independent standard normal? Tests whose false-failure probability is stated."""

import math

import torch
from jaxtyping import Float64
from torch import Tensor

from .check import fail

FALSE_FAILURE = 1e-10
"""Bound on the probability that one of the tests below fails right noise (each; a check uses at most four)."""


def expect_standard_normal(noise: Float64[Tensor, "calls N"], what: str) -> None:
    """Demand that each row is standard normal and that rows are uncorrelated.

    * Distribution: the Kolmogorov-Smirnov distance D of all n numbers; P(D > e) <= 2 exp(-2 n e^2) (Dvoretzky,
      Kiefer and Wolfowitz 1956, with Massart's constant). With n = 8,192 it catches distances above 0.038: a mean off
      by 0.1 or a variance off by 20 %.
    * Independence of calls: the correlation r of two rows of N numbers; r is beyond 6.6 / sqrt(N) with probability
      below 1e-10 (for normal rows r sqrt(N - 2) / sqrt(1 - r^2) is Student's t).

    Raises:
        CheckFailed: One of the tests fails.
    """
    flat = noise.flatten().sort().values
    n = len(flat)
    distance = ks_distance(flat)
    bound = math.sqrt(math.log(2.0 / FALSE_FAILURE) / (2.0 * n))
    if distance > bound:
        fail(
            f"{what} is standard normal: distance of distributions below {bound:.3f}",
            f"distance {distance:.3f}, with mean {flat.mean():.3f} and standard deviation {flat.std():.3f}",
            hint="which distribution does the noise come from: normal or uniform, and with which scale?",
            diagnosis="noise_not_normal",
        )
    if len(noise) > 1:
        limit = 6.6 / math.sqrt(noise.shape[1])
        correlation = torch.corrcoef(noise).fill_diagonal_(0.0).abs()
        if not bool((correlation <= limit).all()):
            fail(
                f"{what} is independent from call to call",
                f"a correlation of {float(correlation.max()):.3f} between two calls",
                hint="noise must be drawn anew at every call: no fixed seed, no stored draw",
                diagnosis="noise_not_fresh",
            )


def ks_distance(ordered: Float64[Tensor, " n"]) -> float:
    """Return the Kolmogorov-Smirnov distance between sorted numbers and the standard normal distribution."""
    n = len(ordered)
    cdf = torch.special.ndtr(ordered)
    steps = torch.arange(n + 1, dtype=ordered.dtype) / n
    return float(torch.maximum((steps[1:] - cdf).abs(), (cdf - steps[:-1]).abs()).max())
