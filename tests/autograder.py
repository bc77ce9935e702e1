"""Gradescope, played: its /autograder in a temporary folder, its two scripts, and what it demands of results.json."""

import math
import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from grader.judge.offering import OFFERING
from grader.platforms.container import SANDBOX
from grader.sandbox.process import UnprivilegedUser
from tests.releases import release, unpacked

# What Gradescope documents: the key, and what its value must be.
_FORMATS = ("text", "html", "simple_format", "md", "ansi")
_VISIBILITIES = ("hidden", "after_due_date", "after_published", "visible")
_RESULTS: dict[str, Any] = {
    "score": float,
    "execution_time": float,
    "output": str,
    "output_format": _FORMATS,
    "test_output_format": _FORMATS,
    "test_name_format": _FORMATS,
    "visibility": _VISIBILITIES,
    "stdout_visibility": _VISIBILITIES,
    "extra_data": dict,
    "tests": list,
    "leaderboard": list,
}
_TEST: dict[str, Any] = {
    "score": float,
    "max_score": float,
    "status": ("passed", "failed"),
    "name": str,
    "name_format": _FORMATS,
    "number": str,
    "output": str,
    "output_format": _FORMATS,
    "tags": list,
    "visibility": _VISIBILITIES,
    "extra_data": dict,
}


def problems(results: Any) -> list[str]:
    """Return what Gradescope would not understand in a results.json, or what would hide points from students."""
    if not isinstance(results, dict):
        return ["no object"]
    found = _unlike(results, _RESULTS, "")
    tests = results.get("tests", [])
    for number, test in enumerate(tests if isinstance(tests, list) else []):
        found += _unlike(test, _TEST, f"test {number}: ") if isinstance(test, dict) else [f"test {number}: no object"]
    if "score" not in results:
        found.append("no score")
    if any(entry.get("visibility", "visible") != "visible" for entry in [results, *tests] if isinstance(entry, dict)):
        found.append("one hidden test hides the total")
    return found


def _unlike(entry: Mapping[str, Any], known: Mapping[str, Any], where: str) -> list[str]:
    found = []
    for key, value in entry.items():
        wanted = known.get(key)
        if wanted is None:
            found.append(f"{where}unknown key {key}")
        elif isinstance(wanted, tuple):
            found += [] if value in wanted else [f"{where}{key} is {value!r}"]
        elif wanted is float:
            number = isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value)
            found += [] if number else [f"{where}{key} is no number"]
        elif not isinstance(value, wanted):
            found.append(f"{where}{key} is no {wanted.__name__}")
    return found


def laid_out(folder: Path, submission: Mapping[str, bytes], offering: Path = OFFERING) -> Path:
    """Lay a folder out as Gradescope lays out /autograder before it runs run_autograder."""
    unpacked(release(offering).gradescope, folder / "source")
    script = folder / "run_autograder"
    script.write_bytes((folder / "source" / "run_autograder").read_bytes())
    script.chmod(0o755)
    (folder / "results").mkdir()
    (folder / "submission").mkdir()
    (folder / "submission_metadata.json").write_text('{"users": []}')
    for name, content in submission.items():
        (folder / "submission" / name).write_bytes(content)
    return folder


def variables(root: Path, **more: str) -> dict[str, str]:
    """Return the environment of the two scripts: another root, this interpreter, the best sandbox that it allows."""
    ours = {
        "AUTOGRADER_ROOT": str(root),
        "VAE_GRADER_PYTHON": sys.executable,
        SANDBOX: "process" if UnprivilegedUser.why_not() else "user",
    }
    kept = {name: value for name, value in os.environ.items() if name not in ("PYTHONPATH", "VAE_GRADER_SECRET")}
    return {**kept, **ours, **more}


def run(root: Path, script: str, **more: str) -> "subprocess.CompletedProcess[str]":
    """Run a script of the autograder's, in the folder where Gradescope runs it."""
    return subprocess.run(
        ["bash", str(root / script)],
        cwd=root,
        env=variables(root, **more),
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
