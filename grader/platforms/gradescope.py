"""Grade one submission on Gradescope: `python -m grader.platforms.gradescope [/autograder]`; run_autograder calls it.

A preliminary results.json is written first, so that there is one even if the container is killed.
"""

import contextlib
import json
import os
import sys
import traceback
from pathlib import Path
from typing import Any

from data.commandline import Parser, path, print_everywhere
from grader.grading import seeds
from grader.report.files import write_whole

from .official_grading import FAILED, UNFINISHED, OfficialVerdict, judge, ungraded

LEAST_MIB = 1024
"""Measured: the reference needs about 830 MiB; with 768 MiB, the kernel kills processes of correct submissions."""
_LIMITS = ("memory.max", "memory/memory.limit_in_bytes")  # of control groups, version 2 and version 1


def too_small(groups: Path = Path("/sys/fs/cgroup")) -> str:
    """Return a message for the instructor if the container has too little memory; empty if it is enough or unknown.

    Args:
        groups: Folder with the limits of the container's own control group.
    """
    for name in _LIMITS:
        with contextlib.suppress(OSError, ValueError):  # no such file, or its content is "max"
            mib = int((groups / name).read_text(encoding="ascii")) >> 20
            if mib < LEAST_MIB:
                return f"this container has {mib} MiB of memory, and the grader needs 1.5 GB: choose a larger one"
    return ""


SANDBOX = "VAE_GRADER_SANDBOX"
"""Environment variable to select another sandbox. Tests need it if only the owner can read the Python installation."""
_TOO_SMALL = "Nothing was graded: {}. This is not your mistake: please tell your instructor."


def main(argv: list[str]) -> int:
    """Grade ROOT/submission, write ROOT/results/results.json, and return 0."""
    print_everywhere()
    root = root_folder(argv, "gradescope", __doc__)
    target = root / "results" / "results.json"
    _write(target, ungraded(UNFINISHED, "crashed", sound=False).results)
    _write(target, _verdict(root).results)
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


def _verdict(root: Path) -> OfficialVerdict:
    try:
        os.environ.pop(seeds.VARIABLE, None)
        secret = seeds.find_secret({}, root / "source" / seeds.FILE_NAME)
        if reason := too_small():  # grade nothing rather than take points away for lack of memory
            print(reason, flush=True)
            return ungraded(_TOO_SMALL.format(reason), "out of memory", sound=False)
        # One lane, so that only one worker runs at a time: containers have little memory.
        return judge(root / "submission", secret, sandbox=os.environ.get(SANDBOX, "user"), lanes=1)
    except Exception:  # e.g. the secret is missing: the container was set up incorrectly
        traceback.print_exc()
        return ungraded(FAILED, "crashed", sound=False)


def _write(target: Path, results: dict[str, Any]) -> None:
    write_whole(target, json.dumps(results, indent=1, ensure_ascii=True))


if __name__ == "__main__":
    sys.exit(main(sys.argv))
