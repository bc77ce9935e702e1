"""Make the text of a submission from the reference and an entry of the zoo."""

import ast
import functools
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from textwrap import dedent, indent

from tests.zoo.entry import Equivalent, Swap, Wrong

REFERENCE = Path(__file__).resolve().parents[2] / "solution" / "VAE_Model.py"

_REGION = re.compile(r"^( *)### BEGIN SOLUTION\n(.*?)^ *### END SOLUTION\n", re.MULTILINE | re.DOTALL)
_TASK = re.compile(r"^ *# ## Task `(\w+)`$", re.MULTILINE)
_LAST_IMPORT = "from torch import Tensor, nn\n"


def reference() -> str:
    """Return the text of the reference solution."""
    return REFERENCE.read_text(encoding="utf-8")


def spans(text: str) -> dict[str, tuple[int, int]]:
    """Return where each answer stands in the text, by the task above it; a second one is called `<task>.forward`.

    Raises:
        ValueError: A region has no task, or a task more than two.
    """
    found: dict[str, tuple[int, int]] = {}
    for region in _REGION.finditer(text):
        tasks = _TASK.findall(text, 0, region.start())
        name = tasks[-1] if tasks else ""
        name = f"{name}.forward" if name in found else name
        if not name or name in found:
            raise ValueError(f"a region after {list(found)} has no task of its own: write `# ## Task` above it")
        found[name] = region.span(2)
    return found


REGIONS = tuple(spans(reference()))
"""Of the reference, in the order of the file."""


def source(entry: Wrong | Equivalent) -> str:
    """Return the text of an entry's submission.

    Raises:
        ValueError: It is the reference, is no Python, or a swap does not find its text exactly once.
    """
    text = with_answers(reference(), _answers(entry))
    text = _swapped(text, entry.swaps, entry.title)
    if isinstance(entry, Equivalent):
        text = text.replace(_LAST_IMPORT, _LAST_IMPORT + dedent(entry.top), 1) + dedent(entry.bottom)
    if ast.dump(ast.parse(text)) == _tree_of_the_reference():
        raise ValueError(f"{entry.title}: this is the reference itself")
    return text


@functools.cache
def _tree_of_the_reference() -> str:
    return ast.dump(ast.parse(reference()))


def with_answers(text: str, answers: Mapping[str, str]) -> str:
    """Return the text with the answers of some regions replaced."""
    where = spans(text)
    for region in sorted(answers, key=lambda r: where[r], reverse=True):
        start, end = where[region]
        margin = re.match(" *", text[start:end])
        assert margin is not None
        text = text[:start] + indent(dedent(answers[region]).strip("\n"), margin.group()) + "\n" + text[end:]
    return text


def _answers(entry: Wrong | Equivalent) -> dict[str, str]:
    if isinstance(entry, Equivalent):
        return dict(entry.answers)
    pairs = {entry.task: entry.answer, f"{entry.task}.forward": entry.forward}
    return {region: answer for region, answer in pairs.items() if answer}


def _swapped(text: str, swaps: Sequence[Swap], title: str) -> str:
    for old, new in swaps:
        if text.count(old) != 1:
            raise ValueError(f"{title}: {old!r} stands {text.count(old)} times in the file, not once")
        text = text.replace(old, new)
    return text
