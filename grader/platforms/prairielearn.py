"""Grade one submission on PrairieLearn: `python -m grader.platforms.prairielearn [/grade]`; grade.sh calls it.

PrairieLearn's external grader reads results.json: `gradable`, `score` from 0 to 1, `message`, `output`, `images` and
`tests`. If the grader itself failed, or there was nothing to grade, the submission is not gradable: `format_errors`
says why, and the attempt does not count. Such a result is also written first, in case the container is killed.
"""

import base64
import json
import sys
from pathlib import Path
from typing import Any

from data.commandline import Parser, path, print_everywhere
from grader.grading import seeds
from grader.judge.result import CheckResult, Result
from grader.report import results_json
from grader.report.files import write_whole
from grader.report.text import harmless, points_text
from grader.sandbox.archives import FILE_NAME

from .container import judge_in_container
from .official_grading import UNFINISHED, OfficialVerdict

_PAIRS = "Images that the model has not seen in training, and below each its reconstruction"


def as_prairielearn_json(result: Result, output: str = "") -> dict[str, Any]:
    """Return a result in the format of PrairieLearn's external graders.

    Args:
        result: The result; it has at least one point to earn.
        output: Text above all tests.
    """
    images = []
    if result.training and result.training.pairs:
        data = base64.b64encode(result.training.pairs).decode("ascii")
        images = [{"label": _PAIRS, "url": f"data:image/png;base64,{data}"}]
    return {
        "gradable": True,
        "score": result.score / result.max_score,
        "message": f"{points_text(result.score)} of {points_text(result.max_score)} points",
        "output": harmless(output),
        "images": images,
        "tests": [_test(check) for task in result.tasks for check in task.checks],
    }


def _test(check: CheckResult) -> dict[str, Any]:
    return {
        "name": f"{check.task}: {check.title}",
        "description": f"pytest grader/ -m {check.task}",
        "points": results_json.points(check.score),
        "max_points": results_json.points(check.max_score),
        "message": check.status,
        "output": check.output,
    }


def not_gradable(message: str) -> dict[str, Any]:
    """Return a result that gives no score and does not count as an attempt, with the reason."""
    return {"gradable": False, "format_errors": [harmless(message)]}


def _format(verdict: OfficialVerdict) -> dict[str, Any]:
    if verdict.notice:
        return not_gradable(verdict.notice)
    result = results_json.result(verdict.results, FILE_NAME)
    return as_prairielearn_json(result, verdict.results["output"])


def main(argv: list[str] | None = None) -> int:
    """Grade ROOT/student, write ROOT/results/results.json, and return 0."""
    print_everywhere()
    parser = Parser(prog="python -m grader.platforms.prairielearn", description=__doc__)
    parser.add_argument(
        "root", nargs="?", type=path, default=Path("/grade"), metavar="ROOT", help="PrairieLearn's folder [/grade]"
    )
    root: Path = parser.parse_args(argv).root
    target = root / "results" / "results.json"
    _write(target, not_gradable(UNFINISHED))
    secret = root / "tests" / seeds.FILE_NAME
    verdict = judge_in_container(root / "student", lambda: seeds.find_secret({}, secret), sandbox="user")
    _write(target, _format(verdict))
    return 0


def _write(target: Path, results: dict[str, Any]) -> None:
    write_whole(target, json.dumps(results, indent=1, ensure_ascii=True))


if __name__ == "__main__":
    sys.exit(main())
