"""A whole run on the command line: images in, training, results out. `python -m assignment` and `python -m solution`.

results/
    config.json metrics.csv checkpoint.pt       written after every epoch, so that --resume can go on from there
    model.safetensors log_likelihood.json       at the end: weights, likelihood
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

# What may change without spoiling what was trained so far.
FREE_ON_RESUME = {"epochs", "device", "k", "ll_images", "deterministic"}
STOPPED = 130  # the exit status of what Ctrl-C ended


def untuned(*_: object) -> Step:
    """Change nothing, and take the steps of train.py: what a student's run does."""
    return train_step


def main(module: ModuleType, options: argparse.Namespace, *, decoded_copy: bool = False, tune: Tune = untuned) -> int:
    """Run the command of a folder. Returns its exit status: 0, 1 after one clear line, 130 after Ctrl-C.

    Args:
        module: The `VAE_Model` to train: a module with `VAE` and `interpolate`.
        options: The parsed command line (`assignment.settings.parser`).
        decoded_copy: Also write reconstructions_decoded.png, which shows no image of the data set.
        tune: Prepares a new model for speed, and returns the training step to use.
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
    """See before the training that pictures can be drawn after it.

    Raises:
        RunError: They cannot.
    """
    os.environ["MPLBACKEND"] = "agg"  # files are all that is drawn, whatever a notebook or a shell has set
    try:
        importlib.import_module("matplotlib.figure")
    except Exception as error:  # not installed, not whole, or with unusable settings
        reason = " ".join(str(error).split())
        raise RunError(f"matplotlib cannot be used, and results hold pictures ({reason}): install it again") from error


def _explain(error: BaseException, command: str, module: ModuleType, out: Path) -> int:
    """Say in one line why a run ended; what has no such line is raised again, a student's own exceptions above all."""
    if isinstance(error, (RunError, DataError)):
        return _complain(f"{command}: {error}")
    if isinstance(error, NotImplementedError) and (task := todo(error)):
        return _complain(f"task `{task}` is still a TODO: training needs it, so write it first ({module.__file__})")
    if isinstance(error, KeyboardInterrupt):
        saved = (out / checkpoint.CHECKPOINT).exists()
        _complain(
            f"\nstopped; all finished epochs are saved. Go on with: {command} --out {shlex.quote(str(out))} --resume"
            if saved
            else "\nstopped before the first epoch was finished: nothing is saved yet"
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
    """Train and write all results. Returns False when a task that only a result needs is still a TODO.

    Args:
        module: As for `main`.
        options: The settings that were asked for; the others come from the run to resume, or are the defaults.
        out: The folder of the results.
        resume: Continue the run in `out`.
        decoded_copy: As for `main`.
        tune: As for `main`.

    Raises:
        RunError: The options contradict what is in `out`, the model's answers have wrong shapes, the loss is no
            longer finite, or a file cannot be written.
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
    print(f"the results are in {quoted(out)}")
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
            raise RunError(f"{quoted(out)} already holds a run: add --resume to continue it, or choose another --out")
        return replace(progress.settings, **options)
    for field in fields(Settings):
        name, trained_with = field.name, getattr(progress.settings, field.name)
        if name not in FREE_ON_RESUME and options.get(name, trained_with) != trained_with:
            option = f"--{name.replace('_', '-')}"
            had = f"the run in {quoted(out)} has {option} {shlex.quote(str(trained_with))}"
            raise RunError(f"{had}: leave {option} out, or choose another --out")
    settings = replace(progress.settings, **options)
    if settings.epochs < len(progress.metrics):
        done = f"the run in {quoted(out)} has {len(progress.metrics)} epochs already"
        raise RunError(f"{done}: ask for more, or another --out")
    return settings


def _make_folder(out: Path) -> None:
    try:
        out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise RunError(f"cannot make the folder {quoted(out)} ({error.strerror}): choose another --out") from error


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
