"""The training loop: gradient descent on -ELBO, the mean of nll + kl, with Adam (Kingma and Ba 2015).

Read this file from top to bottom: the model, one step, one epoch, all epochs, and the random numbers. It trains any
`VAE_Model.py` that keeps the interface of the skeleton. The other files of this folder deal with settings, checkpoints
and results.
"""

import random
from collections.abc import Callable, Iterator
from typing import TypeAlias

import numpy as np
import torch
from jaxtyping import Float, Float64, Int64, UInt8
from torch import Tensor
from tqdm import tqdm

from assignment.evaluate import Model, evaluate_elbo
from assignment.settings import RunError, Settings
from data import normalise

Metrics: TypeAlias = dict[str, float]  # one row of metrics.csv
Terms: TypeAlias = tuple[Float[Tensor, " B"], Float[Tensor, " B"]]  # nll and kl of each image, in nats
Step: TypeAlias = Callable[[Model, torch.optim.Optimizer, Float[Tensor, "B C S S"], Float[Tensor, "B z"]], Terms]

# Reading a number from a GPU makes it wait, so the loss is read only after this number of steps.
STEPS_BETWEEN_LOOKS = 50


def new_model(vae: type, images: UInt8[Tensor, "N C S S"], settings: Settings) -> Model:
    """Build a VAE for images of this shape, on their device. The seed determines its initial weights."""
    seed_everything(settings.seed)
    return vae(
        in_channels=images.shape[1],
        decoder_features=settings.features,
        encoder_features=settings.features,
        z_dim=settings.z_dim,
        input_size=images.shape[2],
        device=images.device,
    )


def new_optimizer(model: Model, settings: Settings) -> torch.optim.Adam:
    """Return Adam for all parameters. `fused` updates them in one pass, which is faster and gives the same steps."""
    fused = next(model.parameters()).device.type in ("cuda", "cpu")
    return torch.optim.Adam(model.parameters(), lr=settings.lr, fused=fused)


def train_step(
    model: Model, optimizer: torch.optim.Optimizer, x: Float[Tensor, "B C S S"], noise: Float[Tensor, "B z"]
) -> Terms:
    """Take one step of gradient descent on -ELBO. Return nll and kl of each image before the step."""
    _, nll, kl = model(x, noise)  # (B, C, S, S), (B,), (B,)
    loss = (nll + kl).mean()  # -ELBO, averaged over the batch
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    return nll.detach(), kl.detach()


def train_epoch(
    model: Model,
    optimizer: torch.optim.Optimizer,
    images: UInt8[Tensor, "N C S S"],
    settings: Settings,
    epoch: int,
    step: Step = train_step,
) -> tuple[Float64[Tensor, " N"], Float64[Tensor, " N"]]:
    """Train on every image once, in random order. The last batch is smaller if B does not divide N.

    Returns:
        nll and kl of each image in the order of training, as computed in its training step, on the CPU.

    Raises:
        RunError: The loss is no longer a finite number.
    """
    n, B, device = len(images), settings.batch_size, images.device
    order = permutation(n, settings.seed, epoch).to(device)  # (N,)
    noise = epoch_noise(n, settings.z_dim, settings.seed, epoch).to(device)  # (N, z)
    nll, kl = torch.empty(n, device=device), torch.empty(n, device=device)

    model.train()
    bar = tqdm(range(0, n, B), desc=f"epoch {epoch}/{settings.epochs}", leave=False, disable=None)
    for number, start in enumerate(bar, start=1):
        batch = slice(start, start + B)
        x = normalise(images[order[batch]])  # (B, C, S, S), from bytes to [-1, 1]
        nll[batch], kl[batch] = step(model, optimizer, x, noise[batch])
        if number % STEPS_BETWEEN_LOOKS == 0 or batch.stop >= n:
            lately = slice(max(0, batch.stop - STEPS_BETWEEN_LOOKS * B), batch.stop)
            nll_now, kl_now = nll[lately].mean().item(), kl[lately].mean().item()
            bar.set_postfix_str(f"-ELBO {nll_now + kl_now:.1f} = nll {nll_now:.1f} + kl {kl_now:.1f}")
            if not np.isfinite(nll_now + kl_now):
                bar.close()
                raise RunError(
                    f"the loss became {nll_now + kl_now} (nll {nll_now}, kl {kl_now}) at step {number} of epoch"
                    f" {epoch}: try a smaller --lr, and look for a logarithm of 0 or a division by 0"
                )
    return nll.cpu().double(), kl.cpu().double()


def train(
    model: Model,
    optimizer: torch.optim.Optimizer,
    train_images: UInt8[Tensor, "N C S S"],
    test_images: UInt8[Tensor, "M C S S"],
    settings: Settings,
    first_epoch: int = 1,
    step: Step = train_step,
) -> Iterator[Metrics]:
    """Train epoch by epoch, and test the model after each.

    This is a generator: `for metrics in train(...)` runs the body of the loop after every epoch.

    Yields:
        A row of metrics.csv, in nats per image. `train_...` is computed during the training steps of the epoch,
        `test_...` after them.
    """
    noise = epoch_noise(len(test_images), settings.z_dim, settings.seed, epoch=0)
    for epoch in range(first_epoch, settings.epochs + 1):
        train_nll, train_kl = train_epoch(model, optimizer, train_images, settings, epoch, step)
        test_nll, test_kl = evaluate_elbo(model, test_images, noise, settings.batch_size)
        yield {
            "epoch": epoch,
            "train_elbo": -(train_nll + train_kl).mean().item(),
            "train_nll": train_nll.mean().item(),
            "train_kl": train_kl.mean().item(),
            "test_elbo": -(test_nll + test_kl).mean().item(),
            "test_nll": test_nll.mean().item(),
            "test_kl": test_kl.mean().item(),
        }


# ## Random numbers: determined by (seed, epoch), and drawn on the CPU, so that they are the same on every device
def seed_everything(seed: int) -> None:
    """Seed torch, numpy and random: for the initial weights, and for random numbers inside a model (dropout)."""
    torch.manual_seed(seed)
    np.random.seed(seed)
    random.seed(seed)


def permutation(n: int, seed: int, epoch: int) -> Int64[Tensor, " n"]:
    """Return the order in which an epoch (1, 2, ...) visits n images."""
    generator = torch.Generator().manual_seed(1_000_003 * seed + 2 * epoch)
    return torch.randperm(n, generator=generator)


def epoch_noise(n: int, z_dim: int, seed: int, epoch: int) -> Float[Tensor, "n z"]:
    """Return the noise for the posterior samples of an epoch. All tests use the noise of epoch 0."""
    generator = torch.Generator().manual_seed(1_000_003 * seed + 2 * epoch + 1)
    return torch.randn(n, z_dim, generator=generator)
