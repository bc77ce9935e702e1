"""Which tasks a change of the file can have touched, found by comparing the syntax trees of the two versions.

A file is split into *definitions*: methods, module-level functions, and the rest. A task is touched if a definition
changed that its own code can reach. Names decide what is reached, so the result may contain tasks that did not change,
but leaves none out that did. If the code looks itself up in other ways than by name, every task is touched.
"""

import ast
from collections.abc import Iterator
from dataclasses import dataclass, field

from grader.judge.offering import BY_ID, TASKS

_EVERYTHING = frozenset(BY_ID)
_REST = ""  # imports, constants, bases and attributes of classes: changes here can touch everything
_DISTRIBUTION = "DiagonalGaussianDistribution"
_OWN = {task.id: task.what for task in TASKS}  # what a student writes: a class, a method or a function
_BUILT = ("Encoder", "Decoder", "VAE", _DISTRIBUTION)  # the parts of the models that the checks build
# Code that uses one of these may reach a definition without its name.
_INDIRECT = {"getattr", "setattr", "globals", "locals", "vars", "eval", "exec", "inspect", "sys", "importlib", "dir"}
_PLAIN = {"__init__", "__name__", "__file__"}  # `super().__init__()`, `if __name__ == "__main__"`


@dataclass(frozen=True)
class Touched:
    """The tasks that a change can have touched.

    Attributes:
        directly: Tasks whose own definition changed.
        all: All tasks that have to be graded again, these included.
    """

    directly: frozenset[str] = frozenset()
    all: frozenset[str] = frozenset()


def touched(before: bytes, after: bytes) -> Touched:
    """Return the tasks whose verdict may differ between two versions of a file."""
    if before == after:
        return Touched()
    try:
        old, new = _Version.of(before), _Version.of(after)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return Touched(all=_EVERYTHING)
    changed = {name for name in old.texts.keys() | new.texts.keys() if old.texts.get(name) != new.texts.get(name)}
    directly = frozenset(task.id for task in TASKS if task.id != "training" and changed & _within(task.id, changed))
    if not changed:
        return Touched()
    special = any(name.rpartition(".")[2].startswith("__") for name in changed if not name.endswith(".__init__"))
    if _REST in changed or special or old.is_indirect or new.is_indirect:
        return Touched(directly, _EVERYTHING)
    reaching = {task.id for task in TASKS if changed & (old.reached_by(task.id) | new.reached_by(task.id))}
    return Touched(directly, frozenset(reaching | directly | {"training"}))


def same_lines(before: bytes, after: bytes) -> bool:
    """Whether all code of two versions has the same line numbers, so that reports that name lines are still right."""
    try:
        return _dump(ast.parse(before), lines=True) == _dump(ast.parse(after), lines=True)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return before == after


def _within(task: str, names: set[str]) -> set[str]:
    """Return the names that belong to the definition of a task."""
    own = _OWN[task]
    return {name for name in names if name == own or name.startswith(f"{own}.")}


@dataclass(frozen=True)
class _Version:
    """One version of a file.

    Attributes:
        texts: Each definition's tree as text, without line numbers and docstrings, by its name.
        mentions: The names that each definition mentions, in strings too.
    """

    texts: dict[str, str] = field(default_factory=dict)
    mentions: dict[str, frozenset[str]] = field(default_factory=dict)

    @staticmethod
    def of(content: bytes) -> "_Version":
        """Split a file into its definitions.

        Raises:
            SyntaxError, ValueError: The file is no Python.
        """
        version = _Version()
        for name, node in _definitions(ast.parse(content)):
            # A name that is defined twice keeps both texts.
            version.texts[name] = version.texts.get(name, "") + _dump(node)
            version.mentions[name] = version.mentions.get(name, frozenset()) | frozenset(_names(node))
        return version

    @property
    def is_indirect(self) -> bool:
        """Whether any code may reach a definition without its name."""
        names = frozenset[str]().union(*self.mentions.values())
        return bool(names & _INDIRECT) or any(name.startswith("__") for name in names - _PLAIN)

    def reached_by(self, task: str) -> set[str]:
        """Return the definitions that the checks of a task can reach, by the names that the code on the way mentions.

        Python calls some methods without naming them. So of a class that is reached, all methods are, except those of
        other tasks: these are called by their names only.
        """
        others = {own for own in _OWN.values() if "." in own}
        reached: set[str] = set()
        of, _, own = _OWN[task].rpartition(".")
        names = {own, *self.mentions.get(_REST, ()), *((_DISTRIBUTION,) if of == _DISTRIBUTION else _BUILT)}
        while True:
            more = {
                name
                for name in self.texts
                if name.rpartition(".")[2] in names or (name not in others and name.partition(".")[0] in names)
            }
            if more <= reached:
                return reached
            reached |= more
            names = names.union(*(self.mentions[name] for name in reached))


def _definitions(tree: ast.Module) -> Iterator[tuple[str, ast.AST]]:
    for node in tree.body:
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            yield node.name, node
        elif isinstance(node, ast.ClassDef):
            for inner in node.body:
                if isinstance(inner, ast.FunctionDef | ast.AsyncFunctionDef):
                    yield f"{node.name}.{inner.name}", inner
                elif not _is_text(inner):
                    yield _REST, inner
            # The head of the class: its name, bases and decorators.
            yield _REST, ast.ClassDef(node.name, node.bases, node.keywords, [], node.decorator_list)
        elif not _is_text(node):
            yield _REST, node


def _names(tree: ast.AST) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Name):
            yield node.id
        elif isinstance(node, ast.Attribute):
            yield node.attr
        elif isinstance(node, ast.Constant) and isinstance(node.value, str):
            yield node.value


def _is_text(node: ast.AST) -> bool:
    """Whether a statement is a text alone, such as a docstring."""
    return isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant) and isinstance(node.value.value, str)


def _dump(tree: ast.AST, lines: bool = False) -> str:
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef | ast.Module):
            # Without its docstring, a body may be empty, which is no Python, but can be compared.
            node.body = [inner for inner in node.body if not _is_text(inner)]
    return ast.dump(tree, include_attributes=lines)
