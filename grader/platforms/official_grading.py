"""Grade a submission and return a verdict in every case: the result, or the reason why there is none."""

import tempfile
import time
import traceback
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from grader.grading import seeds
from grader.grading.grading_process import Child, GraderFailed
from grader.grading.options import GradingOptions
from grader.judge.offering import Offering, load_offering
from grader.judge.result import CheckResult, Explanation, Result, Status, TaskResult
from grader.report import results_json
from grader.report.text import harmless, one_line
from grader.sandbox.archives import FILE_NAME, NoSubmission
from grader.sandbox.submission import read_submission

PUBLIC_SEED = 0
_GRACE_S = 30.0  # for the grader's start and report, in addition to the limit of the submission
_NOT_YOURS = "This is not your mistake. Hand in again; if that does not help, tell your instructor."
UNFINISHED = f"The grading did not finish: most likely the container ran out of memory or time. {_NOT_YOURS}"
FAILED = f"The grader itself failed. {_NOT_YOURS}"
_FLAWED = f"The grader itself failed in some checks: see below. {_NOT_YOURS}"
TOO_LONG = f"The grading took too long and was stopped. {_NOT_YOURS}"


@dataclass(frozen=True)
class OfficialVerdict:
    """How the grading of a submission ended.

    Attributes:
        results: The results in Gradescope's format, always with every task.
        sound: True for a verdict on the submission, False if the grader itself failed.
        notice: The most important message for the student; empty if the submission was graded.
    """

    results: dict[str, Any]
    sound: bool = True
    notice: str = ""


def judge(
    submission: Path, secret: bytes | None, *, sandbox: str, lanes: int = 2, seconds: float | None = None
) -> OfficialVerdict:
    """Grade a submission with its official seed. Never raises; details of a failure are printed for the instructor.

    Args:
        submission: A file, or a folder or an archive with one VAE_Model.py in it.
        secret: Secret of the offering; None for the public seed.
        sandbox: Name of the sandbox.
        lanes: Number of sandboxes that run at the same time.
        seconds: Time limit of the grader; None for the limit in the offering.
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
        said = one_line(str(reason), width=300)  # may contain names that the student chose
        return nothing(f"Nothing was graded: {said}.", "failed", True)
    except GraderFailed as failure:
        print(f"no verdict: {failure}{'; choose a larger container' if failure.killed else ''}", flush=True)
        if failure.in_time:
            return nothing(UNFINISHED if failure.killed else FAILED, "crashed", sound=False)
        return nothing(TOO_LONG, "timed out", sound=False)
    except Exception:
        print(harmless(traceback.format_exc()), flush=True)  # may contain names that the student chose
        return nothing(FAILED, "crashed", sound=False)
    if graded.results["extra_data"]["max_score"] != load_offering().total:
        print("no verdict: checks are missing; install the grader again", flush=True)
        return nothing(FAILED, "crashed", sound=False)
    notice = _FLAWED if graded.flawed else ""
    took = f"There is no {FILE_NAME}: {took} was graded." if took else ""
    said = "\n\n".join(part for part in (notice, took, graded.results.get("output", "")) if part)
    return OfficialVerdict({**graded.results, "output": said}, not graded.flawed, notice)


def ungraded(message: str, status: Status, sound: bool, seconds: float = 0.0) -> OfficialVerdict:
    """Return a verdict with no points for any task, and the reason.

    Args:
        message: The message for the student.
        status: Status of every task.
        sound: Whether the submission is the cause, not the grader.
        seconds: How long the grading took.
    """
    try:
        tasks = _without_points(load_offering(), status, message)
    except Exception:  # the student gets the reason even if the offering cannot be read
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
            task,
            (
                CheckResult(
                    task, "graded", "graded", "value", 0, round(100 * points), status, Explanation(message=message)
                ),
            ),
        )
        for task, points in offering.points.items()
    )
