"""What the tests of releases share: the artefacts as their receivers unpack them, and what a grading left there."""

import functools
import io
import json
import os
import subprocess
import sys
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from grader.instructor.release import build
from grader.instructor.release.build import Release, zip_archive
from grader.instructor.release.contents import course_of
from grader.judge.offering import OFFERING

ROOT = Path(__file__).resolve().parents[1]
REFERENCE = ROOT / "solution" / "VAE_Model.py"
SECRET = b"a secret of these tests alone"


@functools.cache
def release(offering: Path = OFFERING) -> Release:
    """Return the artefacts of this repository for an offering."""
    return build.build_release(ROOT, course_of(ROOT, offering), SECRET)


def unpacked(files: Mapping[str, Any], folder: Path) -> Path:
    """Unpack an artefact through its archive, modes included, as `unzip` does; returns the folder."""
    with zipfile.ZipFile(io.BytesIO(zip_archive(files))) as archived:
        for entry in archived.infolist():
            path = Path(archived.extract(entry, folder))
            path.chmod(entry.external_attr >> 16 & 0o777)
    return folder


def run(folder: Path, *command: str, **variables: str) -> "subprocess.CompletedProcess[str]":
    """Run a command in an artefact, as its receiver would: nothing of this repository is on the import path."""
    kept = {name: value for name, value in os.environ.items() if name not in ("PYTHONPATH", "VAE_GRADER_SECRET")}
    return subprocess.run(
        command, cwd=folder, env={**kept, **variables}, capture_output=True, text=True, timeout=300, check=False
    )


def grading(folder: Path, *options: str) -> dict[str, Any]:
    """Run `pytest grader/` in a student's folder; returns results.json, its exit status and what was printed."""
    results = folder.parent / f"{folder.name}.json"
    done = run(folder, sys.executable, "-m", "pytest", "grader/", f"--results={results}", *options)
    return {**json.loads(results.read_text(encoding="utf-8")), "exit": done.returncode, "text": done.stdout}


def filled(answered: tuple[str, ...], swaps: Mapping[str, str] | None = None) -> str:
    """Return the reference with the answers of these regions only; all others are TODOs.

    Args:
        answered: Regions as in tests/zoo/build.py.
        swaps: What to put in place of a text in the file.
    """
    from tests.zoo.build import REGIONS, reference, with_answers

    todo = {r: f'raise NotImplementedError("TODO: {r.partition(".")[0]}")' for r in REGIONS if r not in answered}
    text = with_answers(reference(), todo)
    for old, new in (swaps or {}).items():
        assert text.count(old) == 1
        text = text.replace(old, new)
    return text
