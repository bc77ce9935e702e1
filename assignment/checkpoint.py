"""Write files atomically, and save and restore the checkpoint of a run.

A checkpoint contains everything that the next epoch depends on: the weights, Adam's moments and the states of the
random number generators. So a resumed run gives the same numbers as a run that was never interrupted.
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
    """Write a file atomically: write a temporary file next to it, and rename that file when it is complete on disk.

    Raises:
        RunError: The file cannot be written. An old file of that name is unchanged.
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
            f"cannot write {quoted(path)} ({error.strerror or error}): free some disk space, or choose another --out"
        ) from error
    finally:
        draft.unlink(missing_ok=True)


@dataclass(frozen=True)
class Progress:
    """The progress of a run, without its model and optimizer.

    Attributes:
        settings: The settings of the run.
        metrics: One row per finished epoch.
        seconds: The time spent on these epochs.
    """

    settings: Settings
    metrics: tuple[Metrics, ...] = ()
    seconds: float = 0.0


def save(out: Path, progress: Progress, model: Model, optimizer: torch.optim.Optimizer) -> None:
    """Write the checkpoint of a run into its folder. It replaces the previous checkpoint."""
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
    """Return the content of the checkpoint that `save` wrote.

    Raises:
        RunError: There is no checkpoint, or it is damaged.
    """
    path = out / CHECKPOINT
    if not path.exists():
        raise RunError(f"there is no run to resume in {quoted(out)} (no {CHECKPOINT}): leave out --resume to start one")
    try:
        # weights_only allows tensors and plain values only, so a file from someone else cannot run code here.
        content = torch.load(path, map_location="cpu", weights_only=True)
        Settings(**content["settings"])
        return content
    except Exception as error:
        reason = str(error).split("\n")[0] or type(error).__name__
        raise RunError(
            f"{quoted(path)} cannot be read ({reason}): delete {quoted(out)}, or choose another --out"
        ) from error


def progress_of(content: Mapping[str, Any]) -> Progress:
    """Return the progress of the run that a checkpoint belongs to."""
    return Progress(Settings(**content["settings"]), tuple(content["metrics"]), content["seconds"])


def restore(content: Mapping[str, Any], model: Model, optimizer: torch.optim.Optimizer) -> None:
    """Restore the saved state of the model, the optimizer and the random number generators.

    The optimizer keeps its own implementation of Adam (`fused`, ...), because the checkpoint may come from another
    device.

    Raises:
        RunError: The checkpoint belongs to a model with other layers.
    """
    try:
        model.load_state_dict(content["model"])
        optimizer.load_state_dict({**content["optimizer"], "param_groups": _in_its_own_way(content, optimizer)})
    except (RuntimeError, ValueError) as error:
        raise RunError(
            "the checkpoint belongs to a model with other layers than the one in VAE_Model.py: choose another --out"
        ) from error
    restore_random_states(content["random"])


def _in_its_own_way(content: Mapping[str, Any], optimizer: torch.optim.Optimizer) -> list[dict[str, Any]]:
    """Return the saved parameter groups, with the implementation (`fused`, ...) that this optimizer uses."""
    ways = ("capturable", "foreach", "fused")
    saved, own = content["optimizer"]["param_groups"], optimizer.param_groups
    return [{**old, **{way: new[way] for way in ways if way in new}} for old, new in zip(saved, own, strict=True)]


# ## The random number generators of torch, numpy and Python
def random_states() -> dict[str, Any]:
    """Return the states of all global generators, in types that torch.load accepts with weights_only=True."""
    numpy_state = np.random.get_state(legacy=False)
    numpy_state["state"]["key"] = numpy_state["state"]["key"].tolist()
    return {
        "torch": torch.get_rng_state(),
        "cuda": torch.cuda.get_rng_state_all() if torch.cuda.is_available() else [],
        "numpy": numpy_state,
        "python": random.getstate(),
    }


def restore_random_states(states: Mapping[str, Any]) -> None:
    """Restore the states that `random_states` returned. If the number of GPUs differs, GPU states are not restored."""
    torch.set_rng_state(states["torch"])
    if torch.cuda.is_available() and len(states["cuda"]) == torch.cuda.device_count():
        torch.cuda.set_rng_state_all(states["cuda"])
    np.random.set_state(states["numpy"])
    random.setstate(states["python"])


@contextlib.contextmanager
def undisturbed() -> Iterator[None]:
    """Return a context manager that restores the states of all generators when the block ends."""
    states = random_states()
    try:
        yield
    finally:
        restore_random_states(states)
