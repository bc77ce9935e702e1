"""Recover the formula that a submission computes, from its answers to random inputs.

A formula is a sum of few terms, each with a factor: 1/2 sum(mean^2 + std - logvar - 1). Least squares over the subsets
of all candidate terms finds the smallest subset that explains some of the answers exactly. It counts only if it also
explains the other answers, which were not fitted. Answers for two sizes show which factors are 1/B or 1/z.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations

import torch
from jaxtyping import Float64
from torch import Tensor

from .tolerances import UNIT_FORMULA, UNIT_NICE

Terms = Mapping[str, Tensor]
Factors = dict[str, float]
ONE = "1"


@dataclass(frozen=True)
class Part:
    """One term of a formula: its factor, and the sizes that the factor is divided by, such as "z" or "B z"."""

    term: str
    factor: float
    over: str = ""


@dataclass(frozen=True)
class Formula:
    """A sum of terms.

    Attributes:
        parts: The terms, in the order of the candidates.
        reduced: "sum" if the terms are summed over the dimensions; empty if the formula holds for each number.
    """

    parts: tuple[Part, ...]
    reduced: str = ""

    def __str__(self) -> str:
        """Return the formula in the notation of the handout."""
        if not self.parts:
            return "0"
        reduced, inside = self.reduced, self.parts
        outside: tuple[Part, ...] = ()
        if reduced and all("z" in part.over for part in inside):
            reduced = "mean"
            inside = tuple(Part(p.term, p.factor, p.over.replace("z", "").strip()) for p in inside)
        elif reduced:  # a constant that does not grow with the number of dimensions
            outside = tuple(Part(p.term, p.factor) for p in inside if (p.term, p.over) == (ONE, "z"))
            inside = tuple(p for p in inside if (p.term, p.over) != (ONE, "z"))
        if not reduced or not inside:
            return _added(inside or outside)
        common = _common(inside)
        scaled = tuple(Part(p.term, p.factor / common.factor) for p in inside) if common else inside
        front = f"{_product(common)} " if common and _product(common) != ONE else ""
        front = "-" if front == "-1 " else front
        rest = f" {_added(outside, later=True)}" if outside else ""
        return f"{front}{reduced}({_added(scaled)}){rest}"

    @property
    def believable(self) -> bool:
        """Whether somebody may have written it: each factor is simple, except that of a single term of the inputs."""
        single = len(self.parts) == 1 and self.parts[0].term != ONE
        return single or all(_plain_text(part.factor) for part in self.parts)

    def factors(self) -> dict[str, Part]:
        """Return the terms by their texts."""
        return {part.term: part for part in self.parts}


def _common(parts: Sequence[Part]) -> Part | None:
    """Return the factor that all terms share up to their signs, with the sign of the first term, as a part of 1.

    A constant may differ, if it is still a number of its own without that factor, such as log(2 pi).
    """
    first = parts[0]
    for part in parts:
        same = math.isclose(abs(part.factor), abs(first.factor), rel_tol=UNIT_NICE)
        own = part.term == ONE and "log" in number_text(part.factor / first.factor)
        if part.over != first.over or not (same or own):
            return None
    return Part(ONE, first.factor, first.over) if len(parts) > 1 else None


def _added(parts: Sequence[Part], later: bool = False) -> str:
    text = ""
    for part in parts:
        signed = _product(part)
        if text or later:
            signed = f"- {signed[1:]}" if signed.startswith("-") else f"+ {signed}"
        text += f"{' ' if text else ''}{signed}"
    return text


def _product(part: Part) -> str:
    """Return a factor and its term: -mean, 1/2 var, 3, -log(2 pi) / z."""
    number = number_text(part.factor)
    over = "" if not part.over else f" / {part.over}" if " " not in part.over else f" / ({part.over})"
    if part.term == ONE:
        return f"{number}{over}"
    sign = {"1": "", "-1": "-"}.get(number, f"{number} ")
    return f"{sign}{part.term}{over}"


_CONSTANTS = {
    "": 1.0,
    "log(2 pi)": math.log(2 * math.pi),
    "log(pi)": math.log(math.pi),
    "log(2)": math.log(2.0),
    "log(100)": math.log(100.0),
    "pi": math.pi,
    "sqrt(2)": math.sqrt(2.0),
    "sqrt(2 pi)": math.sqrt(2 * math.pi),
    "1/sqrt(2 pi)": 1 / math.sqrt(2 * math.pi),
}


def number_text(value: float) -> str:
    """Return a number as people write it: 1/2, -3, 1/2 log(2 pi); else four digits of it."""
    return _plain_text(value) or f"{value:.4g}"


def _plain_text(value: float) -> str:
    """Return a simple fraction, a decimal such as 127.5, or a simple multiple of a constant; empty if it is none."""
    for name, constant in _CONSTANTS.items():
        belows, most = ((1, 2, 3, 4, 5, 6, 8, 10, 20), 64) if not name else ((1, 2), 2)
        for below in belows:
            above = round(value / constant * below)
            if 0 < abs(above) <= most and math.isclose(value, above / below * constant, rel_tol=UNIT_NICE):
                number = f"{above}" if below == 1 else f"{above}/{below}"
                return number if not name else {"1": name, "-1": f"-{name}"}.get(number, f"{number} {name}")
    halves = round(2 * value)
    large = 40 < abs(halves) < 2048 and math.isclose(2 * value, halves, rel_tol=UNIT_NICE / 100)
    return f"{halves / 2:g}" if large else ""


def fit(answers: Float64[Tensor, " n"], terms: Terms, most: int = 5) -> Factors | None:
    """Return the factors of the fewest terms whose sum equals the answers; None if no `most` terms explain them.

    Of several subsets of as many terms, the one with the simplest factors is taken, and of those the first.

    Args:
        answers: The submission's numbers, in float64; at least four times as many as `most`.
        terms: The values of the candidate terms, (n,) each, by their texts.
        most: The largest number of terms.
    """
    if not bool(answers.isfinite().all()):
        return None
    table = torch.stack(list(terms.values()), dim=1)
    if not bool(table.isfinite().all()):
        return None
    if not bool(answers.any()):
        return {}
    scale = table.abs().amax(dim=0).clamp(min=torch.finfo(torch.float64).tiny)
    table, names, half = table / scale, list(terms), len(answers) * 3 // 5
    for count in range(1, most + 1):
        subsets = torch.tensor(list(combinations(range(len(names)), count)))
        columns = table[:, subsets].transpose(0, 1)  # (subsets, n, count)
        right = answers.expand(len(subsets), -1).unsqueeze(2)
        found = torch.linalg.lstsq(columns[:, :half], right[:, :half], driver="gelsy").solution
        products = columns * found.transpose(1, 2)
        off = (products.sum(dim=2) - answers).abs()
        share = (off / (UNIT_FORMULA * (products.abs().sum(dim=2) + answers.abs().mean()))).amax(dim=1)
        share = share.nan_to_num(nan=math.inf)
        exact = (share <= 1).nonzero().flatten().tolist()
        if exact:
            factors = {best: (found[best, :, 0] / scale[subsets[best]]).tolist() for best in exact}
            best = min(exact, key=lambda i: sum(not _plain_text(f) for f in factors[i]))
            return dict(zip((names[i] for i in subsets[best].tolist()), factors[best], strict=True))
    return None


def across(found: Sequence[Factors | None], sizes: Sequence[Mapping[str, int]], reduced: str = "sum") -> Formula | None:
    """Return the formula that the factors for several sizes have in common; None if there is none.

    Args:
        found: The factors for each size.
        sizes: The sizes, such as {"B": 40, "z": 3}; a factor may be divided by any of them, or by their product.
        reduced: See Formula.
    """
    known = [factors for factors in found if factors is not None]
    if len(known) < len(sizes) or any(factors.keys() != known[0].keys() for factors in known):
        return None
    parts = []
    for term in known[0]:
        part = _one_factor(term, [factors[term] for factors in known], sizes)
        if part is None:
            return None
        parts.append(part)
    return Formula(tuple(parts), reduced)


def _one_factor(term: str, values: Sequence[float], sizes: Sequence[Mapping[str, int]]) -> Part | None:
    names = list(sizes[0])
    for over in ["", *names, *(" ".join(pair) for pair in combinations(names, 2))]:
        scaled = [v * math.prod(each[n] for n in over.split()) for v, each in zip(values, sizes, strict=True)]
        if all(math.isclose(value, scaled[0], rel_tol=UNIT_NICE) for value in scaled):
            return Part(term, scaled[0], over)
    return None


def difference(found: Formula, right: Formula) -> str:
    """Return a hint about the first difference between two formulas, without the right formula."""
    got, wanted = found.factors(), right.factors()
    ratios = {round(p.factor / wanted[t].factor, 6) for t, p in got.items() if t in wanted and p.over == wanted[t].over}
    if got.keys() == wanted.keys() and len(ratios) == 1 and all(p.over == wanted[t].over for t, p in got.items()):
        if ratios == {-1.0}:
            return "The sign of the whole result is wrong."
        return "The terms are right, but the whole is multiplied by a wrong factor. Which one stands before the terms?"
    if got.keys() == wanted.keys() and all(part.over for part in got.values()) and not any(p.over for p in right.parts):
        return "The result is divided by a size. Do the terms add up, or are they averaged?"
    strange = [term for term in got if term not in wanted]
    missing = [term for term in wanted if term not in got]
    wrong = [t for t, part in got.items() if t in wanted and not _same(part, wanted[t])]
    signs = [t for t in wrong if math.isclose(got[t].factor, -wanted[t].factor, rel_tol=UNIT_NICE)]
    if strange:
        term = _quoted(strange[0])
        return f"Look at {term if strange[0] == ONE else f'the term {term}'}. Does it belong there?"
    if signs:
        return f"Look at the sign of {_quoted(signs[0])}."
    if missing and not wrong:
        count = "A term is" if len(missing) == 1 else f"{len(missing)} terms are"
        return f"{count} missing. Compare with the source that the handout names."
    if wrong:
        size = f", which is divided by {got[wrong[0]].over}" if got[wrong[0]].over else ""
        return f"Look at the factor of {_quoted(wrong[0])}{size}."
    return "Compare the terms with those of the source that the handout names, one by one."


def _same(one: Part, other: Part) -> bool:
    return one.over == other.over and math.isclose(one.factor, other.factor, rel_tol=UNIT_NICE)


def _quoted(term: str) -> str:
    return "the constant" if term == ONE else f"`{term}`"
