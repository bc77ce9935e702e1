"""Is noise independent and standard normal? Each test fails right noise with a probability of at most 1e-10."""

import math

import torch
from jaxtyping import Float64
from torch import Tensor

from .check import fail
from .misconceptions import by_id
from .tolerances import SAME_DRAW

FALSE_FAILURE = 1e-10
_LOG = math.log(2.0 / FALSE_FAILURE)  # 23.7


def expect_standard_normal(noise: Float64[Tensor, "calls B z"], what: str, uniform: str = "noise_uniform") -> None:
    """Demand that all n numbers are standard normal, and independent across calls, rows and dimensions.

    * Mean: |mean| sqrt(n) exceeds 6.6 with probability 4e-11. For n = 8,192, this detects a mean that is 0.12 off.
    * Variance: |sum of squares / n - 1| <= 2 sqrt(t / n) + 2 t / n with t = 23.7 (Laurent and Massart 2000, lemma 1).
      For n = 8,192, the bound is 0.113, and a variance that is 20 % off is detected.
    * Distribution: the Kolmogorov-Smirnov distance is at most sqrt(t / (2 n)) (Dvoretzky, Kiefer and Wolfowitz 1956,
      with Massart's constant). For n = 8,192, the bound is 0.038; uniform noise of unit variance has a distance of
      0.057.
    * Tails: at least one absolute value exceeds t, where none of n does so with probability 1e-10; for n = 8,192, t is
      2.99. This detects noise that is cut off at t or below.
    * Rows: no two rows agree, up to sign, to 1e-3 in all z numbers. For z = 5 and 800 rows, this happens by chance with
      a probability below 1e-9.
    * Independence of neighbouring calls, rows and dimensions: the sum of m products of disjoint pairs. The
      moment-generating function of a product is (1 - t^2)^(-1/2), so by Chernoff's bound the sum exceeds 7.2 sqrt(m)
      with a probability below 1e-10 for m >= 500. This detects correlations above 0.17 (m = 4,096).

    Args:
        noise: Rows of fewer than 5 numbers are not compared with each other, because they may agree by chance.
        what: Its name in the message.
        uniform: The misconception to name when the noise is uniform.

    Raises:
        CheckFailed: One of the tests fails.
    """
    _expect_distribution(noise.flatten(), what, uniform)
    rows = noise.flatten(0, 1).abs()
    nearest = torch.cdist(rows, rows, p=math.inf).fill_diagonal_(math.inf).min()
    if noise.shape[2] >= 5 and not float(nearest) > SAME_DRAW:
        fail(
            f"{what} is different in every row",
            "the same numbers in two rows, up to sign",
            found=by_id("noise_not_fresh"),
        )
    names = ("from call to call", "from row to row", "from dimension to dimension")
    for dim, name in enumerate(names):
        correlation, limit = neighbours(noise, dim)
        if not abs(correlation) <= limit:
            fail(
                f"{what} is independent {name}: a correlation of at most {limit:.2f}",
                f"{correlation:.2f}",
                found=by_id("noise_not_fresh"),
            )


def _expect_distribution(flat: Float64[Tensor, " n"], what: str, uniform: str) -> None:
    n = len(flat)
    mean, variance = float(flat.mean()), float((flat**2).mean())
    distance = ks_distance(flat.sort().values)
    bounds = (6.6 / math.sqrt(n), 2 * math.sqrt(_LOG / n) + 2 * _LOG / n, math.sqrt(_LOG / (2 * n)))
    largest, tail = float(flat.abs().max()), least_largest(n)
    if not (abs(mean) <= bounds[0] and abs(variance - 1) <= bounds[1] and distance <= bounds[2]):
        cut = "noise_cut_off" if _looks_cut_off(flat) else "noise_not_normal"
        named = uniform if _looks_uniform(flat) else cut
        fail(
            f"{what} is standard normal: mean 0 +- {bounds[0]:.3f}, mean square 1 +- {bounds[1]:.3f}, "
            f"Kolmogorov-Smirnov distance at most {bounds[2]:.3f}",
            f"mean {mean:.3f}, mean square {variance:.3f}, distance {distance:.3f}",
            found=by_id(named),
        )
    if not largest >= tail:
        found = by_id("noise_cut_off")
        fail(
            f"{what} is standard normal: the largest of {n} absolute values is {tail:.2f} or more",
            f"{largest:.2f}",
            found=found,
        )


def least_largest(n: int) -> float:
    """Return t such that n standard normal numbers all lie within +-t with probability 1e-10."""
    inside = FALSE_FAILURE ** (1 / n)  # the probability that one number is inside
    return float(torch.special.ndtri(torch.tensor((1 + inside) / 2, dtype=torch.float64)))


def _looks_uniform(flat: Float64[Tensor, " n"]) -> bool:
    """Whether numbers are uniform between their extremes, by their Kolmogorov-Smirnov distance."""
    low, high = float(flat.min()), float(flat.max())
    if not low < high:
        return False
    return uniform_distance(((flat - low) / (high - low)).sort().values) < math.sqrt(_LOG / (2 * len(flat)))


def _looks_cut_off(flat: Float64[Tensor, " n"]) -> bool:
    """Whether many numbers equal the largest or the smallest one, as after a clamp, and the others all differ."""
    width = 1e-3 * float(flat.abs().max())
    inside = flat[(flat <= flat.max() - width) & (flat >= flat.min() + width)]
    return 0.6 < len(inside) / len(flat) < 0.99 and len(inside.unique()) > 0.9 * len(inside)


def neighbours(noise: Float64[Tensor, "calls B z"], dim: int) -> tuple[float, float]:
    """Return the correlation of disjoint neighbours along a dimension, and its bound; (0, 1) for a single slice."""
    pairs = noise.shape[dim] // 2
    if pairs == 0:
        return 0.0, 1.0
    even, odd = noise.narrow(dim, 0, 2 * pairs).unflatten(dim, (pairs, 2)).unbind(dim + 1)
    return float((even * odd).mean()), 7.2 / math.sqrt(even.numel())


def ks_distance(ordered: Float64[Tensor, " n"]) -> float:
    """Return the Kolmogorov-Smirnov distance between sorted numbers and the standard normal distribution."""
    return uniform_distance(torch.special.ndtr(ordered))


def uniform_distance(ordered: Float64[Tensor, " n"]) -> float:
    """Return the Kolmogorov-Smirnov distance between sorted numbers and the uniform distribution on [0, 1].

    For numbers to which the cdf of a distribution was applied, this is their distance from that distribution.
    """
    n = len(ordered)
    steps = torch.arange(n + 1, dtype=ordered.dtype) / n
    return float(torch.maximum((steps[1:] - ordered).abs(), (ordered - steps[:-1]).abs()).max())
