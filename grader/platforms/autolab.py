"""Grade one submission on Autolab: `python -m grader.platforms.autolab JOB`, which autograde-Makefile calls.

Autolab shows students all output, and reads the scores from its last line, in JSON: the points of each problem, and the
total for the scoreboard. The problems of the assessment are the tasks. If the grader itself failed, the line has no
scores, so that nobody gets 0 points for it.

Jobs run as one ordinary user. So the secret is removed from the disk before anything of the submission runs.
"""

import contextlib
import json
import sys
from pathlib import Path

from data.commandline import Parser, path, print_everywhere
from grader.grading import seeds
from grader.judge.result import Result
from grader.report import results_json
from grader.sandbox.archives import FILE_NAME

from .container import judge_in_container

FOLDER = "vae-grader"
"""The folder in autograde.tar; it contains the secret and the project."""


def as_autolab_line(result: Result | None) -> str:
    """Return the last line of the output; None stands for a grading without a verdict."""
    if result is None:
        return json.dumps({"scores": {}})
    scores = {task.id: results_json.points(task.score) for task in result.tasks}
    return json.dumps({"scores": scores, "scoreboard": [results_json.points(result.score)]})


def main(argv: list[str] | None = None) -> int:
    """Grade JOB/VAE_Model.py, print the report and the line of scores, and return 0."""
    print_everywhere()
    parser = Parser(prog="python -m grader.platforms.autolab", description=__doc__)
    parser.add_argument("job", type=path, metavar="JOB", help="folder with the submission and what autograde.tar holds")
    job: Path = parser.parse_args(argv).job
    verdict = judge_in_container(job / FILE_NAME, lambda: _taken(job / FOLDER / seeds.FILE_NAME), sandbox="auto")
    if verdict.notice:
        print(f"\n{verdict.notice}")
    result = results_json.result(verdict.results, FILE_NAME) if verdict.sound else None
    print(f"\n{as_autolab_line(result)}", flush=True)
    return 0


def _taken(file: Path) -> bytes:
    """Return the secret in a file, and remove the file."""
    secret = seeds.find_secret({}, file)
    with contextlib.suppress(OSError):  # the sandbox hides it, where there is one
        file.unlink()
    return secret


if __name__ == "__main__":
    sys.exit(main())
