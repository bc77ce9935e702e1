"""The options of a run on the command line."""

import argparse
import math
from pathlib import Path

from assignment.settings import Settings


def parser(command: str) -> argparse.ArgumentParser:
    """Return the options. What is not given is left out, so that `--resume` can tell a wish from a default."""
    parser = argparse.ArgumentParser(
        prog=command,
        description="Train the VAE, estimate its likelihood, draw its pictures.",
        argument_default=argparse.SUPPRESS,
    )
    add, default = parser.add_argument, Settings()
    add("--data", metavar="SOURCE", help=f'"sample", "svhn" or a folder, see data/README.md (default: {default.data})')
    add("--epochs", type=_positive, metavar="N", help=f"how often training sees each image ({default.epochs})")
    add("--batch-size", type=_positive, metavar="N", help=f"images per step ({default.batch_size})")
    add("--lr", type=_rate, metavar="X", help=f"learning rate of Adam ({default.lr})")
    add("--z-dim", type=_positive, metavar="N", help=f"latent dimensions ({default.z_dim})")
    add("--features", type=_positive, metavar="N", help=f"width of the networks ({default.features})")
    add("--limit", type=_positive, metavar="N", help="use only the first N images of either split (all)")
    add("--seed", type=_seed, metavar="N", help=f"what all random numbers follow from ({default.seed})")
    add("--device", metavar="NAME", help="cuda, mps or cpu (the first of these that there is)")
    add(
        "--capture",
        action=argparse.BooleanOptionalAction,
        help="record the training step as a CUDA graph and replay it (the reference, on a GPU)",
    )
    add("--deterministic", action="store_true", help="make what can not repeat bit for bit an error")
    add("--k", type=_positive, metavar="K", help=f"importance samples for the log-likelihood ({default.k})")
    add("--ll-images", type=_positive, metavar="N", help="estimate it on the first N test images (all)")
    add("--out", type=Path, default=Path("results"), metavar="DIR", help="where results go (results)")
    add("--resume", action="store_true", default=False, help="continue the run in --out, with its settings")
    return parser


def _positive(text: str) -> int:
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError(f"must be 1 or more, not {text}")
    return number


def _seed(text: str) -> int:
    number = int(text)
    if not 0 <= number < 2**32:
        raise argparse.ArgumentTypeError(f"must be 0 or more, and below 2^32, not {text}")
    return number


def _rate(text: str) -> float:
    number = float(text)
    if not (number > 0.0 and math.isfinite(number)):
        raise argparse.ArgumentTypeError(f"must be a number above 0, not {text}")
    return number
