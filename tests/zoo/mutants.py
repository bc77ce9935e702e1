"""Every single-change mutant of the reference's answers, from a walk over their syntax trees."""

import ast
import copy
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass

from tests.zoo.build import reference, spans

_OPERATORS: dict[type[ast.operator], tuple[type[ast.operator], ...]] = {
    ast.Add: (ast.Sub, ast.Mult),
    ast.Sub: (ast.Add,),
    ast.Mult: (ast.Div, ast.Add),
    ast.Div: (ast.Mult,),
    ast.FloorDiv: (ast.Mult, ast.Mod),
    ast.Pow: (ast.Mult, ast.Add),
}
_COMPARISONS: dict[type[ast.cmpop], tuple[type[ast.cmpop], ...]] = {ast.Is: (ast.IsNot,), ast.IsNot: (ast.Is,)}
_ATTRIBUTES = ("mean", "std", "var", "logvar")
_NAMES = {
    **dict.fromkeys(_ATTRIBUTES, _ATTRIBUTES),
    # Names of this file
    "z_1": ("z_2",),
    "z_2": ("z_1",),
    "likelihood": ("posterior",),
    "posterior": ("likelihood",),
    "log_prior": ("log_posterior", "log_likelihood"),
    "log_posterior": ("log_prior",),
    "log_likelihood": ("log_prior",),
    "encode": ("decode",),
    "decode": ("encode",),
    "encoder": ("decoder",),
    "decoder": ("encoder",),
    "mode": ("sample",),
    "sample": ("mode",),
    "nll": ("kl",),
    "kl": ("mode",),
    "in_channels": ("features",),
    # Names of Python and torch
    "sum": ("mean", "prod"),
    "log": ("exp", "log10"),
    "min": ("max",),
    "max": ("min",),
    "pi": ("e",),
    "randn": ("rand", "zeros"),
    "randn_like": ("rand_like", "zeros_like"),
    "zeros_like": ("ones_like",),
    "repeat": ("repeat_interleave",),
    "logsumexp": ("mean", "amax"),
    "logaddexp": ("maximum", "add"),
    "Conv2d": ("ConvTranspose2d",),
    "ConvTranspose2d": ("Conv2d",),
    "SiLU": ("Identity",),
}


@dataclass(frozen=True)
class Mutant:
    """The reference with one change.

    Attributes:
        region: Where: a task id, or `encoder.forward`, `decoder.forward`.
        change: What, numbered where the same words fit more than one change.
        source: The text of the file.
    """

    region: str
    change: str
    source: str

    @property
    def task(self) -> str:
        """The task that must lose points."""
        return self.region.removesuffix(".forward")

    @property
    def title(self) -> str:
        """Region and change."""
        return f"{self.region}: {self.change}"


def mutants() -> list[Mutant]:
    """Return every mutant, in the order of the file."""
    text = reference()
    tree = ast.parse(text)
    lines = {r: (text.count("\n", 0, a) + 1, text.count("\n", 0, b)) for r, (a, b) in spans(text).items()}
    made: list[Mutant] = []
    counts: Counter[str] = Counter()
    seen = {ast.unparse(tree)}
    for region, (first, last) in lines.items():
        for parent, field, index in _places(tree, first, last):
            old = _get(parent, field, index)
            for change, new in _changes(old, _short(parent)):
                source = _with(tree, parent, field, index, old, new)
                if source is None or source in seen:
                    continue
                seen.add(source)
                counts[region + change] += 1
                count = counts[region + change]
                made.append(Mutant(region, f"{change} ({count})" if count > 1 else change, source))
    return made


Place = tuple[ast.AST, str, int | None]


def _places(tree: ast.Module, first: int, last: int) -> Iterator[Place]:
    """Yield where each node of some lines hangs: parent, field, and index if the field is a list."""
    for parent in ast.walk(tree):
        for field, value in ast.iter_fields(parent):
            for index, node in enumerate(value) if isinstance(value, list) else [(None, value)]:
                if isinstance(node, (ast.expr, ast.stmt)) and first <= node.lineno and (node.end_lineno or 0) <= last:
                    yield parent, field, index


def _get(parent: ast.AST, field: str, index: int | None) -> ast.AST:
    value = getattr(parent, field)
    return value if index is None else value[index]


def _with(
    tree: ast.Module, parent: ast.AST, field: str, index: int | None, old: ast.AST, new: ast.AST | None
) -> str | None:
    """Return the text of the tree with one node replaced, and put the old one back."""
    try:
        if index is None:
            setattr(parent, field, new)
        else:
            getattr(parent, field)[index] = new
        text = ast.unparse(tree)
        compile(text, "mutant", "exec")
        return text
    except (SyntaxError, ValueError, AttributeError, TypeError):
        return None  # not every change is Python
    finally:
        if index is None:
            setattr(parent, field, old)
        else:
            getattr(parent, field)[index] = old


def _short(node: ast.AST) -> str:
    text = " ".join(ast.unparse(node).split())
    return text if len(text) <= 90 else f"{text[:60]} ... {text[-25:]}"


Change = tuple[str, ast.AST]


def _changes(node: ast.AST, where: str) -> Iterator[Change]:
    """Yield what can be done to a node: a description and the node that replaces it."""
    if isinstance(node, (ast.Call, ast.Tuple)):
        yield from _of_list(node, "args" if isinstance(node, ast.Call) else "elts")
    if isinstance(node, ast.Call):
        yield from _without_keyword(node)
    for new in _replacements(node):
        small = isinstance(node, (ast.Constant, ast.Name, ast.Attribute))
        yield f"{_short(node)} -> {_short(new)}" + (f" in {where}" if small else ""), new


def _replacements(node: ast.AST) -> Iterator[ast.AST]:
    if isinstance(node, ast.BinOp):
        yield from _of_operation(node)
    elif isinstance(node, ast.Constant):
        yield from _of_constant(node)
    elif isinstance(node, ast.UnaryOp):
        yield node.operand
    elif isinstance(node, ast.Compare):
        yield from (ast.Compare(node.left, [o()], node.comparators) for o in _COMPARISONS.get(type(node.ops[0]), ()))
    elif isinstance(node, ast.IfExp):
        yield from (node.body, node.orelse)
    elif isinstance(node, ast.Call):
        if isinstance(node.func, ast.Attribute) and not isinstance(node.func.value, ast.Name):
            yield node.func.value  # a.sum(dim=1) -> a
        yield from node.args[:1]
    elif isinstance(node, ast.Attribute):
        yield from (
            ast.Attribute(node.value, name, node.ctx) for name in _NAMES.get(node.attr, ()) if name != node.attr
        )
    elif isinstance(node, ast.Name):
        yield from (ast.Name(name, node.ctx) for name in _NAMES.get(node.id, ()) if name != node.id)
    elif isinstance(node, ast.stmt):
        yield from _of_statement(node)


def _of_operation(node: ast.BinOp) -> Iterator[ast.AST]:
    for operator in _OPERATORS.get(type(node.op), ()):
        yield ast.BinOp(node.left, operator(), node.right)
    yield from (node.left, node.right)
    if isinstance(node.op, (ast.Sub, ast.Div, ast.FloorDiv, ast.Pow)):
        yield ast.BinOp(node.right, node.op, node.left)


def _of_constant(node: ast.Constant) -> Iterator[ast.AST]:
    value = node.value
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        yield from (ast.Constant(new) for new in (value + 1, value - 1, 2 * value, -value) if new != value)


def _of_list(node: ast.AST, field: str) -> Iterator[Change]:
    """Leave out each element; swap each with the next."""
    elements = getattr(node, field)
    where = _short(node)
    for i, element in enumerate(elements):
        without = copy.copy(node)
        setattr(without, field, elements[:i] + elements[i + 1 :])
        yield f"no {_short(element)} in {where}", without
        if i + 1 < len(elements):
            swapped = copy.copy(node)
            setattr(swapped, field, [*elements[:i], elements[i + 1], element, *elements[i + 2 :]])
            yield f"{_short(elements[i + 1])} before {_short(element)} in {where}", swapped


def _without_keyword(node: ast.Call) -> Iterator[Change]:
    for i, keyword in enumerate(node.keywords):
        without = copy.copy(node)
        without.keywords = node.keywords[:i] + node.keywords[i + 1 :]
        yield f"no {_short(keyword)} in {_short(node)}", without


def _of_statement(node: ast.stmt) -> Iterator[ast.AST]:
    yield ast.Pass()
    if isinstance(node, ast.If):
        for value in (True, False):
            changed = copy.copy(node)
            changed.test = ast.Constant(value)
            yield changed
    if isinstance(node, ast.For):
        once = copy.copy(node)
        once.body = [*node.body, ast.Break()]
        yield once
