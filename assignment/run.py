"""A whole run on the command line: images in, training, results out. `python -m assignment` and `python -m solution`.

`torchrun --nproc-per-node N -m assignment` does the same with N processes: see distributed.py.

results/
    config.json metrics.csv checkpoint.pt       written after every epoch, so that --resume can go on from there
    model.safetensors log_likelihood.json       at the end: weights, likelihood
    curves.png samples.png reconstructions.png interpolation.png
"""

import contextlib
import importlib
import os
import shlex
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
from assignment.capture import CaptureError, backend_for, captured_step
from assignment.checkpoint import Progress, write_atomically
from assignment.distributed import ALONE, LostError, Step, Team, batch_statistics, call_in_team, own_device, shared_step
from assignment.evaluate import Model, hardware
from assignment.options import parser
from assignment.results import as_csv, as_json, config, todo, write_results
from assignment.settings import RunError, Settings
from assignment.train import choose_device, new_model, new_optimizer, train, use_channels_last, use_exact_arithmetic
from data import DataError, load, normalise
from data.commandline import like_ctrl_c, print_everywhere, quoted

# What may change without spoiling what was trained so far.
FREE_ON_RESUME = {"epochs", "device", "k", "ll_images", "capture", "deterministic"}
STOPPED = 130  # the exit status of what Ctrl-C ended


def main(module: ModuleType, argv: Sequence[str] | None = None, decoded_copy: bool = False, tuned: bool = False) -> int:
    """Run the command of a room; returns its exit status: 0, 1 after one clear line, 130 after Ctrl-C.

    Args:
        module: The `VAE_Model` to train: a module with `VAE` and `interpolate`.
        argv: The options; those of the command line if None.
        decoded_copy: Also write reconstructions_decoded.png, which shows no image of the data set.
        tuned: The model is known to work with channels_last memory and with a captured step.
    """
    print_everywhere()
    command = f"python -m {module.__package__}"

    def work(team: Team) -> int:
        out = Path()
        try:
            # Several processes that wait for each other hear a signal too late: torchrun ends them.
            with team.silence(), like_ctrl_c() if team.size == 1 else contextlib.nullcontext():
                options = vars(parser(command).parse_args(argv))
                out, resume = options.pop("out"), options.pop("resume")
                _check_pictures()
                return 0 if run(module, options, out, resume, decoded_copy, tuned, team) else 1
        except (Exception, KeyboardInterrupt) as error:
            return _explain(error, command, module, out) if team.speaks() else 1

    return call_in_team(work)


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
    if isinstance(error, (RunError, DataError, LostError)):
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
    decoded_copy: bool = False,
    tuned: bool = False,
    team: Team = ALONE,
) -> bool:
    """Train and write all results; returns False when a task that only a result needs is still a TODO.

    Args:
        module: As for `main`.
        options: The settings that were asked for; the others come from the run to resume, or are the defaults.
        out: The folder of the results.
        resume: Continue the run in `out`.
        decoded_copy: As for `main`.
        tuned: As for `main`.
        team: The processes of the run.

    Raises:
        RunError: The options contradict what is in `out`, the model's answers have wrong shapes, the loss is no
            longer finite, or a file can not be written.
        DataError: The images can not be loaded.
        LostError: Another process is gone.
    """
    saved = team.same(checkpoint.read(out) if resume and team.leads else None)
    progress = checkpoint.progress_of(saved) if saved else Progress(Settings())
    settings = team.same(_settings(progress, options, out, resume) if team.leads else None)
    progress = replace(progress, settings=settings)
    device = own_device(choose_device(settings.device), team)
    use_exact_arithmetic(settings.deterministic)

    train_images, test_images = (load(settings.data, split).images[: settings.limit] for split in ("train", "test"))
    train_images, test_images = train_images.to(device), test_images.to(device)
    model = new_model(module.VAE, train_images, settings)
    if tuned and device.type == "cpu":
        use_channels_last(model)
    optimizer = new_optimizer(model, settings)
    check_forward(model, test_images[:2], settings.z_dim)
    if saved:
        checkpoint.restore(saved, model, optimizer)
    team.spread(model)

    if team.leads:
        _make_folder(out)
    processes = f", {team.size} processes" if team.size > 1 else ""
    print(
        f"{len(train_images):,} training and {len(test_images):,} test images, on {hardware(device)}{processes}",
        flush=True,
    )
    done = len(progress.metrics)
    left = done < settings.epochs
    step = choose_step(model, optimizer, train_images, settings, tuned, team) if left else None
    start = time.perf_counter() - progress.seconds
    for metrics in train(model, optimizer, train_images, test_images, settings, done + 1, step, team):
        progress = Progress(settings, (*progress.metrics, metrics), time.perf_counter() - start)
        if team.leads:
            checkpoint.save(out, progress, model, optimizer)
            write_atomically(out / "metrics.csv", as_csv(progress.metrics))
            write_atomically(out / "config.json", as_json(config(progress, model, train_images, test_images)))
        print(_line(progress), flush=True)

    complete = write_results(module, model, train_images, test_images, progress, out, decoded_copy, team)
    team.same(None)  # nobody leaves while another still talks
    print(f"the results are in {quoted(out)}")
    return complete


def choose_step(
    model: Model,
    optimizer: torch.optim.Optimizer,
    images: UInt8[Tensor, "N C S S"],
    settings: Settings,
    tuned: bool = False,
    team: Team = ALONE,
) -> Step | None:
    """Return how to take a training step, None for the plain way; says in one line when a wish can not be met.

    Raises:
        RunError: The model can not be trained by several processes.
    """
    wanted = (tuned and images.is_cuda) if settings.capture is None else settings.capture
    if team.size > 1:
        if layer := batch_statistics(model):
            raise RunError(f"{layer} takes statistics over a batch, which several processes divide: use one process")
        if wanted:
            print("the training step is not captured, since several processes share it")
        return shared_step(model, optimizer, images, team)
    if not wanted:
        return None
    try:
        return captured_step(model, optimizer, images, settings, backend_for(images.device))
    except CaptureError as error:
        print(f"the training step is not captured: {error}")
        return None


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
        raise RunError(f"can not make the folder {quoted(out)} ({error.strerror}): choose another --out") from error


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
