"""From a submission to a verdict, whatever happens: graded, or nothing graded and why."""

import tempfile
import time
import traceback
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from grader.grading import seeds
from grader.grading.child import Child, GraderFailed
from grader.grading.options import GradingOptions
from grader.judge.offering import Offering, load_offering
from grader.judge.result import CheckResult, Explanation, Result, Status, TaskResult
from grader.report import results_json
from grader.report.text import harmless, one_line
from grader.sandbox.archives import FILE_NAME, NoSubmission
from grader.sandbox.submission import read_submission

PUBLIC_SEED = 0
_GRACE_S = 30.0  # for the grader's start and its report, beyond the time that the submission has
_NOT_YOURS = "This is not your mistake. Hand in again; if that does not help, tell your instructor."
UNFINISHED = f"The grading did not end: most likely the container's memory or time was used up. {_NOT_YOURS}"
FAILED = f"The grader itself failed. {_NOT_YOURS}"
_FLAWED = f"The grader itself failed in some checks: see below. {_NOT_YOURS}"
_TOO_LONG = f"The grading took too long and was ended. {_NOT_YOURS}"


@dataclass(frozen=True)
class OfficialVerdict:
    """How the grading of a submission ended.

    Attributes:
        results: In Gradescope's format; with every task, whatever happened.
        sound: Whether it is a verdict on the submission, and no failure of the grader's own.
        notice: What the student must know before all else; empty if the submission was graded.
    """

    results: dict[str, Any]
    sound: bool = True
    notice: str = ""


def judge(
    submission: Path, secret: bytes | None, *, sandbox: str, lanes: int = 2, seconds: float | None = None
) -> OfficialVerdict:
    """Grade a submission officially; never raises. What instructors want to know of a failure is printed.

    Args:
        submission: A file, or a folder or an archive with one VAE_Model.py in it.
        secret: Of the offering; None for the public seed.
        sandbox: How the submission is kept apart.
        lanes: Sandboxes at work at the same time.
        seconds: How long the grader may take; None for what the offering says.
    """
    started = time.monotonic()

    def nothing(message: str, status: Status, sound: bool) -> OfficialVerdict:
        return ungraded(message, status, sound, time.monotonic() - started)

    try:
        patience = load_offering().limits.submission_wall_s + _GRACE_S if seconds is None else seconds
        content, took = read_submission(submission)
        seed = PUBLIC_SEED if secret is None else seeds.official_seed(secret, content)
        with tempfile.TemporaryDirectory(prefix="vae-grader-official-") as folder:
            file = Path(folder) / FILE_NAME
            file.write_bytes(content)
            results = Path(folder) / "results.json"
            options = GradingOptions(file, seed=seed, sandbox=sandbox, lanes=lanes, results=results)
            graded = Child(options).graded(patience)
    except NoSubmission as reason:
        said = one_line(str(reason), width=300)  # may hold names that a student gave
        return nothing(f"Nothing was graded: {said}.", "failed", True)
    except GraderFailed as failure:
        print(f"no verdict: {failure}{'; choose a larger container' if failure.killed else ''}", flush=True)
        if failure.in_time:
            return nothing(UNFINISHED if failure.killed else FAILED, "crashed", sound=False)
        return nothing(_TOO_LONG, "timed out", sound=False)
    except Exception:
        print(harmless(traceback.format_exc()), flush=True)  # may hold names that a student gave, too
        return nothing(FAILED, "crashed", sound=False)
    if graded.results["extra_data"]["max_score"] != sum(load_offering().points.values()):
        print("no verdict: checks are missing; install the grader anew", flush=True)
        return nothing(FAILED, "crashed", sound=False)
    notice = _FLAWED if graded.flawed else ""
    took = f"There is no {FILE_NAME}: {took} was graded." if took else ""
    said = "\n\n".join(part for part in (notice, took, graded.results.get("output", "")) if part)
    return OfficialVerdict({**graded.results, "output": said}, not graded.flawed, notice)


def ungraded(message: str, status: Status, sound: bool, seconds: float = 0.0) -> OfficialVerdict:
    """Return a verdict in which every task has no points, and the reason why.

    Args:
        message: What the student reads.
        status: Of every task.
        sound: Whether the submission is to blame.
        seconds: How long it took.
    """
    try:
        tasks = _without_points(load_offering(), status, message)
    except Exception:  # an offering that cannot be read must not keep the student from reading why
        traceback.print_exc()
        tasks = ()
    result = Result(FILE_NAME, tasks, round(seconds, 1), "none", PUBLIC_SEED)
    results = results_json.as_json(result, message)
    if not tasks:
        results["tests"] = [{"name": FILE_NAME, "score": 0.0, "max_score": 0.0, "status": "failed", "output": message}]
    return OfficialVerdict(results, sound, message)


def _without_points(offering: Offering, status: Status, message: str) -> tuple[TaskResult, ...]:
    return tuple(
        TaskResult(
            task, (CheckResult(task, "graded", "graded", "value", 0, 100 * points, status, Explanation(said=message)),)
        )
        for task, points in offering.points.items()
    )
