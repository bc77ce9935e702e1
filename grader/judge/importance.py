"""How far an importance-sampled estimate may be from the truth: by rounding, and where the posterior is inflated."""

import math

import torch
from jaxtyping import Float64
from torch import Tensor

from . import sizes
from .known import KnownModel
from .normality import FALSE_FAILURE, uniform_distance

_LOG_2_PI = math.log(2 * math.pi)


def log_weight_size(
    known: KnownModel, x: Float64[Tensor, "B C S S"], codes: Float64[Tensor, "B z"]
) -> Float64[Tensor, " B"]:
    """Return the size of log p(x|z) + log p(z) - log q(z|x), of each image at a code of its own (see sizes.py).

    A code is as exact as the mean that it was drawn around. Who computes its distance from that mean anew loses digits
    where the posterior is narrow: that counts, divided by the standard deviation.
    """
    mean, logvar = known.head("mean", x), known.head("logvar", x)
    std = (0.5 * logvar).exp()
    z_size, distance = codes.abs() + known.head_size("mean", x), (codes - mean).abs() / std
    image = known.decode(codes)
    likelihood = sizes.nll(image, torch.zeros_like(image), x, [1, 2, 3], known.decode_size(z_size))
    prior = 0.5 * codes**2 + codes.abs() * z_size + 0.5 * _LOG_2_PI
    posterior = 0.5 * (distance**2 + known.head_size("logvar", x) + _LOG_2_PI) + distance * z_size / std
    return likelihood + (prior + posterior).sum(dim=1)


def typical_codes(known: KnownModel, x: Float64[Tensor, "B C S S"]) -> Float64[Tensor, "B z"]:
    """Return codes two standard deviations from the posterior's mean: what the size of a weight is taken at."""
    return known.head("mean", x) + 2 * (0.5 * known.head("logvar", x)).exp()


def inflated_bounds(factor: float, z_dim: int, samples: int) -> tuple[float, float]:
    """Return bounds, in nats, on log mean weight - log p(x), each exceeded with probability at most 1e-10.

    With the true posterior's variance multiplied by c the normalised weights w / p(x) lie in [0, M], M = c^(z/2), have
    mean 1 and second moment m = (c / sqrt(2c - 1))^z. Bernstein's inequality bounds the mean of K of them:
    P(|mean - 1| >= t) <= 2 exp(-K t^2 / (2 (m - 1) + 2 M t / 3)). With c = 2, z = 2 and K = 2000 the bounds are about
    +- 0.1 nats, while the ELBO lies 0.31 nats lower and the largest weight 0.69 higher.
    """
    largest = factor ** (z_dim / 2)
    variance = (factor / math.sqrt(2 * factor - 1)) ** z_dim - 1
    log_term = math.log(2 / FALSE_FAILURE)
    # Solve K t^2 = log_term (2 variance + 2 largest t / 3) for t.
    a, b, c = samples, -2 * largest * log_term / 3, -2 * variance * log_term
    t = (-b + math.sqrt(b * b - 4 * a * c)) / (2 * a)
    return math.log1p(-t), math.log1p(t)


def single_weight_distance(excess: Float64[Tensor, " n"]) -> float:
    """Return the Kolmogorov-Smirnov distance of log w - log p(x) from its exact distribution, for c = 2 and z = 2.

    Codes of the inflated posterior are e standard deviations of the true one off, e normal of variance c; then
    log w - log p(x) = z/2 log c - (1 - 1/c) |e|^2 / 2, which for c = 2 and z = 2 is log 2 - Exp(1).
    """
    exponential = (math.log(2.0) - excess).sort().values.clamp(min=0.0)
    return uniform_distance(-torch.expm1(-exponential))


def single_weight_bound(n: int) -> float:
    """Return the distance that n right weights exceed with probability 1e-10 (Dvoretzky, Kiefer and Wolfowitz)."""
    return math.sqrt(math.log(2 / FALSE_FAILURE) / (2 * n)) + 0.01
