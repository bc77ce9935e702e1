"""Write the results of a run, apart from the checkpoint: numbers, figures and weights of the trained model."""

import csv
import hashlib
import io
import json
import platform
import re
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import torch
from jaxtyping import UInt8
from torch import Tensor

from assignment import figures
from assignment.checkpoint import Progress, write_atomically
from assignment.evaluate import Model, anchors, hardware, log_likelihood_report
from assignment.train import epoch_noise


def as_json(content: Mapping[str, Any]) -> bytes:
    """Return the dictionary as the content of a readable JSON file."""
    return (json.dumps(content, indent=2) + "\n").encode()


def as_csv(rows: Sequence[Mapping[str, float]]) -> bytes:
    """Return rows of numbers as the content of a CSV file with a header. Floats have 4 decimals."""
    text = io.StringIO()
    writer = csv.DictWriter(text, fieldnames=list(rows[0]), lineterminator="\n")
    writer.writeheader()
    for row in rows:
        writer.writerow({name: f"{x:.4f}" if isinstance(x, float) else x for name, x in row.items()})
    return text.getvalue().encode()


def as_safetensors(model: Model) -> bytes:
    """Return the weights as the content of a safetensors file, a format that contains numbers only and no code."""
    from safetensors.torch import save

    # Clone the tensors, because safetensors refuses tensors that share memory.
    return save({name: x.detach().cpu().clone().contiguous() for name, x in model.state_dict().items()})


def config(
    progress: Progress, model: Model, train_images: UInt8[Tensor, "N C S S"], test_images: UInt8[Tensor, "M C S S"]
) -> dict[str, Any]:
    """Return the contents of config.json: settings, data sizes, hardware and versions of the run."""
    return {
        "settings": asdict(progress.settings),
        "epochs_done": len(progress.metrics),
        "training_seconds": round(progress.seconds, 1),
        "train_images": len(train_images),
        "test_images": len(test_images),
        "parameters": sum(p.numel() for p in model.parameters()),
        "hardware": hardware(train_images.device),
        "python": platform.python_version(),
        "torch": torch.__version__,
        "numpy": np.__version__,
    }


def todo(error: NotImplementedError) -> str | None:
    """Return the task whose TODO raised the error, or None if the error has another cause."""
    match = re.match(r"TODO: (\w+)", str(error))
    return match[1] if match else None


def write_results(
    module: ModuleType,
    model: Model,
    train_images: UInt8[Tensor, "N C S S"],
    test_images: UInt8[Tensor, "M C S S"],
    progress: Progress,
    out: Path,
    decoded_copy: bool = False,
) -> bool:
    """Write weights, figures and likelihood of a trained model.

    The likelihood takes the longest. So an earlier estimate is kept if the weights, VAE_Model.py, K, the number of
    epochs and the number of images are the same. Everything else is written again.

    Args:
        module: The module `VAE_Model` that defines the model.
        model: The trained model.
        train_images: The images that the model was trained on. The anchors are fitted to them, too.
        test_images: The images to evaluate the model on.
        progress: The progress of the run.
        out: The folder of the run.
        decoded_copy: Also write reconstructions_decoded.png, which shows no image of the data set.

    Returns:
        False if a task is still a TODO and its result is missing.
    """
    settings = progress.settings
    scored = test_images[: settings.ll_images]
    noise = epoch_noise(len(test_images), settings.z_dim, settings.seed, epoch=0)
    weights = as_safetensors(model)
    codes = epoch_noise(64, settings.z_dim, settings.seed, epoch=0)
    wanted = {
        "epochs": len(progress.metrics),
        "K": settings.k,
        "images": len(scored),
        "model_sha256": hashlib.sha256(weights + Path(str(module.__file__)).read_bytes()).hexdigest(),
    }
    known = _known_report(out / "log_likelihood.json", wanted)
    if known:
        lines = {name: known[name] for name in ("constant_mean_log_likelihood", "ppca_log_likelihood")}
    else:
        print("computing the anchors: constant mean and PPCA", flush=True)
        lines = anchors(train_images, scored, settings.z_dim)

    def report() -> dict[str, Any]:
        print(f"estimating the log-likelihood of {len(scored):,} test images, K = {settings.k}", flush=True)
        estimate = log_likelihood_report(
            model, scored, noise[: len(scored)], lines, settings.k, settings.batch_size, settings.seed
        )
        return {**estimate, **wanted}

    contents: dict[str, Callable[[], bytes]] = {
        "config.json": lambda: as_json(config(progress, model, train_images, test_images)),
        "metrics.csv": lambda: as_csv(progress.metrics),
        "model.safetensors": lambda: weights,
        "curves.png": lambda: figures.png(figures.curves(progress.metrics, lines)),
        "samples.png": lambda: figures.png(figures.samples(model, codes.to(test_images.device))),
        "reconstructions.png": lambda: figures.png(figures.reconstructions(model, test_images[:36])),
        "interpolation.png": lambda: figures.png(figures.interpolation(model, module.interpolate, test_images[:16])),
    }
    if decoded_copy:
        contents["reconstructions_decoded.png"] = lambda: figures.png(
            figures.reconstructions(model, test_images[:64], originals=False)
        )
    if known is None:
        contents["log_likelihood.json"] = lambda: as_json(report())

    print("writing weights and figures", flush=True)
    complete = True
    for name, make in contents.items():
        try:
            write_atomically(out / name, make())
        except NotImplementedError as error:
            if (task := todo(error)) is None:
                raise
            complete = False
            print(f"task `{task}` is still a TODO: {name} was not written; --resume adds it later", file=sys.stderr)
    return complete


def _known_report(path: Path, wanted: Mapping[str, Any]) -> dict[str, Any] | None:
    """Return the report in the file if it has the wanted values, else None."""
    try:
        report = json.loads(path.read_text(encoding="utf-8"))
        return report if all(report[name] == value for name, value in wanted.items()) else None
    except (OSError, ValueError, KeyError, TypeError):
        return None
