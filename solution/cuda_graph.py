"""The training step as a CUDA graph: captured once, then replayed. It plugs into the loop of assignment/train.py.

A small training step like ours consists of some hundred kernels of a few microseconds each, and launching one from
Python takes longer than that. A CUDA graph captures all of them (forward, backward and Adam) and replays them with a
single call. The captured kernels read the batch from fixed memory addresses, so the next batch is copied there before
each replay.

A graph contains only kernels. Python code of a model (printing, counting calls, drawing random numbers on the CPU) runs
once during capture and never again, without any error. So `captured_step` first compares some replayed steps with
ordinary ones, on copies of the model, and raises an error if they differ.
"""

import contextlib
import copy
import io
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, Protocol, TypeAlias, runtime_checkable

import torch
from jaxtyping import Float, UInt8
from torch import Tensor, nn

from assignment.checkpoint import undisturbed
from assignment.evaluate import Model
from assignment.settings import Settings
from assignment.train import Step, Terms, train_step
from data import normalise

WARM_UP_STEPS = 3  # in the first steps, libraries choose algorithms and allocate memory, which must not be captured
COMPARED_STEPS = 4
TOLERANCE = 1e-5  # relative, for a loss; equal steps differ only by rounding, about 1e-7
MOVED_TOLERANCE = 0.05  # relative to the distance that the weights moved

Work: TypeAlias = Callable[[], None]


class CaptureError(Exception):
    """The step cannot be captured. The message says why; it is written to end a sentence."""


@runtime_checkable
class Backend(Protocol):
    """Captures work and replays it."""

    def warm_up(self, work: Work) -> None:
        """Run the work a few times, in the same setting in which it will be captured."""

    def record(self, work: Work) -> Work:
        """Return a function that repeats the work, with the current contents of the same memory."""


@dataclass(frozen=True)
class CudaGraphs:
    """Backend with CUDA graphs, following PyTorch's notes on CUDA, "Whole-network capture".

    Attributes:
        device: The GPU on which the work runs. It need not be the current device.
    """

    device: torch.device

    def warm_up(self, work: Work) -> None:
        """Run the work on a separate stream, as the capture will."""
        with torch.cuda.device(self.device), warnings.catch_warnings():
            # Adam warns that a capturable step runs without a capture, which is what a warm-up does.
            warnings.filterwarnings("ignore", message="This instance was constructed with capturable")
            stream = torch.cuda.Stream()
            stream.wait_stream(torch.cuda.current_stream())
            with torch.cuda.stream(stream):
                for _ in range(WARM_UP_STEPS):
                    work()
            torch.cuda.current_stream().wait_stream(stream)

    def record(self, work: Work) -> Work:
        """Capture the kernels of the work without running them."""
        graph = torch.cuda.CUDAGraph()
        # If a capture fails, torch.cuda.graph stays on its own stream: the outer context returns to this one.
        with torch.cuda.device(self.device), torch.cuda.stream(torch.cuda.current_stream()):
            try:
                with torch.cuda.graph(graph):
                    work()
            except Exception:
                _end_capture_mode()
                raise
        return graph.replay


def _end_capture_mode() -> None:
    """Give the current device's random number generator a new state, outside of any capture.

    A capture that fails can leave the state in capture mode, and every random number drawn later would be an error.
    """
    generator = torch.cuda.default_generators[torch.cuda.current_device()]
    generator.graphsafe_set_state(generator.clone_state())


def backend_for(device: torch.device) -> Backend | None:
    """Return the backend for a device, or None if there is none."""
    return CudaGraphs(device) if device.type == "cuda" else None


def captured_step(
    model: Model,
    optimizer: torch.optim.Optimizer,
    images: UInt8[Tensor, "N C S S"],
    settings: Settings,
    backend: Backend | None,
) -> Step:
    """Return a training step that is replayed for full batches, and runs normally for smaller ones.

    Model, optimizer and random number generators are restored afterwards, bit for bit.

    Args:
        model: The model to train.
        optimizer: Its optimizer; on a GPU, a capturable one.
        images: The training images, on the model's device.
        settings: Settings of the run; its batch size and latent dimensions are used for all replayed steps.
        backend: The backend that captures the step.

    Raises:
        CaptureError: The step cannot be captured, or its replay gives other results than the step.
    """
    if backend is None:
        raise CaptureError(f"steps cannot be captured on the device {images.device.type}")
    if len(images) < settings.batch_size:
        raise CaptureError("there is no full batch")
    try:
        with undisturbed():
            _compare(model, optimizer, images, settings, backend)
            return _record(model, optimizer, images, settings, backend)
    except CaptureError:
        raise
    except Exception as error:  # models can fail in many ways during capture, and CUDA has many errors for it
        raise CaptureError(str(error).strip().split("\n")[0] or type(error).__name__) from error


# ## Capturing
def _record(
    model: Model,
    optimizer: torch.optim.Optimizer,
    images: UInt8[Tensor, "N C S S"],
    settings: Settings,
    backend: Backend,
) -> Step:
    """Warm up, capture, and undo the changes of both."""
    B, device = settings.batch_size, images.device
    fixed_x = torch.zeros(B, *images.shape[1:], device=device)  # the graph reads its batch here
    fixed_noise = torch.zeros(B, settings.z_dim, device=device)
    results: list[Tensor] = [torch.zeros(B, device=device) for _ in range(2)]

    def work() -> None:
        for place, result in zip(results, train_step(model, optimizer, fixed_x, fixed_noise), strict=True):
            place.copy_(result)

    if device.type == "cuda":
        for group in optimizer.param_groups:
            group["capturable"] = True  # Adam counts its steps on the GPU, so that a replay counts too
    model.train()
    with undisturbed(), _put_back(model, optimizer):
        backend.warm_up(work)
        optimizer.zero_grad()  # so that the captured backward pass allocates its own memory for the gradients
        replay = backend.record(work)

    def step(
        its_model: Model, its_optimizer: torch.optim.Optimizer, x: Float[Tensor, "B C S S"], noise: Float[Tensor, "B z"]
    ) -> Terms:
        assert its_model is model and its_optimizer is optimizer, "a captured step trains only its own model"
        if len(x) != B:
            return train_step(model, optimizer, x, noise)
        fixed_x.copy_(x)
        fixed_noise.copy_(noise)
        replay()
        return results[0], results[1]  # overwritten by the next step

    return step


@contextlib.contextmanager
def _put_back(model: Model, optimizer: torch.optim.Optimizer) -> Iterator[None]:
    """On exit, restore model and optimizer in place: all tensors keep their memory addresses."""
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
                    if isinstance(value, Tensor):  # Adam's moments and step count, which start at zero
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
    """Run the same steps normally and replayed, on copies, and compare.

    Raises:
        CaptureError: The results differ, or the model runs Python code that a replay would skip.
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
        raise CaptureError("the model prints during training")
    now = _attributes(one)
    if changed := [name for name in now if name not in attributes or now[name] != attributes[name]]:
        raise CaptureError(f"the model changes {changed[0]} during training")

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
    """Run one step per batch; return nll + kl of all images."""
    return torch.stack([sum(step(model, optimizer, *batch), start=torch.zeros(())) for batch in batches])


def _attributes(model: nn.Module) -> dict[str, Any]:
    """Return the attributes of a model's modules that are plain numbers or strings, by name."""
    return {
        f"{type(module).__name__}.{name}": value
        for module in model.modules()
        for name, value in vars(module).items()
        if isinstance(value, (bool, int, float, str))
    }
