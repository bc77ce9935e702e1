"""Write and read results.json, in Gradescope's format. The grader uses the same format for its own reports.

Each entry of `tests` has the fields of Gradescope; its `extra_data` contains the fields of the grader's result model.
So reading a file gives the same result that was written. Texts in a file may come from students; they are made safe
when the file is read.
"""

import base64
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any, cast, get_args

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
    TrainingPictures,
)

from .explain import BROKEN, WAITS, judged_part, shown
from .files import write_whole
from .text import harmless


def points(hundredths: int) -> float:
    """Convert hundredths of points to points."""
    return hundredths / 100


def as_json(result: Result, notice: str = "") -> dict[str, Any]:
    """Return a result in Gradescope's format; the grader's own reports read `extra_data`.

    No test is hidden, because a single hidden test would also hide the total score from the student. The printed output
    of the grading is visible to instructors only.

    Args:
        result: The result.
        notice: A message that the student sees first.
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
            **({"training": _as_json(result.training)} if result.training else {}),
        },
    }


def _as_json(picture: Picture | TrainingPictures) -> dict[str, Any]:
    """Return the fields of a picture; bytes become base64."""
    return {
        name: base64.b64encode(value).decode("ascii") if isinstance(value, bytes) else value
        for name, value in asdict(picture).items()
    }


def summary(result: Result, notice: str = "") -> str:
    """Return the text above all tests: the score, and a line for each task that was not passed."""
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
            **({"picture": {"of": _PICTURES[type(check.picture)]} | _as_json(check.picture)} if check.picture else {}),
        },
    }


def _headline(check: CheckResult, waits: bool) -> list[str]:
    """Return at most one line above the explanation, for statuses that Gradescope does not have."""
    if waits and check.status != "passed":
        return [WAITS]
    return [check.status] if check.status in BROKEN else []


def write_results(path: Path, result: Result) -> None:
    """Write results.json atomically: a reader never sees an incomplete file.

    All characters except ASCII are escaped, so that it is safe to show the file in a terminal or a log.
    """
    write_whole(path, json.dumps(as_json(result), indent=1, ensure_ascii=True))


GRADED = "graded"


@dataclass(frozen=True)
class Record:
    """One submission of a class run, read from its files.

    Attributes:
        submission: The name of the submission and of its folder.
        status: `graded`, or the reason why it was not graded.
        result: The result model; None if the submission was not graded.
        made: The content of `extra_data["class"]`, which describes the run: sha256, grader, seed, ...
        source: Text of the submitted file.
    """

    submission: str
    status: str
    result: Result | None = None
    made: Mapping[str, Any] = field(default_factory=dict)
    source: str = ""


def result(data: Mapping[str, Any], submission: str) -> Result:
    """Return the result in the data of a results.json.

    Raises:
        KeyError, TypeError, ValueError, AttributeError, IndexError, OverflowError: The data does not have the grader's
            format.
    """
    extra = data["extra_data"]
    return Result(
        submission=harmless(submission),
        tasks=tuple(_task(name, task, data["tests"]) for name, task in extra["tasks"].items()),
        seconds=float(extra["seconds"]),
        sandbox=harmless(str(extra["sandbox"])),
        seed=int(extra["seed"]),
        environment={harmless(str(k)): harmless(str(v)) for k, v in extra["environment"].items()},
        training=_training(extra["training"]) if "training" in extra else None,
    )


def _training(pictures: Mapping[str, Any]) -> TrainingPictures:
    return TrainingPictures(
        steps=_integers(pictures["steps"]),
        losses=_floats(pictures["losses"]),
        constant_mean=float(pictures["constant_mean"]),
        ppca=float(pictures["ppca"]),
        pairs=_bytes(pictures["pairs"]),
    )


_PICTURES = {Histogram: "noise", Scatter: "numbers", Strip: "path"}  # what each is a picture of


def _picture(picture: Mapping[str, Any]) -> Picture:
    of = picture["of"]
    if of == _PICTURES[Histogram]:
        return Histogram(
            counts=_integers(picture["counts"]),
            edge=float(picture["edge"]),
            total=int(picture["total"]),
            distinct=int(picture["distinct"]),
            mean=float(picture["mean"]),
            std=float(picture["std"]),
            smallest=float(picture["smallest"]),
            largest=float(picture["largest"]),
            within=_pair(picture["within"]),
        )
    if of == _PICTURES[Scatter]:
        slope, offset, correlation = _floats(picture["line"])
        return Scatter(
            points=_bytes(picture["points"]),
            expected=_pair(picture["expected"]),
            got=_pair(picture["got"]),
            total=int(picture["total"]),
            wrong=int(picture["wrong"]),
            unseen=int(picture["unseen"]),
            line=(slope, offset, correlation),
            pairs=tuple(_pair(pair) for pair in picture["pairs"]),
        )
    if of == _PICTURES[Strip]:
        return Strip(
            image=_bytes(picture["image"]),
            shown=_integers(picture["shown"]),
            total=int(picture["total"]),
            off=_floats(picture["off"]),
            nearest=_integers(picture["nearest"]),
            nearest_off=_floats(picture["nearest_off"]),
        )
    raise ValueError(f"no picture of {of}")


def _bytes(text: str) -> bytes:
    return base64.b64decode(text, validate=True)


def _integers(numbers: Sequence[int]) -> tuple[int, ...]:
    return tuple(int(number) for number in numbers)


def _floats(numbers: Sequence[float]) -> tuple[float, ...]:
    return tuple(float(number) for number in numbers)


def _pair(pair: Sequence[float]) -> tuple[float, float]:
    first, second = _floats(pair)
    return first, second


def _task(name: str, task: Mapping[str, Any], tests: Sequence[Mapping[str, Any]]) -> TaskResult:
    checks = tuple(_check(name, test) for test in tests if test["tags"] == [name])
    return TaskResult(name, checks, round(100 * task.get("left_out", 0)))


def _check(task: str, test: Mapping[str, Any]) -> CheckResult:
    extra = test["extra_data"]
    texts = {name: harmless(str(value)) for name, value in extra.items() if name != "picture"}
    status, kind = texts["status"], texts["kind"]
    if status not in get_args(Status) or kind not in get_args(Kind):
        raise ValueError(f"{task}: {kind}, {status}")
    return CheckResult(
        task=task,
        name=texts["id"],
        title=texts["title"],
        kind=cast(Kind, kind),
        score=round(100 * test["score"]),
        max_score=round(100 * test["max_score"]),
        status=cast(Status, status),
        explanation=Explanation(
            **{field.name: texts[field.name] for field in fields(Explanation) if field.name in texts}
        ),
        picture=_picture(extra["picture"]) if "picture" in extra else None,
    )
