"""The judge's own answers, held to integrals, dense linear algebra and simulation: no closed form is trusted."""

import math

import pytest
import torch
from torch import Tensor
from torch.distributions import MultivariateNormal, Normal

from grader.judge import oracles
from grader.judge.inputs import Draw
from grader.judge.known_models import (
    SIZES,
    KnownModel,
    inflated_bounds,
    log_densities,
    random_model,
    true_posterior_model,
)
from grader.judge.recover_likelihood import weights_in_part

GRID = torch.linspace(-60.0, 60.0, 240_001, dtype=torch.float64)


def integral(values: Tensor) -> Tensor:
    """Return the integral over GRID along the last dimension, all but exact for smooth functions that decay."""
    return values.sum(dim=-1) * (GRID[1] - GRID[0])


def density(mean: Tensor, logvar: Tensor) -> Tensor:
    """Return the density of one-dimensional normal distributions on GRID, straight from its definition."""
    var = logvar.exp()[..., None]
    return (-((GRID - mean[..., None]) ** 2) / (2 * var)).exp() / (2 * math.pi * var).sqrt()


@pytest.fixture
def draw(request: pytest.FixtureRequest) -> Draw:
    """A source of inputs."""
    return Draw(0, request.node.name)


# ## The distribution
def test_kl_is_its_defining_integral(draw: Draw) -> None:
    mean, logvar = draw.normal(3, 4, scale=2), draw.uniform(-3, 3, 3, 4)
    q, p = density(mean, logvar), density(torch.zeros(1).double(), torch.zeros(1).double())
    log_ratio = torch.where(q > 1e-300, q.clamp(min=1e-300).log() - p.clamp(min=1e-300).log(), 0.0)
    inside = (GRID.abs() < 35) & (q > 1e-250)
    expected = integral(torch.where(inside, q * log_ratio, 0.0)).sum(dim=1)
    torch.testing.assert_close(oracles.kl(mean, logvar), expected, rtol=1e-9, atol=1e-9)


def test_kl_is_zero_at_the_standard_normal_only(draw: Draw) -> None:
    zeros = torch.zeros(1, 3, dtype=torch.float64)
    assert oracles.kl(zeros, zeros).tolist() == [0.0]
    for mean, logvar in [(zeros + 0.1, zeros), (zeros, zeros + 0.1), (zeros, zeros - 0.1)]:
        assert float(oracles.kl(mean, logvar)) > 1e-3


def test_the_density_integrates_to_one_and_has_its_moments(draw: Draw) -> None:
    for mean, logvar in [(0.0, 0.0), (3.0, 2.0), (-7.0, -3.0)]:
        x = GRID[:, None]
        m, v = torch.full_like(x, mean), torch.full_like(x, logvar)
        p = (-oracles.nll(m, v, x, [1])).exp()
        assert float(integral(p)) == pytest.approx(1.0, rel=1e-9)
        assert float(integral(p * GRID)) == pytest.approx(mean, abs=1e-9)
        assert float(integral(p * (GRID - mean) ** 2)) == pytest.approx(math.exp(logvar), rel=1e-9)


@pytest.mark.parametrize("dims", [[1], [1, 2, 3], [2, 3], [3]])
def test_nll_adds_up_over_the_dims_asked_for(draw: Draw, dims: list[int]) -> None:
    mean, logvar, sample = (draw.normal(2, 3, 4, 5) for _ in range(3))
    single = oracles.nll(mean[..., None], logvar[..., None], sample[..., None], [4])
    torch.testing.assert_close(oracles.nll(mean, logvar, sample, dims), single.sum(dim=tuple(dims)))


def test_a_sample_has_the_moments_of_its_distribution(draw: Draw) -> None:
    n = 100_000
    mean, logvar = torch.tensor([1.5, -2.0]).double(), torch.tensor([0.7, -1.0]).double()
    z = oracles.sample(mean.expand(n, 2), logvar.expand(n, 2), draw.normal(n, 2))
    assert torch.allclose(z.mean(dim=0), mean, rtol=0, atol=7 * 1.5 / math.sqrt(n))
    assert torch.allclose(z.var(dim=0), logvar.exp(), rtol=7 * math.sqrt(2 / n))


# ## The likelihood
def test_the_likelihood_of_a_linear_model_is_that_of_its_dense_covariance(draw: Draw) -> None:
    weight, bias, x = draw.normal(7, 3), draw.normal(7), draw.normal(4, 7, scale=2)
    dense = MultivariateNormal(bias, weight @ weight.T + torch.eye(7, dtype=torch.float64))
    torch.testing.assert_close(oracles.linear_log_likelihood(x, weight, bias), dense.log_prob(x))


def test_it_is_the_integral_over_the_code(draw: Draw) -> None:
    weight, bias, x = draw.normal(5, 1), draw.normal(5), draw.normal(1, 5)
    z = GRID[:, None]
    joint = Normal(z @ weight.T + bias, 1.0).log_prob(x).sum(dim=1) + Normal(0.0, 1.0).log_prob(z[:, 0])
    expected = float(integral(joint.exp()).log())
    assert float(oracles.linear_log_likelihood(x, weight, bias)) == pytest.approx(expected, abs=1e-9)


def log_weights(known: KnownModel, x: Tensor, draw: Draw, samples: int) -> Tensor:
    """Return log p(x|z) + log p(z) - log q(z|x) for draws of the posterior, (samples, B)."""
    mean, logvar = known.head("mean", x), known.head("logvar", x)
    noise = draw.normal(samples, *mean.shape)
    z = mean + (0.5 * logvar).exp() * noise
    image = known.decode(z.flatten(0, 1)).unflatten(0, (samples, len(x)))
    log_likelihood = Normal(image, 1.0).log_prob(x).sum(dim=(2, 3, 4))
    log_prior = Normal(0.0, 1.0).log_prob(z).sum(dim=2)
    log_posterior = Normal(mean, (0.5 * logvar).exp()).log_prob(z).sum(dim=2)
    return log_likelihood + log_prior - log_posterior


def test_densities_at_given_codes_are_those_of_the_distributions(draw: Draw) -> None:
    known = true_posterior_model(draw, inflation=16.0, z_dim=8, gain=2.0, in_channels=1)
    x, codes = draw.normal(1, *known.image_shape), draw.normal(5, 8)
    log_x, log_p, log_q = log_densities(known, x, codes)
    scale = (0.5 * known.head("logvar", x)).exp()
    torch.testing.assert_close(log_x, Normal(known.decode(codes), 1.0).log_prob(x).sum(dim=(1, 2, 3)))
    torch.testing.assert_close(log_p, Normal(0.0, 1.0).log_prob(codes).sum(dim=1))
    torch.testing.assert_close(log_q, Normal(known.head("mean", x), scale).log_prob(codes).sum(dim=1))


def test_no_wrong_weight_agrees_with_the_right_one_or_another(draw: Draw) -> None:
    known = random_model(draw)
    x, codes = draw.normal(1, *known.image_shape), draw.normal(1, known.sizes["z_dim"])
    log_x, log_p, log_q = log_densities(known, x, codes)
    values = [float(value) for value in (log_x + log_p - log_q, *weights_in_part(known, x, codes).values())]
    assert len(values) > 10
    assert min(abs(a - b) for i, a in enumerate(values) for b in values[:i]) > 0.01


def a_few_images(known: KnownModel, draw: Draw, count: int) -> tuple[Tensor, Tensor]:
    """Return images drawn from a model, and their exact log p(x)."""
    x = known.decode(draw.normal(count, known.sizes["z_dim"])) + draw.normal(count, *known.image_shape)
    return x, oracles.linear_log_likelihood(
        x.flatten(1), known.tensors["decoder_weight"], known.tensors["decoder_bias"]
    )


def test_with_the_true_posterior_every_weight_is_the_likelihood(draw: Draw) -> None:
    known = true_posterior_model(draw)
    x, exact = a_few_images(known, draw, 3)
    torch.testing.assert_close(log_weights(known, x, draw, 20), exact.expand(20, 3), rtol=0, atol=1e-9)


@pytest.mark.parametrize(("factor", "z_dim"), [(2.0, 2), (1.5, 1)])
def test_an_inflated_posterior_has_the_bounds_and_the_gap_that_are_claimed(
    draw: Draw, factor: float, z_dim: int
) -> None:
    known = true_posterior_model(draw, inflation=factor, z_dim=z_dim, gain=2.0)
    x, exact = a_few_images(known, draw, 2)
    excess = log_weights(known, x, draw, 4000) - exact
    assert float(excess.max()) <= 0.5 * z_dim * math.log(factor) + 1e-9, "the largest weight"
    second_moment = (2 * excess).exp().mean(dim=0)
    claimed = (factor / math.sqrt(2 * factor - 1)) ** z_dim
    assert torch.allclose(second_moment, torch.full_like(second_moment, claimed), rtol=0.1)
    gap = oracles.elbo_gap_of_inflation(factor, z_dim)
    assert torch.allclose(-excess.mean(dim=0), torch.full((2,), gap).double(), atol=0.1)
    low, high = inflated_bounds(factor, z_dim, 4000)
    estimate = excess.logsumexp(dim=0) - math.log(4000)
    assert bool(((estimate > low) & (estimate < high)).all())
    assert -gap < low < 0 < high < 0.5 * z_dim * math.log(factor), "neither ELBO nor largest weight lies within"


def test_the_bounds_hold_for_a_thousand_estimates(draw: Draw) -> None:
    """With the posterior inflated by c, log w - log p(x) = z/2 log c - (c - 1) / 2 sum e^2 for standard normal e."""
    factor, z_dim, samples = 2.0, 2, 4000
    noise = draw.normal(1000, samples, z_dim)
    excess = 0.5 * z_dim * math.log(factor) - 0.5 * (factor - 1) * (noise**2).sum(dim=2)
    estimates = excess.logsumexp(dim=1) - math.log(samples)
    low, high = inflated_bounds(factor, z_dim, samples)
    assert low < float(estimates.min()) and float(estimates.max()) < high
    assert float(estimates.std()) < high / 6, "the bounds are about seven standard deviations away"


# ## Known models
def test_no_two_widths_agree() -> None:
    widths = [SIZES[name] for name in ("in_channels", "decoder_features", "encoder_features", "z_dim", "input_size")]
    assert len(set(widths)) == len(widths)


def test_codes_are_read_off_images(draw: Draw) -> None:
    known = random_model(draw)
    z = draw.normal(4, SIZES["z_dim"])
    torch.testing.assert_close(known.codes(known.decode(z)), z)


def test_a_stretched_model_has_the_log_variances_asked_for(draw: Draw) -> None:
    known = random_model(draw)
    x = draw.uniform(-1, 1, 4, *known.image_shape)
    stretched = known.stretched(x, 14.0)
    assert float(stretched.head("logvar", x).abs().max()) == pytest.approx(14.0)
    torch.testing.assert_close(stretched.head("mean", x), known.head("mean", x))


@pytest.mark.parametrize("result", ["nll", "kl"])
def test_gradients_of_the_loss_are_differences(draw: Draw, result: str) -> None:
    known = random_model(draw, bend=0.5)
    x, noise = draw.uniform(-1, 1, 2, *known.image_shape), draw.normal(2, SIZES["z_dim"])

    def total(tensors: dict[str, Tensor]) -> float:
        moved = KnownModel(known.sizes, tensors)
        mean, logvar = moved.head("mean", x), moved.head("logvar", x)
        image = moved.decode(oracles.sample(mean, logvar, noise))
        nll = oracles.nll(image, torch.zeros_like(image), x, [1, 2, 3])
        return float({"nll": nll, "kl": oracles.kl(mean, logvar)}[result].sum())

    for name, gradient in known.loss_gradients(x, noise, result).items():
        direction = draw.normal(gradient.numel()).view(gradient.shape)
        ends = [total({**known.tensors, name: known.tensors[name] + step * direction}) for step in (1e-5, -1e-5)]
        slope = float((gradient * direction).sum())
        assert (ends[0] - ends[1]) / 2e-5 == pytest.approx(slope, rel=1e-4, abs=1e-4)


def test_the_same_seed_and_check_draw_the_same_and_others_do_not() -> None:
    first, again = (Draw(7, "test_a").normal(5) for _ in range(2))
    assert torch.equal(first, again)
    for other in (Draw(8, "test_a"), Draw(7, "test_b")):
        assert not torch.isclose(other.normal(5), first).any()
