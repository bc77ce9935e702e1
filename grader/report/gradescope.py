"""Gradescope's results.json, which is also the grader's own file format."""

import json
from pathlib import Path
from typing import Any

from ..judge.results import CheckResult, Result
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
        "tests": [_test(check) for task in result.tasks for check in task.checks],
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


def _test(check: CheckResult) -> dict[str, Any]:
    """Return one of Gradescope's tests, and in its `extra_data` what Gradescope has no word for."""
    return {
        "name": f"{check.task}: {check.title}",
        "score": points(check.score),
        "max_score": points(check.max_score),
        "status": "passed" if check.status == "passed" else "failed",
        "output": check.output,
        "tags": [check.task],
        "extra_data": {
            "check": check.name,
            "kind": check.kind,
            "status": check.status,
            "diagnosis": check.diagnosis,
        },
    }


def write(path: Path, result: Result) -> None:
    """Write results.json atomically: whoever reads it sees the whole of it or none.

    All but ASCII is escaped in the file, so that no terminal or log that shows it can be harmed.
    """
    write_whole(path, json.dumps(as_json(result), indent=1, ensure_ascii=True))
