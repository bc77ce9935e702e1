"""Make the handout of an offering from handout.md, a template that has all sections and names no points or limits."""

import re
import textwrap
from collections.abc import Callable
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
        "kept": _kept(code),
        "part_of_example": _part(offering.points[offering.example], _shape(offering.example)),
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


_SHARES = {
    "encoder": (40, 30, 30, 0),
    "decoder": (40, 30, 30, 0),
    "sample": (20, 40, 20, 20),
    "kl": (20, 50, 20, 10),
    "nll": (20, 50, 20, 10),
    "mode": (20, 60, 20, 0),
    "encode": (20, 60, 20, 0),
    "decode": (20, 60, 20, 0),
    "prior_sample": (20, 50, 0, 30),
    "forward": (20, 50, 15, 15),
    "log_likelihood": (15, 80, 0, 5),
    "interpolate": (20, 80, 0, 0),
    "training": (0, 100, 0, 0),
}
"""Percent of a task's points for shape, value, gradient and statistics; a test compares them with the checks."""
_USUAL = 20  # percent for the shape


def _shape(task: str) -> int:
    return _SHARES[task][0] if task in _SHARES else _USUAL


def _kept(tasks: list[str]) -> str:
    """Return how much of its points a task keeps while its value is wrong."""
    every = sorted({_shape(task) for task in tasks})
    shares = [share for share in every if share >= _USUAL] or every
    return f"at most {shares[-1]} % of its points{f', in most cases {shares[0]} %' if len(shares) > 1 else ''}"


def _part(points: float, percent: int) -> str:
    return f"{points * percent / 100:g} of {points:g}"


def _functions(offering: Offering) -> dict[str, Callable[..., object]]:
    """Return the functions that the template calls."""

    def written(*tasks: str) -> bool:
        return any(task in offering.graded for task in tasks)

    def shown(*tasks: str) -> bool:
        return any(offering.parts[task] != "off" for task in tasks)

    def heading(task: str) -> str:
        return f"### Task `{task}`" if written(task) else f"### Given: `{task}`\n\n{_GIVEN}"

    def points_row(task: str) -> str:
        if not written(task):
            return f"| [`{task}`](#given-{task}) | given | | | | |\n" if shown(task) else ""
        shares = "".join(f" {share} % |" if share else " |" for share in _SHARES[task])
        return f"| [`{task}`](#task-{task}) | {offering.points[task]:g} |{shares}\n"

    def points_rows() -> str:
        own = [task for task in offering.graded if task in OWN]
        own_rows = [f"| `{task}` | {offering.points[task]:g} | | | | |\n" for task in own]
        return "".join([*map(points_row, _SHARES), *own_rows])

    def example_row(name: str, percent: int, status: str) -> str:
        points = offering.points["kl"]
        return f"{name:<16}{f'{points * percent / 100:g} / {points:g}':>14}   {status}"

    return {
        "written": written,
        "shown": shown,
        "heading": heading,
        "points_rows": points_rows,
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
