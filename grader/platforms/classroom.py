"""Grade one submission on GitHub Classroom: `python -m grader.platforms.classroom`, which the workflow calls.

Classroom records whole numbers: the sum of the tests' scores over the sum of the runners' max_score. A check may be
worth 0.3 points, so all scores are in hundredths: 61.5 of 100 points are recorded as 6150 of 10000.

The secret is read from $VAE_GRADER_SECRET. The result is written to the file named by $GITHUB_OUTPUT, and results.json
into a folder. Forks and students' own runs have no secret: they are graded with the public seed, and print a note.
"""

import base64
import contextlib
import json
import os
import secrets
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from data.commandline import Parser, path, print_everywhere, quoted
from grader.grading import seeds
from grader.grading.options import ROOT
from grader.judge.result import CheckResult, Result
from grader.report import results_json
from grader.report.files import write_whole
from grader.report.text import harmless, shortened

from .official_grading import FAILED, OfficialVerdict, judge, ungraded

VERSION = 3
_MOST = 96_000  # encoded characters: the reporter gets them in one variable, which Linux limits to 131,072 bytes
_LONGEST = 2_000  # characters of a message, unless the result is too long


def as_classroom_json(result: Result, notice: str = "", sound: bool = True, longest: int = _LONGEST) -> dict[str, Any]:
    """Return a result in the format of Classroom's runners, with at least one test, as the reporter needs one.

    Args:
        result: The result.
        notice: The most important message for the student, shown first; may be empty.
        sound: Whether the result is a valid verdict; if not, the status is `error`.
        longest: Maximum number of characters of a message.
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
    """Return `as_classroom_json` as one line of base64. Long messages are shortened to fit the reporter's limit."""
    for longest in (_LONGEST, 1_000, 500, 200, 0):
        text = json.dumps(as_classroom_json(result, notice, sound, longest), ensure_ascii=True)
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
    """Return text that is not too long and that GitHub's runner does not take for a command in its log."""
    return shortened(harmless(text), lines=40, width=400)[:longest]


_PUBLIC = f"""there is no secret: grading with the public seed 0, as at home. For official seeds, an instructor sets the
repository or organisation secret {seeds.VARIABLE}; forks cannot read it."""


def main(argv: list[str] | None = None) -> int:
    """Grade the submission in this repository; return 0 if the result was written, 2 if it could not be."""
    print_everywhere()
    parser = Parser(prog="python -m grader.platforms.classroom", description=__doc__)
    default = ROOT / "assignment" / "VAE_Model.py"
    parser.add_argument(
        "--submission", type=path, default=default, metavar="FILE", help="file to grade [assignment/VAE_Model.py]"
    )
    parser.add_argument(
        "--report", type=path, default=Path("report"), metavar="DIR", help="folder for results.json [report]"
    )
    options = parser.parse_args(argv)
    verdict = _verdict(options.submission)
    result = results_json.result(verdict.results, "assignment/VAE_Model.py")
    line = f"result={encoded(result, verdict.notice, verdict.sound)}\n"
    try:
        write_whole(options.report / "results.json", json.dumps(verdict.results, indent=1, ensure_ascii=True))
        if output_file := os.environ.get("GITHUB_OUTPUT"):
            with Path(output_file).open("a", encoding="utf-8") as output:
                output.write(line)
        else:
            print(line, end="")
    except OSError as error:
        where = quoted(error.filename or options.report)
        print(f"the result cannot be written: {where}: {error.strerror}", file=sys.stderr)
        return 2
    return 0


def _verdict(submission: Path) -> OfficialVerdict:
    given = os.environ.pop(seeds.VARIABLE, "")  # processes started from here on do not inherit it
    try:
        secret = seeds.find_secret({seeds.VARIABLE: given}) if given.strip() else None
    except seeds.SecretError as error:
        print(error, flush=True)
        return ungraded(FAILED, "crashed", sound=False)
    if secret is None:
        print(_PUBLIC, flush=True)
    with _no_orders():
        return judge(submission, secret, sandbox="auto")


@contextlib.contextmanager
def _no_orders() -> Iterator[None]:
    """Keep GitHub's runner from executing commands in the output of a submission: it reads them from the log."""
    word = secrets.token_hex(16)
    print(f"::stop-commands::{word}", flush=True)
    try:
        yield
    finally:
        print(f"::{word}::", flush=True)


if __name__ == "__main__":
    sys.exit(main())
