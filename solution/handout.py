"""Make the handout of an offering from handout.md, a template that has all sections and names no points or limits."""

import re
import textwrap
from collections.abc import Callable, Mapping
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from grader.judge.offering import OWN, TASKS, Offering

TEMPLATE = Path(__file__).with_name("handout.md")
HANDOUT = TEMPLATE.parents[1] / "assignment" / "README.md"

_CHAPTERS = {
    "distribution": ("sample", "kl", "nll", "mode"),
    "networks": ("encoder", "decoder"),
    "model": ("encode", "decode", "prior_sample", "forward"),
    "likelihood": ("log_likelihood", "interpolate"),
    "training": ("training",),
}
_ANCHORS = {"distribution": "the-distribution", "networks": "two-networks", "model": "the-model"}
_ANCHORS |= {"likelihood": "the-likelihood", "training": "training"}
_ORDER = (
    *("sample", "mode", "kl", "nll", "encoder", "decoder", "encode", "decode", "prior_sample", "interpolate"),
    *("forward", "log_likelihood"),
)
_GIVEN = "*Given.* This part is solved in `VAE_Model.py`. Read it there: it is not graded."
_WIDTH = 120
_AS_IT_IS = re.compile(r"(^```.*?^```$|^\$\$.*?^\$\$$)", re.MULTILINE | re.DOTALL)
_WHOLE = re.compile(r"\$[^$\n]+\$|`[^`\n]+`")


def handout(offering: Offering, lines: int) -> str:
    """Return the handout of an offering, in Markdown.

    Args:
        offering: The offering.
        lines: The number of lines of code that students write.
    """
    environment = Environment(
        loader=FileSystemLoader(TEMPLATE.parent),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    environment.filters["number"] = "{:g}".format
    values = _values(offering) | _functions(offering) | {"lines": 5 * max(1, round(lines / 5))}
    return filled(environment.get_template(TEMPLATE.name).render(values))


def _values(offering: Offering) -> dict[str, object]:
    code = [task.id for task in TASKS if task.id in offering.graded and task.id != "training"]
    order = [task for task in _ORDER if task in code] + [task for task in code if task not in _ORDER]
    without_gradient = {"prior_sample": "`VAE.sample`", "log_likelihood": "`log_likelihood`"}
    without_gradient |= {"interpolate": "`interpolate`"}
    shown = [task for task, part in offering.parts.items() if part != "off"]
    networks = [f"`{task}`" for task in ("encoder", "decoder") if task in code]
    chapters = [name for name, tasks in _CHAPTERS.items() if any(task in shown for task in tasks)]
    return {
        "total": offering.total,
        "uses_the_model": any(task not in _CHAPTERS["distribution"] for task in offering.graded),
        "limits": offering.limits,
        "hints": offering.hints,
        "code_tasks": len(code),
        "all_written": set(offering.graded) >= {task.id for task in TASKS} - OWN,
        "solved": any(part != "write" for task, part in offering.parts.items() if task != "training"),
        "given": offering.of_part("given"),
        "example": offering.example,
        "several": " or ".join([task for task in ("sample", "kl", "nll") if task in code] or code[:2]),
        "order": listed([f"`{task}`" for task in order], "and then"),
        "networks": f"{listed(networks, 'and')} {'have' if len(networks) > 1 else 'has'}" if networks else "",
        "without_gradient": listed([text for task, text in without_gradient.items() if task in code], "and"),
        "contents": ", ".join(f"[{name}](#{_ANCHORS[name]})" for name in chapters),
    }


_USUAL = 20  # percent of a task's points for the shape
Shares = Mapping[str, tuple[int, int, int, int]]
"""Percent of a task's points for shape, value, gradient and statistics, by task; handout.md has them."""


def _kept(tasks: list[str], shares: Shares) -> str:
    """Return how much of its points a task keeps while its value is wrong."""
    every = sorted({_shape(task, shares) for task in tasks})
    most = [share for share in every if share >= _USUAL] or every
    return f"at most {most[-1]} % of its points{f', in most cases {most[0]} %' if len(most) > 1 else ''}"


def _shape(task: str, shares: Shares) -> int:
    return shares[task][0] if task in shares else _USUAL


def _functions(offering: Offering) -> dict[str, Callable[..., object]]:
    """Return the functions that the template calls."""

    def written(*tasks: str) -> bool:
        return any(task in offering.graded for task in tasks)

    def shown(*tasks: str) -> bool:
        return any(offering.parts[task] != "off" for task in tasks)

    def heading(task: str) -> str:
        return f"### Task `{task}`" if written(task) else f"### Given: `{task}`\n\n{_GIVEN}"

    def points_row(task: str, shares: tuple[int, ...]) -> str:
        if not written(task):
            return f"| [`{task}`](#given-{task}) | given | | | | |\n" if shown(task) else ""
        cells = "".join(f" {share} % |" if share else " |" for share in shares)
        return f"| [`{task}`](#task-{task}) | {offering.points[task]:g} |{cells}\n"

    def points_rows(shares: Shares) -> str:
        own = [task for task in offering.graded if task in OWN]
        own_rows = [f"| `{task}` | {offering.points[task]:g} | | | | |\n" for task in own]
        return "".join([*(points_row(task, of_task) for task, of_task in shares.items()), *own_rows])

    def kept(shares: Shares) -> str:
        return _kept([task for task in offering.graded if task != "training"], shares)

    def shape_of_example(shares: Shares) -> str:
        points = offering.points[offering.example]
        return f"{points * _shape(offering.example, shares) / 100:g} of {points:g}"

    def example_row(name: str, percent: int, status: str) -> str:
        points = offering.points["kl"]
        return f"{name:<16}{f'{points * percent / 100:g} / {points:g}':>14}   {status}"

    return {
        "written": written,
        "shown": shown,
        "heading": heading,
        "points_rows": points_rows,
        "kept": kept,
        "shape_of_example": shape_of_example,
        "example_row": example_row,
    }


def listed(names: list[str], last: str) -> str:
    """Return names as a list in a sentence; `last` stands before the last one."""
    return f"{', '.join(names[:-1])} {last} {names[-1]}" if len(names) > 1 else "".join(names)


def filled(markdown: str) -> str:
    """Return Markdown with its paragraphs filled to 120 columns; code, formulas and tables stay as they are."""
    parts = _AS_IT_IS.split(re.sub(r"\n{3,}", "\n\n", markdown))
    return "".join(part if i % 2 else "\n\n".join(map(_paragraph, part.split("\n\n"))) for i, part in enumerate(parts))


def _paragraph(text: str) -> str:
    if re.match(r"\s*[|#]", text):
        return text
    items = re.split(r"\n(?=\* )", text.strip("\n"))
    before, after = text[: len(text) - len(text.lstrip("\n"))], text[len(text.rstrip("\n")) :]
    return before + "\n".join(map(_item, items)) + after


def _item(text: str) -> str:
    unbroken = _WHOLE.sub(lambda found: found[0].replace(" ", "\0"), " ".join(text.split()))
    indent = "  " if text.startswith("* ") else ""
    broken = textwrap.fill(unbroken, _WIDTH, subsequent_indent=indent, break_long_words=False, break_on_hyphens=False)
    return broken.replace("\0", " ")
