"""Is noise standard normal and fresh? The judge's test passes right noise, always, and catches the known mistakes."""

import math

import numpy as np
import pytest
import torch
from scipy import stats
from torch import Tensor

from grader.judge.check import CheckFailed
from grader.judge.draw import Draw
from grader.judge.monte_carlo import expect_agrees_with_monte_carlo
from grader.judge.normality import FALSE_FAILURE, expect_standard_normal, ks_distance
from grader.judge.oracles import kl

CALLS, NUMBERS = 4, 2048  # as test_sample.py has them


def noise(seed: int, calls: int = CALLS, numbers: int = NUMBERS) -> Tensor:
    """Return right noise."""
    return Draw(seed, "noise").normal(calls, numbers)


def diagnosis(wrong: Tensor) -> str | None:
    """Return the diagnosis of noise that must be refused."""
    with pytest.raises(CheckFailed) as refusal:
        expect_standard_normal(wrong, "the noise")
    return refusal.value.explanation.diagnosis


def test_right_noise_passes_for_every_seed() -> None:
    for seed in range(300):
        expect_standard_normal(noise(seed), "the noise")


def test_right_noise_stays_far_from_the_bounds() -> None:
    """The largest of 300 distances is what 1 in 300 gives, not what 1 in 1e10 does: the bound is not tuned."""
    distances = [ks_distance(noise(seed).flatten().sort().values) for seed in range(300)]
    n = CALLS * NUMBERS
    assert max(distances) < math.sqrt(math.log(2 / 1e-6) / (2 * n))
    assert FALSE_FAILURE <= 1e-9


def test_the_distance_is_scipys() -> None:
    for seed in range(5):
        ordered = noise(seed, 1, 500).flatten().sort().values
        assert ks_distance(ordered) == pytest.approx(stats.kstest(ordered.numpy(), "norm").statistic, abs=1e-12)


def test_the_bound_on_correlations_has_the_probability_that_is_stated() -> None:
    """Student's t with N - 2 degrees of freedom, for the smallest N that a check uses."""
    limit = 6.6 / math.sqrt(NUMBERS)
    t = limit * math.sqrt((NUMBERS - 2) / (1 - limit**2))
    assert 2 * stats.t.sf(t, NUMBERS - 2) < FALSE_FAILURE


WRONG = {
    "uniform": lambda n: stats_uniform(n),
    "a mean of 0.1": lambda n: n + 0.1,
    "a variance of 1.2": lambda n: n * math.sqrt(1.2),
    "half of it only": lambda n: n.abs(),
    "zeros": lambda n: 0 * n,
    "one number for all": lambda n: n[:1, :1].expand_as(n),
    "Laplace's": lambda n: torch.from_numpy(stats.laplace(scale=1 / math.sqrt(2)).ppf(stats.norm.cdf(n.numpy()))),
}


def stats_uniform(n: Tensor) -> Tensor:
    """Return uniform noise on [0, 1), as torch.rand gives."""
    return torch.special.ndtr(n)


@pytest.mark.parametrize("name", WRONG)
def test_noise_of_another_distribution_is_caught(name: str) -> None:
    for seed in range(10):
        assert diagnosis(WRONG[name](noise(seed))) == "noise_not_normal"


def test_noise_that_comes_again_is_caught() -> None:
    right = noise(0)
    assert diagnosis(right[:1].expand(4, -1).contiguous()) == "noise_not_fresh"
    assert diagnosis(torch.stack([right[0], -right[0]])) == "noise_not_fresh"
    assert diagnosis(torch.stack([right[0], right[1], right[0]])) == "noise_not_fresh"


def test_noise_that_is_partly_reused_is_caught() -> None:
    right = noise(1, 2, 2048)
    mixed = 0.8 * right[0] + 0.6 * right[1]  # standard normal, but correlated with the first call
    assert diagnosis(torch.stack([right[0], mixed])) == "noise_not_fresh"


@pytest.mark.parametrize("bad", [math.nan, math.inf, -math.inf])
def test_noise_that_is_no_number_is_refused(bad: float) -> None:
    wrong = noise(0)
    wrong[1, 7] = bad
    wrong[0, 3] = bad
    with pytest.raises(CheckFailed):
        expect_standard_normal(torch.full_like(wrong, bad), "the noise")


# ## Monte Carlo
def test_the_right_divergence_agrees_with_monte_carlo_for_every_seed() -> None:
    errors = []
    for seed in range(40):
        draw = Draw(seed, "monte carlo")
        mean, logvar = draw.normal(4, 3), draw.normal(4, 3)
        expect_agrees_with_monte_carlo(kl(mean, logvar), mean, logvar, draw)
        errors.append(seed)
    assert len(errors) == 40


@pytest.mark.parametrize("factor", [2.0, 0.5, -1.0])
def test_a_wrong_divergence_does_not(factor: float) -> None:
    draw = Draw(0, "monte carlo")
    mean, logvar = draw.normal(4, 3), draw.normal(4, 3)
    with pytest.raises(CheckFailed):
        expect_agrees_with_monte_carlo(factor * kl(mean, logvar), mean, logvar, draw)


def test_the_standard_error_of_monte_carlo_is_the_one_derived() -> None:
    """(estimate - exact) / standard error is standard normal over seeds, by the variance in its docstring."""
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
