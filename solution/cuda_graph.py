"""The training step as a CUDA graph: recorded once, then replayed. It plugs into the loop of assignment/train.py.

A small step like ours is some hundred kernels of a few microseconds each, and asking for one takes Python longer than
that. A CUDA graph records all of them, forward, backward and Adam, and replays them by a single call. What is recorded
reads its batch from fixed places in memory, so each replay is preceded by writing the next batch there.

A recording holds kernels and nothing else. What a model does in Python (print, count its calls, draw numbers on the
CPU) happens once, while it is recorded, and never again, without any error. So `captured_step` first compares some
replayed steps with plain ones, on copies, and refuses where it sees a difference.
"""

import contextlib
import copy
import io
from collections.abc import Callable, Iterator
from typing import Any, Protocol, TypeAlias, runtime_checkable

import torch
from jaxtyping import Float, UInt8
from torch import Tensor, nn

from assignment.checkpoint import undisturbed
from assignment.evaluate import Model
from assignment.settings import Settings
from assignment.train import Step, Terms, train_step
from data import normalise

WARM_UP_STEPS = 3  # libraries choose their algorithms and set memory aside in the first steps: not to be recorded
COMPARED_STEPS = 4
TOLERANCE = 1e-5  # of a loss, relative: steps that agree differ by rounding, about 1e-7
MOVED_TOLERANCE = 0.05  # of how far the weights moved

Work: TypeAlias = Callable[[], None]


class CaptureError(Exception):
    """The step cannot be recorded. The message says why, and ends a sentence."""


@runtime_checkable
class Backend(Protocol):
    """What records work and replays it."""

    def warm_up(self, work: Work) -> None:
        """Do the work a few times, in the surroundings in which it will be recorded."""

    def record(self, work: Work) -> Work:
        """Return what does the same work again, with what lies at the same places in memory by then."""


class CudaGraphs:
    """CUDA graphs: all calls of torch.cuda's are here (PyTorch's notes on CUDA, "Whole-network capture")."""

    def warm_up(self, work: Work) -> None:
        """Do the work on a stream of its own, as recording will."""
        stream = torch.cuda.Stream()
        stream.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(stream):
            for _ in range(WARM_UP_STEPS):
                work()
        torch.cuda.current_stream().wait_stream(stream)

    def record(self, work: Work) -> Work:
        """Record the kernels of the work; they are not run yet."""
        graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(graph):
            work()
        return graph.replay


def backend_for(device: torch.device) -> Backend | None:
    """Return what can record on a device, None where nothing can."""
    return CudaGraphs() if device.type == "cuda" else None


def captured_step(
    model: Model,
    optimizer: torch.optim.Optimizer,
    images: UInt8[Tensor, "N C S S"],
    settings: Settings,
    backend: Backend | None,
) -> Step:
    """Return a training step that is replayed for full batches, and taken as always for others.

    Model, optimizer and random number generators are afterwards as they were, bit for bit.

    Args:
        model: The model to train.
        optimizer: Its optimizer; on a GPU a capturable one.
        images: The training images, on the model's device.
        settings: The run: batch size and latent dimensions are those of all replayed steps.
        backend: What records.

    Raises:
        CaptureError: The step cannot be recorded, or its replay does not do what the step does.
    """
    if backend is None:
        raise CaptureError(f"nothing can be recorded on {images.device.type}")
    if len(images) < settings.batch_size:
        raise CaptureError("there is no full batch")
    try:
        with undisturbed():
            _compare(model, optimizer, images, settings, backend)
            return _record(model, optimizer, images, settings, backend)
    except CaptureError:
        raise
    except Exception as error:  # whatever a model does that cannot be recorded; CUDA has many errors for it
        raise CaptureError(str(error).strip().split("\n")[0] or type(error).__name__) from error


# ## Recording
def _record(
    model: Model,
    optimizer: torch.optim.Optimizer,
    images: UInt8[Tensor, "N C S S"],
    settings: Settings,
    backend: Backend,
) -> Step:
    """Warm up, record, and put back what that changed."""
    B, device = settings.batch_size, images.device
    fixed_x = torch.zeros(B, *images.shape[1:], device=device)  # where the recording reads its batch
    fixed_noise = torch.zeros(B, settings.z_dim, device=device)
    results: list[Tensor] = [torch.zeros(B, device=device) for _ in range(2)]

    def work() -> None:
        for place, result in zip(results, train_step(model, optimizer, fixed_x, fixed_noise), strict=True):
            place.copy_(result)

    if device.type == "cuda":
        for group in optimizer.param_groups:
            group["capturable"] = True  # Adam counts its steps on the GPU, where a replay can count on
    model.train()
    with undisturbed(), _put_back(model, optimizer):
        backend.warm_up(work)
        optimizer.zero_grad()  # so that the recorded backward pass sets aside memory of its own for the gradients
        replay = backend.record(work)

    def step(
        its_model: Model, its_optimizer: torch.optim.Optimizer, x: Float[Tensor, "B C S S"], noise: Float[Tensor, "B z"]
    ) -> Terms:
        assert its_model is model and its_optimizer is optimizer, "a recording trains one model only"
        if len(x) != B:
            return train_step(model, optimizer, x, noise)
        fixed_x.copy_(x)
        fixed_noise.copy_(noise)
        replay()
        return results[0], results[1]  # until the next step: read them before

    return step


@contextlib.contextmanager
def _put_back(model: Model, optimizer: torch.optim.Optimizer) -> Iterator[None]:
    """Undo what happens inside, without moving anything to another place in memory."""
    tensors = list(model.state_dict(keep_vars=True).values())
    before = [tensor.detach().clone() for tensor in tensors]
    moments = {
        (p, name): value.clone()
        for p, state in optimizer.state.items()
        for name, value in state.items()
        if isinstance(value, Tensor)
    }
    was_training = model.training
    try:
        yield
    finally:
        with torch.no_grad():
            for tensor, old in zip(tensors, before, strict=True):
                tensor.copy_(old)
            for p, state in optimizer.state.items():
                for name, value in state.items():
                    if isinstance(value, Tensor):  # Adam's moments and its count of steps, which begin at zero
                        value.copy_(moments.get((p, name), torch.zeros_like(value)))
        optimizer.zero_grad()
        model.train(was_training)


# ## Comparing
def _compare(
    model: Model,
    optimizer: torch.optim.Optimizer,
    images: UInt8[Tensor, "N C S S"],
    settings: Settings,
    backend: Backend,
) -> None:
    """Take the same steps twice, plainly and replayed, on copies.

    Raises:
        CaptureError: The results differ, or the model does something in Python that a replay would not do.
    """
    (one, its_optimizer), (other, others_optimizer) = (copy.deepcopy((model, optimizer)) for _ in range(2))
    generator = torch.Generator().manual_seed(settings.seed)
    batches = [
        (
            normalise(
                images[torch.randint(len(images), (settings.batch_size,), generator=generator).to(images.device)]
            ),
            torch.randn(settings.batch_size, settings.z_dim, generator=generator).to(images.device),
        )
        for _ in range(COMPARED_STEPS)
    ]
    one.train()
    attributes, printed = _attributes(one), io.StringIO()
    with undisturbed(), contextlib.redirect_stdout(printed):
        expected = _losses(train_step, one, its_optimizer, batches)
    if printed.getvalue():
        raise CaptureError("the model prints while it trains")
    now = _attributes(one)
    if changed := [name for name in now if name not in attributes or now[name] != attributes[name]]:
        raise CaptureError(f"the model changes {changed[0]} while it trains")

    replayed = _record(other, others_optimizer, images, settings, backend)
    other.train()
    with undisturbed():
        found = _losses(replayed, other, others_optimizer, batches)
    if not torch.allclose(found, expected, rtol=TOLERANCE, atol=0.0):
        worst = (found - expected).abs().max().item()
        raise CaptureError(f"a loss of the replayed step differs by {worst:.3g} nats")
    start, end, replayed_end = (torch.cat([p.detach().flatten() for p in m.parameters()]) for m in (model, one, other))
    if not (replayed_end - end).norm() <= MOVED_TOLERANCE * (end - start).norm():
        raise CaptureError("the replayed step moves the weights differently")


def _losses(
    step: Step, model: Model, optimizer: torch.optim.Optimizer, batches: list[tuple[Tensor, Tensor]]
) -> Float[Tensor, "steps B"]:
    """Take a step on each batch; return nll + kl of all images."""
    return torch.stack([sum(step(model, optimizer, *batch), start=torch.zeros(())) for batch in batches])


def _attributes(model: nn.Module) -> dict[str, Any]:
    """Return the plain numbers and texts that a model's modules keep, by the name of each."""
    return {
        f"{type(module).__name__}.{name}": value
        for module in model.modules()
        for name, value in vars(module).items()
        if isinstance(value, (bool, int, float, str))
    }
