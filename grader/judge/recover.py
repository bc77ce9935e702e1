"""What a submission computes instead: the candidate terms of each task, and the calls whose answers are fitted.

Called only after a value check failed. Each function asks for answers to new random inputs, of which a formula is
recovered (formula.py). The catalogue names the formula if it is a known misconception; else the term that differs from
the right formula gives the hint. The right formula is never shown.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor

from .answer import read_or_none
from .example import Ask, Example, Inputs, example_of_distribution
from .formula import ONE, Factors, Formula, Part, across, difference, fit
from .inputs import Draw
from .misconceptions import Misconception, of_formula


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
    subject = DISTRIBUTION[name]
    found: list[Factors | None] = []
    sizes: list[Mapping[str, int]] = []
    for size in _SIZES:
        inputs = {each: draw.normal(size["B"], size["z"]) for each in subject.inputs}
        inputs["logvar"] = inputs["logvar"].clamp(-2.5, 2.5)  # so that no term is much larger than the others
        more: dict[str, Any] = {"dims": [1]} if name == "nll" else {}
        shape = [size["B"]] if subject.reduced else [size["B"], size["z"]]
        answer = ask("distribution", name=name, **inputs, **more, calls=2)
        first, second = (read_or_none(answer, f"value_{i}", shape) for i in (0, 1))
        if first is None or second is None:
            return None
        if not torch.equal(first, second):
            return Recovered(hint="Two calls with the same arguments give different results. What in it is random?")
        terms = subject.terms(inputs)
        if subject.reduced:
            found.append(fit(first, {text: term.sum(dim=1) for text, term in terms.items()}, subject.most))
            sizes.append(size)
        else:  # a formula of each number, whatever the sizes are
            flat = {text: term.flatten()[:_ENOUGH] for text, term in terms.items()}
            found.append(fit(first.flatten()[:_ENOUGH], flat, subject.most))
            sizes.append({})
    formula = across(found, sizes, subject.reduced)
    return None if formula is None else described(name, name, formula, subject.right)


def of_elements(
    task: str, what: str, values: Tensor, terms: Mapping[str, Tensor], right: Mapping[str, float], most: int = 3
) -> Recovered | None:
    """Return the formula that each number of a tensor follows; None if there is none, or if it is the right one.

    Args:
        task: Task id.
        what: Name of the tensor in the handout.
        values: The submission's numbers.
        terms: The candidate terms, of the shape of the values.
        right: The factors of the right formula.
        most: The largest number of terms.
    """
    step = max(1, values.numel() // _ENOUGH)
    flat = {text: term.expand_as(values).flatten()[::step] for text, term in terms.items()}
    formula = across([fit(values.double().flatten()[::step], flat, most)], [{}], "")
    return None if formula is None else described(task, what, formula, right)


def described(task: str, what: str, formula: Formula, right: Mapping[str, float]) -> Recovered | None:
    """Return what is said about a formula that was found; None if it is the right one."""
    wanted = Formula(tuple(Part(term, factor) for term, factor in right.items()), formula.reduced)
    if str(formula) == str(wanted) or not formula.believable:
        return None
    misconception = of_formula(task, str(formula)) if what == task else None
    hint = misconception.hint if misconception else difference(formula, wanted)
    return Recovered(f"{what} = {formula}", hint, misconception)
