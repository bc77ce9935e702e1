"""The anchors agree with what torch.distributions says about the same two models."""

import math

import pytest
import torch
from torch import Tensor
from torch.distributions import LowRankMultivariateNormal, MultivariateNormal

from data import constant_mean_nll, load, normalise, ppca_nll
from data.anchors import principal_components


def correlated(count: int, shape: tuple[int, int, int], seed: int, scale: float = 1.0) -> Tensor:
    """Images whose covariance has a few large eigenvalues, the same for every seed, and a mean away from 0."""
    dims = math.prod(shape)
    directions = torch.randn(6, dims, generator=torch.Generator().manual_seed(99))
    generator = torch.Generator().manual_seed(seed)
    codes = torch.randn(count, 6, generator=generator) * torch.tensor([3.0, 2.0, 1.5, 1.0, 0.8, 0.5])
    rows = 0.3 + scale * (codes @ directions + 0.5 * torch.randn(count, dims, generator=generator))
    return rows.view(count, *shape)


def covariance_of(train: Tensor, z_dim: int) -> tuple[Tensor, Tensor, Tensor]:
    """Mean, W and covariance of PPCA by the textbook's way: all eigenvectors of the full covariance."""
    rows = train.flatten(1).double()
    mean = rows.mean(dim=0)
    eigenvalues, eigenvectors = torch.linalg.eigh((rows - mean).T @ (rows - mean) / len(rows))
    top = eigenvalues[-z_dim:], eigenvectors[:, -z_dim:]
    W = top[1] * (top[0] - 1.0).clamp_min(0.0).sqrt()
    return mean, W, W @ W.T + torch.eye(len(mean), dtype=torch.float64)


def test_constant_mean_is_a_normal_distribution_of_unit_variance() -> None:
    train, test = correlated(50, (3, 2, 2), seed=1), correlated(20, (3, 2, 2), seed=2)
    mean = train.flatten(1).double().mean(dim=0)
    expected = -MultivariateNormal(mean, torch.eye(12, dtype=torch.float64)).log_prob(test.flatten(1).double()).mean()
    assert constant_mean_nll(train, test) == pytest.approx(float(expected), rel=1e-12)


@pytest.mark.parametrize("z_dim", [1, 3, 8, 12])
@pytest.mark.parametrize("count", [8, 200])
def test_ppca_is_the_normal_distribution_of_tipping_and_bishop(count: int, z_dim: int) -> None:
    train, test = correlated(count, (3, 2, 2), seed=1), correlated(20, (3, 2, 2), seed=2)
    mean, _, covariance = covariance_of(train, z_dim)
    expected = -MultivariateNormal(mean, covariance).log_prob(test.flatten(1).double()).mean()
    assert ppca_nll(train, test, z_dim) == pytest.approx(float(expected), rel=1e-10)


@pytest.mark.parametrize(("count", "side"), [(300, 16), (1000, 16)], ids=["fewer images than pixels", "more images"])
def test_ppca_of_many_pixels_takes_the_iterative_solver_to_the_same_answer(count: int, side: int) -> None:
    train, test = correlated(count, (3, side, side), seed=1), correlated(50, (3, side, side), seed=2)
    mean, W, _ = covariance_of(train, z_dim=5)
    model = LowRankMultivariateNormal(mean, W, torch.ones_like(mean))
    expected = -model.log_prob(test.flatten(1).double()).mean()
    assert ppca_nll(train, test, z_dim=5) == pytest.approx(float(expected), rel=1e-9)


def test_no_other_weights_explain_the_training_images_better() -> None:
    train = correlated(100, (3, 2, 2), seed=1)
    mean, W, _ = covariance_of(train, z_dim=2)
    best = ppca_nll(train, train, z_dim=2)
    generator = torch.Generator().manual_seed(3)
    for _ in range(20):
        other = W + 0.1 * torch.randn(W.shape, dtype=torch.float64, generator=generator)
        model = LowRankMultivariateNormal(mean, other, torch.ones_like(mean))
        assert -model.log_prob(train.flatten(1).double()).mean() > best


def test_more_codes_never_explain_the_training_images_worse() -> None:
    train = correlated(100, (3, 4, 4), seed=1)
    nats = [ppca_nll(train, train, z_dim) for z_dim in range(10)]
    assert nats == sorted(nats, reverse=True)
    assert nats[0] == constant_mean_nll(train, train)


def test_directions_fainter_than_the_noise_are_left_out() -> None:
    train, test = correlated(100, (3, 2, 2), seed=1, scale=0.01), correlated(20, (3, 2, 2), seed=2, scale=0.01)
    assert ppca_nll(train, test, z_dim=4) == pytest.approx(constant_mean_nll(train, test), rel=1e-12)


@pytest.mark.parametrize("count", [1, 4, 400])
def test_images_that_are_all_the_same_cost_the_constant_alone(count: int) -> None:
    images = torch.full((count, 3, 16, 16), 0.25)
    assert ppca_nll(images, images, z_dim=4) == pytest.approx(768 / 2 * math.log(2 * math.pi), rel=1e-12)


def test_principal_components_are_orthonormal_and_fall() -> None:
    rows = correlated(300, (3, 16, 16), seed=1).flatten(1)
    eigenvalues, vectors = principal_components(rows, rows.mean(dim=0, dtype=torch.float64), 6)
    torch.testing.assert_close(vectors.T @ vectors, torch.eye(6, dtype=torch.float64))
    assert eigenvalues.tolist() == sorted(eigenvalues.tolist(), reverse=True)


def test_the_same_images_give_the_same_digits_and_stay_unchanged() -> None:
    train, test = correlated(300, (3, 16, 16), seed=1), correlated(20, (3, 16, 16), seed=2)
    before = train.clone(), test.clone()
    assert ppca_nll(train, test, 5) == ppca_nll(train, test, 5)
    assert torch.equal(train, before[0])
    assert torch.equal(test, before[1])


def test_what_makes_no_sense_is_refused() -> None:
    images = torch.zeros(3, 3, 2, 2)
    with pytest.raises(ValueError, match="z_dim must be 0 or more"):
        ppca_nll(images, images, -1)
    for train, test in ((images[:0], images), (images, images[:0])):
        with pytest.raises(ValueError, match="no images"):
            constant_mean_nll(train, test)


def test_on_house_numbers_ppca_lies_far_below_the_constant_mean() -> None:
    train, test = (normalise(load("sample", split).images[:256]) for split in ("train", "test"))
    constant = 3072 / 2 * math.log(2 * math.pi)
    assert constant < ppca_nll(train, test, 16) < constant + 100 < constant + 250 < constant_mean_nll(train, test)
