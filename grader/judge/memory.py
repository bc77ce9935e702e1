"""Whether a result depends on earlier calls, tested with three sets of inputs in a row (worker/probes/common.py)."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from .answer import Answer
from .expect import expect_close
from .misconceptions import by_id

_MISTAKES = {
    "first": "memory_overwritten",
    "changed": "memory_same_tensors",
    "fresh": "memory_same_shape",
    "kept": "memory_overwritten",
    "argument": "memory_argument",
}


@dataclass(frozen=True)
class Exact:
    """An exact answer, its size (see sizes.py; None: its absolute value) and its name in a message."""

    value: Tensor
    size: Tensor | None
    what: str


def three_sets(fill: Callable[[], dict[str, Tensor]]) -> list[dict[str, Tensor]]:
    """Return three sets of inputs of equal shapes, from a function that draws one set.

    In the second set, the numbers of the first tensor are in another order, so that its sum and norm are the same; the
    other tensors are those of the first set. In the third set, the first tensor is that of the first set and the others
    are new; a single tensor is new. The first number of each tensor is always the same. So a cache can tell the sets
    apart only if its key depends on every number of every tensor.
    """
    first, fresh = fill(), fill()
    leading = next(iter(first))
    for name, tensor in fresh.items():
        tensor.view(-1)[0] = first[name].view(-1)[0]
    third = fresh if len(first) == 1 else {**fresh, leading: first[leading].clone()}
    return [first, {**first, leading: _reordered(first[leading])}, third]


def sent(sets: Sequence[Mapping[str, Tensor]], dtype: torch.dtype = torch.float64) -> dict[str, Tensor]:
    """Return the tensors of all sets under the names that the probe expects, `<name>_<i>`."""
    return {f"{name}_{i}": tensor.to(dtype) for i, each in enumerate(sets) for name, tensor in each.items()}


def expect_no_memory(
    answer: Answer,
    exact: Mapping[str, Sequence[Exact]],
    unit: float | None = None,
    of: Sequence[str] = tuple(_MISTAKES),
) -> None:
    """Demand the right answers for three sets of inputs, independent of earlier calls.

    Args:
        answer: The answer of a `..._remembered` probe.
        exact: The exact answers by the name of a result, in the order of `of`; there may be fewer.
        unit: See tolerances.py; by default, the answer's own.
        of: Names of the calls, see worker/probes/common.py.

    Raises:
        CheckFailed: A result belongs to another call, or was overwritten.
    """
    for name, results in exact.items():
        for when, result in zip(of, results, strict=False):
            expected, what, mistake = result.value, result.what, by_id(_MISTAKES[when])
            expect_close(answer, f"{name}_{when}", expected, what, unit=unit, size=result.size, otherwise=mistake)


def _reordered(tensor: Tensor) -> Tensor:
    flat = tensor.flatten()
    return torch.cat([flat[:1], flat[1:].flip(0)]).view_as(tensor)
