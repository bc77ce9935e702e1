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
    actual: Tensor, known: Sequence[tuple[Misconception, Tensor]], *, unit: float, size: Tensor
) -> Misconception | None:
    """Return the first misconception whose values came, or None.

    Args:
        actual: What came.
        known: Misconceptions and the values that each leads to.
        unit: The check's own.
        size: That of the right answer; where a wrong one is much smaller, its own values count.
    """
    for misconception, values in known:
        if values.shape == actual.shape:
            one, other = actual.double(), values.double()
            own = other.abs().nan_to_num(nan=0.0)
            near = (one - other).abs() <= unit * torch.minimum(size, 10 * (own + own.mean()))
            if bool((near | (one == other) | (one.isnan() & other.isnan())).all()):
                return misconception
    return None
