"""Find parts of a submission that were handed out solved and are changed in it.

given.json, which `python -m solution.skeleton` writes, has a hash of each function of the reference that holds an
answer. The hash is of the syntax tree without docstrings, so comments and layout do not matter. Files of students are
parsed here and never run.
"""

import ast
import hashlib
import json
import tokenize
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

FINGERPRINTS = Path(__file__).with_name("given.json")
_OF_SOME_VERSIONS = ("ctx", "kind", "type_comment", "type_params")  # not the same in all versions of Python


def changed(file: Path, tasks: Sequence[str]) -> tuple[str, ...]:
    """Return those of the given tasks whose code in a file is not the code that was handed out.

    A file that cannot be read or parsed has no changed parts: its checks report why.

    Args:
        file: A submission.
        tasks: Ids of tasks.
    """
    if not tasks:
        return ()
    try:
        with tokenize.open(file) as stream:  # in the encoding that the file declares
            found = fingerprints(stream.read())
    except (OSError, SyntaxError, ValueError, RecursionError, MemoryError):
        return ()
    known: Mapping[str, Mapping[str, str]] = json.loads(FINGERPRINTS.read_text(encoding="utf-8"))
    return tuple(task for task in tasks if not known.get(task, {}).items() <= found.items())


def fingerprints(source: str) -> dict[str, str]:
    """Return a hash of each function of a file, by qualified name, such as `VAE.encode`.

    Raises:
        SyntaxError, ValueError, RecursionError, MemoryError: The source cannot be parsed.
    """
    return {name: _fingerprint(node) for name, node in functions(ast.parse(source))}


def functions(tree: ast.AST, prefix: str = "") -> Iterator[tuple[str, ast.FunctionDef]]:
    """Yield the functions of a module and the methods of its classes, by qualified name."""
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, ast.FunctionDef):
            yield f"{prefix}{node.name}", node
        elif isinstance(node, ast.ClassDef):
            yield from functions(node, f"{prefix}{node.name}.")


def _fingerprint(function: ast.FunctionDef) -> str:
    body = function.body[1:] if ast.get_docstring(function) is not None else function.body
    return hashlib.sha256(_text([function.args, body]).encode()).hexdigest()[:16]


def _text(value: object) -> str:
    """Return a syntax tree as text that is the same in all versions of Python."""
    if isinstance(value, list):
        return f"[{', '.join(map(_text, value))}]"
    if not isinstance(value, ast.AST):
        return repr(value)
    parts = [(name, part) for name, part in ast.iter_fields(value) if name not in _OF_SOME_VERSIONS]
    inner = ", ".join(f"{name}={_text(part)}" for name, part in parts if part is not None and part != [])
    return f"{type(value).__name__}({inner})"
