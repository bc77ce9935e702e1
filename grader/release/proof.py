"""No release without proof: what a student gets gives the reference 100 points and the skeleton none."""

import json
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from . import archive
from .artefacts import SKELETON, SOLUTION
from .files import File

_PATIENCE_S = 900.0


class NotProven(Exception):  # noqa: N818
    """A grading did not come out as it must; the message says which, and what to look at."""


def prove(root: Path, student: Mapping[str, File]) -> None:
    """Grade skeleton and reference with the very grader that goes out, in a folder of its own.

    Args:
        root: The repository, for the reference.
        student: What a student gets.

    Raises:
        NotProven: The skeleton is not what the reference makes, has points, or the reference misses some.
        OSError: The folder cannot be written.
    """
    _skeleton_is_made_from_the_reference(root)
    with tempfile.TemporaryDirectory(prefix="vae-release-") as made:
        folder = Path(made) / "student"
        archive.lay(folder, student)
        check_skeleton(grade(folder, folder / SKELETON))
        check_reference(grade(folder, root / SOLUTION))


def check_skeleton(results: Mapping[str, Any]) -> None:
    """Raise NotProven unless nothing is attempted and nothing is paid."""
    extra = results["extra_data"]
    statuses = {task: entry["status"] for task, entry in extra["tasks"].items()}
    if extra["score"] != 0 or set(statuses.values()) != {"not attempted"}:
        odd = next((f"{task} is {status}" for task, status in statuses.items() if status != "not attempted"), "")
        raise NotProven(f"the skeleton has {extra['score']:g} points, not 0 {f'({odd})' if odd else ''}".strip())


def check_reference(results: Mapping[str, Any]) -> None:
    """Raise NotProven unless the reference has all points, and all of them are there to be had."""
    extra = results["extra_data"]
    short = [f"{task} {entry['status']}" for task, entry in extra["tasks"].items() if entry["status"] != "passed"]
    if short or extra["score"] != extra["max_score"]:
        where = f": {', '.join(short)}" if short else ""
        say = f"the reference has {extra['score']:g} of {extra['max_score']:g} points{where}"
        raise NotProven(f"{say}; see `pytest grader/ --submission={SOLUTION}`")


def grade(project: Path, submission: Path) -> dict[str, Any]:
    """Return the results.json of a submission, by the grader that lies in a project.

    Raises:
        NotProven: There is none.
    """
    with tempfile.TemporaryDirectory(prefix="vae-release-results-") as folder:
        results = Path(folder) / "results.json"
        command = [sys.executable, "-B", "-m", "grader", "grade", str(submission.resolve()), f"--results={results}"]
        try:
            done = subprocess.run(
                command, cwd=project, capture_output=True, text=True, timeout=_PATIENCE_S, check=False
            )
            if done.returncode in (0, 1):
                return json.loads(results.read_text(encoding="utf-8"))
        except (subprocess.TimeoutExpired, OSError, ValueError) as error:
            raise NotProven(f"{submission.name} could not be graded: {error}") from None
    said = (done.stdout + done.stderr).strip().splitlines()
    raise NotProven(f"{submission} could not be graded: {said[-1] if said else f'exit status {done.returncode}'}")


def _skeleton_is_made_from_the_reference(root: Path) -> None:
    command = [sys.executable, "-B", "-m", "solution.skeleton", "--check"]
    if subprocess.run(command, cwd=root, capture_output=True, check=False).returncode != 0:
        raise NotProven(f"{SKELETON} is not what {SOLUTION} makes: run `python -m solution.skeleton`")
