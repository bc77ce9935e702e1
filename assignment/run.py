"""A complete run on the command line, from the images to the results: `python -m assignment`, `python -m solution`.

results/
    config.json metrics.csv checkpoint.pt       written after every epoch, so that --resume can continue the run
    model.safetensors log_likelihood.json       written at the end: weights, likelihood
    curves.png samples.png reconstructions.png interpolation.png
"""

import argparse
import importlib
import os
import shlex
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import fields, replace
from pathlib import Path
from types import ModuleType
from typing import Any, TypeAlias

import torch
from jaxtyping import UInt8
from torch import Tensor

from assignment import checkpoint
from assignment.checkpoint import Progress, write_atomically
from assignment.evaluate import Model, hardware
from assignment.results import as_csv, as_json, config, todo, write_results
from assignment.settings import RunError, Settings, choose_device, use_exact_arithmetic
from assignment.train import Step, new_model, new_optimizer, train, train_step
from data import DataError, load, normalise
from data.commandline import like_ctrl_c, print_everywhere, quoted

Tune: TypeAlias = Callable[[Model, torch.optim.Optimizer, UInt8[Tensor, "N C S S"], Settings], Step]

# Settings that may change on --resume, because the training so far does not depend on them.
FREE_ON_RESUME = {"epochs", "device", "k", "ll_images", "deterministic"}
STOPPED = 130  # the exit status after Ctrl-C


def untuned(*_: object) -> Step:
    """Change nothing, and return the training step of train.py: the default, used for a student's run."""
    return train_step


def main(module: ModuleType, options: argparse.Namespace, *, decoded_copy: bool = False, tune: Tune = untuned) -> int:
    """Run the command of a package. Return its exit status: 0, 1 after a one-line error message, or 130 after Ctrl-C.

    Args:
        module: The `VAE_Model` to train: a module with `VAE` and `interpolate`.
        options: The parsed command line (`assignment.settings.parser`).
        decoded_copy: Also write reconstructions_decoded.png, which shows no image of the data set.
        tune: A function that prepares a new model for speed, and returns the training step to use.
    """
    print_everywhere()
    command = f"python -m {module.__package__}"
    asked = vars(options).copy()
    out, resume = asked.pop("out"), asked.pop("resume")
    try:
        with like_ctrl_c():
            _check_pictures()
            return 0 if run(module, asked, out, resume, decoded_copy=decoded_copy, tune=tune) else 1
    except (Exception, KeyboardInterrupt) as error:
        return _explain(error, command, module, out)


def _check_pictures() -> None:
    """Check before the training that matplotlib can draw the figures after it.

    Raises:
        RunError: matplotlib cannot be used.
    """
    # Only files are drawn, so ignore the backend that a notebook or a shell has set.
    os.environ["MPLBACKEND"] = "agg"
    try:
        importlib.import_module("matplotlib.figure")
    except Exception as error:  # not installed, incomplete, or with invalid settings
        reason = " ".join(str(error).split())
        raise RunError(f"cannot draw figures, because matplotlib does not work ({reason}): install it again") from error


def _explain(error: BaseException, command: str, module: ModuleType, out: Path) -> int:
    """Print in one line why a run ended. Other exceptions, such as a student's own, are raised again."""
    if isinstance(error, (RunError, DataError)):
        return _complain(f"{command}: {error}")
    if isinstance(error, NotImplementedError) and (task := todo(error)):
        return _complain(f"task `{task}` is still a TODO, and training needs it: write it first ({module.__file__})")
    if isinstance(error, KeyboardInterrupt):
        saved = (out / checkpoint.CHECKPOINT).exists()
        _complain(
            f"\nstopped; all finished epochs are saved. Continue with: {command} --out {shlex.quote(str(out))} --resume"
            if saved
            else "\nstopped before the end of the first epoch: nothing is saved"
        )
        return STOPPED
    raise error


def run(
    module: ModuleType,
    options: Mapping[str, Any],
    out: Path,
    resume: bool,
    *,
    decoded_copy: bool = False,
    tune: Tune = untuned,
) -> bool:
    """Train and write all results. Return False if a result is missing because its task is still a TODO.

    Args:
        module: As for `main`.
        options: The settings given on the command line. The others come from the run to resume, or are the defaults.
        out: The folder of the results.
        resume: Continue the run in `out`.
        decoded_copy: As for `main`.
        tune: As for `main`.

    Raises:
        RunError: The options contradict the run in `out`, the model returns results of the wrong shape, the loss is
            no longer finite, or a file cannot be written.
        DataError: The images cannot be loaded.
    """
    saved = checkpoint.read(out) if resume else None
    progress = checkpoint.progress_of(saved) if saved else Progress(Settings())
    settings = _settings(progress, options, out, resume)
    progress = replace(progress, settings=settings)
    device = choose_device(settings.device)
    use_exact_arithmetic(settings.deterministic)

    train_images, test_images = (load(settings.data, split).images[: settings.limit] for split in ("train", "test"))
    train_images, test_images = train_images.to(device), test_images.to(device)
    model = new_model(module.VAE, train_images, settings)
    optimizer = new_optimizer(model, settings)
    check_forward(model, test_images[:2], settings.z_dim)
    if saved:
        checkpoint.restore(saved, model, optimizer)

    _make_folder(out)
    print(f"{len(train_images):,} training and {len(test_images):,} test images, on {hardware(device)}", flush=True)
    done = len(progress.metrics)
    step = tune(model, optimizer, train_images, settings) if done < settings.epochs else train_step
    start = time.perf_counter() - progress.seconds
    for metrics in train(model, optimizer, train_images, test_images, settings, done + 1, step):
        progress = Progress(settings, (*progress.metrics, metrics), time.perf_counter() - start)
        checkpoint.save(out, progress, model, optimizer)
        write_atomically(out / "metrics.csv", as_csv(progress.metrics))
        write_atomically(out / "config.json", as_json(config(progress, model, train_images, test_images)))
        print(_line(progress), flush=True)

    complete = write_results(module, model, train_images, test_images, progress, out, decoded_copy)
    print(f"results written to {quoted(out)}")
    return complete


def check_forward(model: Model, images: UInt8[Tensor, "B C S S"], z_dim: int) -> None:
    """Call the model once before the training: with a loss of the wrong shape, training would run but be useless.

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
    """Return the settings of the run to resume, or the defaults, updated with the given options."""
    if not resume:
        if (out / checkpoint.CHECKPOINT).exists():
            raise RunError(
                f"{quoted(out)} already contains a run: add --resume to continue it, or choose another --out"
            )
        return replace(progress.settings, **options)
    for field in fields(Settings):
        name, trained_with = field.name, getattr(progress.settings, field.name)
        if name not in FREE_ON_RESUME and options.get(name, trained_with) != trained_with:
            option = f"--{name.replace('_', '-')}"
            trained = f"the run in {quoted(out)} was trained with {option} {shlex.quote(str(trained_with))}"
            raise RunError(f"{trained}: omit {option}, or choose another --out")
    settings = replace(progress.settings, **options)
    if settings.epochs < len(progress.metrics):
        done = f"the run in {quoted(out)} has {len(progress.metrics)} epochs already"
        raise RunError(f"{done}: increase --epochs, or choose another --out")
    return settings


def _make_folder(out: Path) -> None:
    try:
        out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise RunError(f"cannot create the folder {quoted(out)} ({error.strerror}): choose another --out") from error


def _line(progress: Progress) -> str:
    """Return one line of text about the last epoch."""
    last, epochs = progress.metrics[-1], progress.settings.epochs
    return (
        f"epoch {last['epoch']:>{len(str(epochs))}}/{epochs}   test: -ELBO {-last['test_elbo']:.2f}"
        f" = nll {last['test_nll']:.2f} + kl {last['test_kl']:.2f}   train: -ELBO {-last['train_elbo']:.2f}"
        f"   {progress.seconds:.0f} s"
    )


def _complain(line: str) -> int:
    print(line, file=sys.stderr)
    return 1
