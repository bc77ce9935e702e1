"""What a misconception is, and how wrong values are told from each other."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True)
class Misconception:
    """One known mistake.

    Attributes:
        id: Name in reports, `<task>_<what>`.
        task: The task it belongs to.
        wrong: What the wrong formula is, for instructors and reports of a class.
        hint: What the student reads: the cause, not the answer.
    """

    id: str
    task: str
    wrong: str
    hint: str


def match(
    actual: Tensor, known: Sequence[tuple[Misconception, Tensor]], *, rtol: float, atol: float
) -> Misconception | None:
    """Return the first misconception whose values came, within the check's own tolerances, or None."""
    for misconception, values in known:
        if values.shape == actual.shape and torch.allclose(
            actual.double(), values.double(), rtol=rtol, atol=atol, equal_nan=True
        ):
            return misconception
    return None
