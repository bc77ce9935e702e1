"""Comparisons of what came with what an oracle says, and the words for what differs."""

import math
from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from .answer import Answer, expect_finite
from .check import fail
from .misconceptions import Misconception, by_id, match
from .tolerances import UNIT_SAME

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


def used(actual: Tensor, expected: Tensor, tolerance: Tensor) -> Tensor:
    """Return the share of its tolerance that each number uses: at most 1 passes, above a tenth right work needs luck.

    Every comparison of numbers comes through here, so that `tests.calibrate --headroom` can listen.
    """
    off = (actual - expected).abs()
    return torch.where(off == 0, 0.0, off / tolerance).nan_to_num(nan=math.inf)


def expect_close(
    answer: Answer,
    name: str,
    expected: Tensor,
    what: str,
    *,
    unit: float | None = None,
    size: Tensor | None = None,
    known: Known = (),
    hint: str = "",
    otherwise: Misconception | None = None,
    explain: Callable[[], Misconception | None] = lambda: None,
) -> None:
    """Demand that a tensor of an answer has certain values, elementwise |actual - expected| <= unit size.

    Args:
        answer: The answer.
        name: Of the tensor in it.
        expected: What the oracle says.
        what: Its name in the message.
        unit: How far it may be off, of its size, see tolerances.py; without it, the answer's own.
        size: The sum of the absolute values of the terms of each number, see sizes.py; without it nothing was added
            up, and it is the number's absolute value.
        known: Misconceptions with the values that they would have led to on these inputs.
        hint: What to look at if none matches.
        explain: Looks for a misconception whose values need more than a formula; asked if none of `known` matches.
        otherwise: The misconception to name if nothing else does.

    Raises:
        CheckFailed: Something differs.
    """
    actual = answer.tensor(name, expected.shape, what)
    unit = answer.unit if unit is None else unit
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
    count = f", and {int((shares > 1).sum())} of {shares.numel()} values differ" if shares.numel() > 1 else ""
    most = abs(float(got[index] - wanted[index]))
    fail(
        f"{what} = {_number(float(wanted[index]))}{at}",
        f"{_number(float(got[index]))}{count}",
        # What is not finite has no distance from a number.
        deviation=f"{_number(most)} at most{at and ','}{at}" if math.isfinite(most) else "",
        hint=misconception.hint if misconception else hint,
        diagnosis=misconception.id if misconception else None,
    )


def expect_gradient(
    answer: Answer,
    name: str,
    expected: Tensor,
    of: str,
    by: str,
    *,
    unit: float | None = None,
    size: Tensor | None = None,
) -> None:
    """Demand the gradient of a result by an input; one of zeros counts as cut off, as one that did not come does.

    Raises:
        CheckFailed: It is missing, zero or wrong.
    """
    what, cut = f"d {of} / d {by}", by_id("gradient_cut")
    if name not in answer:
        missing = f"none: {of} does not depend on {by} by differentiable operations"
        fail(f"a gradient of {of} with respect to {by}", missing, hint=cut.hint, diagnosis=cut.id)
    if not bool(answer.tensor(name, expected.shape, what).any()) and bool(expected.any()):
        fail(what, "zeros: nothing flows back", hint=cut.hint, diagnosis=cut.id)
    expect_close(answer, name, expected, what, unit=unit, size=size)


def expect_repeated(
    answer: Answer,
    expected: Tensor,
    what: str,
    *,
    size: Tensor | None = None,
    known: Known = (),
    hint: str = "",
) -> None:
    """Demand the same values from `value_0` and `value_1`, two calls on one object.

    Raises:
        CheckFailed: One of them differs.
    """
    expect_close(answer, "value_0", expected, what, size=size, known=known, hint=hint)
    again, what = (
        "the first call was right: what does a call leave behind that the next one finds?",
        f"{what}, once more",
    )
    answer.tensor("value_1", expected.shape, what, hint=again)
    expect_close(answer, "value_1", expected, what, size=size, hint=again)


def expect_unchanged(answer: Answer, what: str) -> None:
    """Demand that nothing was changed in place, as the probe's list of what was tells.

    Raises:
        CheckFailed: Something was.
    """
    if names := answer.names("changed"):
        fail(
            f"{what} leaves its inputs and the object's attributes as they are",
            f"changed: {', '.join(names)}",
            hint=by_id("in_place_change").hint,
            diagnosis="in_place_change",
        )


_NO_PARAMETER = "no formula has a parameter: does the result depend on {}, which learns and will not stay?"


def own_hint(answer: Answer, of_own: str = _NO_PARAMETER) -> str:
    """Return a hint on layers inside the replaced parts, or on the model's own parameters; none if there are none.

    Args:
        answer: A probe's; its facts `inside` and `own` are the lists of them.
        of_own: The hint on the model's own parameters, with a place for their names.
    """
    inside, own = (", ".join(answer.names(fact)[:4]) for fact in ("inside", "own"))
    if inside:
        return f"your code uses {inside}; encoder and decoder are replaced as a whole here: call each as a whole"
    return of_own.format(own) if own else ""


def expect_switched_back(answer: Answer, what: str) -> None:
    """Demand that modes are what they were before a call, as the probe's list of what is not tells.

    Raises:
        CheckFailed: Something was left switched.
    """
    if left := answer.names("left"):
        found, listed = by_id("model_left_switched"), ", ".join(left)
        fail(f"{what} leaves the model in its mode", f"afterwards, {listed}", hint=found.hint, diagnosis=found.id)


def expect_same(one: Tensor, other: Tensor, what: str, found: Misconception) -> None:
    """Demand that two results of one shape agree to rounding; what is not finite is called so first.

    Raises:
        CheckFailed: They differ.
    """
    expect_finite(one, what)
    largest = one.double().abs().max().expand_as(one)
    if bool((used(other.double(), one.double(), UNIT_SAME * largest) > 1).any()):
        fail(f"{what}: the same at every call", "two different results", hint=found.hint, diagnosis=found.id)


def _unravel(flat: int, shape: tuple[int, ...]) -> tuple[int, ...]:
    return tuple(int(i) for i in torch.unravel_index(torch.tensor(flat), shape)) if shape else ()


def _number(value: float) -> str:
    return f"{value:.6g}"


def expect_varies(actual: Tensor, what: str) -> None:
    """Demand rows that differ from each other: a constant of the right shape is no answer.

    Raises:
        CheckFailed: All rows are the same, or some number is nan or infinite.
    """
    expect_finite(actual, what)
    if len(actual) > 1 and bool((actual == actual[:1]).all()):
        fail(f"{what}: different for different inputs", "the same result for every input")
