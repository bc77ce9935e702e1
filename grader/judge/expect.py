"""Comparisons of a submission's results with exact ones, and the messages about differences."""

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from typing import NoReturn

import torch
from torch import Tensor

from .answer import Answer, expect_finite
from .behaviours import NOT_FINITE_IN, ROUNDED_IN_FLOAT32
from .check import fail
from .misconceptions import Misconception, by_id
from .pictures import scatter
from .recover import Recovered
from .result import Draws
from .right_in_part import indices, place_of_largest
from .tolerances import HALVES, UNIT_FORMULA, UNIT_NICE, UNIT_SAME

Recover = Callable[[], Recovered | None]


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
    hint: str = "",
    otherwise: Misconception | None = None,
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
        hint: The hint if nothing is found out.
        otherwise: The misconception to name if no formula is found, such as the kind of inputs that is tested.
        recover: Finds out what the submission computes instead.
        bound: A bound that no right number can break; a broken one is said first.

    Raises:
        CheckFailed: A value differs.
    """
    actual = answer.tensor(name, expected.shape, what, otherwise=otherwise)
    unit = answer.unit if unit is None else unit
    got, wanted = actual.double(), expected.double()
    size = wanted.abs() if size is None else size.double().expand_as(wanted)
    shares = used(got, wanted, unit * size)
    if bool((shares <= 1).all()):
        return
    repeated = name in answer.repeated
    found, wrong = (None if repeated else recover()) or Recovered(), shares > 1
    otherwise = by_id("memory_earlier") if repeated else otherwise
    if not found.misconception and not found.computes:
        otherwise = otherwise or _seen(got, wanted, wrong, exact=bool(hint))
    if otherwise is by_id("numbers_not_finite"):
        expect_finite(actual, what)
    otherwise = otherwise and _sharper(otherwise, got, wanted, size, wrong)
    off = torch.where(wrong, (got - wanted).abs().nan_to_num(nan=math.inf), -1.0)
    index = place_of_largest(off)
    at = f" at {list(index)}" if index else ""
    count = f", and {int(wrong.sum())} of {wrong.numel()} values differ" if wrong.numel() > 1 else ""
    most = abs(float(got[index] - wanted[index]))
    part = indices(~wrong)
    fail_as(
        found,
        otherwise,
        f"{what} = {_number(float(wanted[index]))}{at}{answer.where}",
        f"{_number(float(got[index]))}{count}{bound.broken_by(got) if bound else ''}",
        # The distance to nan or an infinite number says nothing.
        deviation=f"{_number(most)} at most{at and ','}{at}" if math.isfinite(most) else "",
        hint=hint or (f"The numbers are right {part}." if part else _BY_HAND),
        draws=partial(scatter, got, wanted, wrong),
    )


def fail_as(
    found: Recovered,
    otherwise: Misconception | None,
    expected: str,
    got: str,
    *,
    deviation: str = "",
    hint: str = "",
    draws: Draws | None = None,
) -> NoReturn:
    """Fail the running check with what was found out about a wrong result.

    Args:
        found: What the submission computes.
        otherwise: The misconception to name if no formula was found.
        expected, got, deviation: See Explanation.
        hint: The hint if nothing was found out.
        draws: See CheckFailed.

    Raises:
        CheckFailed: Always.
    """
    named = found.misconception or (None if found.computes else otherwise)
    fail(
        expected,
        got,
        deviation=deviation,
        computes=found.computes,
        smallest=found.example.smallest if found.example else "",
        reproduce=found.example.reproduce if found.example else "",
        hint="" if named else found.hint or hint,
        found=named,
        draws=draws,
    )


_BY_HAND = "Compute one of these numbers by hand, for one row and one dimension."


def _seen(got: Tensor, wanted: Tensor, wrong: Tensor, exact: bool) -> Misconception | None:
    """Return what wrong numbers have in common; with `exact`, numbers that are merely close do not count."""
    bad, right = got[wrong], wanted[wrong]
    if not bool(bad.isfinite().all()):
        return by_id("numbers_not_finite")
    near = bool(((bad - right).abs() <= _CLOSE * (right.abs() + right.abs().mean())).all())
    if near and any(bool((bad == bad.to(dtype)).all()) and bool((right != right.to(dtype)).any()) for dtype in HALVES):
        return by_id("numbers_rounded")
    low, high = got.min(), got.max()
    bounded = ((bad == high) & (right > high)) | ((bad == low) & (right < low))
    if low < high and len(bad) > 1 and bool(bounded.all()):
        return by_id("numbers_clamped")
    if near and not exact:
        return by_id("numbers_close")
    ratio, off = bad / right, bad - right
    if len(bad) > 1 and bool((ratio - ratio[0]).abs().max() <= UNIT_NICE * ratio[0].abs()):
        text = f"Each of these numbers is {_number(float(ratio[0]))} times the expected one."
        return replace(by_id("numbers_shifted"), hint=text)
    if len(bad) > 1 and bool((off - off[0]).abs().max() <= UNIT_NICE * off[0].abs()):
        text = f"Each of these numbers differs from the expected one by {_number(float(off[0]))}."
        return replace(by_id("numbers_shifted"), hint=text)
    return None


def _sharper(kind: Misconception, got: Tensor, wanted: Tensor, size: Tensor, wrong: Tensor) -> Misconception:
    """Return the kind of inputs for which numbers are wrong, with the hint that these numbers suggest."""
    if kind.id in NOT_FINITE_IN and not bool(got[wrong].isfinite().all()):
        return replace(kind, hint=NOT_FINITE_IN[kind.id])
    if kind.id == "right_only_in_float64":
        off = float(((got - wanted).abs() / (size + size.mean())).max())
        if 1e-4 < off < _CLOSE:
            return replace(kind, hint=ROUNDED_IN_FLOAT32.format(off))
    return kind


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
        fail(f"a gradient of {of} with respect to {by}", missing, found=cut)
    if not bool(answer.tensor(name, expected.shape, what).any()) and bool(expected.any()):
        fail(what, "zeros: no gradient flows back", found=cut)
    expect_finite(answer.tensor(name, expected.shape, what), what)
    expect_close(answer, name, expected, what, unit=unit, size=size, otherwise=by_id("gradient_part"))


def expect_repeated(
    answer: Answer,
    expected: Tensor,
    what: str,
    *,
    size: Tensor | None = None,
    otherwise: Misconception | None = None,
    recover: Recover = lambda: None,
    bound: Bound | None = None,
) -> None:
    """Demand the same values from `value_0` and `value_1`, two calls on the same object.

    Raises:
        CheckFailed: One of them differs.
    """
    expect_close(answer, "value_0", expected, what, size=size, otherwise=otherwise, recover=recover, bound=bound)
    again = by_id("right_only_first_call")
    expect_close(answer, "value_1", expected, f"{what}, second call", size=size, otherwise=again)


def expect_unchanged(answer: Answer, what: str) -> None:
    """Demand that the probe's list of tensors changed in place is empty.

    Raises:
        CheckFailed: Something was changed.
    """
    if names := answer.names("changed"):
        fail(
            f"{what} changes neither its inputs nor the object's attributes",
            f"changed: {', '.join(names)}",
            found=by_id("in_place_change"),
        )


_CLOSE = 0.02  # a share of the expected number

_NO_PARAMETER = "The formulas contain no learnable parameter. Does the result depend on {}?"


def own_parts(answer: Answer, of_own: str = _NO_PARAMETER) -> Misconception | None:
    """Return that layers inside the replaced parts are used, or the model's own parameters; None if none are.

    Args:
        answer: Its facts `inside` and `own` are the lists of them.
        of_own: The hint about the model's own parameters, with a placeholder for their names.
    """
    inside, own = (", ".join(answer.names(fact)[:4]) for fact in ("inside", "own"))
    if inside:
        hint = f"Your code uses {inside}. This check replaces the whole encoder and decoder: call each as a whole."
        return replace(by_id("model_own_parts"), hint=hint)
    return replace(by_id("model_own_parts"), hint=of_own.format(own)) if own else None


def expect_switched_back(answer: Answer, what: str) -> None:
    """Demand that the probe's list of modes that a call did not restore is empty.

    Raises:
        CheckFailed: A mode was not restored.
    """
    if left := answer.names("left"):
        found, listed = by_id("model_left_switched"), ", ".join(left)
        fail(f"{what} does not change the model's mode", f"afterwards, {listed}", found=found)


def expect_same(one: Tensor, other: Tensor, what: str, found: Misconception) -> None:
    """Demand that two results of one shape agree to rounding.

    Raises:
        CheckFailed: They differ, or the first one is not finite.
    """
    expect_finite(one, what)
    largest = one.double().abs().max().expand_as(one)
    if bool((used(other.double(), one.double(), UNIT_SAME * largest) > 1).any()):
        fail(f"{what}: the same at every call", "two different results", found=found)


def _number(value: float) -> str:
    return f"{value:.6g}"


def expect_varies(actual: Tensor, what: str, found: Misconception | None = None) -> None:
    """Demand rows that differ from each other: a constant of the right shape is not an answer.

    Args:
        actual: The rows.
        what: What each row is, in the message.
        found: The misconception to name; None if the check of the values finds out more.

    Raises:
        CheckFailed: All rows are the same, or some number is nan or infinite.
    """
    expect_finite(actual, what)
    if len(actual) > 1 and bool((actual == actual[:1]).all()):
        fail(
            f"{what}: different for different inputs",
            "the same result for every input",
            hint="" if found else by_id("numbers_same").hint,
            found=found,
        )
