"""results.json: Gradescope's format, which is also the grader's own, written and read back.

The texts in it came from students and become harmless here. The file has no word for some of what the model knows: a
check that is read back is of kind `gradient` if it waits for the value, else `value`, its name is its title, and the
misconceptions of a task lie with the first checks that failed.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, get_args

from grader.judge.result import CheckResult, Result, Status, TaskResult

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


GRADED = "graded"
_STATUSES: tuple[Status, ...] = get_args(Status)


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
    checks = [_check(name, test, task["status"]) for test in tests if test["tags"] == [name]]
    found = [str(diagnosis) for diagnosis in task["diagnoses"]]
    for i, check in enumerate(checks):
        # The file names the misconceptions of a task, not of its checks: they go to those that can have one.
        if found and check.kind == "value" and check.status == "failed":
            checks[i] = replace(check, diagnosis=found.pop(0))
    return TaskResult(name, tuple(checks), round(100 * task.get("left_out", 0)))


def _check(task: str, test: Mapping[str, Any], status_of_task: str) -> CheckResult:
    title = harmless(str(test["name"])).removeprefix(f"{task}: ")
    headline, _, rest = harmless(str(test["output"])).partition("\n")
    waits = headline == WAITS or (test["status"] == "passed" and test["score"] < test["max_score"])
    if headline not in (WAITS, *BROKEN):
        rest = f"{headline}\n{rest}" if rest else headline
    return CheckResult(
        task=task,
        name=title,
        title=title,
        kind="gradient" if waits else "value",
        score=round(100 * test["score"]),
        max_score=round(100 * test["max_score"]),
        status=_status(str(test["status"]), headline, status_of_task),
        output=rest,
    )


def _status(of_test: str, headline: str, of_task: str) -> Status:
    """Return how a check ended: Gradescope tells passed from failed, the headline and the task say the rest."""
    if of_test == "passed":
        return "passed"
    found = next((status for status in BROKEN if status == headline), None)
    if found or headline.startswith("expected"):
        return found or "failed"
    for status in ("not attempted", "not judged"):
        if headline.startswith(status):
            return status
    return next((status for status in _STATUSES if status == of_task and status != "passed"), "failed")
