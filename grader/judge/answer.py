"""What a worker returned: a check gets each tensor by the shape, and each fact by the type, that it must have.

No check can compute with what a submission returned without this test of its shape or type.
"""

import math
from collections.abc import Collection, Mapping, Sequence
from types import MappingProxyType
from typing import Any, TypeVar

import torch
from torch import Tensor

from .check import CheckFailed, fail
from .misconceptions import Misconception, by_id, right_only

REAL = (torch.float16, torch.bfloat16, torch.float32, torch.float64)

Shape = Sequence[int | str]
"""Lengths of axes; a name stands for any length except 0."""

_T = TypeVar("_T")


class Answer:
    """What a probe returned; nothing in it is trusted.

    Args:
        tensors: By name.
        facts: Values that JSON can hold, by name.
        unit: Tolerance of its numbers, as a share of their size: see judge/tolerances.py. It follows from the dtype of
            the inputs.
        sizes: The sizes of the call, such as {"B": 5, "z": 3}; messages about shapes and values name them.
        repeated: Names of tensors that an earlier call has returned too.
    """

    def __init__(
        self,
        tensors: Mapping[str, Tensor],
        facts: Mapping[str, Any],
        unit: float,
        sizes: Mapping[str, int] = MappingProxyType({}),
        repeated: Collection[str] = (),
    ):
        self._tensors, self._facts, self.unit, self.sizes = tensors, facts, unit, sizes
        self.repeated = repeated

    def __contains__(self, name: str) -> bool:
        """Whether a tensor was returned; a gradient is missing if it does not reach its input."""
        return name in self._tensors

    def axes(self, name: str) -> int:
        """Return the number of axes of a tensor; 0 if it is missing."""
        return self._tensors[name].dim() if name in self._tensors else 0

    def tensor(
        self,
        name: str,
        shape: Shape,
        what: str,
        *,
        dtype: torch.dtype | None = None,
        finite: bool = False,
        hint: str = "",
        otherwise: Misconception | None = None,
    ) -> Tensor:
        """Return a tensor of real numbers.

        Args:
            name: Its name in the answer.
            shape: The shape that it must have.
            what: Its name in a message.
            dtype: The dtype that it must have; None for any floating-point dtype.
            finite: Whether all its numbers must be finite.
            hint: Hint for a wrong shape; by default, the usual cause of such a shape.
            otherwise: The misconception to name for a wrong shape without such a hint, such as the kind of inputs.

        Raises:
            CheckFailed: The tensor is missing, or has another shape or dtype.
        """
        if name not in self._tensors:
            fail(f"{what} of shape {in_brackets(shape)}", "nothing was returned")
        found = self._tensors[name]
        if not _fits(found.shape, shape):
            otherwise = by_id("memory_earlier") if name in self.repeated else otherwise
            if sorted(found.shape) == sorted(n for n in shape if isinstance(n, int)):
                hint = _ORDER
            no_axis_lost = otherwise == right_only("longer_axes") and found.dim() > len(shape)
            if hint or no_axis_lost or otherwise == right_only("in_float64"):  # a precision explains no shape
                otherwise = None
            hint = hint or ("" if otherwise else _shape_hint(found.shape, shape))
            got = f"shape {in_brackets(found.shape)}{self._which(found.shape)}"
            fail(
                f"{what} of shape {in_brackets(shape)}{self.where}",
                got,
                hint=hint,
                found=otherwise,
            )
        _expect_dtype(found, dtype, what)
        if finite:
            expect_finite(found, what)
        return found

    @property
    def where(self) -> str:
        """The sizes of the call, as a message ends with them."""
        return f", for {', '.join(f'{name} = {size}' for name, size in self.sizes.items())}" if self.sizes else ""

    def _which(self, shape: Sequence[int]) -> str:
        """Return which sizes of the call the lengths of a wrong shape are."""
        names = {
            length: [name for name, size in self.sizes.items() if size == length] for length in shape if length > 1
        }
        told = [f"{length} is {' or '.join(found)}" for length, found in names.items() if found]
        return f": {', '.join(told)}" if told else ""

    def fact(self, name: str, *kinds: type[_T]) -> _T:
        """Return a fact of one of the given types; a bool does not count as an int.

        Raises:
            CheckFailed: The fact is missing, or has another type.
        """
        found = self._facts.get(name, _NO_FACT)
        if not isinstance(found, kinds) or (isinstance(found, bool) and bool not in kinds):
            _fail_of_fact()
        return found

    def names(self, fact: str) -> list[str]:
        """Return a fact that is a list of names, each cut to a length that a report can show.

        Raises:
            CheckFailed: The fact is missing, or has another type.
        """
        found = self.fact(fact, list)
        if not all(isinstance(each, str) for each in found):
            _fail_of_fact()
        return [each[:_LONGEST_NAME] for each in found]

    def words(self, fact: str) -> dict[str, str]:
        """Return a fact that is a table of words by name, cut in the same way.

        Raises:
            CheckFailed: The fact is missing, or has another type.
        """
        found = self.fact(fact, dict)
        if not all(isinstance(each, str) for each in found.values()):
            _fail_of_fact()
        return {str(name)[:_LONGEST_NAME]: each[:_LONGEST_NAME] for name, each in found.items()}

    def numbers(self, fact: str, kind: type) -> dict[str, float]:
        """Return a fact that is a list or a table of numbers, by position or name; too large ones are infinite.

        Raises:
            CheckFailed: The fact is missing, or has another type.
        """
        found: Any = self.fact(fact, kind)
        table = found if isinstance(found, dict) else dict(enumerate(found))
        if not all(isinstance(each, (int, float)) for each in table.values()):
            _fail_of_fact()
        return {str(name)[:_LONGEST_NAME]: _as_float(each) for name, each in table.items()}

    def some_numbers(self, fact: str, count: int) -> list[float]:
        """Return a fact that is a list of so many numbers.

        Raises:
            CheckFailed: The fact is missing, has another type or another length.
        """
        found = list(self.numbers(fact, list).values())
        if len(found) != count:
            _fail_of_fact()
        return found


def read_or_none(answer: Answer | None, name: str, shape: Shape, *, finite: bool = False) -> Tensor | None:
    """Return a tensor of an answer in float64; None if it is missing, of another shape or kind, or not finite."""
    try:
        return None if answer is None else answer.tensor(name, shape, name, finite=finite).double()
    except CheckFailed:
        return None


_NO_FACT = object()
_LONGEST_NAME = 60


def _fail_of_fact() -> None:
    """Fail a check because of a fact that no probe reports: only a submission that changes the probe gets here."""
    fail(
        "what the grader records while your code runs",
        "something else",
        hint="Does your file change functions of other modules?",
    )


def _as_float(number: float) -> float:
    try:
        return float(number)
    except OverflowError:  # JSON has integers of any length
        return math.inf


def expect_finite(actual: Tensor, what: str) -> None:
    """Demand finite numbers.

    Raises:
        CheckFailed: Some numbers are nan or infinite.
    """
    bad = ~torch.isfinite(actual)
    if bad.any():
        where = [int(i) for i in bad.nonzero()[0]]
        at = f", the first at {where}" if actual.numel() > 1 else ""
        found = by_id("numbers_not_finite")
        fail(
            f"{what} of finite numbers",
            f"{int(bad.sum())} of {actual.numel()} are nan or infinite{at}" if at else "nan or an infinite number",
            found=found,
        )


def _expect_dtype(actual: Tensor, dtype: torch.dtype | None, what: str) -> None:
    if dtype is not None and actual.dtype != dtype:
        fail(
            f"{what} of dtype {_dtype(dtype)}, like its inputs",
            f"dtype {_dtype(actual.dtype)}",
            hint="Create new tensors with the dtype of an input (zeros_like, randn_like). Is one converted?",
        )
    if actual.dtype not in REAL:
        fail(
            f"{what} of floating-point numbers",
            f"dtype {_dtype(actual.dtype)}",
            hint="Is the result converted to another dtype?",
        )


def _fits(actual: Sequence[int], shape: Shape) -> bool:
    pairs = zip(actual, shape, strict=False)
    return len(actual) == len(shape) and all(n > 0 if isinstance(asked, str) else n == asked for n, asked in pairs)


def in_brackets(shape: Shape) -> str:
    """Return a shape as Python shows it."""
    return "(" + ", ".join(str(n) for n in shape) + ("," if len(shape) == 1 else "") + ")"


def _dtype(dtype: torch.dtype) -> str:
    return str(dtype).removeprefix("torch.")


_ORDER = "The lengths are right, but their order is not. Is a permute or transpose missing, or one too many?"


def _shape_hint(actual: Sequence[int], shape: Shape) -> str:
    if len(actual) > len(shape):
        return "There is one dimension too many. Is a sum missing, or was one kept by keepdim or unsqueeze?"
    if len(actual) == len(shape):
        return "The number of dimensions is right, but not their lengths. Which dimension was reduced or expanded?"
    lengths = [n for n in shape if isinstance(n, int)]
    if len(lengths) == len(shape) and math.prod(actual) == math.prod(lengths) > 1 and 1 not in lengths:
        return "All numbers are there, in too few dimensions. Is a view, reshape or unflatten missing, or one too many?"
    if 1 in shape:
        return "A dimension is missing. Was it summed over, or removed by squeeze()?"
    if not actual:
        return "This is a single number. Which sum or mean goes over all dimensions, that of the batch too?"
    return "A dimension is missing. Which sum, mean or index takes it away?"
