"""The settings of a run, their command-line options, and the device to compute on."""

import argparse
import os
import re
from dataclasses import dataclass
from pathlib import Path

import torch

from data.commandline import Parser, above_zero, image_source, path, quoted, whole


class RunError(Exception):
    """Stops a run. The message is one line that says what to do."""


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
        seed: Random seed: initial weights, order of images and noise follow from it.
        device: "auto", or the name of a torch device.
        limit: Use only the first so many images of either split; all if None.
        k: Importance samples K per image in the final estimate of the log-likelihood.
        ll_images: Estimate it on the first so many test images; on all if None.
        deterministic: Whether an operation that cannot repeat bit for bit is an error.
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
    deterministic: bool = False


# ## The device
def choose_device(name: str = "auto") -> torch.device:
    """Return the named device; for "auto" the first available one of cuda, mps and cpu.

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
        deterministic: Also refuse every operation that cannot repeat bit for bit; torch then raises an error.
    """
    torch.set_float32_matmul_precision("highest")
    torch.backends.cudnn.allow_tf32 = False
    torch.backends.cudnn.deterministic = True
    torch.backends.cudnn.benchmark = False
    if deterministic:
        os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")  # cuBLAS repeats with a fixed workspace only
        torch.use_deterministic_algorithms(True)


# ## The command line
def parser(command: str) -> Parser:
    """Return the options. What is not given is left out, so that `--resume` can tell a wish from a default."""
    parser = Parser(
        prog=command,
        description="Train the VAE, estimate its likelihood, draw its pictures.",
        argument_default=argparse.SUPPRESS,
    )
    add, default, count = parser.add_argument, Settings(), whole(1)
    add(
        "--data",
        type=image_source,
        metavar="SOURCE",
        help=f'"sample", "svhn" or a folder, see data/README.md (default: {default.data})',
    )
    add("--epochs", type=count, metavar="N", help=f"how often training sees each image ({default.epochs})")
    add("--batch-size", type=count, metavar="N", help=f"images per step ({default.batch_size})")
    add("--lr", type=above_zero, metavar="X", help=f"learning rate of Adam ({default.lr})")
    add("--z-dim", type=count, metavar="N", help=f"latent dimensions ({default.z_dim})")
    add("--features", type=count, metavar="N", help=f"width of the networks ({default.features})")
    add("--limit", type=count, metavar="N", help="use only the first N images of either split (all)")
    add("--seed", type=whole(0, 2**32 - 1), metavar="N", help=f"random seed ({default.seed})")
    add("--device", type=_device, metavar="NAME", help="cuda, mps or cpu (the first of these that there is)")
    add("--deterministic", action="store_true", help="make what cannot repeat bit for bit an error")
    add("--k", type=count, metavar="K", help=f"importance samples for the log-likelihood ({default.k})")
    add("--ll-images", type=count, metavar="N", help="estimate it on the first N test images (all)")
    add("--out", type=path, default=Path("results"), metavar="DIR", help="where results go (results)")
    add("--resume", action="store_true", default=False, help="continue the run in --out, with its settings")
    return parser


def _device(text: str) -> str:
    if not re.fullmatch(r"auto|(cpu|cuda|mps|xpu)(:\d{1,3})?", text, re.ASCII):
        raise argparse.ArgumentTypeError(f"must be auto, cpu, mps, cuda or one GPU such as cuda:1, not {quoted(text)}")
    return text
