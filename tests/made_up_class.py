"""Submissions of a made-up class, as a class run hands them to the reports: no student's code is run."""

import base64
from dataclasses import replace
from typing import Any

from grader.instructor.class_runs.grades import Entry, Grade, Row
from grader.judge.result import (
    CheckResult,
    Explanation,
    Histogram,
    Kind,
    Picture,
    Result,
    Scatter,
    Status,
    Strip,
    TaskResult,
)
from grader.report import results_json
from grader.report.explain import Explained

POINTS = {"kl": 10, "mode": 2, "training": 10}
PARTS: tuple[tuple[Kind, str, int], ...] = (
    ("shape", "one number per row", 20),
    ("value", "the closed form", 50),
    ("gradient", "its gradient", 30),
)
CATALOGUE = {
    "kl_missing_half": Explained("factor 1/2 forgotten", "it is a constant factor too large"),
    "mode_std": Explained("the standard deviation", "where is a normal density highest?"),
}
WRONG = Explanation("kl = 4.2", "8.4, and 6 of 6 values differ", "4.2 at most, at [5]")

_DOT = base64.b64decode(  # a grey PNG image of one pixel
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAAAAAA6fptVAAAACklEQVR4nGNoAAAAggCBd81ytgAAAABJRU5ErkJggg=="
)
PICTURES: tuple[Picture, ...] = (
    Histogram((0, 30, 70, 0), 4.0, 110, 55, 0.2, 0.5, -1.5, 9.0, (0.9, 0.97)),
    Scatter(
        bytes([0, 0, 0, 128, 64, 1, 255, 255, 1]), (-1.5, 2.5), (-3.0, 5.0), 4, 3, 1, (2.0, 0.0, 1.0), ((0.5, 1.0),)
    ),
    Strip(_DOT, (0, 5), 6, (0.0, 1.25), (0, 2), (0.0, 0.5)),
)


def checks(
    task: str, outcome: str, got: str | None = None, picture: Picture | None = None, reproduce: str = ""
) -> tuple[CheckResult, ...]:
    """Return the checks of a task.

    Args:
        task: One of POINTS.
        outcome: `full`; a misconception's id or `wrong`: the shape is right, the value wrong; or a status.
        got: What the failed checks say; by default something plain.
        picture, reproduce: Those of a wrong value.
    """
    full = tuple(
        CheckResult(task, f"test_{kind}", title, kind, POINTS[task] * share, POINTS[task] * share, "passed")
        for kind, title, share in PARTS
    )
    if outcome == "full":
        return full
    statuses: dict[str, Status] = {s: s for s in ("not attempted", "crashed", "timed out", "out of memory")}
    if outcome in statuses:
        left = Explanation(message="not attempted yet: the TODO is still there")
        ended = left if outcome == "not attempted" and not got else Explanation(got=got or f"it {outcome}")
        return tuple(replace(c, score=0, status=statuses[outcome], explanation=ended) for c in full)
    diagnosis = None if outcome == "wrong" else outcome
    hint = CATALOGUE[outcome].hint if diagnosis else "look again"
    told = replace(WRONG, hint=hint, diagnosis=diagnosis, reproduce=reproduce)
    told = Explanation(got=got, diagnosis=diagnosis) if got else told
    shape, value, gradient = full
    return (
        shape,
        replace(value, score=0, status="failed", explanation=told, picture=picture),
        replace(gradient, score=0, status="failed", explanation=Explanation("what follows from the wrong value")),
    )


def result(
    outcomes: dict[str, str], got: str | None = None, picture: Picture | None = None, reproduce: str = "", **more: Any
) -> Result:
    """Return a result with an outcome per task; tasks that are not named are full."""
    tasks = tuple(
        TaskResult(task, checks(task, outcomes.get(task, "full"), got, picture, reproduce)) for task in POINTS
    )
    plain: dict[str, Any] = {"seconds": 3.5, "sandbox": "process", "seed": 7}
    environment = {"python": "3.11.0", "torch": "2.4.0", "threads": 1}
    return Result("VAE_Model.py", tasks, environment=environment, **plain | more)


def entry(name: str, outcomes: dict[str, str] | None = None, got: str | None = None, **more: Any) -> Entry:
    """Return a graded entry; see `result`. `made` becomes extra_data["class"], `source` the text of the file."""
    source, made = more.pop("source", ""), more.pop("made", {"sha256": "a" * 64, "grader": "b" * 40})
    results = results_json.as_json(result(outcomes or {}, got, **more))
    results["extra_data"]["class"] = made
    return Entry(name, "graded", results, source)


def row(of: Entry) -> Row:
    """Return the row of an entry in grades.csv."""
    return Row(of.submission, of.status, Grade.of(of.results) if of.results else None)


def a_class() -> list[Entry]:
    """Return twelve submissions, of which everything that the reports speak of happened to one."""
    return [
        *(entry(f"full-{i}") for i in range(4)),
        *(entry(f"half-{i}", {"kl": "kl_missing_half", "training": "wrong"}) for i in range(3)),
        entry("std", {"mode": "mode_std"}),
        entry("nothing", dict.fromkeys(POINTS, "not attempted")),
        entry("hangs", {"kl": "timed out"}, seconds=80.0),
        entry("breaks", {"mode": "crashed", "training": "crashed"}),
        Entry("unread", "no VAE_Model.py in the archive"),
    ]
