"""The training loop: what it derives from the seed, which images it visits, what a step does."""

import os
from pathlib import Path

import pytest
import torch
from torch import nn

from assignment import checkpoint
from assignment.settings import RunError, Settings, choose_device, use_exact_arithmetic
from assignment.train import epoch_noise, new_model, new_optimizer, permutation, train, train_epoch, train_step
from data import normalise
from solution.__main__ import use_channels_last
from solution.VAE_Model import VAE

SETTINGS = Settings(epochs=2, batch_size=4, lr=1e-3, z_dim=3, features=2, seed=5)


def bytes_of(n: int, size: int = 16) -> torch.Tensor:
    """Images of noise around a different grey each, so that no two are alike."""
    generator = torch.Generator().manual_seed(n)
    grey = torch.linspace(30, 220, n).view(n, 1, 1, 1)
    return (grey + 30 * torch.rand(n, 3, size, size, generator=generator)).to(torch.uint8)


class Spy(nn.Module):
    """A model of one weight that keeps every batch it is given; nll and kl depend on the weight, image and noise."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.tensor(2.0))
        self.seen: list[tuple[torch.Tensor, torch.Tensor, bool]] = []

    def forward(self, x: torch.Tensor, noise: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        self.seen.append((x, noise, self.training))
        return x, self.weight * x.mean(dim=(1, 2, 3)), self.weight**2 * noise.mean(dim=1)


def test_a_permutation_visits_every_image_once():
    assert permutation(101, seed=0, epoch=1).sort().values.tolist() == list(range(101))


def test_order_and_noise_follow_from_seed_and_epoch_alone():
    before = torch.get_rng_state()
    for draw in (lambda *at: permutation(50, *at), lambda *at: epoch_noise(50, 4, *at)):
        assert torch.equal(draw(3, 7), draw(3, 7))
        assert not torch.equal(draw(3, 7), draw(3, 8))
        assert not torch.equal(draw(3, 7), draw(4, 7))
    assert torch.equal(torch.get_rng_state(), before), "the global generator was used"


def test_order_and_noise_are_derived_as_the_docstring_says():
    generator = torch.Generator().manual_seed(1_000_003 * 3 + 2 * 7)
    assert torch.equal(permutation(50, seed=3, epoch=7), torch.randperm(50, generator=generator))
    generator = torch.Generator().manual_seed(1_000_003 * 3 + 2 * 7 + 1)
    assert torch.equal(epoch_noise(50, 4, seed=3, epoch=7), torch.randn(50, 4, generator=generator))


def test_the_initial_weights_follow_from_the_seed():
    images = bytes_of(4)
    first, again = (new_model(VAE, images, SETTINGS).state_dict() for _ in range(2))
    other = new_model(VAE, images, Settings(z_dim=3, features=2, seed=6)).state_dict()
    assert all(torch.equal(first[name], again[name]) for name in first)
    assert not torch.equal(first["mean.weight"], other["mean.weight"])


def test_a_model_is_built_for_the_shape_of_the_images():
    model = new_model(VAE, torch.zeros(2, 1, 32, 32, dtype=torch.uint8), SETTINGS)
    reconstruction, _, _ = model(torch.zeros(2, 1, 32, 32))
    assert reconstruction.shape == (2, 1, 32, 32)


def test_a_step_descends_the_mean_of_nll_plus_kl_and_reports_what_was_before():
    model = Spy()
    x, noise = torch.tensor([1.0, 3.0]).view(2, 1, 1, 1), torch.tensor([[0.5], [1.5]])
    nll, kl = train_step(model, torch.optim.SGD(model.parameters(), lr=0.1), x, noise)
    assert nll.tolist() == [2.0, 6.0]
    assert kl.tolist() == [2.0, 6.0]
    assert not nll.requires_grad
    assert not kl.requires_grad
    # loss = 2 w + w^2, its derivative at w = 2 is 6
    assert model.weight.item() == pytest.approx(2.0 - 0.1 * 6.0)


def test_gradients_do_not_add_up_over_steps():
    model = Spy()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.0)
    for _ in range(2):
        train_step(model, optimizer, torch.ones(1, 1, 1, 1), torch.zeros(1, 1))
    assert model.weight.grad is not None
    assert model.weight.grad.item() == 1.0


def test_an_epoch_trains_on_every_image_the_last_smaller_batch_included():
    images, model = bytes_of(10), Spy()
    train_epoch(model, torch.optim.SGD(model.parameters(), lr=0.0), images, SETTINGS, epoch=1)
    assert [len(x) for x, _, _ in model.seen] == [4, 4, 2]
    order = permutation(10, SETTINGS.seed, epoch=1)
    assert torch.equal(torch.cat([x for x, _, _ in model.seen]), normalise(images[order]))
    assert torch.equal(torch.cat([noise for _, noise, _ in model.seen]), epoch_noise(10, 3, SETTINGS.seed, epoch=1))
    assert all(training for _, _, training in model.seen)


def test_an_epoch_returns_the_terms_of_every_image_in_the_order_of_the_visit():
    images, model = bytes_of(10), Spy()
    nll, kl = train_epoch(model, torch.optim.SGD(model.parameters(), lr=0.0), images, SETTINGS, epoch=1)
    expected = 2.0 * normalise(images[permutation(10, SETTINGS.seed, 1)]).mean(dim=(1, 2, 3))
    torch.testing.assert_close(nll, expected.double())
    torch.testing.assert_close(kl, 4.0 * epoch_noise(10, 3, SETTINGS.seed, 1).mean(dim=1).double())


def test_a_loop_written_out_gives_the_same_losses():
    """What anyone needs to recompute a run elsewhere, as the grader's training probe does."""
    images, test_images = bytes_of(10), bytes_of(3)
    model = new_model(VAE, images, SETTINGS)
    rows = list(train(model, new_optimizer(model, SETTINGS), images, test_images, SETTINGS))

    torch.manual_seed(5)
    other = VAE(in_channels=3, decoder_features=2, encoder_features=2, z_dim=3, input_size=16)
    optimizer = torch.optim.Adam(other.parameters(), lr=1e-3)
    for epoch in (1, 2):
        order, noise = permutation(10, 5, epoch), epoch_noise(10, 3, 5, epoch)
        losses = []
        for i in (0, 4, 8):
            _, nll, kl = other(normalise(images[order[i : i + 4]]), noise[i : i + 4])
            optimizer.zero_grad()
            (nll + kl).mean().backward()
            optimizer.step()
            losses += (nll + kl).tolist()
        assert rows[epoch - 1]["epoch"] == epoch
        assert -rows[epoch - 1]["train_elbo"] == pytest.approx(sum(losses) / 10, rel=1e-6)


def test_training_lowers_the_loss_on_held_out_images():
    settings = Settings(epochs=6, batch_size=8, lr=5e-3, z_dim=2, features=8)
    images = bytes_of(64)
    model = new_model(VAE, images, settings)
    rows = list(train(model, new_optimizer(model, settings), images, bytes_of(20), settings))
    assert rows[-1]["test_elbo"] > rows[0]["test_elbo"] + 10.0
    assert all(row["test_elbo"] == pytest.approx(-(row["test_nll"] + row["test_kl"])) for row in rows)


def test_the_test_elbo_uses_the_same_noise_after_every_epoch():
    settings = Settings(epochs=2, batch_size=4, lr=0.0, z_dim=3, features=2)
    images = bytes_of(10)
    model = new_model(VAE, images, settings)
    first, second = train(model, new_optimizer(model, settings), images, bytes_of(5), settings)
    assert first["test_elbo"] == second["test_elbo"]
    assert first["train_elbo"] != second["train_elbo"]


def test_training_can_begin_at_a_later_epoch():
    model = Spy()
    rows = list(train(model, torch.optim.SGD(model.parameters(), lr=0.0), bytes_of(4), bytes_of(2), SETTINGS, 2))
    assert [row["epoch"] for row in rows] == [2]
    assert torch.equal(model.seen[0][1], epoch_noise(4, 3, SETTINGS.seed, epoch=2))


@pytest.mark.parametrize("weight", [float("nan"), float("inf")])
def test_a_loss_that_is_no_number_ends_training_with_one_line(weight: float) -> None:
    model = Spy()
    model.weight.data.fill_(weight)
    with pytest.raises(RunError, match=r"the loss became .* epoch 1.*--lr") as raised:
        train_epoch(model, torch.optim.SGD(model.parameters(), lr=0.0), bytes_of(10), SETTINGS, epoch=1)
    assert "\n" not in str(raised.value)


def test_channels_last_changes_rounding_only() -> None:
    images, test_images = bytes_of(10), bytes_of(3)
    rows = []
    for prepare in (lambda _: None, use_channels_last):
        model = new_model(VAE, images, SETTINGS)
        prepare(model)
        rows.append(list(train(model, new_optimizer(model, SETTINGS), images, test_images, SETTINGS)))
    assert model.encoder.layers[2].weight.is_contiguous(memory_format=torch.channels_last)
    for plain, prepared in zip(*rows, strict=True):
        assert prepared == pytest.approx(plain, rel=1e-6)


def test_a_deterministic_run_refuses_what_can_not_repeat(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[bool] = []
    monkeypatch.setenv("CUBLAS_WORKSPACE_CONFIG", ":16:8")  # a choice of one's own is kept; restored afterwards
    monkeypatch.setattr(torch, "use_deterministic_algorithms", asked.append)
    use_exact_arithmetic()
    assert asked == []
    use_exact_arithmetic(deterministic=True)
    assert asked == [True]
    assert os.environ["CUBLAS_WORKSPACE_CONFIG"] == ":16:8"


@pytest.mark.parametrize("fused", [False, True])
def test_a_checkpoint_may_come_from_an_adam_that_works_in_another_way(tmp_path: Path, fused: bool) -> None:
    """As one of another device does; what it has counted and averaged is kept."""
    model = nn.Linear(2, 1)
    first, second = (torch.optim.Adam(model.parameters(), lr=0.1, fused=way) for way in (fused, not fused))
    model(torch.ones(1, 2)).sum().backward()
    first.step()
    checkpoint.save(tmp_path, checkpoint.Progress(Settings()), model, first)
    checkpoint.restore(checkpoint.read(tmp_path), model, second)
    assert second.param_groups[0]["fused"] is not fused
    second.step()
    assert {float(state["step"]) for state in second.state.values()} == {2.0}


def test_a_device_that_is_not_here_is_refused_in_one_line():
    for name in ("cuda:99", "toaster"):
        with pytest.raises(RunError, match=rf"no device '{name}'"):
            choose_device(name)


def test_the_device_is_chosen_by_itself():
    assert choose_device("auto").type in {"cuda", "mps", "cpu"}
    assert choose_device("cpu") == torch.device("cpu")
