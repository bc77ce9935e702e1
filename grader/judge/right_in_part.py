"""Results that are right in part: for some rows, dimensions, channels or pixels, or for numbers up to a bound."""

from collections.abc import Mapping

import numpy as np
from jaxtyping import Bool
from torch import Tensor

from .tolerances import UNIT_FORMULA

_AXES = {1: ("row",), 2: ("row", "dimension"), 4: ("image", "channel", "row of pixels", "column of pixels")}
_FEW = 3  # indices that a line lists
_ENOUGH = 4  # numbers on each side of a bound, so that no bound is found by chance


def agreeing(got: Tensor, wanted: Tensor, size: Tensor | None = None) -> Bool[Tensor, "..."]:
    """Return where numbers agree with the right ones; `size` is that of sizes.py, by default their own."""
    own = wanted.abs() if size is None else size
    return (got - wanted).abs() <= UNIT_FORMULA * (own + own.mean())


def place_of_largest(values: Tensor) -> tuple[int, ...]:
    """Return the index of the largest of some numbers, one integer for each axis."""
    # numpy's, because torch's imports sympy, which takes longer than the whole check.
    return tuple(int(i) for i in np.unravel_index(int(values.argmax()), tuple(values.shape)))


def indices(right: Bool[Tensor, "..."]) -> str:
    """Return which indices of one axis are right, as the end of "the right kl"; empty if they do not tell it."""
    for axis, length in enumerate(right.shape):
        others = [other for other in range(right.dim()) if other != axis]
        some, every = (right.any(others), right.all(others)) if others else (right, right)
        if length < 2 or bool((some != every).any()) or bool(every.all()) or not bool(every.any()):
            continue
        good = [i for i in range(length) if every[i]]
        bad = [i for i in range(length) if not every[i]]
        ends = {"first": [0], "last": [length - 1]}
        if axis == 0 and good not in ends.values() and bad not in ends.values():  # some rows are right by chance
            continue
        name = _AXES.get(right.dim(), ("index",) * right.dim())[axis]
        for which, end in ends.items():
            if end == bad:
                return f"except for the {which} {name} of {length}"
            if end == good:
                return f"for the {which} {name} of {length} only"
        of = f"(of 0 to {length - 1})"
        if len(bad) <= min(_FEW, len(good)):
            return f"except for {name} {_listed(bad)} {of}"
        if len(good) <= _FEW:
            return f"for {name} {_listed(good)} only {of}"
    return ""


def _listed(numbers: list[int]) -> str:
    return " and ".join(", ".join(map(str, numbers)).rsplit(", ", 1))


def bound(right: Bool[Tensor, " B"] | Bool[Tensor, "B z"], features: Mapping[str, Tensor]) -> str:
    """Return up to which bound of a feature the result is right, as the end of "the right kl"; empty if there is none.

    Args:
        right: Where the result is right, for each row or each number.
        features: (B, z) or (B, 1) each, by their texts.
    """
    if min(int(right.sum()), int((~right).sum())) < _ENOUGH:
        return ""
    for text, feature in features.items():
        every = "every " if right.dim() == 1 and feature.shape[1] > 1 else ""
        high, low = (feature.amax(1), feature.amin(1)) if right.dim() == 1 else (feature, feature)
        if (most := float(high[right].max())) < (least := float(high[~right].min())):
            return f"where {every}{text} is at most {most:.3g}; wrong from {least:.3g} on"
        if (least := float(low[right].min())) > (most := float(low[~right].max())):
            return f"where {every}{text} is at least {least:.3g}; wrong up to {most:.3g}"
    return ""
