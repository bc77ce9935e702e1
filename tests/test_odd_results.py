"""Whatever a student's function returns, its task gets a verdict that names what was returned."""

import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, cast

import pytest
from torch import Tensor

from grader.grading.probe import Probe
from grader.grading.session import Session, standin_sources
from grader.grading.verdicts import explanation_of
from grader.judge.check import CheckFailed
from grader.judge.inputs import Draw
from grader.judge.offering import TASKS
from grader.sandbox.failure import WorkerFailed
from grader.sandbox.process import PlainProcess
from grader.sandbox.submission import take
from tests.acts import SMALL, why_not
from tests.calibrate import checks
from tests.test_failures import asked
from tests.wording import misleading
from tests.zoo.build import reference

# What is returned, made of the right tensor t, and words of which the verdict must hold one.
ODD = {
    "None": ("None", ("None",)),
    "a number": ("1.5", ("type float", "shape")),
    "a text": ("'kl'", ("type str",)),
    "a list": ("t.tolist()", ("a list of",)),
    "a deep list": ("deep()", ("a list of 1 value",)),
    "an array": ("t.detach().numpy()", ("type ndarray",)),
    "an empty tuple": ("()", ("a tuple of 0 values",)),
    "a pair": ("(t, t)", ("a tuple of 2 values",)),
    "four": ("(t, t, t, t)", ("a tuple of 4 values",)),
    "a dictionary": ("{'mean': t, 'logvar': t}", ("a dict of 2 values",)),
    "a generator": ("(t for _ in range(3))", ("type generator",)),
    "a class": ("Tensor", ("type _TensorMeta",)),
    "a function": ("torch.exp", ("type builtin_function_or_method",)),
    "a module": ("nn.Linear(2, 2)", ("type Linear",)),
    "another distribution": ("torch.distributions.Normal(t, torch.ones_like(t))", ("type Normal",)),
    "a distribution of None": ("hollow()", ("type DiagonalGaussianDistribution", "whose mean is None")),
    "sparse": ("t.detach().to_sparse()", ("a sparse tensor", "a tensor of shape")),
    "quantized": (
        "torch.quantize_per_tensor(t.detach().float(), 0.1, 0, torch.qint8)",
        ("a quantized tensor", "a tensor of shape"),
    ),
    "meta": ("t.detach().to('meta')", ("a meta tensor", "a tensor of shape")),
    "nested": ("torch.nested.nested_tensor([t.detach().flatten()])", ("a nested tensor", "a tensor of shape")),
    "no axis": ("t.sum()", ("shape ()",)),
    "empty": ("t[:0]", ("shape (0",)),
    "bool": ("t > 0", ("dtype bool", "a tensor of shape")),
    "int64": ("t.long()", ("dtype int64", "a tensor of shape")),
    "complex": ("t.to(torch.complex64)", ("dtype complex64", "a tensor of shape")),
    "float8": ("t.detach().to(torch.float8_e4m3fn)", ("dtype float8_e4m3fn", "a tensor of shape")),
    "a tensor that lies about its shape": ("lying(t)", ("shape (7, 5, 3)", "type Lying")),
    "an object without a class": ("Hostile()", ("type Hostile",)),
    "a tuple without a length": ("HostileTuple((t, t, t, t))", ("a tuple of 4 values",)),
}
NUMBER = {name: number for number, name in enumerate(ODD)}
MAKERS = """

def deep():
    made = []
    for _ in range(100_000):
        made = [made]
    return made


def hollow():
    made = DiagonalGaussianDistribution(torch.zeros(2, 2))
    made.mean = made.logvar = None
    return made


class Lying(Tensor):
    shown = (6, 5)

    @classmethod
    def __torch_function__(cls, func, types, args=(), kwargs=None):
        if func is Tensor.shape.__get__:
            return torch.Size(args[0].shown)
        return super().__torch_function__(func, types, args, kwargs or {})


def lying(t):
    made = torch.zeros(7, 5, 3, dtype=t.dtype).as_subclass(Lying)
    made.shown = tuple(t.shape)
    return made


def refuse(*given, **named):
    raise RuntimeError("nobody may look at this")


class Hostile:
    __class__ = property(refuse)
    __len__ = __iter__ = __getattr__ = __repr__ = __str__ = __eq__ = __bool__ = refuse
    __hash__ = None


class HostileTuple(tuple):
    __len__ = __iter__ = __getitem__ = __repr__ = __eq__ = refuse
    __hash__ = None


def returning(function):
    def odd(*given, **named):
        right = function(*given, **named)
        right = getattr(right, "mean", right) if isinstance(right, DiagonalGaussianDistribution) else right
        return make(right[0] if isinstance(right, tuple) else right)

    return odd


make = MAKE[torch.initial_seed() % 100]
METHODS = ("forward",) if torch.initial_seed() >= 100 else ("encode", "decode", "sample", "forward", "log_likelihood")
for name in METHODS:
    setattr(VAE, name, returning(getattr(VAE, name)))
if torch.initial_seed() < 100:
    Encoder.forward, Decoder.forward = returning(Encoder.forward), returning(Decoder.forward)
    for name in ("sample", "kl", "nll", "mode"):
        function = returning(getattr(DiagonalGaussianDistribution, name))
        setattr(DiagonalGaussianDistribution, name, function)
    interpolate = returning(interpolate)
"""


@pytest.fixture(scope="module")
def sandbox() -> Iterator[Any]:
    if reason := why_not(PlainProcess):
        pytest.skip(f"no sandbox `{PlainProcess.name}` here: {reason}")
    make = "\nMAKE = [" + ", ".join(f"lambda t: {code}" for code, _ in ODD.values()) + "]\n"
    with tempfile.TemporaryDirectory() as folder:
        for name in ("home", "copy", "work"):
            (Path(folder) / name).mkdir()
        file = Path(folder) / "home" / "VAE_Model.py"
        file.write_text(f"{reference()}{make}{MAKERS}", encoding="utf-8")
        made = PlainProcess(take(file, Path(folder) / "copy"), Path(folder) / "work")
        yield made
        made.close()


class OneWorker:
    """A session of which one worker answers."""

    seed = 0

    def __init__(self, worker: Any):
        self._worker = worker

    def ask(self, task: str, probe: str, arguments: Mapping[str, Any], tensors: Mapping[str, Tensor], seed: int) -> Any:
        return self._worker.ask(probe, arguments, tensors, seed)

    def repeated(self, *_: Any) -> frozenset[str]:
        return frozenset()

    def note_end(self, *_: Any) -> None:
        """Nothing is asked after that."""


CHECKS = {check.task: check for check in reversed(checks(everything=True))}  # the first one of each task


def verdict(worker: Any, task: str) -> str:
    """Return what the first check of a task says; nothing if it passes."""
    try:
        if task == "training":
            asked(worker, task)
        else:
            check = CHECKS[task]
            probe = Probe(cast(Session, OneWorker(worker)), task, check.name, check.kind)
            check.function(probe, Draw(0, check.name))
    except CheckFailed as failed:
        return failed.explanation.text()
    except WorkerFailed as failed:
        return explanation_of(failed.failure).text()
    return ""


@pytest.mark.slow
@pytest.mark.parametrize("name", ODD)
def test_an_odd_result_is_named(sandbox: Any, name: str) -> None:
    wrong = []
    for task in TASKS:
        # Where nothing stands in for other tasks, only forward() is odd.
        worker = sandbox.start(
            SMALL, standin_sources(task.id), seed=NUMBER[name] + (100 if task.id == "training" else 0)
        )
        try:
            text = verdict(worker, task.id)
        finally:
            worker.close()
        if not any(words in text for words in ODD[name][1]) or misleading(text):
            wrong.append(f"{task.id}: {text or 'passed'} {misleading(text)}")
    assert wrong == []
