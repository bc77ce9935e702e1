"""The result of a runner of GitHub Classroom, version 3: what its reporter reads from a step's output.

Classroom records whole numbers: the sum of the tests' scores over the sum of the runners' max_score. A check may be
worth 0.3 points, so everything is told in hundredths: 61.5 of 100 points are recorded as 6150 of 10000.
"""

import base64
import json
from typing import Any

from ..judge.results import CheckResult, Result
from .text import harmless, shortened

VERSION = 3
_MOST = 96_000  # characters once encoded: the reporter finds them in one variable, which Linux ends at 131,072 bytes
_LONGEST = 2_000  # characters of a message, if there is room for it


def as_json(result: Result, notice: str = "", sound: bool = True, longest: int = _LONGEST) -> dict[str, Any]:
    """Return a result in the format of Classroom's runners; there is always a test, the reporter crashes without.

    Args:
        result: The result.
        notice: What the student must know before all else.
        sound: Whether it is a verdict; if not, the status is `error`.
        longest: Characters of a message at most.
    """
    tests = [_test(check, longest) for task in result.tasks for check in task.checks]
    if notice or not tests:
        tests.insert(0, _entry("submission", "fail" if sound else "error", 0, _quoted(notice, longest), ""))
    full = "pass" if result.score == result.max_score > 0 else "fail"
    return {
        "version": VERSION,
        "status": full if sound else "error",
        "max_score": result.max_score,
        "tests": tests,
    }


def encoded(result: Result, notice: str = "", sound: bool = True) -> str:
    """Return the same as one line of base64, short enough for the reporter: long messages are cut."""
    for longest in (_LONGEST, 1_000, 500, 200, 0):
        text = json.dumps(as_json(result, notice, sound, longest), ensure_ascii=True)
        line = base64.b64encode(text.encode()).decode("ascii")
        if len(line) <= _MOST:
            break
    return line


def _test(check: CheckResult, longest: int) -> dict[str, Any]:
    points = f"{check.score / 100:g} of {check.max_score / 100:g} points"
    said = check.output if check.status == "passed" else f"{check.status}\n{check.output}"
    full = check.status == "passed" and check.score == check.max_score
    message = "" if full else _quoted(f"{points}: {said}", longest)
    name = f"{check.task}: {check.title} ({points})"
    return _entry(name, "pass" if full else "fail", check.score, message, f"pytest grader/ -m {check.task}")


def _entry(name: str, status: str, score: int, message: str, command: str) -> dict[str, Any]:
    fixed = {"filename": "", "line_no": 0, "duration": 0}
    return {"name": name, "status": status, "score": score, "message": message, "test_code": command, **fixed}


def _quoted(text: str, longest: int) -> str:
    """Return text that is no order to the runner in whose log it will stand, and is not too long."""
    return shortened(harmless(text), lines=40, width=400)[:longest]
