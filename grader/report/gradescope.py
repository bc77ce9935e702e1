"""Gradescope's results.json, which is also the grader's own file format."""

import json
from pathlib import Path
from typing import Any

from ..judge.results import CheckResult, Result
from .explain import BROKEN, WAITS, shown
from .files import write_whole


def points(hundredths: int) -> float:
    """Return hundredths of points as points."""
    return hundredths / 100


def as_json(result: Result) -> dict[str, Any]:
    """Return a result in Gradescope's format; `extra_data` holds what the grader's own reports read."""
    tasks = {
        task.id: {
            "score": points(task.score),
            "max_score": points(task.max_score),
            "status": task.status,
            "diagnoses": task.diagnoses,
        }
        for task in result.tasks
    }
    return {
        "score": points(result.score),
        "execution_time": result.seconds,
        "test_output_format": "text",
        "tests": [_test(check, check in shown(task).waiting) for task in result.tasks for check in task.checks],
        "extra_data": {
            "tasks": tasks,
            "score": points(result.score),
            "max_score": points(result.max_score),
            "seconds": result.seconds,
            "sandbox": result.sandbox,
            "seed": result.seed,
            "environment": result.environment,
        },
    }


def _test(check: CheckResult, waits: bool) -> dict[str, Any]:
    return {
        "name": f"{check.task}: {check.title}",
        "score": points(check.score),
        "max_score": points(check.max_score),
        "status": "passed" if check.status == "passed" else "failed",
        "output": "\n".join([*_headline(check, waits), check.output]),
        "tags": [check.task],
    }


def _headline(check: CheckResult, waits: bool) -> list[str]:
    """Return what Gradescope's two statuses leave unsaid, as a line above the explanation; at most one."""
    if waits and check.status != "passed":
        return [WAITS]
    return [check.status] if check.status in BROKEN else []


def write(path: Path, result: Result) -> None:
    """Write results.json atomically: whoever reads it sees the whole of it or none.

    All but ASCII is escaped in the file, so that no terminal or log that shows it can be harmed.
    """
    write_whole(path, json.dumps(as_json(result), indent=1, ensure_ascii=True))
