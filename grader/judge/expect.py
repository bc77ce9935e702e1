"""Comparisons of a submission's results with exact ones, and the messages about differences."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

import torch
from torch import Tensor

from .answer import Answer, expect_finite
from .check import fail
from .misconceptions import Misconception, by_id, match
from .pictures import scatter
from .recover import Recovered
from .tolerances import UNIT_FORMULA, UNIT_NICE, UNIT_SAME

Known = Sequence[tuple[Misconception, Tensor]]
Recover = Callable[[], Recovered | None]

ONLY_IN_FLOAT32 = (
    "The result in float64 is right. Which step uses a lower precision, or creates tensors of another dtype?"
)
ONLY_THESE = "Results for other inputs are right. Does yours depend on how many numbers there are, or how extreme?"
ONLY_EXTREMES = "The result for moderate means and variances is right. Is anything clamped, or an epsilon added?"
ONLY_FEW = "The result for few dimensions is right. Does a product over all dimensions overflow or underflow?"
ONLY_SMALL_BATCHES = (
    "The result for small batches is right. Are some rows left out, or handled differently, in large ones?"
)
ONLY_ALONE = "The result for a single row is right; this is a batch. Are its rows mixed up, added or averaged?"
ONLY_IN_EVAL = "The result in eval mode is right; this is train mode. What in your code behaves differently there?"
ONLY_IN_TRAIN = "The result in train mode is right; this is eval mode. What in your code behaves differently there?"
ONLY_LONGER_AXES = "The result for longer axes is right. Is an axis of length 1 lost, for example by squeeze()?"
ONLY_CONTIGUOUS = (
    "The result for contiguous tensors is right; these are non-contiguous, like a transposed tensor. "
    "Is view() used where reshape() is needed, or memory read in its own order?"
)


@dataclass(frozen=True)
class Bound:
    """A bound that holds for every right number: `low` <= number <= `high`; `why` is a clause of a message."""

    why: str
    low: float = -math.inf
    high: float = math.inf

    def broken_by(self, got: Tensor) -> str:
        """Return the end of a sentence about numbers that break the bound; empty if none does."""
        room = UNIT_FORMULA * max(1.0, *(abs(end) for end in (self.low, self.high) if math.isfinite(end)))
        broken = (got < self.low - room) | (got > self.high + room)
        return f"; {self.why}, but {int(broken.sum())} of {broken.numel()} are" if bool(broken.any()) else ""


def used(actual: Tensor, expected: Tensor, tolerance: Tensor) -> Tensor:
    """Return the share of its tolerance that each number uses: at most 1 passes; right work should stay below 0.1.

    Every comparison of numbers calls this function, so that `tests.calibrate --headroom` can record the shares.
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
    recover: Recover = lambda: None,
    bound: Bound | None = None,
) -> None:
    """Demand that a tensor of an answer has the expected values: elementwise |actual - expected| <= unit * size.

    Args:
        answer: The answer.
        name: Name of the tensor in the answer.
        expected: The exact values.
        what: Its name in the message.
        unit: Tolerance as a share of `size`, see tolerances.py; by default, the answer's own.
        size: The sum of the absolute values of the terms of each number, see sizes.py; by default, the number's own
            absolute value, as if nothing was added up.
        known: Misconceptions with the values that each would give for these inputs.
        hint: The hint if no misconception matches.
        explain: Looks for a misconception that needs more than a formula; called if none of `known` matches.
        otherwise: The misconception to name if no other matches.
        recover: Finds out what the submission computes instead; called first.
        bound: A bound that no right number can break; a broken one is said first.

    Raises:
        CheckFailed: A value differs.
    """
    actual = answer.tensor(name, expected.shape, what)
    unit = answer.unit if unit is None else unit
    got, wanted = actual.double(), expected.double()
    size = wanted.abs() if size is None else size.double().expand_as(wanted)
    shares = used(got, wanted, unit * size)
    if bool((shares <= 1).all()):
        return
    found = recover() or Recovered()
    misconception = found.misconception or match(got, known, unit=unit, size=size) or explain() or otherwise
    if misconception is None:
        expect_finite(actual, what)
    off = torch.where(shares > 1, (got - wanted).abs().nan_to_num(nan=math.inf), -1.0)
    index = _unravel(int(off.argmax()), tuple(off.shape))
    at = f" at {list(index)}" if index else ""
    count = f", and {int((shares > 1).sum())} of {shares.numel()} values differ" if shares.numel() > 1 else ""
    most = abs(float(got[index] - wanted[index]))
    fail(
        f"{what} = {_number(float(wanted[index]))}{at}{answer.where}",
        f"{_number(float(got[index]))}{count}{bound.broken_by(got) if bound else ''}",
        # The distance to nan or an infinite number says nothing.
        deviation=f"{_number(most)} at most{at and ','}{at}" if math.isfinite(most) else "",
        computes=found.computes,
        smallest=found.example.smallest if found.example else "",
        reproduce=found.example.reproduce if found.example else "",
        hint=misconception.hint if misconception else found.hint or hint or _seen(got, wanted, shares),
        diagnosis=misconception.id if misconception else None,
        draws=partial(scatter, got, wanted, shares > 1),
    )


def _seen(got: Tensor, wanted: Tensor, shares: Tensor) -> str:
    """Return a hint about how wrong numbers differ from the right ones."""
    wrong = shares > 1
    off, size = (got - wanted)[wrong], wanted.abs()[wrong]
    ratio = (got / wanted)[wrong]
    if len(off) > 1 and bool((ratio - ratio[0]).abs().max() <= UNIT_NICE * ratio[0].abs()):
        return f"Each of these numbers is {_number(float(ratio[0]))} times the expected one."
    if len(off) > 1 and bool((off - off[0]).abs().max() <= UNIT_NICE * off[0].abs()):
        return f"Each of these numbers differs from the expected one by {_number(float(off[0]))}."
    if bool((off.abs() <= _CLOSE * size).all()):
        return "The numbers are close. Is a step rounded to a lower precision, an epsilon added, or a number clamped?"
    if bool(wrong.all()):
        return "All numbers are wrong. Compute one of them by hand, for one row and one dimension."
    return (
        _where(wrong)
        or _beyond(wanted, wrong)
        or ("Only some of the numbers are wrong. What do their inputs have in common: are they large, or negative?")
    )


def _where(wrong: Tensor) -> str:
    """Return along which axis the wrong numbers differ from the right ones, if one index tells them apart."""
    for axis, length in enumerate(wrong.shape):
        others = [other for other in range(wrong.dim()) if other != axis]
        some, every = (wrong.any(others), wrong.all(others)) if others else (wrong, wrong)
        if length < 2 or (bool(some.all()) and not bool(every.any())) or bool((some != every).any()):
            continue
        right = [i for i in range(length) if not some[i]]
        bad = [i for i in range(length) if some[i]]
        if len(bad) <= len(right) and len(bad) <= 3:
            return f"Only index {', '.join(map(str, bad))} of axis {axis} is wrong (of 0 to {length - 1})."
        if len(right) <= 3:
            return f"Only index {', '.join(map(str, right))} of axis {axis} is right (of 0 to {length - 1})."
    return ""


def _beyond(wanted: Tensor, wrong: Tensor) -> str:
    """Return at which bound the wrong numbers begin, if their expected values are all larger or all smaller."""
    right, bad = wanted[~wrong], wanted[wrong]
    for text, value, other in (
        ("absolute value", bad.abs().min(), right.abs().max()),
        ("value", bad.min(), right.max()),
    ):
        if value > other:
            return f"Wrong are those whose expected {text} is above {_number(float(other))}. Is there a bound?"
    if bad.max() < right.min():
        return f"Wrong are those whose expected value is below {_number(float(right.min()))}. Is there a bound?"
    return ""


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
    """Demand the gradient of a result with respect to an input; a missing gradient and zeros both count as cut off.

    Raises:
        CheckFailed: It is missing, zero or wrong.
    """
    what, cut = f"d {of} / d {by}", by_id("gradient_cut")
    if name not in answer:
        missing = f"none: {of} does not depend on {by} through differentiable operations"
        fail(f"a gradient of {of} with respect to {by}", missing, hint=cut.hint, diagnosis=cut.id)
    if not bool(answer.tensor(name, expected.shape, what).any()) and bool(expected.any()):
        fail(what, "zeros: no gradient flows back", hint=cut.hint, diagnosis=cut.id)
    expect_close(answer, name, expected, what, unit=unit, size=size, hint=_GRADIENT)


_GRADIENT = "The value is right, and its gradient is not. Is a part of it detached, or computed from .data or numbers?"


def expect_repeated(
    answer: Answer,
    expected: Tensor,
    what: str,
    *,
    size: Tensor | None = None,
    known: Known = (),
    hint: str = "",
    recover: Recover = lambda: None,
    bound: Bound | None = None,
) -> None:
    """Demand the same values from `value_0` and `value_1`, two calls on the same object.

    Raises:
        CheckFailed: One of them differs.
    """
    expect_close(answer, "value_0", expected, what, size=size, known=known, hint=hint, recover=recover, bound=bound)
    again, what = (
        "The first call was right. What does it change that the second call uses?",
        f"{what}, second call",
    )
    answer.tensor("value_1", expected.shape, what, hint=again)
    expect_close(answer, "value_1", expected, what, size=size, hint=again)


def expect_unchanged(answer: Answer, what: str) -> None:
    """Demand that the probe's list of tensors changed in place is empty.

    Raises:
        CheckFailed: Something was changed.
    """
    if names := answer.names("changed"):
        fail(
            f"{what} changes neither its inputs nor the object's attributes",
            f"changed: {', '.join(names)}",
            hint=by_id("in_place_change").hint,
            diagnosis="in_place_change",
        )


_CLOSE = 0.02  # a share of the expected number

_NO_PARAMETER = "The formulas contain no learnable parameter. Does the result depend on {}?"


def own_hint(answer: Answer, of_own: str = _NO_PARAMETER) -> str:
    """Return a hint about layers inside the replaced parts, or about the model's own parameters; "" if it uses none.

    Args:
        answer: Its facts `inside` and `own` are the lists of them.
        of_own: The hint about the model's own parameters, with a placeholder for their names.
    """
    inside, own = (", ".join(answer.names(fact)[:4]) for fact in ("inside", "own"))
    if inside:
        return f"Your code uses {inside}. This check replaces the whole encoder and decoder: call each as a whole."
    return of_own.format(own) if own else ""


def expect_switched_back(answer: Answer, what: str) -> None:
    """Demand that the probe's list of modes that a call did not restore is empty.

    Raises:
        CheckFailed: A mode was not restored.
    """
    if left := answer.names("left"):
        found, listed = by_id("model_left_switched"), ", ".join(left)
        fail(f"{what} does not change the model's mode", f"afterwards, {listed}", hint=found.hint, diagnosis=found.id)


def expect_same(one: Tensor, other: Tensor, what: str, found: Misconception) -> None:
    """Demand that two results of one shape agree to rounding.

    Raises:
        CheckFailed: They differ, or the first one is not finite.
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
    """Demand rows that differ from each other: a constant of the right shape is not an answer.

    Raises:
        CheckFailed: All rows are the same, or some number is nan or infinite.
    """
    expect_finite(actual, what)
    if len(actual) > 1 and bool((actual == actual[:1]).all()):
        fail(f"{what}: different for different inputs", "the same result for every input")
