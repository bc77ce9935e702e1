"""results.json: Gradescope's format, which is also the grader's own, written and read back.

Each entry of `tests` says in Gradescope's words what its `extra_data` holds field by field, so that a file is read back
as the result that was written. The texts in it came from students, and become harmless here.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any, cast, get_args

from grader.judge.result import CheckResult, Explanation, Kind, Result, Status, TaskResult

from .explain import BROKEN, WAITS, judged_part, shown
from .files import write_whole
from .text import harmless


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
        "extra_data": {
            "id": check.name,
            "title": check.title,
            "kind": check.kind,
            "status": check.status,
            **{name: text for name, text in asdict(check.explanation).items() if text},
        },
    }


def _headline(check: CheckResult, waits: bool) -> list[str]:
    """Return what Gradescope's two statuses leave unsaid, as a line above the explanation; at most one."""
    if waits and check.status != "passed":
        return [WAITS]
    return [check.status] if check.status in BROKEN else []


def write_results(path: Path, result: Result) -> None:
    """Write results.json atomically: whoever reads it sees the whole of it or none.

    All but ASCII is escaped in the file, so that no terminal or log that shows it can be harmed.
    """
    write_whole(path, json.dumps(as_json(result), indent=1, ensure_ascii=True))


GRADED = "graded"


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


def result(data: Mapping[str, Any], submission: str) -> Result:
    """Return the result that a results.json describes.

    Raises:
        KeyError, TypeError, ValueError, AttributeError, IndexError, OverflowError: It is not the grader's format.
    """
    extra = data["extra_data"]
    return Result(
        submission=harmless(submission),
        tasks=tuple(_task(name, task, data["tests"]) for name, task in extra["tasks"].items()),
        seconds=float(extra["seconds"]),
        sandbox=harmless(str(extra["sandbox"])),
        seed=int(extra["seed"]),
        environment={harmless(str(k)): harmless(str(v)) for k, v in extra["environment"].items()},
    )


def _task(name: str, task: Mapping[str, Any], tests: Sequence[Mapping[str, Any]]) -> TaskResult:
    checks = tuple(_check(name, test) for test in tests if test["tags"] == [name])
    return TaskResult(name, checks, round(100 * task.get("left_out", 0)))


def _check(task: str, test: Mapping[str, Any]) -> CheckResult:
    told = {name: harmless(str(value)) for name, value in test["extra_data"].items()}
    status, kind = told["status"], told["kind"]
    if status not in get_args(Status) or kind not in get_args(Kind):
        raise ValueError(f"{task}: {kind}, {status}")
    return CheckResult(
        task=task,
        name=told["id"],
        title=told["title"],
        kind=cast(Kind, kind),
        score=round(100 * test["score"]),
        max_score=round(100 * test["max_score"]),
        status=cast(Status, status),
        explanation=Explanation(
            **{field.name: told[field.name] for field in fields(Explanation) if field.name in told}
        ),
    )
