"""The options of a run on the command line."""

import argparse
import re
from pathlib import Path

from assignment.settings import Settings
from data.commandline import Parser, above_zero, image_source, path, quoted, whole


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
    add("--seed", type=whole(0, 2**32 - 1), metavar="N", help=f"what all random numbers follow from ({default.seed})")
    add("--device", type=_device, metavar="NAME", help="cuda, mps or cpu (the first of these that there is)")
    add(
        "--capture",
        action=argparse.BooleanOptionalAction,
        help="record the training step as a CUDA graph and replay it (the reference, on a GPU)",
    )
    add("--deterministic", action="store_true", help="make what can not repeat bit for bit an error")
    add("--k", type=count, metavar="K", help=f"importance samples for the log-likelihood ({default.k})")
    add("--ll-images", type=count, metavar="N", help="estimate it on the first N test images (all)")
    add("--out", type=path, default=Path("results"), metavar="DIR", help="where results go (results)")
    add("--resume", action="store_true", default=False, help="continue the run in --out, with its settings")
    return parser


def _device(text: str) -> str:
    if not re.fullmatch(r"auto|(cpu|cuda|mps|xpu)(:\d{1,3})?", text, re.ASCII):
        raise argparse.ArgumentTypeError(f"must be auto, cpu, mps, cuda or one GPU such as cuda:1, not {quoted(text)}")
    return text
