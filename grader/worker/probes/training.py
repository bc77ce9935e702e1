"""The probes of `training`: train in one worker, encode in a second, decode in a third that has not seen any image.

`Adam` computes the same as torch.optim.Adam. But the first optimizer that a process creates imports torch._dynamo,
which takes 1.0 to 1.7 s of CPU time in every training worker, a third of the training time itself. A test checks that
both optimizers give the same losses.

The training loop is the grader's own. A test checks that it gives the same losses as assignment/train.py for the same
seed.
"""

import math
from collections.abc import Iterator, Set
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from ..errors import WrongType
from ..submission import LoadedSubmission, Sizes, build_model
from .common import Found, attribute, three_results

BETA_1, BETA_2, EPSILON = 0.9, 0.999, 1e-8


class Adam:
    """The Adam optimizer; it stores the moments of each parameter that has received a gradient.

    Args:
        parameters: The parameters to train.
        lr: Learning rate.
    """

    def __init__(self, parameters: list[Tensor], lr: float):
        self._parameters = [p for p in parameters if p.requires_grad]
        self._lr = lr
        self._moments: dict[int, tuple[Tensor, Tensor]] = {}
        self._steps = [0] * len(self._parameters)

    def step(self, loss: Tensor) -> None:
        """Compute the gradients of the loss and update every parameter that has one."""
        for parameter in self._parameters:
            parameter.grad = None
        loss.backward()
        with torch.no_grad():
            for i, parameter in enumerate(self._parameters):
                if parameter.grad is None:
                    continue
                self._steps[i] += 1
                if i not in self._moments:
                    self._moments[i] = torch.zeros_like(parameter), torch.zeros_like(parameter)
                first, second = self._moments[i]
                first.lerp_(parameter.grad, 1 - BETA_1)
                second.mul_(BETA_2).addcmul_(parameter.grad, parameter.grad, value=1 - BETA_2)
                scale = (second / (1 - BETA_2 ** self._steps[i])).sqrt_().add_(EPSILON)
                parameter.addcdiv_(first, scale, value=-self._lr / (1 - BETA_1 ** self._steps[i]))


def train(submission: LoadedSubmission, *, sizes: Sizes, images: Tensor, settings: dict[str, Any]) -> Found:
    """Train the submission without any stand-ins for a few steps.

    Args:
        submission: The submission, which has no stand-ins.
        sizes: Keyword arguments of VAE.
        images: Images (N, C, S, S), uint8.
        settings: `steps`, `batch_size`, `lr`, `seed`.

    Returns:
        The trained weights and buffers as `state.<name>`; facts `losses`, one per step, `moved`, the largest change of
        each parameter, `unmoved`, batch norm layers that saw batches and kept the statistics that they began with, and
        `first`, the means of nll and kl over the first batch.
    """
    torch.manual_seed(settings["seed"])
    model = build_model(submission, sizes).train()
    before: dict[str, Tensor] = {}
    names = {n for n, _ in model.named_parameters()}
    optimizer = Adam(list(model.parameters()), settings["lr"])
    losses: list[float] = []
    first: list[float] = []
    for indices, noise in _batches(len(images), sizes["z_dim"], settings):
        x = images[indices].float() / 127.5 - 1.0
        _, nll, kl = three_results(model(x, noise))
        if not before:  # after the first call, because lazy layers have no shape before it
            before = {n: p.detach().clone() for n, p in model.named_parameters()}
            _expect_no_more(before.keys() - names)
        first = first or [float(nll.detach().mean()), float(kl.detach().mean())]
        loss = (nll + kl).mean()
        losses.append(float(loss.detach()))
        if not math.isfinite(losses[-1]):
            break
        optimizer.step(loss)
    learning = [(n, p) for n, p in model.named_parameters() if n in before and p.numel() > 0]
    moved = {n: float((p.detach() - before[n]).abs().max()) for n, p in learning}
    state = {f"state.{name}": value for name, value in model.state_dict().items()}
    return Found(state, {"losses": losses, "moved": moved, "unmoved": _unmoved(model), "first": first})


def _unmoved(model: nn.Module) -> list[str]:
    """Return the batch norm layers whose running statistics are still 0 and 1 after batches in train mode."""
    norms = [(name, m) for name, m in model.named_modules() if isinstance(m, _BatchNorm) and m.num_batches_tracked]
    kept = [(name, m.running_mean, m.running_var) for name, m in norms]
    return [name for name, mean, var in kept if not (mean is None or var is None or mean.any() or (var - 1).any())]


def _expect_no_more(late: Set[str]) -> None:
    if late:
        listed = ", ".join(sorted(late)[:4])
        raise WrongType(f"a call of the model makes {listed}, which no optimizer knows: make all layers in __init__")


def posteriors(submission: LoadedSubmission, *, sizes: Sizes, images: Tensor, **weights: Tensor) -> Found:
    """Return `mean` and `logvar` (N, z) of the posteriors of held-out images (N, C, S, S), uint8."""
    model = _restored(submission, sizes, weights)
    with torch.no_grad():
        found = [model.encode(x.float() / 127.5 - 1.0) for x in images.split(64)]
    names = ("mean", "logvar")
    return Found({name: torch.cat([attribute(q, name, "encode()") for q in found]) for name in names})


def decoded(submission: LoadedSubmission, *, sizes: Sizes, z: Tensor, **weights: Tensor) -> Found:
    """Return the `mean` images (N, C, S, S) of codes (N, z)."""
    model = _restored(submission, sizes, weights)
    with torch.no_grad():
        return Found({"mean": torch.cat([attribute(model.decode(part), "mean", "decode()") for part in z.split(64)])})


def _restored(submission: LoadedSubmission, sizes: Sizes, weights: dict[str, Tensor]) -> Any:
    model = build_model(submission, sizes)
    model.load_state_dict({name.removeprefix("state."): value for name, value in weights.items()})
    return model.eval()


def _batches(n: int, z_dim: int, settings: dict[str, Any]) -> Iterator[tuple[Tensor, Tensor]]:
    """Yield (indices, noise) for each step. They depend on seed and epoch; an epoch's last batch may be smaller."""
    batch, steps_per_epoch = settings["batch_size"], math.ceil(n / settings["batch_size"])
    for step in range(settings["steps"]):
        epoch, position = divmod(step, steps_per_epoch)
        if position == 0:
            seed = 1_000_003 * settings["seed"] + 2 * (epoch + 1)
            order = torch.randperm(n, generator=torch.Generator().manual_seed(seed))
            noise = torch.randn(n, z_dim, generator=torch.Generator().manual_seed(seed + 1))
        visited = slice(position * batch, (position + 1) * batch)
        yield order[visited], noise[visited]
