"""The smallest input for which a submission is wrong, and lines of Python that show it outside the grader.

For the distribution, hypothesis looks for a wrong answer to small round numbers and shrinks it. For the model, one
small known model and one input are tried; `grader.examples` builds the same model in a student's own process.
"""

import contextlib
import random
import re
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from . import oracles, sizes
from .answer import Answer, read_or_none
from .inputs import Draw, nothing_from_loaded_modules
from .known_models import KnownModel, random_model, true_posterior_model
from .right_in_part import place_of_largest
from .tolerances import UNIT_FORMULA

Ask = Callable[..., Answer | None]
Inputs = Mapping[str, Tensor]

_MOST_CALLS = 250  # a few tenths of a second, whatever else the machine does
_MOST_SECONDS = 4.0  # for methods that are slow: a call of theirs may take a tenth of a second


@dataclass(frozen=True)
class Example:
    """An input for which a submission is wrong.

    Attributes:
        smallest: The input, the submission's answer and the right one, in one line; empty for a model.
        reproduce: Lines of Python that print the submission's answer, run in the project's folder.
    """

    smallest: str = ""
    reproduce: str = ""


_INPUTS = {
    "kl": ("mean", "logvar"),
    "nll": ("mean", "logvar", "sample"),
    "sample": ("mean", "logvar", "noise"),
    "mode": ("mean", "logvar"),
}


def _exact(task: str, of: Inputs) -> tuple[Tensor, Tensor]:
    """Return the right answer of a method of the distribution, and its size (see sizes.py)."""
    if task == "kl":
        return oracles.kl(**of), sizes.kl(**of)
    if task == "nll":
        return oracles.nll(**of, dims=[1]), sizes.nll(of["mean"], of["logvar"], of["sample"], [1])
    if task == "sample":
        return oracles.sample(**of), sizes.sample(**of)
    return of["mean"], of["mean"].abs()


def _is_wrong(got: Tensor, expected: Tensor, size: Tensor) -> bool:
    return not bool(((got - expected).abs() <= UNIT_FORMULA * (size + 1)).all())


def example_of_distribution(task: str, ask: Ask, draw: Draw) -> Example | None:
    """Return the smallest input for which a method of the distribution is wrong; None if none was found.

    The search is the same for the same seed, so that a file gets the same report again, unless a call is very slow.
    """
    from hypothesis import HealthCheck, Phase, find, settings
    from hypothesis import strategies as st
    from hypothesis.errors import HypothesisException

    tried: dict[str, tuple[bool, Tensor | None]] = {}
    ends = time.monotonic() + _MOST_SECONDS

    def wrong(case: Mapping[str, list[list[float]]]) -> bool:
        key = repr(case)
        if key not in tried:
            if len(tried) >= _MOST_CALLS or time.monotonic() > ends:
                return False
            of = {name: torch.tensor(case[name], dtype=torch.float64) for name in _INPUTS[task]}
            expected, size = _exact(task, of)
            more: dict[str, Any] = {"dims": [1]} if task == "nll" else {}
            answer = ask("distribution", name=task, **{name: t.float() for name, t in of.items()}, **more)
            got = read_or_none(answer, "value_0", expected.shape)
            tried[key] = (got is not None and _is_wrong(got, expected, size), got)
        return tried[key][0]

    numbers = st.sampled_from([0.0, 1.0, -1.0, 2.0, -2.0, 0.5])
    shapes = st.tuples(st.integers(1, 3), st.integers(1, 3))

    def tables(shape: tuple[int, int]) -> st.SearchStrategy[dict[str, list[list[float]]]]:
        row = st.lists(numbers, min_size=shape[1], max_size=shape[1])
        return st.fixed_dictionaries(
            {name: st.lists(row, min_size=shape[0], max_size=shape[0]) for name in _INPUTS[task]}
        )

    rules = settings(
        max_examples=100,
        database=None,
        deadline=None,
        phases=[Phase.generate, Phase.shrink],
        suppress_health_check=list(HealthCheck),
    )
    with contextlib.suppress(HypothesisException), nothing_from_loaded_modules():
        case = find(shapes.flatmap(tables), wrong, settings=rules, random=random.Random(draw.seed()))
        got = tried[repr(case)][1]
        assert got is not None
        return _of_case(task, case, got)
    return None


def _of_case(task: str, case: Mapping[str, list[list[float]]], got: Tensor) -> Example:
    of = {name: torch.tensor(case[name], dtype=torch.float64) for name in _INPUTS[task]}
    expected = _exact(task, of)[0]
    arguments = {"nll": f"torch.tensor({case.get('sample')}), dims=[1]", "sample": f"torch.tensor({case.get('noise')})"}
    inputs = ", ".join(f"{name} = {case[name]}" for name in _INPUTS[task])
    lines = [
        "import torch",
        "from assignment.VAE_Model import DiagonalGaussianDistribution",
        f"q = DiagonalGaussianDistribution(torch.tensor({case['mean']}), torch.tensor({case['logvar']}))",
        f"print(q.{task}({arguments.get(task, '')}))  # expected: {_written(expected)}",
    ]
    return Example(f"{inputs}: {_written(got)}, not {_written(expected)}", "\n".join(lines))


def _written(value: Tensor) -> str:
    """Return numbers as Python shows them, with four decimals at most."""
    return str((value.double().mul(1e4).round().div(1e4) + 0.0).tolist())  # + 0.0 turns -0.0 into 0.0


def example_model(task: str) -> KnownModel:
    """Return the small known model of a task's example: grey images of 16 x 16 pixels, codes of two numbers."""
    draw = Draw(0, "example")
    if task == "log_likelihood":  # whatever codes are drawn, the result is exact
        return true_posterior_model(draw, in_channels=1, z_dim=2).single()
    return random_model(draw, in_channels=1, z_dim=2)


def example_input(name: str) -> Tensor:
    """Return the images `x`, or the codes `z`, `z_1` or `z_2`, of an example, in float32."""
    if name == "x":
        return torch.linspace(-1, 1, 512).reshape(2, 1, 16, 16)
    return {"z": torch.tensor([[1.0, -0.5], [0.0, 2.0]]), "z_1": torch.tensor([[1.0, -0.5]])}.get(
        name, torch.tensor([[0.0, 2.0]])
    )


_CALLS = {  # task -> result of the probe -> the expression that gives it, in a snippet
    "encode": {"mean": "model.encode(x).mean", "logvar": "model.encode(x).logvar"},
    "decode": {"mean": "model.decode(z).mean[:, 0, 0, :3]", "logvar": "model.decode(z).logvar[:, 0, 0, :3]"},
    "prior_sample": {"value_0": "model.sample(2, z)[:, 0, 0, :3]"},
    "forward": {
        "reconstruction_0": "model(x, z)[0][:, 0, 0, :3]",
        "nll_0": "model(x, z)[1]",
        "kl_0": "model(x, z)[2]",
    },
    "log_likelihood": {"value_0": "model.log_likelihood(x, K=3)"},
    "interpolate": {"value": "interpolate(model, z_1, z_2, 3)[:, 0, 0, :3]"},
}


def example_of_model(task: str, ask: Ask) -> Example | None:
    """Return the first result of a task that is wrong for the small model; None if all of them are right."""
    known = example_model(task)
    tensors = known.as_dtype(torch.float32)
    x, z, z_1, z_2 = (example_input(name) for name in ("x", "z", "z_1", "z_2"))
    of_task: dict[str, dict[str, Any]] = {
        "encode": {"x": x},
        "decode": {"z": z},
        "prior_sample": {"batch_size": 2, "noise": z},
        "forward": {"x": x, "noise": z, "train": False},
        "log_likelihood": {"x": x, "K": 3},
        "interpolate": {"z_1": z_1, "z_2": z_2, "n_samples": 3},
    }
    answer = ask(task, sizes=known.sizes, **of_task[task], **tensors)
    for result, expected in _of_known(task, known).items():
        got = read_or_none(answer, result, expected.shape)
        if got is not None and _is_wrong(got, expected, 100 * expected.abs()):
            return _snippet(task, result, got, expected)
    return None


_CORNER = "[:, 0, 0, :3]"


def _of_known(task: str, known: KnownModel) -> dict[str, Tensor]:
    x, z = example_input("x").double(), example_input("z").double()
    mean, logvar, image = known.head("mean", x), known.head("logvar", x), known.decode(z)
    if task == "encode":
        return {"mean": mean, "logvar": logvar}
    if task == "decode":
        return {"mean": image, "logvar": 0 * image}
    if task == "prior_sample":
        return {"value_0": image}
    if task == "forward":
        decoded = known.decode(oracles.sample(mean, logvar, z))
        nll = oracles.nll(decoded, 0 * decoded, x, [1, 2, 3])
        return {"reconstruction_0": decoded, "nll_0": nll, "kl_0": oracles.kl(mean, logvar)}
    if task == "log_likelihood":
        weight, bias = known.tensors["decoder_weight"], known.tensors["decoder_bias"]
        return {"value_0": oracles.linear_log_likelihood(x.flatten(1), weight, bias)}
    return {"value": known.decode(torch.stack([z[0], (z[0] + z[1]) / 2, z[1]]))}


def _snippet(task: str, result: str, got: Tensor, expected: Tensor) -> Example:
    call: str = _CALLS[task][result]
    shown: Any = ...
    if call.endswith(_CORNER):
        shown = (slice(None), 0, 0, slice(3))
        if not _is_wrong(got[shown], expected[shown], 100 * expected[shown].abs()):  # the worst place is elsewhere
            _, channel, row, column = place_of_largest((got - expected).abs())
            first = min(column, expected.shape[3] - 3)
            shown = (slice(None), channel, row, slice(first, first + 3))
            call = f"{call.removesuffix(_CORNER)}[:, {channel}, {row}, {first}:{first + 3}]"
    names = [name for name in ("x", "z", "z_1", "z_2") if re.search(rf"\b{name}[,)]", call)]
    lines = [
        "from assignment import VAE_Model",
        "from grader.examples import example_input, small_model",
        f"model = small_model(VAE_Model, {task!r})  # its parts are small linear maps",
        f"{', '.join(names)} = {', '.join(f'example_input({name!r})' for name in names)}",
        f"print({'VAE_Model.' if task == 'interpolate' else ''}{call})  # expected: {_written(expected[shown])}",
    ]
    return Example(reproduce="\n".join(lines))
