"""grades.csv: write and read it. Each submission has a row, whether it was graded or not."""

import csv
import io
import json
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from grader.judge.result import CheckResult, Explanation
from grader.report.explain import BROKEN
from grader.report.results_json import GRADED, Record, result
from grader.report.text import harmless, points_text, safe_cell

from ..csv_tables import read_table


@dataclass(frozen=True)
class Entry:
    """One row of a class run.

    Attributes:
        submission: Safe and unique name, also the name of its folder below the output folder.
        status: `graded`, or the reason why it was not graded.
        results: Content of its results.json; None if it was not graded.
        source: Text of the submitted file, for the search for look-alikes; empty if there is none.
    """

    submission: str
    status: str
    results: dict[str, Any] | None = None
    source: str = ""


@dataclass(frozen=True, slots=True)
class Grade:
    """What a row of grades.csv says about a graded submission: points, seconds, and the points by task."""

    score: float
    max_score: float
    seconds: float
    tasks: Mapping[str, float]

    @staticmethod
    def of(results: Mapping[str, Any]) -> "Grade":
        """Return the grade in the content of a results.json."""
        extra = results["extra_data"]
        tasks = {sys.intern(name): task["score"] for name, task in extra["tasks"].items()}
        return Grade(extra["score"], extra["max_score"], extra["seconds"], tasks)


@dataclass(frozen=True, slots=True)
class Row:
    """One row of grades.csv: an entry without its results.

    Attributes:
        submission, status: As in Entry.
        grade: None if the submission was not graded.
    """

    submission: str
    status: str
    grade: Grade | None = None


FILE_NAME = "grades.csv"


def grades_text(rows: Iterable[Row], tasks: Sequence[str], points: Mapping[str, float]) -> str:
    """Return the text of grades.csv.

    Args:
        rows: The rows.
        tasks: The selected tasks; the columns of other tasks are empty.
        points: Points of all tasks, in the order of the columns.
    """
    stream = io.StringIO()
    writer = csv.writer(stream, lineterminator="\n")
    writer.writerow(["submission", "score", "max_score", "status", "seconds", *points])
    nothing = Grade(0.0, sum(points[task] for task in tasks), 0.0, dict.fromkeys(tasks, 0.0))
    for row in rows:
        writer.writerow(_cells(row, row.grade or nothing, tasks, points))
    return stream.getvalue()


def _cells(row: Row, grade: Grade, tasks: Sequence[str], points: Mapping[str, float]) -> list[str]:
    return [
        safe_cell(row.submission),
        points_text(round(100 * grade.score)),
        points_text(round(100 * grade.max_score)),
        safe_cell(row.status.replace(";", ",")),  # if ";" separates cells, a formula could follow it
        f"{grade.seconds:.1f}",
        *(points_text(round(100 * grade.tasks[task])) if task in tasks else "" for task in points),
    ]


def read_class(folder: Path) -> Iterator[Entry]:
    """Yield the entries of an earlier class run: the rows of its grades.csv, else all folders with a results.json.

    Each is read only when it is asked for, since the results of a large class need not fit into memory.

    Raises:
        ValueError: The folder holds no class run, or its grades.csv cannot be read.
    """
    statuses = read_statuses(folder / FILE_NAME)
    statuses = statuses or {file.parent.name: GRADED for file in sorted(folder.glob("*/results.json"))}
    if not statuses:
        raise ValueError(f"{folder} holds no class run: there is no grades.csv and no results.json")
    return (read_entry(folder, name, status) for name, status in statuses.items())


def read_statuses(grades: Path) -> dict[str, str]:
    """Return the status of each row of a grades.csv, which a spreadsheet may have saved; empty if there is no file.

    Raises:
        TableError: The file cannot be read.
    """
    if not grades.is_file():
        return {}
    table = read_table(grades)
    names = [table.cell(row, "submission") for row in table.rows]
    statuses = [table.cell(row, "status") or GRADED for row in table.rows]
    return {name: status for name, status in zip(names, statuses, strict=True) if name}


def read_entry(folder: Path, name: str, status: str) -> Entry:
    """Return a row of a class run with its results. If the row is not graded, old files in its folder are ignored."""
    if status != GRADED:
        return Entry(name, status)
    try:
        results = json.loads((folder / name / "results.json").read_text(encoding="utf-8"))
    except FileNotFoundError:
        return Entry(name, "its results.json is missing")
    except (OSError, ValueError):
        return Entry(name, "its results.json cannot be read")
    return Entry(name, status, results)


def record(entry: Entry) -> Record:
    """Return an entry with its results parsed; results in another format become a status."""
    name, status = harmless(entry.submission), harmless(entry.status)
    if entry.results is None:
        return Record(name, status, source=entry.source)
    try:
        made = entry.results["extra_data"].get("class") or {}
        return Record(name, status, result(entry.results, name), dict(made), entry.source)
    except (KeyError, TypeError, ValueError, AttributeError, IndexError, OverflowError):
        return Record(name, "its results.json has another format", source=entry.source)


_SAID = 200  # characters of an explanation that the pages of a class show


def brief(one: Record) -> Record:
    """Return a record with only what the pages of the whole class show, so that those of all submissions fit in memory.

    Pictures and explanations are left out, except the first line of checks that crashed, hung or ran out of memory.
    """
    if one.result is None:
        return replace(one, source="")
    tasks = tuple(
        replace(task, id=sys.intern(task.id), checks=tuple(_brief_check(check) for check in task.checks))
        for task in one.result.tasks
    )
    return replace(one, result=replace(one.result, tasks=tasks, training=None), source="")


def _brief_check(check: CheckResult) -> CheckResult:
    words = check.explanation.got or check.explanation.message
    said = words.partition("\n")[0][:_SAID] if check.status in BROKEN else ""
    name, title, task = (sys.intern(text) for text in (check.name, check.title, check.task))
    explanation = Explanation(got=said, diagnosis=check.diagnosis)
    return replace(check, name=name, title=title, task=task, explanation=explanation, picture=None)
