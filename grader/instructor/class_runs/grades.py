"""grades.csv: write and read it. Each submission has a row, whether it was graded or not."""

import csv
import io
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

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


FILE_NAME = "grades.csv"


def grades_text(entries: Sequence[Entry], tasks: Sequence[str], points: dict[str, int]) -> str:
    """Return the text of grades.csv.

    Args:
        entries: In the order of the rows.
        tasks: The selected tasks; the columns of other tasks are empty.
        points: Points of all tasks, in the order of the columns.
    """
    stream = io.StringIO()
    writer = csv.writer(stream, lineterminator="\n")
    writer.writerow(["submission", "score", "max_score", "status", "seconds", *points])
    for entry in entries:
        writer.writerow(_row(entry, tasks, points))
    return stream.getvalue()


def _row(entry: Entry, tasks: Sequence[str], points: dict[str, int]) -> list[str]:
    extra: dict[str, Any] = entry.results["extra_data"] if entry.results else {}
    total = sum(points[task] for task in tasks)
    scores = {task: extra["tasks"][task]["score"] if extra else 0.0 for task in tasks}
    return [
        safe_cell(entry.submission),
        points_text(round(100 * extra.get("score", 0.0))),
        points_text(round(100 * extra.get("max_score", total))),
        safe_cell(entry.status.replace(";", ",")),  # if ";" separates cells, a formula could follow it
        f"{extra.get('seconds', 0.0):.1f}",
        *(points_text(round(100 * scores[task])) if task in scores else "" for task in points),
    ]


def read_class(folder: Path) -> list[Entry]:
    """Return the entries of an earlier class run: the rows of its grades.csv, else all folders with a results.json.

    Raises:
        ValueError: The folder holds no class run, or its grades.csv cannot be read.
    """
    statuses = read_statuses(folder / FILE_NAME)
    statuses = statuses or {file.parent.name: GRADED for file in sorted(folder.glob("*/results.json"))}
    if not statuses:
        raise ValueError(f"{folder} holds no class run: there is no grades.csv and no results.json")
    return [_entry(folder, name, status) for name, status in statuses.items()]


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


def _entry(folder: Path, name: str, status: str) -> Entry:
    """Return a row with its results. If the row is not graded, old files in its folder are ignored."""
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
