"""The training loop: Adam on (nll + kl).mean(), over a data set that is held in memory on the device.

Nothing here knows how the model is built: any `VAE_Model.py` that keeps the interface of the skeleton will train. Read
from top to bottom: the settings, the random numbers, one step, one epoch, all epochs.

Every random number follows from (seed, epoch) by the three functions under "random numbers", so that a run can be
repeated, continued and recomputed elsewhere. They draw on the CPU, whatever the device, so that devices agree.
"""

import random
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
import torch
from jaxtyping import Float, Float64, Int64, UInt8
from torch import Tensor
from tqdm import tqdm

from assignment.evaluate import Model, evaluate_elbo
from data import normalise

Metrics: TypeAlias = dict[str, float]  # one row of metrics.csv

STEPS_BETWEEN_LOOKS = 50  # reading a number off a GPU makes it wait: look at the loss only now and then


class RunError(Exception):
    """What stops a run, in one line that says what to do."""


@dataclass(frozen=True)
class Settings:
    """All that describes a run; the defaults are those of the full run on SVHN.

    Attributes:
        data: Where the images come from, as for `data.load`.
        epochs: How often training sees each image.
        batch_size: Images per step.
        lr: Learning rate of Adam.
        z_dim: Latent dimensions.
        features: Width of encoder and decoder.
        seed: What all random numbers follow from.
        device: "auto", or the name of a torch device.
        limit: Use only the first so many images of either split; all if None.
        k: Importance samples K per image in the final estimate of the log-likelihood.
        ll_images: Estimate it on the first so many test images; on all if None.
    """

    data: str = "sample"
    epochs: int = 30
    batch_size: int = 64
    lr: float = 1e-4
    z_dim: int = 32
    features: int = 32
    seed: int = 0
    device: str = "auto"
    limit: int | None = None
    k: int = 100
    ll_images: int | None = None


# ## Random numbers
def seed_everything(seed: int) -> None:
    """Seed torch, numpy and random: the initial weights, and whatever a model draws of its own (dropout)."""
    torch.manual_seed(seed)
    np.random.seed(seed)
    random.seed(seed)


def permutation(n: int, seed: int, epoch: int) -> Int64[Tensor, " n"]:
    """Return the order in which an epoch (1, 2, ...) visits n images."""
    generator = torch.Generator().manual_seed(1_000_003 * seed + 2 * epoch)
    return torch.randperm(n, generator=generator)


def epoch_noise(n: int, z_dim: int, seed: int, epoch: int) -> Float[Tensor, "n z"]:
    """Return the noise of an epoch's posterior samples: row i is for the i-th image that the epoch visits.

    Epochs of training count from 1. Epoch 0 is the noise of every evaluation: if it changed from one to the next, so
    would the estimated ELBO, even if the model did not.
    """
    generator = torch.Generator().manual_seed(1_000_003 * seed + 2 * epoch + 1)
    return torch.randn(n, z_dim, generator=generator)


# ## Setting up
def choose_device(name: str = "auto") -> torch.device:
    """Return the named device; for "auto" the first there is of cuda, mps and cpu.

    Raises:
        RunError: This computer has no such device.
    """
    if name == "auto":
        name = "cuda" if torch.cuda.is_available() else "mps" if torch.backends.mps.is_available() else "cpu"
    try:
        device = torch.device(name)
        torch.empty(1, device=device)
    except (RuntimeError, AssertionError, NotImplementedError) as error:
        raise RunError(f"there is no device {name!r} here: choose another --device, or leave it out") from error
    return device


def use_exact_arithmetic() -> None:
    """Ask for full float32 (no TF32, which keeps 10 bits) and for convolutions that repeat bit for bit."""
    torch.set_float32_matmul_precision("highest")
    torch.backends.cudnn.allow_tf32 = False
    torch.backends.cudnn.deterministic = True
    torch.backends.cudnn.benchmark = False


def new_model(vae: type, images: UInt8[Tensor, "N C S S"], settings: Settings) -> Model:
    """Build a VAE that fits the images, on their device, with weights that follow from the seed.

    Args:
        vae: The class VAE of a `VAE_Model.py`.
        images: The training images; only shape and device matter.
        settings: The run.
    """
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
    """Return Adam over the model's parameters; on a GPU it updates all of them in one kernel (`fused`)."""
    on_gpu = next(model.parameters()).is_cuda
    return torch.optim.Adam(model.parameters(), lr=settings.lr, fused=on_gpu)


# ## Training
def train_step(
    model: Model, optimizer: torch.optim.Optimizer, x: Float[Tensor, "B C S S"], noise: Float[Tensor, "B z"]
) -> tuple[Float[Tensor, " B"], Float[Tensor, " B"]]:
    """Take one step of gradient descent on -ELBO; returns nll and kl of each image before the step, in nats."""
    _, nll, kl = model(x, noise)
    loss = (nll + kl).mean()
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
) -> tuple[Float64[Tensor, " N"], Float64[Tensor, " N"]]:
    """Train on every image once, the last batch being smaller when the numbers do not divide.

    Returns:
        nll and kl of each image in nats, in the order of the visit, at the time of the visit: on the CPU.

    Raises:
        RunError: The loss is no longer a finite number.
    """
    n, device = len(images), images.device
    order = permutation(n, settings.seed, epoch).to(device)
    noise = epoch_noise(n, settings.z_dim, settings.seed, epoch).to(device)
    nll = torch.empty(n, device=device)
    kl = torch.empty(n, device=device)

    model.train()
    bar = tqdm(range(0, n, settings.batch_size), desc=f"epoch {epoch}/{settings.epochs}", leave=False, disable=None)
    for step, start in enumerate(bar, start=1):
        batch = slice(start, start + settings.batch_size)
        x = normalise(images[order[batch]])
        nll[batch], kl[batch] = train_step(model, optimizer, x, noise[batch])
        if step % STEPS_BETWEEN_LOOKS == 0 or batch.stop >= n:
            lately = slice(max(0, batch.stop - STEPS_BETWEEN_LOOKS * settings.batch_size), batch.stop)
            nll_now, kl_now = nll[lately].mean().item(), kl[lately].mean().item()
            bar.set_postfix_str(f"-ELBO {nll_now + kl_now:.1f} = nll {nll_now:.1f} + kl {kl_now:.1f}")
            if not np.isfinite(nll_now + kl_now):
                bar.close()
                raise RunError(
                    f"the loss became {nll_now + kl_now} (nll {nll_now}, kl {kl_now}) at step {step} of epoch {epoch}:"
                    " try a smaller --lr, and look for a log or a division that can meet 0"
                )
    return nll.cpu().double(), kl.cpu().double()


def train(
    model: Model,
    optimizer: torch.optim.Optimizer,
    train_images: UInt8[Tensor, "N C S S"],
    test_images: UInt8[Tensor, "M C S S"],
    settings: Settings,
    first_epoch: int = 1,
) -> Iterator[Metrics]:
    """Train epoch by epoch, and say after each how it went.

    It is a generator: `for metrics in train(...)` runs the body of the loop after every epoch, when model and
    optimizer are in a state worth saving.

    Yields:
        A row of metrics.csv, nats per image: `train_...` as seen while training, `test_...` of the model afterwards.
    """
    noise = epoch_noise(len(test_images), settings.z_dim, settings.seed, epoch=0)
    for epoch in range(first_epoch, settings.epochs + 1):
        train_nll, train_kl = train_epoch(model, optimizer, train_images, settings, epoch)
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
