"""Render report.html, the page for one student, and all other pages: self-contained, escaped, without any requests.

A page is one file with inline styles and at most one script. A Content-Security-Policy allows this script by its hash,
and refuses everything else. Values are passed to the templates as data and are escaped everywhere.
"""

import base64
import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any
from urllib.parse import quote

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from grader.judge.result import CheckResult, Result, TaskResult

from .drawings import Figure, curve_of, figure_of
from .explain import BROKEN, shown
from .files import write_whole
from .results_json import Record

_TEMPLATES = Path(__file__).resolve().parent / "templates"


def render_page(template: str, **values: Any) -> str:
    """Return a page as HTML.

    Args:
        template: Name of a file in templates/.
        **values: Values for the template; all text in them is escaped.

    Raises:
        jinja2.UndefinedError: The template uses a value that is missing.
    """
    return _templates().get_template(template).render(**values)


@lru_cache(maxsize=1)
def _templates() -> Environment:
    environment = Environment(
        loader=FileSystemLoader(_TEMPLATES),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.globals["style"] = Markup((_TEMPLATES / "style.css").read_text(encoding="utf-8"))
    environment.globals["scripts"] = {
        path.name: Markup(path.read_text(encoding="utf-8")) for path in _TEMPLATES.glob("*.js")
    }
    environment.filters |= {"number": number, "percent": percent, "link": link, "script_hash": script_hash}
    return environment


def script_hash(script: str) -> str:
    """Return the hash of a script in the format of a Content-Security-Policy."""
    return "sha256-" + base64.b64encode(hashlib.sha256(script.encode("utf-8")).digest()).decode("ascii")


def number(value: float) -> str:
    """Return a number with at most two decimals and a typographic minus sign."""
    text = f"{value:.2f}".rstrip("0").rstrip(".")
    return text.replace("-", "\N{MINUS SIGN}") if text != "-0" else "0"


def percent(share: float) -> str:
    """Return a share as percent; only exactly nothing or everything is shown as 0 or 100."""
    shown = round(100 * share)
    if 0 < share < 1:
        shown = min(max(shown, 1), 99)
    return f"{shown}\N{NO-BREAK SPACE}%"


def link(submission: str, page: str = "report.html") -> str:
    """Return the relative address of a page in a submission's folder."""
    return f"./{quote(submission, safe='')}/{page}"


@dataclass(frozen=True)
class ShownCheck:
    """A check that lost points, prepared for the template.

    Attributes:
        title, status, score, max_score: The values of the check.
        parts: Pairs of label and text.
        reproduce: Lines of Python that show the wrong answer.
        figure: What the submission returned, drawn; None if there is no picture.
    """

    title: str
    status: str
    score: float
    max_score: float
    parts: tuple[tuple[str, str], ...]
    reproduce: str
    figure: Figure | None


@dataclass(frozen=True)
class ShownTask:
    """A task, prepared for the template.

    Attributes:
        id, status, score, max_score: The values of the task.
        share: Earned share of its points, 0 to 1; 0 if the task has no points.
        attainment: `full`, `partial`, `zero` or `not attempted`.
        diagnoses: Ids of the misconceptions that were found.
        checks: Checks with an explanation.
        following: Titles of failed checks that an explained check accounts for.
        waiting: Titles and statuses of checks that count only when the value is right.
        same: How many more checks failed for the same reason as a check in `checks`.
    """

    id: str
    status: str
    score: float
    max_score: float
    share: float
    attainment: str
    diagnoses: tuple[str, ...]
    checks: tuple[ShownCheck, ...]
    following: tuple[str, ...]
    waiting: tuple[str, ...]
    same: int


@dataclass(frozen=True)
class Everywhere:
    """A failure that ended several tasks, such as an error on import; it is shown once, above the tasks."""

    status: str
    parts: tuple[tuple[str, str], ...]
    tasks: tuple[str, ...]


def report_page(record: Record, title: str, notes: Sequence[str] = ()) -> str:
    """Return the report of one submission as HTML.

    Args:
        record: The submission, graded or not.
        title: The small line of the heading: course, assignment, term.
        notes: Further notes on the points, for example a late penalty.
    """
    tasks = [_task(task) for task in record.result.tasks] if record.result else []
    everywhere = _everywhere(tasks)
    return render_page(
        "report.html",
        title=title,
        notes=notes,
        record=record,
        result=record.result,
        tasks=tasks,
        everywhere=everywhere,
        said={task for one in everywhere for task in one.tasks},
        untouched=[task.id for task in tasks if task.attainment == "not attempted"],
        counts={kind: sum(task.attainment == kind for task in tasks) for kind in ("full", "partial", "zero")},
        environment=_environment(record.result),
        training=curve_of(record.result.training) if record.result and record.result.training else None,
        script="copy.js" if any(check.reproduce for task in tasks for check in task.checks) else "",
    )


def write_report(folder: Path, record: Record, title: str) -> Path:
    """Write report.html atomically into the submission's folder and return its path.

    Raises:
        OSError: The file cannot be written.
    """
    path = folder / "report.html"
    write_whole(path, report_page(record, title))
    return path


def _task(task: TaskResult) -> ShownTask:
    checks = shown(task)
    return ShownTask(
        id=task.id,
        status=task.status,
        score=task.score / 100,
        max_score=task.max_score / 100,
        share=share_of(task) or 0.0,
        attainment=attainment(task),
        diagnoses=tuple(task.diagnoses),
        checks=tuple(_check(check) for check in checks.explained),
        following=tuple(check.title for check in checks.following),
        waiting=tuple(f"{check.title} ({check.status})" for check in checks.waiting),
        same=checks.same,
    )


def _everywhere(tasks: Sequence[ShownTask]) -> list[Everywhere]:
    """Return the failures that ended more than one task with exactly the same text."""
    ended: dict[tuple[str, tuple[tuple[str, str], ...]], list[str]] = {}
    for task in tasks:
        if task.status in BROKEN and len(task.checks) == 1:
            ended.setdefault((task.status, task.checks[0].parts), []).append(task.id)
    return [Everywhere(*what, tuple(ids)) for what, ids in ended.items() if len(ids) > 1]


def _check(check: CheckResult) -> ShownCheck:
    return ShownCheck(
        title=check.title,
        status=check.status,
        score=check.score / 100,
        max_score=check.max_score / 100,
        parts=check.explanation.parts(),
        reproduce=check.explanation.reproduce,
        figure=figure_of(check.picture) if check.picture else None,
    )


def _environment(result: Result | None) -> str:
    if result is None:
        return ""
    versions = [f"{name} {result.environment[name]}" for name in ("python", "torch") if name in result.environment]
    return ", ".join(versions)


def share_of(of: TaskResult | Result) -> float | None:
    """Return the earned share of the points, 0 to 1; None if there are no points."""
    return of.score / of.max_score if of.max_score else None


def attainment(task: TaskResult) -> str:
    """Return `full`, `partial`, `zero` or `not attempted`: by points, or by passed checks if the task has no points."""
    share = share_of(task)
    if share is None:
        share = sum(check.status == "passed" for check in task.checks) / max(1, len(task.checks))
    if share >= 1:
        return "full"
    if share > 0:
        return "partial"
    return "not attempted" if task.status == "not attempted" else "zero"
