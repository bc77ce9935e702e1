"""Is noise standard normal and fresh? The judge's test passes right noise, always, and catches the known mistakes."""

import math
from collections.abc import Callable

import numpy as np
import pytest
import torch
from scipy import stats
from torch import Tensor

from grader.judge.check import CheckFailed, Explanation
from grader.judge.inputs import Draw
from grader.judge.normality import FALSE_FAILURE, expect_standard_normal, ks_distance, least_largest, neighbours
from grader.judge.oracles import expect_agrees_with_monte_carlo, kl

SHAPE = (4, 64, 32)  # calls, rows, dimensions, as test_sample.py has them
NUMBERS = math.prod(SHAPE)


def noise(seed: int, *shape: int) -> Tensor:
    """Return right noise."""
    return Draw(seed, "noise").normal(*(shape or SHAPE))


def refusal(wrong: Tensor) -> Explanation:
    """Return the explanation for noise that must be refused."""
    with pytest.raises(CheckFailed) as refused:
        expect_standard_normal(wrong, "the noise")
    return refused.value.explanation


# ## Right noise
@pytest.mark.parametrize("shape", [SHAPE, (2, 400, 5), (1, 2000, 1)])
def test_right_noise_passes_for_every_seed(shape: tuple[int, int, int]) -> None:
    for seed in range(200):
        expect_standard_normal(noise(seed, *shape), "the noise")


def test_right_noise_stays_far_from_the_bounds() -> None:
    """The largest of 300 distances is what 1 in a million gives at most, not 1 in 1e10: no bound is tuned."""
    distances = [ks_distance(noise(seed).flatten().sort().values) for seed in range(300)]
    assert max(distances) < math.sqrt(math.log(2 / 1e-6) / (2 * NUMBERS))
    for dim in range(3):
        correlation, limit = zip(*(neighbours(noise(seed), dim) for seed in range(300)), strict=True)
        assert max(map(abs, correlation)) < 5.5 / 7.2 * limit[0]
    assert FALSE_FAILURE <= 1e-9


def test_the_distance_is_scipys() -> None:
    for seed in range(5):
        ordered = noise(seed, 500).sort().values
        assert ks_distance(ordered) == pytest.approx(stats.kstest(ordered.numpy(), "norm").statistic, abs=1e-12)


def test_the_bounds_have_the_probabilities_that_are_stated() -> None:
    """Exactly for mean and mean square; by Chernoff's bound, minimised here on a grid, for products of neighbours."""
    log = math.log(2 / FALSE_FAILURE)
    for n in (2000, NUMBERS):
        assert 2 * stats.norm.sf(6.6) < FALSE_FAILURE
        bound = 2 * math.sqrt(log / n) + 2 * log / n
        beyond = stats.chi2.sf(n * (1 + bound), n) + stats.chi2.cdf(n * (1 - bound), n)
        assert beyond < FALSE_FAILURE
    rate = np.linspace(0.001, 0.999, 999)
    for pairs in (500, 1600, 4096):
        exponent = np.max(rate * 7.2 * math.sqrt(pairs) + 0.5 * pairs * np.log1p(-(rate**2)))
        assert 2 * math.exp(-exponent) < FALSE_FAILURE
    for n in (2000, NUMBERS):
        assert (1 - 2 * stats.norm.sf(least_largest(n))) ** n == pytest.approx(FALSE_FAILURE, rel=1e-3)


# ## Wrong noise
WRONG: dict[str, Callable[[Tensor], Tensor]] = {
    "a mean of 0.12": lambda n: n + 0.12,
    "a variance of 1.2": lambda n: n * math.sqrt(1.2),
    "a variance of 0.8": lambda n: n * math.sqrt(0.8),
    "its positive half only": lambda n: n.abs(),
    "zeros": lambda n: 0 * n,
    "one number for all": lambda n: n[:1, :1, :1].expand_as(n),
    "Laplace's": lambda n: torch.from_numpy(stats.laplace(scale=1 / math.sqrt(2)).ppf(stats.norm.cdf(n.numpy()))),
    "signs": lambda n: n.sign(),
}
UNIFORM: dict[str, Callable[[Tensor], Tensor]] = {
    "torch.rand": torch.special.ndtr,
    "from -1 to 1": lambda n: 2 * torch.special.ndtr(n) - 1,
    "of unit variance": lambda n: math.sqrt(12) * (torch.special.ndtr(n) - 0.5),
}
STALE: dict[str, Callable[[Tensor], Tensor]] = {
    "the first draw again": lambda n: n[:1].expand(SHAPE),
    "the first draw with the other sign": lambda n: torch.cat([n[:1], -n[:1], n[2:3], -n[2:3]]),
    "partly the draw before": lambda n: torch.cat([n[:1], 0.8 * n[:1] + 0.6 * n[1:2]]),
    "one draw for all rows": lambda n: n[:, :1].expand(SHAPE),
    "rows that share a part": lambda n: (n + n[:, :1]) / math.sqrt(2),
    "dimensions that share a part": lambda n: (n + n[:, :, :1]) / math.sqrt(2),
    "sums of rows and columns": lambda n: (n[:, :, :1] + n[:, :1, :]) / math.sqrt(2),
}


@pytest.mark.parametrize("name", WRONG)
def test_noise_of_another_distribution_is_caught(name: str) -> None:
    for seed in range(20):
        assert refusal(WRONG[name](noise(seed))).diagnosis == "noise_not_normal"


@pytest.mark.parametrize("bound", [1.0, 1.5, 2.0, 2.9])
def test_noise_that_is_cut_off_is_called_so(bound: float) -> None:
    for seed in range(20):
        assert refusal(noise(seed).clamp(-bound, bound)).diagnosis == "noise_cut_off"


@pytest.mark.parametrize("name", UNIFORM)
def test_uniform_noise_is_called_so(name: str) -> None:
    for seed in range(20):
        assert refusal(UNIFORM[name](noise(seed))).diagnosis == "noise_uniform"


@pytest.mark.parametrize("name", STALE)
def test_noise_that_is_not_independent_is_caught(name: str) -> None:
    for seed in range(20):
        assert refusal(STALE[name](noise(seed))).diagnosis in ("noise_not_fresh", "noise_not_normal")


@pytest.mark.parametrize("bad", [math.nan, math.inf, -math.inf])
def test_noise_that_is_no_number_is_refused(bad: float) -> None:
    for wrong in (noise(0), torch.zeros(SHAPE, dtype=torch.float64)):
        wrong[1, 7, 3] = bad
        refusal(wrong)


# ## Monte Carlo
def test_the_right_divergence_agrees_with_monte_carlo_for_every_seed() -> None:
    for seed in range(40):
        draw = Draw(seed, "monte carlo")
        mean, logvar = draw.normal(4, 3), draw.normal(4, 3)
        expect_agrees_with_monte_carlo(kl(mean, logvar), mean, logvar, draw)


@pytest.mark.parametrize("factor", [2.0, 0.5, -1.0, math.nan])
def test_a_wrong_divergence_does_not(factor: float) -> None:
    for seed in range(10):
        draw = Draw(seed, "monte carlo")
        mean, logvar = draw.normal(4, 3), draw.normal(4, 3)
        with pytest.raises(CheckFailed):
            expect_agrees_with_monte_carlo(factor * kl(mean, logvar), mean, logvar, draw)


def test_the_standard_error_of_monte_carlo_is_the_one_derived() -> None:
    """(estimate - exact) / standard error has standard deviation 1 over seeds, by the variance in its docstring."""
    scores = []
    for seed in range(200):
        draw = Draw(seed, "variance")
        mean, logvar = draw.normal(1, 2), draw.normal(1, 2)
        e = draw.normal(2000, 1, 2)
        z = mean + (0.5 * logvar).exp() * e
        terms = 0.5 * (z**2 - e**2 - logvar).sum(dim=2)
        variance = (0.5 * (logvar.exp() - 1) ** 2 + mean**2 * logvar.exp()).sum()
        scores.append(float((terms.mean() - kl(mean, logvar)[0]) / (variance / 2000).sqrt()))
    assert 0.75 < float(np.std(scores)) < 1.25
