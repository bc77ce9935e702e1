"""From results.json back to the result model: what the reports of a class are drawn from.

The texts in it came from students, the file perhaps from an older grader: texts become harmless here, and what is
missing gets a plain default.
"""

import csv
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, get_args

from ..judge.results import CheckResult, Kind, Result, Status, TaskResult
from .entry import Entry
from .text import harmless

_STATUSES, _KINDS = get_args(Status), get_args(Kind)


@dataclass(frozen=True)
class Record:
    """An entry, read.

    Attributes:
        submission: Its name, which is that of its folder too.
        status: `graded`, or the reason why nothing was.
        result: The result model; None if nothing was graded.
        made: What `extra_data["class"]` says of the run: sha256, grader, seed, ...
        source: Text of the submitted file.
    """

    submission: str
    status: str
    result: Result | None = None
    made: Mapping[str, Any] = field(default_factory=dict)
    source: str = ""


def record(entry: Entry) -> Record:
    """Return an entry with its results read; results that cannot be read become a status."""
    name, status = harmless(entry.submission), harmless(entry.status)
    if entry.results is None:
        return Record(name, status, source=entry.source)
    try:
        made = entry.results["extra_data"].get("class") or {}
        return Record(name, status, result(entry.results, name), dict(made), entry.source)
    except (KeyError, TypeError, ValueError, AttributeError, IndexError, OverflowError):
        return Record(name, "its results.json has another format", source=entry.source)


def result(data: Mapping[str, Any], submission: str) -> Result:
    """Return the result that a results.json describes.

    Raises:
        KeyError, TypeError, ValueError, AttributeError, IndexError, OverflowError: It is not the grader's format.
    """
    extra = data["extra_data"]
    checks = [_check(test, extra["tasks"]) for test in data["tests"]]
    return Result(
        submission=harmless(submission),
        tasks=tuple(TaskResult(task, tuple(c for c in checks if c.task == task)) for task in extra["tasks"]),
        seconds=float(extra["seconds"]),
        sandbox=harmless(str(extra["sandbox"])),
        seed=int(extra["seed"]),
        environment={harmless(str(k)): harmless(str(v)) for k, v in extra["environment"].items()},
    )


def _check(test: Mapping[str, Any], tasks: Mapping[str, Any]) -> CheckResult:
    task = str(test["tags"][0])
    more = test.get("extra_data") or {}
    title = harmless(str(test["name"])).removeprefix(f"{task}: ")
    status = more.get("status") or (test["status"] if test["status"] == "passed" else tasks[task]["status"])
    kind = more.get("kind", "value")
    if status not in _STATUSES or kind not in _KINDS:
        raise ValueError(f"no such status or kind: {status!r}, {kind!r}")
    return CheckResult(
        task=task,
        name=str(more.get("check", title)),
        title=title,
        kind=kind,
        score=round(100 * test["score"]),
        max_score=round(100 * test["max_score"]),
        status=status,
        output=harmless(str(test.get("output", ""))),
        diagnosis=str(more["diagnosis"]) if more.get("diagnosis") else None,
    )


def read_class(folder: Path) -> list[Entry]:
    """Return the entries of an earlier class run: those of its grades.csv, and those that have a results.json.

    Raises:
        ValueError: The folder is none of a class run.
    """
    statuses = _statuses(folder / "grades.csv")
    graded = {file.parent.name for file in folder.glob("*/results.json")}
    if not statuses and not graded:
        raise ValueError(f"{folder} holds no class run: neither grades.csv nor any results.json")
    names = [*statuses, *sorted(graded - set(statuses))]
    return [_entry(folder, name, statuses.get(name, "graded")) for name in names]


def _statuses(grades: Path) -> dict[str, str]:
    if not grades.is_file():
        return {}
    with grades.open(encoding="utf-8-sig", newline="") as file:
        return {row["submission"]: row.get("status") or "graded" for row in csv.DictReader(file) if "submission" in row}


def _entry(folder: Path, name: str, status: str) -> Entry:
    try:
        results = json.loads((folder / name / "results.json").read_text(encoding="utf-8"))
    except FileNotFoundError:
        return Entry(name, status)
    except (OSError, ValueError):
        return Entry(name, "its results.json cannot be read")
    return Entry(name, status, results)
