"""What came back from a worker: each tensor is taken with the shape, and each fact as the kind, that it must have.

Nothing that a submission returned is computed with before that: a check that could ask for less does not exist.
"""

import math
from collections.abc import Mapping, Sequence
from typing import Any, TypeVar

import torch
from torch import Tensor

from .check import fail

REAL = (torch.float16, torch.bfloat16, torch.float32, torch.float64)

Shape = Sequence[int | str]
"""Lengths of axes; one that may have any length but 0 has a name."""

_T = TypeVar("_T")


class Answer:
    """What a probe returned; nothing in it is trusted.

    Args:
        tensors: By name.
        facts: What JSON can hold.
        unit: How far its numbers may be off, of their size: see judge/tolerances.py. It follows from the dtype of what
            was sent.
    """

    def __init__(self, tensors: Mapping[str, Tensor], facts: Mapping[str, Any], unit: float):
        self._tensors, self._facts, self.unit = tensors, facts, unit

    def __contains__(self, name: str) -> bool:
        """Whether a tensor came; a gradient does not where none reaches an input."""
        return name in self._tensors

    def tensor(
        self,
        name: str,
        shape: Shape,
        what: str,
        *,
        dtype: torch.dtype | None = None,
        finite: bool = False,
        hint: str = "",
    ) -> Tensor:
        """Return a tensor of real numbers.

        Args:
            name: Its name in the answer.
            shape: That it must have.
            what: Its name in a message.
            dtype: That it must have; without it any precision will do.
            finite: Whether all its numbers must be finite.
            hint: What to look at if the shape is another one; without it, what such a shape mostly comes from.

        Raises:
            CheckFailed: It did not come, or is something else.
        """
        if name not in self._tensors:
            fail(f"{what} of shape {in_brackets(shape)}", "nothing came back")
        found = self._tensors[name]
        if not _fits(found.shape, shape):
            hint = hint or _shape_hint(found, shape)
            fail(f"{what} of shape {in_brackets(shape)}", f"shape {in_brackets(found.shape)}", hint=hint)
        _expect_dtype(found, dtype, what)
        if finite:
            expect_finite(found, what)
        return found

    def fact(self, name: str, *kinds: type[_T]) -> _T:
        """Return a fact of one of some kinds; what is true or false is no number.

        Raises:
            CheckFailed: It did not come, or is something else.
        """
        found = self._facts.get(name, _NO_FACT)
        if not isinstance(found, kinds) or (isinstance(found, bool) and bool not in kinds):
            _fail_of_fact()
        return found

    def names(self, fact: str) -> list[str]:
        """Return a fact that is a list of names, each cut to a length that a report can show.

        Raises:
            CheckFailed: It did not come, or is something else.
        """
        found = self.fact(fact, list)
        if not all(isinstance(each, str) for each in found):
            _fail_of_fact()
        return [each[:_LONGEST_NAME] for each in found]

    def words(self, fact: str) -> dict[str, str]:
        """Return a fact that is a table of words by name, cut in the same way.

        Raises:
            CheckFailed: It did not come, or is something else.
        """
        found = self.fact(fact, dict)
        if not all(isinstance(each, str) for each in found.values()):
            _fail_of_fact()
        return {str(name)[:_LONGEST_NAME]: each[:_LONGEST_NAME] for name, each in found.items()}

    def numbers(self, fact: str, kind: type) -> dict[str, float]:
        """Return a fact that is a list or a table of numbers, by position or name; too large ones are infinite.

        Raises:
            CheckFailed: It did not come, or is something else.
        """
        found: Any = self.fact(fact, kind)
        table = found if isinstance(found, dict) else dict(enumerate(found))
        if not all(isinstance(each, (int, float)) for each in table.values()):
            _fail_of_fact()
        return {str(name)[:_LONGEST_NAME]: _as_float(each) for name, each in table.items()}


_NO_FACT = object()
_LONGEST_NAME = 60


def _fail_of_fact() -> None:
    """Fail a check for a fact that is not what a probe notes: only who changes the probe gets here."""
    fail(
        "what the grader notes while your code runs",
        "something else",
        hint="does your file change functions of a module that it did not define?",
    )


def _as_float(number: float) -> float:
    try:
        return float(number)
    except OverflowError:  # JSON has integers of any length
        return math.inf


def expect_finite(actual: Tensor, what: str) -> None:
    """Demand finite numbers.

    Raises:
        CheckFailed: Some are nan or infinite.
    """
    bad = ~torch.isfinite(actual)
    if bad.any():
        where = [int(i) for i in bad.nonzero()[0]]
        at = f", the first at {where}" if actual.numel() > 1 else ""
        fail(
            f"{what} of finite numbers",
            f"{int(bad.sum())} of {actual.numel()} are nan or infinite{at}" if at else "nan or an infinite number",
            hint="look for exp of a large number, log of zero, or a division by zero",
        )


def _expect_dtype(actual: Tensor, dtype: torch.dtype | None, what: str) -> None:
    if dtype is not None and actual.dtype != dtype:
        fail(
            f"{what} of dtype {_dtype(dtype)}, like its inputs",
            f"dtype {_dtype(actual.dtype)}",
            hint="make new tensors with the dtype of an input (zeros_like, randn_like), and convert none",
        )
    if actual.dtype not in REAL:
        fail(
            f"{what} of floating-point numbers",
            f"dtype {_dtype(actual.dtype)}",
            hint="convert no result to another dtype",
        )


def _fits(actual: Sequence[int], shape: Shape) -> bool:
    pairs = zip(actual, shape, strict=False)
    return len(actual) == len(shape) and all(n > 0 if isinstance(asked, str) else n == asked for n, asked in pairs)


def in_brackets(shape: Shape) -> str:
    """Return a shape as Python shows it."""
    return "(" + ", ".join(str(n) for n in shape) + ("," if len(shape) == 1 else "") + ")"


def _dtype(dtype: torch.dtype) -> str:
    return str(dtype).removeprefix("torch.")


def _shape_hint(actual: Tensor, shape: Shape) -> str:
    if actual.dim() < len(shape):
        return "a dimension is missing: was it summed over, or squeezed away?"
    if actual.dim() > len(shape):
        return "there is a dimension too many: is a sum missing, or was one kept by keepdim or unsqueeze?"
    return "the number of dimensions is right, their lengths are not: which dimension was reduced or expanded?"
