"""The captured step: a replay does what the step does, recording leaves no trace, and what vanishes is noticed.

No GPU is needed: a stand-in for CUDA graphs records the work itself and replays it on the same places in memory.
"""

import random
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from assignment.settings import Settings
from assignment.train import new_model, new_optimizer, train, train_step
from data import normalise
from solution.__main__ import tune
from solution.cuda_graph import CaptureError, Work, backend_for, captured_step
from solution.VAE_Model import VAE
from tests.test_train import bytes_of

SETTINGS = Settings(epochs=2, batch_size=4, lr=1e-3, z_dim=3, features=2, seed=5)
IMAGES = bytes_of(10)  # two full batches and one of two images


class Recorder:
    """Records the work as a function: a replay runs it."""

    def warm_up(self, work: Work) -> None:
        for _ in range(3):
            work()

    def record(self, work: Work) -> Work:
        return work


class Kernels(Recorder):
    """Like a CUDA graph: Python ran while it was recorded, and what it drew or counted then is in the recording.

    Every replay starts from the state that the generators were in.
    """

    def record(self, work: Work) -> Work:
        state = random.getstate(), np.random.get_state(), torch.get_rng_state()

        def replay() -> None:
            random.setstate(state[0])
            np.random.set_state(state[1])
            torch.set_rng_state(state[2])
            work()

        return replay


class Stale(Recorder):
    """Computes once, while it records, and no more."""

    def record(self, work: Work) -> Work:
        work()
        return lambda: None


class Forgetful(Recorder):
    """Replays the losses but leaves the weights where they were."""

    def __init__(self, step: int) -> None:
        self.honest = step

    def record(self, work: Work) -> Work:
        replays = iter(range(1000))

        def replay() -> None:
            with pytest.MonkeyPatch.context() as patch:
                if next(replays) >= self.honest:
                    patch.setattr(torch.optim.Adam, "step", lambda self: None)
                work()

        return replay


class Refusing(Recorder):
    """Fails as CUDA does when a model waits for a result while it is recorded."""

    def record(self, work: Work) -> Work:
        work()
        raise RuntimeError("operation not permitted when stream is capturing\nand more lines")


@dataclass
class Run:
    """A model in the middle of its training."""

    model: Any
    optimizer: torch.optim.Optimizer

    def state(self) -> list[Any]:
        """All that capturing might disturb, bit for bit."""
        moments = [value for state in self.optimizer.state.values() for value in state.values()]
        return [
            *(tensor.tolist() for tensor in self.model.state_dict().values()),
            *(value.tolist() for value in moments if bool(value.any())),  # zeros are what Adam begins with
            *(p.grad is None for p in self.model.parameters()),
            self.model.training,
            torch.get_rng_state().tolist(),
            np.random.get_state()[1].tolist(),  # type: ignore[index]
            random.getstate(),
        ]


def begun(vae: type = VAE, steps: int = 0) -> Run:
    """A model that was trained for some steps."""
    model = new_model(vae, IMAGES, SETTINGS)
    run = Run(model, new_optimizer(model, SETTINGS))
    for _ in range(steps):
        train_step(run.model, run.optimizer, normalise(IMAGES[:4]), torch.ones(4, 3))
    run.optimizer.zero_grad()
    return run


def capture(run: Run, backend: Any = None) -> Any:
    return captured_step(run.model, run.optimizer, IMAGES, SETTINGS, backend or Recorder())


class Student(VAE):
    """A model that does something of its own in every call."""

    def extra(self) -> float:
        """A factor of the KL term."""
        return 1.0

    def forward(self, x: torch.Tensor, noise: torch.Tensor | None = None) -> Any:
        reconstruction, nll, kl = super().forward(x, noise)
        return reconstruction, nll, kl * self.extra()


class Counting(Student):
    calls = 0

    def extra(self) -> float:
        self.calls += 1
        return min(1.0, self.calls / 10_000)


class Printing(Student):
    def extra(self) -> float:
        print("a batch")
        return 1.0


class Drawing(Student):
    def extra(self) -> float:
        return float(1 + np.random.rand())


class Dropping(Student):
    def forward(self, x: torch.Tensor, noise: torch.Tensor | None = None) -> Any:
        return super().forward(nn.functional.dropout(x, 0.2, self.training), noise)


# ## What a captured step does
@pytest.mark.parametrize("steps", [0, 3])
def test_training_by_captured_steps_is_training_bit_for_bit(steps: int) -> None:
    """The last batch of each epoch has two images: it is taken plainly, between replayed ones."""
    plain, captured = begun(steps=steps), begun(steps=steps)
    rows = [
        list(train(run.model, run.optimizer, IMAGES, bytes_of(3), SETTINGS, step=step))
        for run, step in ((plain, train_step), (captured, capture(captured)))
    ]
    assert rows[0] == rows[1]
    assert plain.state() == captured.state()


def test_it_reads_its_batch_from_fixed_places() -> None:
    run, places = begun(), set()

    class Watching(Recorder):
        def record(self, work: Work) -> Work:
            def replay() -> None:
                work()
                places.add(tuple(p.data_ptr() for p in run.model.parameters()))

            return replay

    step = capture(run, Watching())
    first = step(run.model, run.optimizer, normalise(IMAGES[:4]), torch.zeros(4, 3))
    second = step(run.model, run.optimizer, normalise(IMAGES[4:8]), torch.ones(4, 3))
    assert first[0] is second[0], "results lie where the recording writes them"
    assert len(places) <= 2, "the copies that are compared, and the model"


@pytest.mark.parametrize("vae", [VAE, Dropping])
@pytest.mark.parametrize("steps", [0, 3])
def test_capturing_leaves_no_trace(vae: type, steps: int) -> None:
    """In weights, buffers, optimizer, mode and generators; in the middle of training too."""
    run = begun(vae, steps)
    before = run.state()
    capture(run)
    assert run.state() == before


@pytest.mark.parametrize("backend", [Stale(), Refusing()])
def test_a_capture_that_fails_leaves_no_trace_either(backend: Any) -> None:
    run = begun(steps=2)
    before = run.state()
    with pytest.raises(CaptureError):
        capture(run, backend)
    assert run.state() == before


def test_running_averages_are_put_back_too() -> None:
    class Normalised(VAE):
        def __init__(self, **options: Any):
            super().__init__(**options)
            self.norm = nn.BatchNorm2d(3)

        def forward(self, x: torch.Tensor, noise: torch.Tensor | None = None) -> Any:
            return super().forward(self.norm(x), noise)

    run = begun(Normalised, steps=1)
    before = run.state()
    capture(run)
    assert run.state() == before


# ## What is noticed
def test_a_replay_of_stale_values_is_noticed() -> None:
    with pytest.raises(CaptureError, match="a loss of the replayed step differs"):
        capture(begun(), Stale())


@pytest.mark.parametrize("honest", [0, 3])
def test_a_replay_that_does_not_move_the_weights_is_noticed(honest: int) -> None:
    """Also if that happens in the last compared step only, which no loss shows."""
    with pytest.raises(CaptureError, match="differ"):
        capture(begun(), Forgetful(honest))


@pytest.mark.parametrize(
    ("vae", "reason"),
    [
        (Counting, "the model changes Counting.calls during training"),
        (Printing, "the model prints during training"),
    ],
)
def test_what_python_does_beside_is_noticed(vae: type, reason: str, capsys: pytest.CaptureFixture[str]) -> None:
    """Though no number shows it: the count has no effect that four steps could show."""
    with pytest.raises(CaptureError, match=reason):
        capture(begun(vae))
    assert not capsys.readouterr().out


@pytest.mark.parametrize("vae", [Drawing, Dropping])
def test_numbers_drawn_on_the_cpu_are_noticed(vae: type) -> None:
    with pytest.raises(CaptureError, match="a loss of the replayed step differs"):
        capture(begun(vae), Kernels())


def test_a_model_that_cannot_be_copied_is_noticed() -> None:
    class Odd(VAE):
        def __deepcopy__(self, memo: Any) -> Any:
            raise RuntimeError("only leaf tensors can be copied")

    with pytest.raises(CaptureError, match="only leaf tensors"):
        capture(begun(Odd))


# ## When it is used
def test_the_cpu_records_nothing() -> None:
    assert backend_for(torch.device("cpu")) is None
    with pytest.raises(CaptureError, match="on the device cpu"):
        captured_step(begun().model, begun().optimizer, IMAGES, SETTINGS, None)


def test_less_than_a_batch_is_not_captured() -> None:
    run = begun()
    with pytest.raises(CaptureError, match="no full batch"):
        captured_step(run.model, run.optimizer, IMAGES[:3], SETTINGS, Recorder())


@pytest.fixture
def chosen(monkeypatch: pytest.MonkeyPatch) -> Callable[..., Any]:
    """Choose a step where the stand-in records."""

    def choose(vae: type, capture: bool = True, backend: Any = None) -> Any:
        monkeypatch.setattr("solution.__main__.backend_for", lambda _: backend or Recorder())
        run = begun(vae)
        return tune(run.model, run.optimizer, IMAGES, SETTINGS, capture)

    return choose


def test_a_step_is_captured_unless_it_must_not_be(chosen: Any, capsys: pytest.CaptureFixture[str]) -> None:
    assert chosen(VAE, capture=False) is train_step
    assert chosen(VAE, capture=True) is not train_step
    assert not capsys.readouterr().out


def test_what_cannot_be_captured_runs_plainly_with_one_line(chosen: Any, capsys: pytest.CaptureFixture[str]) -> None:
    assert chosen(Counting) is train_step
    assert chosen(VAE, backend=Refusing()) is train_step
    counting, refusing = capsys.readouterr().out.splitlines()
    assert " Counting.calls " in counting
    assert refusing.endswith(": operation not permitted when stream is capturing")
