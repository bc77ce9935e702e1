"""The size of an answer: the sum of the absolute values of its terms. Rounding errors are proportional to it.

Floating-point arithmetic changes each term by a few round-offs of its absolute value, so the error of an answer is a
few round-offs of this sum (running error analysis; Higham 2002, section 3.3). An input that was itself computed, such
as a posterior's mean, which the encoder computes, has its own size; the size of an exact input is its absolute value.
"""

import math
from collections.abc import Sequence

from jaxtyping import Float64
from torch import Tensor

_LOG_2_PI = math.log(2 * math.pi)


def _or_exact(size: Tensor | None, value: Tensor) -> Tensor:
    return value.abs() if size is None else size


def exp(logarithm: Float64[Tensor, "*shape"], size: Float64[Tensor, "*shape"]) -> Float64[Tensor, "*shape"]:
    """Return the size of exp(logarithm): an error of the logarithm is a relative error of the result."""
    return logarithm.exp() * (1 + size)


def sample(
    mean: Float64[Tensor, "*shape"],
    logvar: Float64[Tensor, "*shape"],
    noise: Float64[Tensor, "*shape"],
    mean_size: Float64[Tensor, "*shape"] | None = None,
    logvar_size: Float64[Tensor, "*shape"] | None = None,
) -> Float64[Tensor, "*shape"]:
    """Return the size of mean + std noise."""
    of_mean = _or_exact(mean_size, mean)
    of_logvar = _or_exact(logvar_size, logvar)
    return of_mean + exp(0.5 * logvar, 0.5 * of_logvar) * noise.abs()


def kl(
    mean: Float64[Tensor, "B z"],
    logvar: Float64[Tensor, "B z"],
    mean_size: Float64[Tensor, "B z"] | None = None,
    logvar_size: Float64[Tensor, "B z"] | None = None,
) -> Float64[Tensor, " B"]:
    """Return the size of 1/2 sum(mean^2 + var - 1 - logvar)."""
    of_mean = _or_exact(mean_size, mean)
    of_logvar = _or_exact(logvar_size, logvar)
    return 0.5 * (of_mean * mean.abs() + exp(logvar, of_logvar) + 1 + of_logvar).sum(dim=1)


def nll(
    mean: Float64[Tensor, "B *dims"],
    logvar: Float64[Tensor, "B *dims"],
    point: Float64[Tensor, "B *dims"],
    dims: Sequence[int],
    mean_size: Float64[Tensor, "B *dims"] | None = None,
) -> Float64[Tensor, "..."]:
    """Return the size of 1/2 sum(log 2 pi + logvar + (point - mean)^2 / var), for exact log-variances.

    An error of the mean is multiplied by the distance. Code may also square the numbers before it subtracts them.
    """
    var, distance = logvar.exp(), (point - mean).abs()
    of_distance = point.abs() + _or_exact(mean_size, mean)
    square = distance**2 * (1 + logvar.abs()) + distance * of_distance
    return 0.5 * (_LOG_2_PI + logvar.abs() + square / var).sum(dim=tuple(dims))


def log_mean(size: Float64[Tensor, "*B"], log_weight: Float64[Tensor, "*B"], count: int) -> Float64[Tensor, "*B"]:
    """Return the size of the logarithm of a mean of `count` weights, given that of a typical weight.

    A running sum rounds once per weight. These errors are independent, so their sum is sqrt(count) times one of them.
    """
    return size + math.sqrt(count) * log_weight.abs()
