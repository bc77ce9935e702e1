"""Gradescope's results.json, which is also the grader's own file format."""

import json
from pathlib import Path
from typing import Any

from ..judge.results import CheckResult, Result
from .explain import BROKEN, WAITS, judged_part, shown
from .files import write_whole


def points(hundredths: int) -> float:
    """Return hundredths of points as points."""
    return hundredths / 100


def as_json(result: Result, notice: str = "") -> dict[str, Any]:
    """Return a result in Gradescope's format; `extra_data` holds what the grader's own reports read.

    No test is ever hidden: one hidden test would hide the total from its student. What the grading prints is for
    instructors.

    Args:
        result: The result.
        notice: What the student must know before all else.
    """
    tasks = {
        task.id: {
            "score": points(task.score),
            "max_score": points(task.max_score),
            "status": task.status,
            "diagnoses": task.diagnoses,
            **({"left_out": points(task.left_out)} if task.left_out else {}),
        }
        for task in result.tasks
    }
    return {
        "score": points(result.score),
        "execution_time": result.seconds,
        "output": summary(result, notice),
        "output_format": "text",
        "test_output_format": "text",
        "test_name_format": "text",
        "visibility": "visible",
        "stdout_visibility": "hidden",
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


def summary(result: Result, notice: str = "") -> str:
    """Return what stands above all tests: the score, and a line for each task that missed points."""
    lines = [notice, ""] if notice else []
    lines += [f"{points(result.score):g} of {points(result.max_score):g} points"]
    if part := judged_part(result):
        lines += [f"unfinished: {part}" if result.unfinished else part]
    if result.sandbox == "in-process":
        lines += ["run in-process: this score does not count"]
    short = [task for task in result.tasks if task.status != "passed"]
    for task in short if not notice else ():
        found = f" ({', '.join(task.diagnoses)})" if task.diagnoses else ""
        lines.append(f"{task.id}: {points(task.score):g} of {points(task.max_score):g}, {task.status}{found}")
    return "\n".join(lines)


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
