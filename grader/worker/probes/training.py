"""The probes of `training`: train in one worker, encode in a second, decode in a third that saw no image.

The loop is the grader's own; a test holds its losses to those of assignment/train.py for the same seed.
"""

import math
from collections.abc import Iterator, Set
from typing import Any

import torch
from torch import Tensor

from ..construct import Sizes, build
from ..errors import WrongType
from ..submission import Submission
from .adam import Adam
from .found import Found, attribute, three_results


def train(submission: Submission, *, sizes: Sizes, images: Tensor, settings: dict[str, Any]) -> Found:
    """Train the submission as it is, for a few steps.

    Args:
        submission: The submission; no stand-ins.
        sizes: Keyword arguments of VAE.
        images: uint8 (N, C, S, S).
        settings: `steps`, `batch_size`, `lr`, `seed`.

    Returns:
        The trained weights and buffers as `state.<name>`; facts `losses`, one per step, and `moved`, the largest
        change of each parameter.
    """
    torch.manual_seed(settings["seed"])
    model = build(submission, sizes).train()
    before: dict[str, Tensor] = {}
    names = {n for n, _ in model.named_parameters()}
    optimizer = Adam(list(model.parameters()), settings["lr"])
    losses: list[float] = []
    for indices, noise in _batches(len(images), sizes["z_dim"], settings):
        x = images[indices].float() / 127.5 - 1.0
        _, nll, kl = three_results(model(x, noise))
        if not before:  # after a call: before it, lazy layers have no shape
            before = {n: p.detach().clone() for n, p in model.named_parameters()}
            _expect_no_more(before.keys() - names)
        loss = (nll + kl).mean()
        losses.append(float(loss.detach()))
        if not math.isfinite(losses[-1]):
            break
        optimizer.step(loss)
    learning = [(n, p) for n, p in model.named_parameters() if n in before and p.numel() > 0]
    moved = {n: float((p.detach() - before[n]).abs().max()) for n, p in learning}
    state = {f"state.{name}": value for name, value in model.state_dict().items()}
    return Found(state, {"losses": losses, "moved": moved})


def _expect_no_more(late: Set[str]) -> None:
    if late:
        listed = ", ".join(sorted(late)[:4])
        raise WrongType(f"a call of the model makes {listed}, which no optimizer knows: make all layers in __init__")


def posteriors(submission: Submission, *, sizes: Sizes, images: Tensor, **weights: Tensor) -> Found:
    """Return `mean` and `logvar` (N, z) of the posteriors of held-out images, uint8 (N, C, S, S)."""
    model = _restored(submission, sizes, weights)
    with torch.no_grad():
        found = [model.encode(x.float() / 127.5 - 1.0) for x in images.split(64)]
    names = ("mean", "logvar")
    return Found({name: torch.cat([attribute(q, name, "encode()") for q in found]) for name in names})


def decoded(submission: Submission, *, sizes: Sizes, z: Tensor, **weights: Tensor) -> Found:
    """Return the `mean` images (N, C, S, S) of codes (N, z)."""
    model = _restored(submission, sizes, weights)
    with torch.no_grad():
        return Found({"mean": torch.cat([attribute(model.decode(part), "mean", "decode()") for part in z.split(64)])})


def _restored(submission: Submission, sizes: Sizes, weights: dict[str, Tensor]) -> Any:
    model = build(submission, sizes)
    model.load_state_dict({name.removeprefix("state."): value for name, value in weights.items()})
    return model.eval()


def _batches(n: int, z_dim: int, settings: dict[str, Any]) -> Iterator[tuple[Tensor, Tensor]]:
    """Yield (indices, noise) of each step, which follow from (seed, epoch); an epoch's last batch may be smaller."""
    batch, steps_per_epoch = settings["batch_size"], math.ceil(n / settings["batch_size"])
    for step in range(settings["steps"]):
        epoch, position = divmod(step, steps_per_epoch)
        if position == 0:
            seed = 1_000_003 * settings["seed"] + 2 * (epoch + 1)
            order = torch.randperm(n, generator=torch.Generator().manual_seed(seed))
            noise = torch.randn(n, z_dim, generator=torch.Generator().manual_seed(seed + 1))
        visited = slice(position * batch, (position + 1) * batch)
        yield order[visited], noise[visited]
