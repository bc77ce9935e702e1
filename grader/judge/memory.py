"""Whether a result depends on earlier calls: three sets of inputs, asked for in turn (worker/probes/found.py)."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from .answer import Answer
from .expect import expect_close

_ALONE = "a single call came out right"
_OVERWRITTEN = f"{_ALONE}, but this result changed when the method was called again: is a buffer used for two results?"
_HINTS = {
    "first": _OVERWRITTEN,
    "changed": f"{_ALONE}, but not after other numbers were written into the same tensors: is an earlier result kept?",
    "fresh": f"{_ALONE}, but not for other tensors of the same shape: is an earlier result kept, and by which key?",
    "kept": _OVERWRITTEN,
    "argument": f"{_ALONE}, but not when one object is asked twice, with two arguments: is an earlier result kept?",
}


@dataclass(frozen=True)
class Exact:
    """An exact answer, its size (see sizes.py; None: its absolute value) and its name in a message."""

    value: Tensor
    size: Tensor | None
    what: str


def three_sets(fill: Callable[[], dict[str, Tensor]]) -> list[dict[str, Tensor]]:
    """Return three sets of inputs of equal shapes, from a function that draws one.

    From the first to the second, the first tensor has its numbers in another order, so that sums and norms agree too,
    and the others stay as they are. From the first to the third, the others are new and the first stays; a tensor that
    is alone is new then. The first number of a tensor is always the same. So only who looks at every number of every
    tensor can tell the sets apart.
    """
    first, fresh = fill(), fill()
    leading = next(iter(first))
    for name, tensor in fresh.items():
        tensor.view(-1)[0] = first[name].view(-1)[0]
    third = fresh if len(first) == 1 else {**fresh, leading: first[leading].clone()}
    return [first, {**first, leading: _reordered(first[leading])}, third]


def sent(sets: Sequence[Mapping[str, Tensor]], dtype: torch.dtype = torch.float64) -> dict[str, Tensor]:
    """Return the sets as the probe takes them, `<name>_<i>`."""
    return {f"{name}_{i}": tensor.to(dtype) for i, each in enumerate(sets) for name, tensor in each.items()}


def expect_no_memory(
    answer: Answer,
    exact: Mapping[str, Sequence[Exact]],
    unit: float | None = None,
    of: Sequence[str] = tuple(_HINTS),
) -> None:
    """Demand the right answers to three sets of inputs, whatever was asked before.

    Args:
        answer: Of a probe of `remembered`.
        exact: The exact answers by the name of a result, in the order of `of`; there may be fewer.
        unit: See tolerances.py; without it, the answer's own.
        of: When the answers were asked for, see worker/probes/found.py.

    Raises:
        CheckFailed: One of them is another call's, or was overwritten.
    """
    for name, results in exact.items():
        for when, result in zip(of, results, strict=False):
            expected, what = result.value, result.what
            expect_close(answer, f"{name}_{when}", expected, what, unit=unit, size=result.size, hint=_HINTS[when])


def _reordered(tensor: Tensor) -> Tensor:
    flat = tensor.flatten()
    return torch.cat([flat[:1], flat[1:].flip(0)]).view_as(tensor)
