"""A whole run on the command line: images in, training, results out. `python -m assignment` and `python -m solution`.

results/
    config.json metrics.csv checkpoint.pt       written after every epoch, so that --resume can go on from there
    model.safetensors log_likelihood.json       at the end: weights, likelihood
    curves.png samples.png reconstructions.png interpolation.png
"""

import argparse
import math
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import fields, replace
from pathlib import Path
from types import ModuleType
from typing import Any

import torch
from jaxtyping import UInt8
from torch import Tensor

from assignment import checkpoint
from assignment.checkpoint import Progress, write_atomically
from assignment.evaluate import Model, hardware
from assignment.results import as_csv, as_json, config, todo, write_results
from assignment.train import (
    RunError,
    Settings,
    choose_device,
    new_model,
    new_optimizer,
    train,
    use_exact_arithmetic,
)
from data import DataError, load, normalise

FREE_ON_RESUME = {"epochs", "device", "k", "ll_images"}  # may change without spoiling what was trained so far
STOPPED = 130  # the exit status of what Ctrl-C ended


def main(module: ModuleType, argv: Sequence[str] | None = None, decoded_copy: bool = False) -> int:
    """Run the command of a room; returns its exit status: 0, 1 after one clear line, 130 after Ctrl-C.

    Args:
        module: The `VAE_Model` to train: a module with `VAE` and `interpolate`.
        argv: The options; those of the command line if None.
        decoded_copy: Also write reconstructions_decoded.png, which shows no image of the data set.
    """
    command = f"python -m {module.__package__}"
    options = vars(parser(command).parse_args(argv))
    out, resume = options.pop("out"), options.pop("resume")
    try:
        return 0 if run(module, options, out, resume, decoded_copy) else 1
    except (RunError, DataError) as error:
        return _complain(f"{command}: {error}")
    except NotImplementedError as error:
        if (task := todo(error)) is None:
            raise
        return _complain(f"task `{task}` is still a TODO: training needs it, so write it first ({module.__file__})")
    except KeyboardInterrupt:
        saved = (out / checkpoint.CHECKPOINT).exists()
        _complain(
            f"\nstopped; all finished epochs are saved. Go on with: {command} --out {out} --resume"
            if saved
            else "\nstopped before the first epoch was finished: nothing is saved yet"
        )
        return STOPPED


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
    add("--k", type=_positive, metavar="K", help=f"importance samples for the log-likelihood ({default.k})")
    add("--ll-images", type=_positive, metavar="N", help="estimate it on the first N test images (all)")
    add("--out", type=Path, default=Path("results"), metavar="DIR", help="where results go (results)")
    add("--resume", action="store_true", default=False, help="continue the run in --out, with its settings")
    return parser


def run(module: ModuleType, options: Mapping[str, Any], out: Path, resume: bool, decoded_copy: bool = False) -> bool:
    """Train and write all results; returns False when a task that only a result needs is still a TODO.

    Args:
        module: As for `main`.
        options: The settings that were asked for; the others come from the run to resume, or are the defaults.
        out: The folder of the results.
        resume: Continue the run in `out`.
        decoded_copy: As for `main`.

    Raises:
        RunError: The options contradict what is in `out`, the model's answers have wrong shapes, the loss is no
            longer finite, or a file can not be written.
        DataError: The images can not be loaded.
    """
    saved = checkpoint.read(out) if resume else None
    progress = checkpoint.progress_of(saved) if saved else Progress(Settings())
    settings = _settings(progress, options, out, resume)
    progress = replace(progress, settings=settings)
    device = choose_device(settings.device)
    use_exact_arithmetic()

    train_images, test_images = (load(settings.data, split).images[: settings.limit] for split in ("train", "test"))
    train_images, test_images = train_images.to(device), test_images.to(device)
    model = new_model(module.VAE, train_images, settings)
    optimizer = new_optimizer(model, settings)
    check_forward(model, test_images[:2], settings.z_dim)
    if saved:
        checkpoint.restore(saved, model, optimizer)

    _make_folder(out)
    print(f"{len(train_images):,} training and {len(test_images):,} test images, on {hardware(device)}", flush=True)
    start = time.perf_counter() - progress.seconds
    for metrics in train(model, optimizer, train_images, test_images, settings, len(progress.metrics) + 1):
        progress = Progress(settings, (*progress.metrics, metrics), time.perf_counter() - start)
        checkpoint.save(out, progress, model, optimizer)
        write_atomically(out / "metrics.csv", as_csv(progress.metrics))
        write_atomically(out / "config.json", as_json(config(progress, model, train_images, test_images)))
        print(_line(progress), flush=True)

    complete = write_results(module, model, train_images, test_images, progress, out, decoded_copy)
    print(f"the results are in {out}")
    return complete


def check_forward(model: Model, images: UInt8[Tensor, "B C S S"], z_dim: int) -> None:
    """Call the model once, before hours go into it: a loss of the wrong shape would train, but to no good.

    Raises:
        RunError: nll or kl is not one number per image.
        NotImplementedError: A task that training needs is still a TODO.
    """
    B = len(images)
    model.eval()
    with torch.no_grad():
        _, nll, kl = model(normalise(images), torch.zeros(B, z_dim, device=images.device))
    for name, value in (("nll", nll), ("kl", kl)):
        if value.shape != (B,):
            raise RunError(f"VAE.forward must return {name} as one number per image: ({B},), not {tuple(value.shape)}")


def _settings(progress: Progress, options: Mapping[str, Any], out: Path, resume: bool) -> Settings:
    """Return the settings of the run to resume, or the defaults, with what was asked for in their place."""
    if not resume:
        if (out / checkpoint.CHECKPOINT).exists():
            raise RunError(f"{out} already holds a run: add --resume to continue it, or choose another --out")
        return replace(progress.settings, **options)
    for field in fields(Settings):
        name, trained_with = field.name, getattr(progress.settings, field.name)
        if name not in FREE_ON_RESUME and options.get(name, trained_with) != trained_with:
            option = f"--{name.replace('_', '-')}"
            raise RunError(f"the run in {out} has {option} {trained_with}: leave {option} out, or choose another --out")
    settings = replace(progress.settings, **options)
    if settings.epochs < len(progress.metrics):
        raise RunError(f"the run in {out} has {len(progress.metrics)} epochs already: ask for more, or another --out")
    return settings


def _make_folder(out: Path) -> None:
    try:
        out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise RunError(f"can not make the folder {out} ({error.strerror}): choose another --out") from error


def _line(progress: Progress) -> str:
    """Return one line about the last epoch."""
    last, epochs = progress.metrics[-1], progress.settings.epochs
    return (
        f"epoch {last['epoch']:>{len(str(epochs))}}/{epochs}   test: -ELBO {-last['test_elbo']:.2f}"
        f" = nll {last['test_nll']:.2f} + kl {last['test_kl']:.2f}   train: -ELBO {-last['train_elbo']:.2f}"
        f"   {progress.seconds:.0f} s"
    )


def _complain(line: str) -> int:
    print(line, file=sys.stderr)
    return 1


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
