"""The formula that a submission computes is recovered from its answers; the right formula is never shown."""

import math
import re
from collections.abc import Callable, Mapping
from itertools import combinations
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from grader.judge.answer import Answer
from grader.judge.formula import ONE, Formula, Part, across, fit, number_text
from grader.judge.inputs import Draw
from grader.judge.misconceptions import CATALOGUE
from grader.judge.recover import DISTRIBUTION, Recovered, formula_of_distribution

Method = Callable[[Mapping[str, Tensor]], Tensor]


def recovered(name: str, method: Method, seed: int = 1) -> Recovered | None:
    """What is recovered from a method that is right or wrong; its own process is not needed."""

    def ask(_: str, **arguments: Any) -> Answer:
        value = method({each: arguments[each] for each in DISTRIBUTION[name].inputs})
        return Answer({"value_0": value, "value_1": value}, {}, 1e-9)

    return formula_of_distribution(name, ask, Draw(seed, name))


def kl(of: Mapping[str, Tensor], *terms: str) -> Tensor:
    mean, logvar = of["mean"], of["logvar"]
    values = {"mean^2": mean**2, "mean": mean, "var": logvar.exp(), "std": (logvar / 2).exp(), "logvar": logvar}
    values[ONE] = torch.ones_like(mean)
    parts = [float(factor) * values[name] for factor, name in map(str.split, terms)]
    return torch.stack(parts).sum(0)


WRONG_KL: list[tuple[Method, str]] = [
    (lambda of: kl(of, "1 mean^2", "1 var", "-1 logvar", "-1 1").sum(1), "sum(mean^2 + var - logvar - 1)"),
    (lambda of: kl(of, "0.5 mean^2", "0.5 std", "-0.5 logvar", "-0.5 1").sum(1), "1/2 sum(mean^2 + std - logvar - 1)"),
    (lambda of: kl(of, "0.5 mean^2", "0.5 var", "-0.5 logvar").sum(1) - 0.5, "1/2 sum(mean^2 + var - logvar) - 1/2"),
    (lambda of: kl(of, "-1 mean^2", "-1 std", "1 logvar").sum(1), "-sum(mean^2 + std - logvar)"),
    (lambda of: kl(of, "0.5 mean^2", "0.5 var", "-0.5 logvar", "-0.5 1").mean(1),
     "1/2 mean(mean^2 + var - logvar - 1)"),
    (lambda of: kl(of, "1 mean^2", "0.5 var", "-0.5 logvar", "-0.5 1").sum(1) / len(of["mean"]),
     "sum(mean^2 / B + 1/2 var / B - 1/2 logvar / B - 1/2 / B)"),
    (lambda of: kl(of, "0.7 mean", "0.35 var").sum(1), "sum(7/10 mean + 7/20 var)"),
]  # fmt: skip


@pytest.mark.parametrize(("method", "formula"), WRONG_KL, ids=[formula for _, formula in WRONG_KL])
def test_a_wrong_kl_is_recovered(method: Method, formula: str) -> None:
    found = recovered("kl", method)
    assert found is not None
    assert found.computes == f"kl = {formula}"
    assert found.hint


@pytest.mark.parametrize("seed", range(10))
def test_float32_arithmetic_is_recovered_too(seed: int) -> None:
    found = recovered("kl", lambda of: kl({k: t.float() for k, t in of.items()}, "1 mean^2", "1 std").sum(1), seed)
    assert found is not None and found.computes == "kl = sum(mean^2 + std)"


@pytest.mark.parametrize("name", DISTRIBUTION)
def test_nothing_is_said_of_the_right_formula(name: str) -> None:
    subject = DISTRIBUTION[name]

    def right(of: Mapping[str, Tensor]) -> Tensor:
        terms = subject.terms(of)
        value = sum(factor * terms[term] for term, factor in subject.right.items())
        assert isinstance(value, Tensor)
        return value.sum(1) if subject.reduced else value

    assert recovered(name, right) is None


@pytest.mark.parametrize("name", ["kl", "sample"])
def test_nothing_is_said_of_what_is_no_sum_of_terms(name: str) -> None:
    assert recovered(name, lambda of: (of["mean"].sin() * of["logvar"].cos()).sum(1)) is None
    assert recovered(name, lambda of: of["mean"].clamp(-1, 1) + 0.1 * torch.sign(of["logvar"])) is None


# One mistake for each part of the formula: what stands in place of a term, or a factor of the whole.
PARTS = {
    "mean^2": ["mean", "|mean|", "0"],
    "var": ["std", "var^2", "0"],
    "logvar": ["-logvar", "1/2 logvar", "0"],
    "1": ["0", "2 1"],
    "whole": ["2", "-1", "4"],
}
PAIRS = [
    ((one, of_one), (other, of_other))
    for one, other in combinations(PARTS, 2)
    for of_one in PARTS[one]
    for of_other in PARTS[other]
]


def both(pair: tuple[tuple[str, str], tuple[str, str]]) -> dict[str, float]:
    """The factors of kl with two mistakes in it."""
    factors = {"mean^2": 0.5, "var": 0.5, "logvar": -0.5, ONE: -0.5}
    whole = 1.0
    for part, wrong in pair:
        if part == "whole":
            whole = float(wrong)
            continue
        right = factors.pop(part)
        number, _, term = wrong.rpartition(" ")
        term, right = (term[1:], -right) if term.startswith("-") else (term, right)
        if term != "0":
            factors[term] = right * {"": 1.0, "1/2": 0.5, "2": 2.0}[number]
    return {term: whole * factor for term, factor in factors.items()}


def test_two_mistakes_in_one_formula_are_recovered_both() -> None:
    """All 78 pairs."""
    wrong, terms_of = [], DISTRIBUTION["kl"].terms
    for pair in PAIRS:
        factors = both(pair)
        order = {
            term: i for i, term in enumerate(terms_of({k: torch.zeros(1, 1).double() for k in ("mean", "logvar")}))
        }
        parts = tuple(Part(term, factors[term]) for term in sorted(factors, key=order.__getitem__))
        found = recovered("kl", lambda of, f=factors: sum(c * terms_of(of)[t] for t, c in f.items()).sum(1))  # type: ignore
        if found is None or found.computes != f"kl = {Formula(parts, 'sum')}":
            wrong.append((pair, str(Formula(parts, "sum")), found))
    assert len(PAIRS) == 78
    assert wrong == []


def kl_terms(of: Mapping[str, Tensor]) -> Tensor:
    return 0.5 * (of["mean"] ** 2 + of["logvar"].exp() - of["logvar"] - 1)


def first_row(of: Mapping[str, Tensor], name: str) -> Mapping[str, Tensor]:
    return {**of, name: of[name][:1].expand_as(of[name])}


RIGHT_IN_PART: list[tuple[str, Method, str]] = [
    ("kl", lambda of: kl_terms(of)[:, :-1].sum(1), "the right kl of all dimensions except the last"),
    ("kl", lambda of: kl_terms(of)[:, 0], "the right kl of dimension 0 alone"),
    ("kl", lambda of: kl_terms(first_row(of, "logvar")).sum(1), "the right kl with logvar of row 0 for every row"),
    ("kl", lambda of: kl_terms(of).clamp(min=0.1).sum(1), "the right kl where every term of the sum is at least 0.1"),
    ("kl", lambda of: kl_terms(of).sum(1).clamp(max=3.0), "the right kl where it is at most 2."),
    ("kl", lambda of: kl_terms(of).sum(1).mean().expand(len(of["mean"])), "the right kl for one row alone, wrong"),
    ("sample", lambda of: of["mean"] + (of["logvar"] / 2).exp() * of["noise"].clamp(-1, 1),
     "the right sample where |noise| is at most 0.9"),
    ("mode", lambda of: torch.cat([of["mean"][:-1], of["mean"][:1]]), "the right mode except for the last row of 44"),
    ("mode", lambda of: of["mean"].mean(0).expand_as(of["mean"]), "the right mode with mean averaged over the batch"),
]  # fmt: skip


@pytest.mark.parametrize(("name", "method", "text"), RIGHT_IN_PART, ids=[text for *_, text in RIGHT_IN_PART])
def test_of_a_result_that_is_right_in_part_the_part_is_said(name: str, method: Method, text: str) -> None:
    found = recovered(name, method)
    assert found is not None and found.hint
    assert found.computes.startswith(text)


def test_two_calls_that_differ_are_said_to_be_random() -> None:
    def ask(_: str, *, mean: Tensor, **arguments: Any) -> Answer:
        return Answer({"value_0": mean.sum(1), "value_1": mean.sum(1) + 1}, {}, 1e-9)

    found = formula_of_distribution("kl", ask, Draw(1, "kl"))
    assert found is not None and not found.computes and "random" in found.hint


@pytest.mark.parametrize("answer", [None, Answer({}, {}, 1.0), Answer({"value_0": torch.ones(3, 1)}, {}, 1.0)])
def test_an_answer_that_cannot_be_read_says_nothing(answer: Answer | None) -> None:
    assert formula_of_distribution("kl", lambda *_, **__: answer, Draw(1, "kl")) is None


def test_each_formula_of_the_catalogue_is_one_that_can_be_found() -> None:
    """Its terms are candidates, and no two misconceptions of a task have the same formula."""
    texts = [(m.task, formula) for m in CATALOGUE if m.task in DISTRIBUTION for formula in m.formulas]
    assert len(set(texts)) == len(texts) >= 40
    for task, formula in texts:
        draw = Draw(1, task)
        candidates = DISTRIBUTION[task].terms({each: draw.normal(2, 3) for each in DISTRIBUTION[task].inputs})
        assert formula == "0" or any(term in formula for term in candidates)


def test_numbers_are_written_as_people_write_them() -> None:
    written = {0.5: "1/2", -1.0: "-1", 1 / 3: "1/3", 0.7: "7/10", math.log(2 * math.pi) / 2: "1/2 log(2 pi)"}
    written |= {math.log(math.pi): "log(pi)", 0.123456: "0.1235", -math.sqrt(2): "-sqrt(2)"}
    assert {value: number_text(value) for value in written} == written


def test_the_fewest_terms_are_found_and_confirmed() -> None:
    draw = Draw(2, "fit")
    terms = {name: draw.normal(40) for name in "abcdef"}
    assert fit(2 * terms["b"], terms) == pytest.approx({"b": 2.0})
    three = terms["a"] - 0.5 * terms["c"] + 3 * terms["f"]
    assert fit(three, terms) == pytest.approx({"a": 1.0, "c": -0.5, "f": 3.0})
    assert fit(three, terms, most=2) is None
    almost = three.clone()
    almost[-1] += 0.01  # among the numbers that were not fitted
    assert fit(almost, terms) is None
    assert fit(three * math.inf, terms) is None


def test_factors_of_two_sizes_tell_what_they_are_divided_by() -> None:
    sizes = [{"B": 4, "z": 3}, {"B": 2, "z": 5}]
    found = across([{"a": 1 / 3, ONE: 0.25}, {"a": 1 / 5, ONE: 0.5}], sizes)
    assert found == Formula((Part("a", 1.0, "z"), Part(ONE, 1.0, "B")), "sum")
    assert across([{"a": 1.0}, {"a": 7.0}], sizes) is None
    assert across([{"a": 1.0}, {"b": 1.0}], sizes) is None
    assert across([{"a": 1.0}, None], sizes) is None


def test_every_name_that_a_check_gives_is_in_the_catalogue() -> None:
    """A name that is not there would end the check with an error of the grader."""
    folder, given = Path(__file__).parents[1] / "grader", set()
    for file in folder.rglob("*.py"):
        text = file.read_text(encoding="utf-8")
        given |= set(re.findall(r'(?:by_id|of_behaviour)\("(\w+)"\)', text))
        given |= {f"right_only_{kind}" for kind in re.findall(r'right_only\("(\w+)"\)', text)}
    assert len(given) > 30
    assert given <= {m.id for m in CATALOGUE}
