"""What a submission computes instead: the candidate terms of each task, and the calls whose answers are fitted.

Called only after a value check failed. Each function asks for answers to new random inputs, of which a formula is
recovered (formula.py). The catalogue names the formula if it is a known misconception; else the term that differs from
the right formula gives the hint. The right formula is never shown.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import Any

import torch
from torch import Tensor

from .answer import read_or_none
from .example import Ask, Example, Inputs, example_of_distribution
from .formula import ONE, Factors, Formula, Part, across, difference, fit
from .inputs import Draw
from .misconceptions import Misconception, by_id, of_formula
from .right_in_part import agreeing, bound, indices


@dataclass(frozen=True)
class Recovered:
    """What a submission computes.

    Attributes:
        computes: The formula, in the notation of the handout; empty if none was found.
        hint: A question about what is wrong with it.
        misconception: The misconception with this formula, if the catalogue has one.
        example: An input for which the submission is wrong.
    """

    computes: str = ""
    hint: str = ""
    misconception: Misconception | None = None
    example: Example | None = None


def _distribution_terms(inputs: Inputs) -> dict[str, Tensor]:
    mean, logvar = inputs["mean"], inputs["logvar"]
    std, var = (0.5 * logvar).exp(), logvar.exp()
    return {"mean": mean, "std": std, "var": var, "logvar": logvar}


def _terms_of_kl(inputs: Inputs) -> dict[str, Tensor]:
    mean, std, var, logvar = _distribution_terms(inputs).values()
    return {
        "mean^2": mean**2,
        "mean": mean,
        "|mean|": mean.abs(),
        "var": var,
        "std": std,
        "var^2": var**2,
        "1/var": 1 / var,
        "1/std": 1 / std,
        "mean^2/var": mean**2 / var,
        "mean^2/std": mean**2 / std,
        "(mean + std)^2": (mean + std) ** 2,
        "logvar": logvar,
        "logvar^2": logvar**2,
        ONE: torch.ones_like(mean),
    }


def _terms_of_nll(inputs: Inputs) -> dict[str, Tensor]:
    mean, std, var, logvar = _distribution_terms(inputs).values()
    sample = inputs["sample"]
    off = sample - mean
    return {
        "(sample - mean)^2/var": off**2 / var,
        "(sample - mean)^2": off**2,
        "(sample - mean)^2/std": off**2 / std,
        "(sample - mean)^2 var": off**2 * var,
        "(sample - mean)^2/var^2": off**2 / var**2,
        "(sample - mean)": off,
        "(sample - mean)/var": off / var,
        "(sample - mean)/std": off / std,
        "|sample - mean|": off.abs(),
        "|sample - mean|/std": off.abs() / std,
        "|sample - mean|/var": off.abs() / var,
        "(sample + mean)^2/var": (sample + mean) ** 2 / var,
        "sample^2/var": sample**2 / var,
        "sample^2": sample**2,
        "mean^2/var": mean**2 / var,
        "mean^2": mean**2,
        "logvar": logvar,
        "var": var,
        "std": std,
        ONE: torch.ones_like(mean),
    }


def _terms_of_sample(inputs: Inputs) -> dict[str, Tensor]:
    mean, std, var, logvar = _distribution_terms(inputs).values()
    noise = inputs["noise"]
    return {
        "mean": mean,
        "std": std,
        "var": var,
        "logvar": logvar,
        "noise": noise,
        "std * noise": std * noise,
        "var * noise": var * noise,
        "logvar * noise": logvar * noise,
        "sqrt(std) * noise": std.sqrt() * noise,
        "noise / std": noise / std,
        "noise / var": noise / var,
        "std * |noise|": std * noise.abs(),
        "std * noise^2": std * noise**2,
        "mean * noise": mean * noise,
        "mean * std": mean * std,
        "mean * std * noise": mean * std * noise,
        ONE: torch.ones_like(mean),
    }


def _terms_of_mode(inputs: Inputs) -> dict[str, Tensor]:
    mean, std, var, logvar = _distribution_terms(inputs).values()
    return {
        "mean": mean,
        "std": std,
        "var": var,
        "logvar": logvar,
        "1/std": 1 / std,
        "1/var": 1 / var,
        "mean^2": mean**2,
        "|mean|": mean.abs(),
        "tanh(mean)": mean.tanh(),
        "sigmoid(mean)": mean.sigmoid(),
        "exp(mean)": mean.exp(),
        "max(mean, 0)": mean.clamp(min=0.0),
        "mean * std": mean * std,
        "mean * var": mean * var,
        ONE: torch.ones_like(mean),
    }


@dataclass(frozen=True)
class Subject:
    """A method of the distribution whose formula can be recovered.

    Attributes:
        inputs: Names of the tensors that enter it.
        terms: Their candidate terms, each of the shape of the mean.
        right: The factors of the right formula.
        reduced: Whether the method sums over the last axis.
        most: The largest number of terms of a formula.
    """

    inputs: tuple[str, ...]
    terms: Callable[[Inputs], dict[str, Tensor]]
    right: Mapping[str, float]
    reduced: str = ""
    most: int = 4

    def of_each(self, inputs: Inputs) -> Tensor:
        """Return the right number of each row and dimension, (B, z)."""
        terms = self.terms(inputs)
        return torch.stack([factor * terms[text] for text, factor in self.right.items()]).sum(0)

    def agrees(self, inputs: Inputs, value: Tensor) -> Tensor:
        """Return for each row, or each number, whether a result is right."""
        each, terms = self.of_each(inputs), self.terms(inputs)
        size = torch.stack([abs(factor) * terms[text].abs() for text, factor in self.right.items()]).sum(0)
        return agreeing(value, each.sum(1), size.sum(1)) if self.reduced else agreeing(value, each, size)


_HALF_LOG_2_PI = 0.9189385332046727
DISTRIBUTION = {
    "kl": Subject(
        ("mean", "logvar"), _terms_of_kl, {"mean^2": 0.5, "var": 0.5, "logvar": -0.5, ONE: -0.5}, "sum", most=5
    ),
    "nll": Subject(
        ("mean", "logvar", "sample"),
        _terms_of_nll,
        {"(sample - mean)^2/var": 0.5, "logvar": 0.5, ONE: _HALF_LOG_2_PI},
        "sum",
    ),
    "sample": Subject(("mean", "logvar", "noise"), _terms_of_sample, {"mean": 1.0, "std * noise": 1.0}, most=3),
    "mode": Subject(("mean", "logvar"), _terms_of_mode, {"mean": 1.0}, most=3),
}

_ENOUGH = 60  # numbers, where each has a formula of its own
_FEWEST = 20  # of them, where the others are nan
_SIZES = ({"B": 44, "z": 3}, {"B": 36, "z": 5})  # rows for 25 fitted answers; no two products of sizes are equal


def of_distribution(name: str, ask: Ask, draw: Draw) -> Recovered:
    """Return what is found out about a wrong method of the distribution: its formula, and the smallest wrong input."""
    found = formula_of_distribution(name, ask, draw) or Recovered()
    return replace(found, example=example_of_distribution(name, ask, draw))


def formula_of_distribution(name: str, ask: Ask, draw: Draw) -> Recovered | None:
    """Return what a method of the distribution computes; None if nothing is known about it.

    Args:
        name: `sample`, `kl`, `nll` or `mode`.
        ask: Calls a probe; None if there is no answer.
        draw: Source of the inputs.
    """
    subject, calls = DISTRIBUTION[name], []
    for size in _SIZES:
        inputs = {each: draw.normal(size["B"], size["z"]) for each in subject.inputs}
        inputs["logvar"] = inputs["logvar"].clamp(-2.5, 2.5)  # so that no term is much larger than the others
        values = _called(name, ask, inputs)
        if values is None:
            return None
        if not torch.equal(*values):
            return of_behaviour("numbers_random")
        calls.append((inputs, values[0]))
    wrong = [(inputs, value) for inputs, value in calls if not bool(subject.agrees(inputs, value).all())]
    if not wrong:
        return None
    found: list[Factors | None] = []
    for inputs, value in calls:
        terms = subject.terms(inputs)
        if subject.reduced:
            found.append(fit(value, {text: term.sum(dim=1) for text, term in terms.items()}, subject.most))
        else:  # a formula of each number
            flat = {text: term.flatten()[:_ENOUGH] for text, term in terms.items()}
            found.append(fit(value.flatten()[:_ENOUGH], flat, subject.most))
    # A formula of each number does not depend on the sizes.
    formula = across(found, _SIZES if subject.reduced else ({}, {}), subject.reduced)
    said = None if formula is None else described(name, name, formula, subject.right)
    return said or _right_in_part(name, ask, *wrong[0])


def _called(name: str, ask: Ask, inputs: Inputs) -> tuple[Tensor, Tensor] | None:
    """Return the results of two calls of a method; None if one of them cannot be read."""
    more: dict[str, Any] = {"dims": [1]} if name == "nll" else {}
    shape = inputs["mean"].shape[:1] if DISTRIBUTION[name].reduced else inputs["mean"].shape
    answer = ask("distribution", name=name, **inputs, **more, calls=2)
    first, second = (read_or_none(answer, f"value_{i}", shape) for i in (0, 1))
    return None if first is None or second is None else (first, second)


_VIEWS: dict[str, Callable[[Tensor], Tensor]] = {
    "of row 0 for every row": lambda each: each[:1].expand_as(each),
    "of dimension 0 for every dimension": lambda each: each[:, :1].expand_as(each),
    "averaged over the batch": lambda each: each.mean(0).expand_as(each),
}
_LEFT_OUT: dict[str, Callable[[Tensor], Tensor]] = {
    "of all dimensions except the last": lambda each: each[:, :-1],
    "of all dimensions except the first": lambda each: each[:, 1:],
    "of dimension 0 alone": lambda each: each[:, :1],
}


def _right_in_part(name: str, ask: Ask, inputs: Inputs, value: Tensor) -> Recovered | None:
    """Return of which other numbers a wrong result would be right, or for which it is right; None if unknown."""
    right = DISTRIBUTION[name].agrees(inputs, value)
    if text := _of_other_inputs(DISTRIBUTION[name], inputs, value) or indices(right):
        return Recovered(f"the right {name} {text}", _INDICES)
    if text := bound(right, _features(DISTRIBUTION[name], inputs)):
        return Recovered(f"the right {name} {text}", "Is anything clamped, or replaced beyond a bound?")
    return _right_alone(name, ask, inputs, right)


def _of_other_inputs(subject: Subject, inputs: Inputs, value: Tensor) -> str:
    """Return with which other rows or dimensions a result would be right, as the end of "the right kl"; or ""."""
    for text, view in _VIEWS.items():
        for chosen in [*((each,) for each in subject.inputs), subject.inputs]:
            of = {each: view(tensor) if each in chosen else tensor for each, tensor in inputs.items()}
            if bool(subject.agrees(of, value).all()):
                return f"with {' and '.join(chosen)} {text}"
    for text, view in _LEFT_OUT.items() if subject.reduced else ():
        if bool(subject.agrees({each: view(tensor) for each, tensor in inputs.items()}, value).all()):
            return text
    return ""


def _features(subject: Subject, inputs: Inputs) -> dict[str, Tensor]:
    """Return numbers that may have a bound, by their texts."""
    features = dict(inputs)
    if "sample" in inputs:
        features["sample - mean"] = inputs["sample"] - inputs["mean"]
    features |= {f"|{text}|": feature.abs() for text, feature in features.items()}
    if subject.reduced:
        each = subject.of_each(inputs)
        features |= {"term of the sum": each, "it": each.sum(1, keepdim=True)}
    return features


def _right_alone(name: str, ask: Ask, inputs: Inputs, right: Tensor) -> Recovered | None:
    """Return whether the rows that are wrong in a batch are right alone; None if not."""
    subject, batch = DISTRIBUTION[name], len(right)
    for row in (~right.reshape(batch, -1).all(1)).nonzero().flatten()[:_ENOUGH_ALONE].tolist():
        of = {each: tensor[row : row + 1] for each, tensor in inputs.items()}
        values = _called(name, ask, of)
        if values is None or not bool(subject.agrees(of, values[0]).all()):
            return None
    found = of_behaviour("right_only_alone")
    return replace(found, computes=f"the right {name} for one row alone, wrong in a batch of {batch}")


_ENOUGH_ALONE = 4  # rows that are wrong in the batch
_SCALED = "What is divided here? Use the argument as it is given."
_INDICES = "Which rows and dimensions enter? Compare the indices."


def of_behaviour(identifier: str) -> Recovered:
    """Return what is said about a misconception that is no formula."""
    return Recovered(hint=by_id(identifier).hint, misconception=by_id(identifier))


def bent(of: str, value: Tensor) -> dict[str, Tensor]:
    """Return an output of a layer, and usual functions of it, by their texts; `of` is its text."""
    return {
        of: value,
        f"sigmoid({of})": value.sigmoid(),
        f"tanh({of})": value.tanh(),
        f"relu({of})": value.relu(),
        f"|{of}|": value.abs(),
        f"exp({of})": value.exp(),
        f"exp({of} / 2)": (value / 2).exp(),
        f"softplus({of})": torch.nn.functional.softplus(value),
        f"log({of})": value.log(),
        f"clamp({of}, -1, 1)": value.clamp(-1, 1),
        f"({of})^2": value**2,
    }


def of_elements(
    task: str,
    what: str,
    values: Tensor,
    terms: Mapping[str, Tensor],
    right: Mapping[str, float],
    others: Mapping[str, Tensor] = MappingProxyType({}),
) -> Recovered | None:
    """Return the formula that each number of a tensor follows; None if there is none, or if it is the right one.

    Args:
        task: Task id.
        what: Name of the tensor in the handout.
        values: The submission's numbers; those that are nan or infinite are left out.
        terms: The candidate terms, of the shape of the values, the first of which is a constant.
        right: The factors of the right formula.
        others: Candidates for the whole, which are no terms of a sum.
    """
    wanted = torch.stack([factor * terms[text] for text, factor in right.items()] or [0 * values]).sum(0)
    correct = agreeing(values, wanted)
    if bool(correct.all()):
        return None
    for text, other in others.items():
        if bool(agreeing(values, other).all()):
            return shown(task, f"{what} = {text}", _SCALED if " / " in text else _INDICES)
    finite = values.isfinite()
    chosen = finite.flatten().nonzero().flatten()
    chosen = chosen[:: max(1, len(chosen) // _ENOUGH)]
    flat = {text: term.expand_as(values).flatten()[chosen] for text, term in terms.items()}
    known = {text: term for text, term in flat.items() if bool(term.isfinite().all())}
    formula = across([fit(values.flatten()[chosen], known, 3)], [{}], "") if len(chosen) >= _FEWEST else None
    said = None if formula is None else described(task, what, formula, right)
    if said is None and right and bool((values == values.flatten()[0]).all()):
        return of_behaviour("numbers_same")
    if said is None and (text := indices(correct)):
        return Recovered(f"the right {what} {text}", _INDICES)
    return said


def described(task: str, what: str, formula: Formula, right: Mapping[str, float]) -> Recovered | None:
    """Return what is said about a formula that was found; None if it is the right one."""
    wanted = Formula(tuple(Part(term, factor) for term, factor in right.items()), formula.reduced)
    if str(formula) == str(wanted) or not formula.believable:
        return None
    return shown(task, f"{what} = {formula}", difference(formula, wanted))


def shown(task: str, line: str, hint: str, more: str = "") -> Recovered:
    """Return what is said about a formula, and the misconception that it is; `more` is shown behind the formula."""
    misconception = of_formula(task, line)
    return Recovered(f"{line}{more}", misconception.hint if misconception else hint, misconception)
