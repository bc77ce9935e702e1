"""Evaluation: estimates against models whose likelihood is known."""

import math

import pytest
import torch
from torch import nn

from assignment.evaluate import (
    anchors,
    evaluate_elbo,
    evaluate_log_likelihood,
    log_likelihood_report,
    mean_and_standard_error,
)
from data import constant_mean_nll, normalise
from solution.VAE_Model import VAE


def random_bytes(n: int) -> torch.Tensor:
    return torch.randint(0, 256, (n, 3, 16, 16), generator=torch.Generator().manual_seed(n), dtype=torch.uint8)


@pytest.fixture
def blank() -> VAE:
    """A VAE of zeros: every posterior is the prior and every code decodes to mid-grey, so p(x) = N(x; 0, I)."""
    model = VAE(z_dim=2, encoder_features=2, decoder_features=2, input_size=16)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.zero_()
    return model


def log_normal(images: torch.Tensor) -> torch.Tensor:
    """log N(x; 0, I) of each image, in float64."""
    x = normalise(images).double()
    return -0.5 * (x**2).sum(dim=(1, 2, 3)) - 0.5 * x[0].numel() * math.log(2 * math.pi)


class Echo(nn.Module):
    """Its nll is the image's first pixel, its kl the first number of the noise: shows which went with which."""

    def forward(self, x: torch.Tensor, noise: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        assert not self.training
        assert not torch.is_grad_enabled()
        return x, x[:, 0, 0, 0], noise[:, 0]


def test_the_elbo_pairs_each_image_with_its_noise_in_any_batch_size():
    images, noise = random_bytes(7), torch.arange(14.0).view(7, 2)
    for batch_size in (1, 3, 7, 100):
        nll, kl = evaluate_elbo(Echo(), images, noise, batch_size)
        assert torch.equal(nll, normalise(images)[:, 0, 0, 0].double())
        assert kl.tolist() == [0, 2, 4, 6, 8, 10, 12]


def test_the_elbo_of_a_known_model_is_its_log_likelihood(blank):
    images = random_bytes(5)
    nll, kl = evaluate_elbo(blank, images, torch.randn(5, 2), batch_size=2)
    torch.testing.assert_close(-nll, log_normal(images), rtol=1e-6, atol=0)
    assert kl.tolist() == [0.0] * 5


@pytest.mark.parametrize("K", [1, 7])
def test_the_log_likelihood_of_a_known_model_is_exact_for_every_k(blank: VAE, K: int) -> None:
    images = random_bytes(5)
    values = evaluate_log_likelihood(blank, images, K, batch_size=2)
    assert values.dtype == torch.float64
    torch.testing.assert_close(values, log_normal(images), rtol=1e-6, atol=0)


def test_the_log_likelihood_repeats_with_its_seed():
    torch.manual_seed(1)
    model = VAE(z_dim=4, encoder_features=2, decoder_features=2, input_size=16)
    model.mean.weight.data *= 30
    images = random_bytes(4)
    first = evaluate_log_likelihood(model, images, K=3, seed=8)
    torch.randn(10)
    assert torch.equal(evaluate_log_likelihood(model, images, K=3, seed=8), first)
    assert not torch.equal(evaluate_log_likelihood(model, images, K=3, seed=9), first)


def test_mean_and_standard_error_of_known_values():
    mean, standard_error = mean_and_standard_error(torch.tensor([1.0, 2.0, 3.0, 4.0], dtype=torch.float64))
    assert mean == 2.5
    assert standard_error == pytest.approx(math.sqrt(5 / 3) / 2)  # the variance with n - 1 is 5/3


def test_one_image_has_no_standard_error():
    mean, standard_error = mean_and_standard_error(torch.tensor([3.0], dtype=torch.float64))
    assert mean == 3.0
    assert math.isnan(standard_error)


def test_anchors_are_log_likelihoods_and_a_linear_code_helps():
    grey = torch.linspace(0, 200, 40).view(40, 1, 1, 1)
    images = (grey + torch.rand(40, 3, 16, 16, generator=torch.Generator().manual_seed(0)) * 50).to(torch.uint8)
    train, test = images[::2], images[1::2]
    values = anchors(train, test, z_dim=1)
    assert values["constant_mean_log_likelihood"] == -constant_mean_nll(normalise(train), normalise(test))
    assert values["ppca_log_likelihood"] > values["constant_mean_log_likelihood"] + 10


def test_the_report_holds_the_estimates_and_all_that_is_needed_to_read_them(blank):
    images = random_bytes(6)
    lines = {"ppca_log_likelihood": -1.0, "constant_mean_log_likelihood": -2.0}
    report = log_likelihood_report(blank, images, torch.randn(6, 2), lines, K=3, batch_size=4, seed=1)
    expected = log_normal(images)
    assert report["log_likelihood"] == pytest.approx(expected.mean().item(), rel=1e-6)
    assert report["elbo"] == pytest.approx(expected.mean().item(), rel=1e-6)
    assert report["standard_error"] == pytest.approx(expected.std().item() / math.sqrt(6), rel=1e-3)
    assert (report["K"], report["images"], report["z_dim"]) == (3, 6, 2)
    assert report["constant"] == pytest.approx(768 / 2 * math.log(2 * math.pi))
    assert "D = 768" in report["constant_is"]
    assert report["ppca_log_likelihood"] == -1.0
    assert report["constant_mean_log_likelihood"] == -2.0
    assert report["seconds"] >= 0
    assert report["hardware"]
    assert report["torch"] == torch.__version__
