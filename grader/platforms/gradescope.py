"""Grade one submission on Gradescope: `python -m grader.platforms.gradescope [/autograder]`; run_autograder calls it.

A preliminary results.json is written first, so that there is one even if the container is killed.
"""

import json
import sys
from pathlib import Path
from typing import Any

from data.commandline import Parser, path, print_everywhere
from grader.grading import seeds
from grader.report.files import write_whole

from .container import judge_in_container
from .official_grading import UNFINISHED, ungraded


def main(argv: list[str]) -> int:
    """Grade ROOT/submission, write ROOT/results/results.json, and return 0."""
    print_everywhere()
    root = root_folder(argv, "gradescope", __doc__)
    target = root / "results" / "results.json"
    _write(target, ungraded(UNFINISHED, "crashed", sound=False).results)
    secret = root / "source" / seeds.FILE_NAME
    verdict = judge_in_container(root / "submission", lambda: seeds.find_secret({}, secret), sandbox="user")
    _write(target, verdict.results)
    return 0


def root_folder(argv: list[str], program: str, description: str | None) -> Path:
    """Return Gradescope's folder from the command line of a program of this package."""
    parser = Parser(prog=f"python -m grader.platforms.{program}", description=description)
    parser.add_argument(
        "root",
        nargs="?",
        type=path,
        default=Path("/autograder"),
        metavar="ROOT",
        help="Gradescope's folder [/autograder]",
    )
    root: Path = parser.parse_args(argv[1:]).root
    return root


def _write(target: Path, results: dict[str, Any]) -> None:
    write_whole(target, json.dumps(results, indent=1, ensure_ascii=True))


if __name__ == "__main__":
    sys.exit(main(sys.argv))
