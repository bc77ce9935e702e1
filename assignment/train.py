"""The training loop: Adam on (nll + kl).mean(), over a data set that is held in memory on the device.

Nothing here knows how the model is built: any `VAE_Model.py` that keeps the interface of the skeleton will train. Read
from top to bottom: the random numbers, setting up, one step, one epoch, all epochs. The settings are in settings.py.

Every random number follows from (seed, epoch) by the three functions under "random numbers", so that a run can be
repeated, continued and recomputed elsewhere. They draw on the CPU, whatever the device, so that devices agree.
"""

import os
import random
from collections.abc import Iterator
from typing import TypeAlias

import numpy as np
import torch
from jaxtyping import Float, Float64, Int64, UInt8
from torch import Tensor, nn
from tqdm import tqdm

from assignment.distributed import ALONE, Step, Team
from assignment.evaluate import Model, evaluate_elbo
from assignment.settings import RunError, Settings
from data import normalise

Metrics: TypeAlias = dict[str, float]  # one row of metrics.csv

STEPS_BETWEEN_LOOKS = 50  # reading a number off a GPU makes it wait: look at the loss only now and then


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


def use_exact_arithmetic(deterministic: bool = False) -> None:
    """Ask for full float32 (no TF32, which keeps 10 bits) and for convolutions that repeat bit for bit.

    Args:
        deterministic: Also refuse every operation that can not repeat bit for bit; torch then raises an error.
    """
    torch.set_float32_matmul_precision("highest")
    torch.backends.cudnn.allow_tf32 = False
    torch.backends.cudnn.deterministic = True
    torch.backends.cudnn.benchmark = False
    if deterministic:
        os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")  # cuBLAS repeats with a fixed workspace only
        torch.use_deterministic_algorithms(True)


def use_channels_last(model: Model) -> None:
    """Store each convolution's weight with its channels innermost, which is how CPUs like to read images.

    Results differ in rounding only. But what a layer returns is then no longer contiguous, and `x.view(...)` in a
    model's code may fail where `x.reshape(...)` or `x.flatten(1)` would not: use it for models that are known to work.
    """
    for layer in model.modules():
        if isinstance(layer, (nn.Conv2d, nn.ConvTranspose2d)):
            layer.to(memory_format=torch.channels_last)


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
    """Return Adam over the model's parameters.

    `fused` updates all of them in one pass; `capturable` keeps its count of steps on the GPU, where a replayed step
    (see capture.py) can count on.
    """
    device = next(model.parameters()).device.type
    return torch.optim.Adam(
        model.parameters(), lr=settings.lr, fused=device in ("cuda", "cpu"), capturable=device == "cuda"
    )


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


def plain_step(model: Model, optimizer: torch.optim.Optimizer, images: UInt8[Tensor, "N C S S"]) -> Step:
    """Return `train_step` as a function of which images to train on, and of the noise."""

    def step(indices: Int64[Tensor, " B"], noise: Float[Tensor, "B z"]) -> tuple[Tensor, Tensor]:
        return train_step(model, optimizer, normalise(images[indices]), noise)

    return step


def train_epoch(
    model: Model,
    optimizer: torch.optim.Optimizer,
    images: UInt8[Tensor, "N C S S"],
    settings: Settings,
    epoch: int,
    step: Step | None = None,
) -> tuple[Float64[Tensor, " N"], Float64[Tensor, " N"]]:
    """Train on every image once, the last batch being smaller when the numbers do not divide.

    Args:
        model: The model; left in train mode.
        optimizer: What updates its weights.
        images: The images, on the model's device.
        settings: The run.
        epoch: Which epoch this is, from 1.
        step: How to take a step, if not by `plain_step`: capture.py and distributed.py have other ways.

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
    step = step or plain_step(model, optimizer, images)

    model.train()
    bar = tqdm(range(0, n, settings.batch_size), desc=f"epoch {epoch}/{settings.epochs}", leave=False, disable=None)
    for number, start in enumerate(bar, start=1):
        batch = slice(start, start + settings.batch_size)
        nll[batch], kl[batch] = step(order[batch], noise[batch])
        if number % STEPS_BETWEEN_LOOKS == 0 or batch.stop >= n:
            lately = slice(max(0, batch.stop - STEPS_BETWEEN_LOOKS * settings.batch_size), batch.stop)
            nll_now, kl_now = nll[lately].mean().item(), kl[lately].mean().item()
            bar.set_postfix_str(f"-ELBO {nll_now + kl_now:.1f} = nll {nll_now:.1f} + kl {kl_now:.1f}")
            if not np.isfinite(nll_now + kl_now):
                bar.close()
                raise RunError(
                    f"the loss became {nll_now + kl_now} (nll {nll_now}, kl {kl_now}) at step {number} of epoch"
                    f" {epoch}: try a smaller --lr, and look for a log or a division that can meet 0"
                )
    return nll.cpu().double(), kl.cpu().double()


def train(
    model: Model,
    optimizer: torch.optim.Optimizer,
    train_images: UInt8[Tensor, "N C S S"],
    test_images: UInt8[Tensor, "M C S S"],
    settings: Settings,
    first_epoch: int = 1,
    step: Step | None = None,
    team: Team = ALONE,
) -> Iterator[Metrics]:
    """Train epoch by epoch, and say after each how it went.

    It is a generator: `for metrics in train(...)` runs the body of the loop after every epoch, when model and
    optimizer are in a state worth saving. With several processes, each calls it with the same arguments but `team`.

    Yields:
        A row of metrics.csv, nats per image: `train_...` as seen while training, `test_...` of the model afterwards.
    """
    noise = epoch_noise(len(test_images), settings.z_dim, settings.seed, epoch=0)
    for epoch in range(first_epoch, settings.epochs + 1):
        train_nll, train_kl = train_epoch(model, optimizer, train_images, settings, epoch, step)
        test_nll, test_kl = evaluate_elbo(model, test_images, noise, settings.batch_size, team)
        yield {
            "epoch": epoch,
            "train_elbo": -(train_nll + train_kl).mean().item(),
            "train_nll": train_nll.mean().item(),
            "train_kl": train_kl.mean().item(),
            "test_elbo": -(test_nll + test_kl).mean().item(),
            "test_nll": test_nll.mean().item(),
            "test_kl": test_kl.mean().item(),
        }
