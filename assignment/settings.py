"""The settings of a run, their command-line options, and the device to compute on."""

import argparse
import os
import re
from dataclasses import dataclass
from pathlib import Path

import torch

from data.commandline import Parser, above_zero, image_source, path, quoted, whole


class RunError(Exception):
    """Error that ends a run. Its message is one line that says what to do."""


@dataclass(frozen=True)
class Settings:
    """The settings of a run. The defaults are those of the full run on SVHN, except for `data`.

    Attributes:
        data: The source of the images, as for `data.load`.
        epochs: The number of passes over the training images.
        batch_size: The number of images per step.
        lr: The learning rate of Adam.
        z_dim: The number of latent dimensions.
        features: The width of encoder and decoder.
        seed: The random seed. It determines the initial weights, the order of the images and the noise.
        device: "auto", or the name of a torch device.
        limit: Use only the first `limit` images of each split. If None, use all.
        k: The number K of importance samples per image in the final estimate of the log-likelihood.
        ll_images: Estimate the log-likelihood on the first `ll_images` test images. If None, on all.
        deterministic: Whether an operation without a deterministic implementation raises an error.
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
    """Return the named device. For "auto", return the first available one of cuda, mps and cpu.

    Raises:
        RunError: This computer has no such device.
    """
    if name == "auto":
        name = "cuda" if torch.cuda.is_available() else "mps" if torch.backends.mps.is_available() else "cpu"
    try:
        device = torch.device(name)
        torch.empty(1, device=device)
    except (RuntimeError, AssertionError, NotImplementedError) as error:
        raise RunError(f"no device {name!r} on this computer: choose another --device, or omit the option") from error
    return device


def use_exact_arithmetic(deterministic: bool = False) -> None:
    """Select full float32 precision (no TF32, which keeps only 10 bits) and deterministic convolutions.

    Args:
        deterministic: Also let torch raise an error for every operation without a deterministic implementation.
    """
    torch.set_float32_matmul_precision("highest")
    torch.backends.cudnn.allow_tf32 = False
    torch.backends.cudnn.deterministic = True
    torch.backends.cudnn.benchmark = False
    if deterministic:
        os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")  # cuBLAS needs this to be deterministic
        torch.use_deterministic_algorithms(True)


# ## The command line
def parser(command: str) -> Parser:
    """Return the parser of the command line.

    Options that are not given are missing in its result, so `--resume` can tell a given option from a default.
    """
    parser = Parser(
        prog=command,
        description="Train the VAE, estimate its likelihood and draw its figures.",
        argument_default=argparse.SUPPRESS,
    )
    add, default, count = parser.add_argument, Settings(), whole(1)
    add(
        "--data",
        type=image_source,
        metavar="SOURCE",
        help=f'source of the images: "sample", "svhn" or a folder, see data/README.md (default: {default.data})',
    )
    add("--epochs", type=count, metavar="N", help=f"passes over the training images (default: {default.epochs})")
    add("--batch-size", type=count, metavar="N", help=f"images per step (default: {default.batch_size})")
    add("--lr", type=above_zero, metavar="X", help=f"learning rate of Adam (default: {default.lr})")
    add("--z-dim", type=count, metavar="N", help=f"number of latent dimensions (default: {default.z_dim})")
    add("--features", type=count, metavar="N", help=f"width of the networks (default: {default.features})")
    add("--limit", type=count, metavar="N", help="use only the first N images of each split (default: all)")
    add("--seed", type=whole(0, 2**32 - 1), metavar="N", help=f"random seed (default: {default.seed})")
    add("--device", type=_device, metavar="NAME", help="cuda, mps or cpu (default: the first that is available)")
    add("--deterministic", action="store_true", help="fail on operations without a deterministic implementation")
    add("--k", type=count, metavar="K", help=f"importance samples for the log-likelihood (default: {default.k})")
    add("--ll-images", type=count, metavar="N", help="test images for the log-likelihood, the first N (default: all)")
    add("--out", type=path, default=Path("results"), metavar="DIR", help="folder for the results (default: results)")
    add("--resume", action="store_true", default=False, help="continue the run in --out, with its settings")
    return parser


def _device(text: str) -> str:
    if not re.fullmatch(r"auto|(cpu|cuda|mps|xpu)(:\d{1,3})?", text, re.ASCII):
        raise argparse.ArgumentTypeError(f"must be auto, cpu, mps, cuda or one GPU such as cuda:1, not {quoted(text)}")
    return text
