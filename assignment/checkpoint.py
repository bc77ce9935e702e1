"""Files that are either the old one or the new one, never half of one; and the checkpoint of a run.

A checkpoint holds all that the next epoch depends on: weights, Adam's moments and the states of the random number
generators. So a run that is resumed gives the same numbers as one that was never interrupted.
"""

import contextlib
import io
import os
import random
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from assignment.evaluate import Model
from assignment.settings import RunError, Settings
from assignment.train import Metrics
from data.commandline import quoted

CHECKPOINT = "checkpoint.pt"


def write_atomically(path: Path, content: bytes) -> None:
    """Write a file by way of another one beside it, which takes the name only once it is wholly on the disk.

    Raises:
        RunError: The file cannot be written; an old one of that name is still there.
    """
    draft = path.with_name(f".{path.name}.draft")
    try:
        with draft.open("wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        draft.replace(path)
    except OSError as error:
        raise RunError(
            f"cannot write {quoted(path)} ({error.strerror or error}): make room, or choose another --out"
        ) from error
    finally:
        draft.unlink(missing_ok=True)


@dataclass(frozen=True)
class Progress:
    """How far a run has come, beside its model and optimizer.

    Attributes:
        settings: The run.
        metrics: A row per finished epoch.
        seconds: Time spent on these epochs.
    """

    settings: Settings
    metrics: tuple[Metrics, ...] = ()
    seconds: float = 0.0


def save(out: Path, progress: Progress, model: Model, optimizer: torch.optim.Optimizer) -> None:
    """Write the checkpoint of a run into its folder, in place of the one before."""
    file = io.BytesIO()
    content = {
        "settings": asdict(progress.settings),
        "metrics": list(progress.metrics),
        "seconds": progress.seconds,
        "model": model.state_dict(),
        "optimizer": optimizer.state_dict(),
        "random": random_states(),
    }
    torch.save(content, file)
    write_atomically(out / CHECKPOINT, file.getvalue())


def read(out: Path) -> dict[str, Any]:
    """Return what `save` wrote.

    Raises:
        RunError: There is no checkpoint, or it is damaged.
    """
    path = out / CHECKPOINT
    if not path.exists():
        raise RunError(f"there is no run to resume in {quoted(out)} (no {CHECKPOINT}): leave out --resume to start one")
    try:
        # weights_only: tensors and plain values; a file from a stranger cannot run code here
        content = torch.load(path, map_location="cpu", weights_only=True)
        Settings(**content["settings"])
        return content
    except Exception as error:
        reason = str(error).split("\n")[0] or type(error).__name__
        raise RunError(
            f"{quoted(path)} cannot be read ({reason}): delete {quoted(out)}, or choose another --out"
        ) from error


def progress_of(content: Mapping[str, Any]) -> Progress:
    """Return how far the run of a checkpoint has come."""
    return Progress(Settings(**content["settings"]), tuple(content["metrics"]), content["seconds"])


def restore(content: Mapping[str, Any], model: Model, optimizer: torch.optim.Optimizer) -> None:
    """Put model, optimizer and random number generators into the state in which they were saved.

    How Adam works (`fused`, ...) is the optimizer's own affair: the checkpoint may come from another device.

    Raises:
        RunError: The checkpoint belongs to a model with other layers.
    """
    try:
        model.load_state_dict(content["model"])
        optimizer.load_state_dict({**content["optimizer"], "param_groups": _in_its_own_way(content, optimizer)})
    except (RuntimeError, ValueError) as error:
        raise RunError(
            "the checkpoint belongs to a model with other layers than VAE_Model.py builds now: choose another --out"
        ) from error
    restore_random_states(content["random"])


def _in_its_own_way(content: Mapping[str, Any], optimizer: torch.optim.Optimizer) -> list[dict[str, Any]]:
    """Return the saved groups of parameters with this optimizer's choice of how to compute."""
    ways = ("capturable", "foreach", "fused")
    saved, own = content["optimizer"]["param_groups"], optimizer.param_groups
    return [{**old, **{way: new[way] for way in ways if way in new}} for old, new in zip(saved, own, strict=True)]


# ## The random number generators: torch's, numpy's and Python's own
def random_states() -> dict[str, Any]:
    """Return the states of all global generators, in types that torch.load accepts with weights_only."""
    numpy_state = np.random.get_state(legacy=False)
    numpy_state["state"]["key"] = numpy_state["state"]["key"].tolist()
    return {
        "torch": torch.get_rng_state(),
        "cuda": torch.cuda.get_rng_state_all() if torch.cuda.is_available() else [],
        "numpy": numpy_state,
        "python": random.getstate(),
    }


def restore_random_states(states: Mapping[str, Any]) -> None:
    """Undo `random_states`: on a computer with other GPUs their states stay as they are."""
    torch.set_rng_state(states["torch"])
    if torch.cuda.is_available() and len(states["cuda"]) == torch.cuda.device_count():
        torch.cuda.set_rng_state_all(states["cuda"])
    np.random.set_state(states["numpy"])
    random.setstate(states["python"])


@contextlib.contextmanager
def undisturbed() -> Iterator[None]:
    """Leave the generators as they were, whatever draws from them inside."""
    states = random_states()
    try:
        yield
    finally:
        restore_random_states(states)
