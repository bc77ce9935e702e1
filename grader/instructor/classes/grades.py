"""grades.csv: a row per submission, whatever became of it; written and read back."""

import csv
import io
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from grader.report.text import safe_cell


@dataclass(frozen=True)
class Entry:
    """One row of a class run.

    Attributes:
        submission: Its name: harmless and unique; the name of its folder below the output folder.
        status: `graded`, or the reason why nothing was.
        results: What its results.json holds; None if nothing was graded.
        source: Text of the submitted file, for the search of look-alikes; empty if there is none.
    """

    submission: str
    status: str
    results: dict[str, Any] | None = None
    source: str = ""


FILE_NAME = "grades.csv"
GRADED = "graded"


def grades_text(entries: Sequence[Entry], tasks: Sequence[str], points: dict[str, int]) -> str:
    """Return the whole file.

    Args:
        entries: In the order of the rows.
        tasks: Those that were selected: the others' columns are empty.
        points: Of all tasks, in the order of the columns.
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
        number(extra.get("score", 0.0)),
        number(extra.get("max_score", total)),
        safe_cell(entry.status.replace(";", ",")),  # where it separates cells, what follows could begin one
        f"{extra.get('seconds', 0.0):.1f}",
        *(number(scores[task]) if task in scores else "" for task in points),
    ]


def number(points: float) -> str:
    """Return points without needless digits: 100, 61.5, 3.25."""
    return f"{points:.2f}".rstrip("0").rstrip(".")
