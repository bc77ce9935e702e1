"""Comparisons of what came with what an oracle says, and the words for what differs."""

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Protocol, runtime_checkable

import torch
from torch import Tensor

from .check import fail
from .misconceptions import Misconception, by_id, match
from .tolerances import UNIT_SAME


@runtime_checkable
class Answers(Protocol):
    """What a probe returned: tensors by name."""

    def __getitem__(self, name: str) -> Tensor:
        """Return one of them."""


def expect_shape(actual: Tensor, shape: Sequence[int], what: str, hint: str = "") -> None:
    """Demand a shape; the hint, if there is none, is what such a shape mostly comes from.

    Raises:
        CheckFailed: It has another one.
    """
    if tuple(actual.shape) != tuple(shape):
        hint = hint or _shape_hint(actual, shape)
        fail(f"{what} of shape {_shape(shape)}", f"shape {_shape(actual.shape)}", hint=hint)


Known = Sequence[tuple[Misconception, Tensor]]

ONLY_IN_FLOAT32 = "float64 came out right: which step works in a lower precision, or makes tensors of another dtype?"
ONLY_THESE = "others came out right: does it depend on how many there are, or how extreme?"
ONLY_EXTREMES = "moderate means and variances came out right: is anything clamped or added (an epsilon) on the way?"
ONLY_FEW = "few dimensions came out right: does a product over all of them overflow or underflow on the way?"
ONLY_SMALL_BATCHES = "small numbers of rows came out right: are some left out, or treated apart, when there are many?"
ONLY_LONGER_AXES = "longer axes came out right: is an axis of length 1 lost on the way, for example by squeeze()?"
ONLY_CONTIGUOUS = (
    "the same works with contiguous tensors; these are strided, like a transposed tensor: "
    "is view() used where reshape() is needed?"
)


def expect_dtype(actual: Tensor, dtype: torch.dtype, what: str) -> None:
    """Demand a dtype.

    Raises:
        CheckFailed: It has another one.
    """
    if actual.dtype != dtype:
        fail(
            f"{what} of dtype {_dtype(dtype)}, like its inputs",
            f"dtype {_dtype(actual.dtype)}",
            hint="make new tensors with the dtype of an input (zeros_like, randn_like), and convert none",
        )


def expect_finite(actual: Tensor, what: str) -> None:
    """Demand finite numbers.

    Raises:
        CheckFailed: Some are nan or infinite.
    """
    bad = ~torch.isfinite(actual)
    if bad.any():
        where = tuple(int(i) for i in bad.nonzero()[0])
        fail(
            f"{what} of finite numbers",
            f"{int(bad.sum())} of {actual.numel()} are nan or infinite, the first at {list(where)}",
            hint="look for exp of a large number, log of zero, or a division by zero",
        )


def used(actual: Tensor, expected: Tensor, tolerance: Tensor) -> Tensor:
    """Return the share of its tolerance that each number uses: at most 1 passes, above a tenth right work needs luck.

    Every comparison of numbers comes through here, so that `tests.calibrate --headroom` can listen.
    """
    off = (actual - expected).abs()
    return torch.where(off == 0, 0.0, off / tolerance).nan_to_num(nan=math.inf)


def expect_close(
    actual: Tensor,
    expected: Tensor,
    what: str,
    *,
    unit: float,
    size: Tensor | None = None,
    known: Known = (),
    hint: str = "",
    otherwise: Misconception | None = None,
    explain: Callable[[], Misconception | None] = lambda: None,
) -> None:
    """Demand values, elementwise |actual - expected| <= unit size.

    Args:
        actual: What came; its shape and finiteness are checked first.
        expected: What the oracle says.
        what: Its name in the message.
        unit: How far an answer may be off, of its size; see tolerances.py.
        size: The sum of the absolute values of the terms of each number, see sizes.py; without it nothing was added
            up, and it is the number's absolute value.
        known: Misconceptions with the values that they would have led to on these inputs.
        hint: What to look at if none matches.
        explain: Looks for a misconception whose values need more than a formula; asked if none of `known` matches.
        otherwise: The misconception to name if nothing else does.

    Raises:
        CheckFailed: Something differs.
    """
    expect_shape(actual, expected.shape, what)
    if not actual.is_floating_point():
        fail(f"{what} of real numbers", f"dtype {_dtype(actual.dtype)}", hint="convert no result to another dtype")
    got, wanted = actual.double(), expected.double()
    size = wanted.abs() if size is None else size.double().expand_as(wanted)
    shares = used(got, wanted, unit * size)
    if bool((shares <= 1).all()):
        return
    misconception = match(got, known, unit=unit, size=size) or explain() or otherwise
    if misconception is None:
        expect_finite(actual, what)
    off = torch.where(shares > 1, (got - wanted).abs().nan_to_num(nan=math.inf), -1.0)
    index = _unravel(int(off.argmax()), tuple(off.shape))
    at = f" at {list(index)}" if index else ""
    fail(
        f"{what} = {_number(float(wanted[index]))}{at}",
        f"{_number(float(got[index]))}, and {int((shares > 1).sum())} of {shares.numel()} values differ",
        deviation=f"{_number(abs(float(got[index] - wanted[index])))} at most{at and ','}{at}",
        hint=misconception.hint if misconception else hint,
        diagnosis=misconception.id if misconception else None,
    )


def expect_gradient(
    answer: Answers, name: str, expected: Tensor, what: str, *, unit: float, size: Tensor | None = None
) -> None:
    """Demand a gradient that a probe pulled back; one of zeros counts as cut off, as one that did not come does.

    Raises:
        CheckFailed: It is missing, zero or wrong.
    """
    gradient = answer[name]
    if gradient.shape == expected.shape and not bool(gradient.any()) and bool(expected.any()):
        fail(what, "zeros: nothing flows back", hint=by_id("gradient_cut").hint, diagnosis="gradient_cut")
    expect_close(gradient, expected, what, unit=unit, size=size)


def expect_repeated(
    answer: Answers,
    expected: Tensor,
    what: str,
    *,
    unit: float,
    size: Tensor | None = None,
    known: Known = (),
    hint: str = "",
) -> None:
    """Demand the same values from `value_0` and `value_1`, two calls on one object.

    Raises:
        CheckFailed: One of them differs.
    """
    expect_close(answer["value_0"], expected, what, unit=unit, size=size, known=known, hint=hint)
    again, what = (
        "the first call was right: what does a call leave behind that the next one finds?",
        f"{what}, once more",
    )
    expect_shape(answer["value_1"], expected.shape, what, again)
    expect_close(answer["value_1"], expected, what, unit=unit, size=size, hint=again)


def expect_unchanged(names: object, what: str) -> None:
    """Demand that nothing was changed in place; `names` is the probe's list of what was.

    Raises:
        CheckFailed: Something was.
    """
    if names:
        listed = ", ".join(str(n) for n in names) if isinstance(names, list) else str(names)
        fail(
            f"{what} leaves its inputs and the object's attributes as they are",
            f"changed: {listed}",
            hint=by_id("in_place_change").hint,
            diagnosis="in_place_change",
        )


_NO_PARAMETER = "no formula has a parameter: does the result depend on {}, which learns and will not stay?"


def own_hint(facts: Mapping[str, Any], of_own: str = _NO_PARAMETER) -> str:
    """Return a hint on layers inside the replaced parts, or on the model's own parameters; none if there are none.

    Args:
        facts: A probe's; `inside` and `own` are the lists of them.
        of_own: The hint on the model's own parameters, with a place for their names.
    """
    inside, own = _names(facts["inside"]), _names(facts["own"])
    if inside:
        return f"your code uses {inside}; encoder and decoder are replaced as a whole here: call each as a whole"
    return of_own.format(own) if own else ""


def _names(listed: object) -> str:
    return ", ".join(str(name)[:60] for name in listed[:4]) if isinstance(listed, list) else ""


def expect_switched_back(left: object, what: str) -> None:
    """Demand that modes are what they were before a call; `left` is the probe's list of what is not.

    Raises:
        CheckFailed: Something was left switched.
    """
    if left:
        found = by_id("model_left_switched")
        listed = ", ".join(str(each) for each in left) if isinstance(left, list) else str(left)
        fail(f"{what} leaves the model in its mode", f"afterwards, {listed}", hint=found.hint, diagnosis=found.id)


def expect_same(one: Tensor, other: Tensor, what: str, found: Misconception) -> None:
    """Demand that two calls for the same thing agree to rounding; what is not finite is called so first.

    Raises:
        CheckFailed: They differ.
    """
    expect_finite(one, what)
    largest = one.double().abs().max().expand_as(one)
    if one.shape != other.shape or bool((used(other.double(), one.double(), UNIT_SAME * largest) > 1).any()):
        fail(f"{what}: the same at every call", "two different results", hint=found.hint, diagnosis=found.id)


def _unravel(flat: int, shape: tuple[int, ...]) -> tuple[int, ...]:
    return tuple(int(i) for i in torch.unravel_index(torch.tensor(flat), shape)) if shape else ()


def _shape(shape: Sequence[int]) -> str:
    return "(" + ", ".join(str(int(n)) for n in shape) + ("," if len(shape) == 1 else "") + ")"


def _dtype(dtype: torch.dtype) -> str:
    return str(dtype).removeprefix("torch.")


def _number(value: float) -> str:
    return f"{value:.6g}"


def _shape_hint(actual: Tensor, shape: Sequence[int]) -> str:
    if actual.dim() < len(shape):
        return "a dimension is missing: was it summed over, or squeezed away?"
    if actual.dim() > len(shape):
        return "there is a dimension too many: is a sum missing, or was one kept by keepdim or unsqueeze?"
    return "the number of dimensions is right, their lengths are not: which dimension was reduced or expanded?"


def expect_varies(actual: Tensor, what: str) -> None:
    """Demand rows that differ from each other: a constant of the right shape is no answer.

    Raises:
        CheckFailed: All rows are the same, or some number is nan or infinite.
    """
    expect_finite(actual, what)
    if len(actual) > 1 and bool((actual == actual[:1]).all()):
        fail(f"{what}: different for different inputs", "the same result for every input")
