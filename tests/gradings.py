"""Gradings from end to end, each a process of its own, by name: what the tests of grading look at."""

import json
import os
import re
import subprocess
import sys
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
REFERENCE = ROOT / "solution" / "VAE_Model.py"
SKELETON = ROOT / "assignment" / "VAE_Model.py"
RIGHT_KL = "return 0.5 * torch.sum(self.mean**2 + self.var - 1.0 - self.logvar, dim=1)"


@dataclass(frozen=True)
class Run:
    """What a grading left behind.

    Attributes:
        exit: Its exit status.
        text: All that it printed.
        results: Its results.json, or None if it wrote none.
        workers: The tasks of the workers that were started, if the run counts them.
        intruders: Names of files beside the submission that were run.
        junit: The file of --junitxml; None if none was asked for.
    """

    exit: int
    text: str
    results: dict[str, Any] | None
    workers: list[str]
    intruders: list[str]
    junit: str | None = None

    @property
    def tasks(self) -> dict[str, Any]:
        """The tasks of results.json."""
        assert self.results is not None
        return self.results["extra_data"]["tasks"]


def wrong_kl() -> str:
    """The reference with half of kl forgotten; it prints."""
    text = REFERENCE.read_text(encoding="utf-8")
    assert text.count(RIGHT_KL) == 1
    return text.replace(RIGHT_KL, f"print('σ² is', self.var.sum())\n        {RIGHT_KL.replace('0.5 * ', '')}")


def surrounded(folder: Path) -> Path:
    """Put files beside a submission that would forge its grade if they were run."""
    for name in ("conftest.py", "torch.py", "pytest.py", "sitecustomize.py", "json.py", "__init__.py"):
        mark = f"from pathlib import Path\n(Path({str(folder)!r}) / 'run-{name}').touch()\nraise SystemExit(0)\n"
        (folder / name).write_text(mark, encoding="utf-8")
    (folder / "pytest.ini").write_text("[pytest]\naddopts = -p conftest --collect-only\n", encoding="utf-8")
    return folder


def _file(content: str | bytes | Path) -> Callable[[Path], Path]:
    """Return a maker of submissions: the content lies in a folder with hostile neighbours."""

    def make(folder: Path) -> Path:
        if isinstance(content, Path):
            return content
        path = surrounded(folder) / "VAE_Model.py"
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return path

    return make


def _reference() -> str:
    return REFERENCE.read_text(encoding="utf-8").replace("σ", "s")


def _zipped(name: str) -> Callable[[Path], Path]:
    """Return a maker of archives that hold the reference under a name."""

    def make(folder: Path) -> Path:
        path = folder / "hw3.zip"
        with zipfile.ZipFile(path, "w") as archive:
            archive.write(REFERENCE, name)
        return path

    return make


PYTEST = ["pytest", "grader/", "--submission={file}"]
COUNTED = ["tests.count_workers", *PYTEST[1:]]
GRADE = ["grader", "grade", "{file}"]
RUNS: dict[str, tuple[list[str], Callable[[Path], Path]]] = {
    "reference": (PYTEST, _file(REFERENCE)),
    "reference, seed 5": ([*GRADE, "--seed=5"], _file(REFERENCE)),
    "wrong kl": (GRADE, _file(wrong_kl())),
    "wrong kl alone": ([*COUNTED, "-m", "kl", "--junitxml={file}.xml"], _file(wrong_kl())),
    "skeleton": (["pytest", "grader/"], _file(SKELETON)),
    "no python": ([*GRADE, "--seed=5"], _file("This is my homework.\n")),
    "empty": (PYTEST, _file("")),
    "no fork": ([*GRADE, "--no-fork", "-m", "mode or kl"], _file(REFERENCE)),
    "in process": ([*PYTEST, "--in-process", "-m", "kl"], _file(wrong_kl())),
    "missing": (GRADE, lambda folder: folder / "absent.py"),
    "folder": (PYTEST, lambda folder: folder),
    "zip": ([*GRADE, "-m", "mode"], _zipped("VAE_Model.py")),
    "zip, another name": ([*GRADE, "-m", "mode"], _zipped("hw3\\vae_model.py")),
    "Latin-1": ([*GRADE, "-m", "mode or kl"], _file(f"# coding: latin-1\n# für\n{_reference()}".encode("latin-1"))),
    "Latin-1, not said": (PYTEST, _file("NAME = 'Jürgen'\n".encode("latin-1"))),
    "no text": (GRADE, _file(b"\xffThis is my homework.\n\0")),
    "notebook": (GRADE, _file(b'{"cells": [{"execution_count": null}], "nbformat": 4}')),
    "zip called .py": (PYTEST, lambda folder: _zipped("VAE_Model.py")(folder).rename(folder / "VAE_Model.py")),
    "too large": (GRADE, _file(b"#" * (1 << 20) + b"\n")),
    "no such sandbox": ([*PYTEST, "--sandbox=castle"], _file(REFERENCE)),
    "no such data": ([*PYTEST, "--data=nowhere", "-m", "training"], _file(REFERENCE)),
    "no such task": ([*PYTEST, "-m", "kll"], _file(REFERENCE)),
}


def grade(folder: Path, name: str) -> Run:
    """Grade once."""
    command, make = RUNS[name]
    file = make(folder)
    results = folder / "results" / "results.json"
    # A console that knows ASCII only must not matter: students write σ in their prints.
    environment = {**os.environ, "PYTHONIOENCODING": "ascii", "COLUMNS": "120"}
    if command[: len(GRADE)] == GRADE:  # nor what somebody is used to, who would end a grading at its first failure
        environment["PYTEST_ADDOPTS"] = "-x"
    done = subprocess.run(
        [sys.executable, "-m", *(part.format(file=file) for part in command), f"--results={results}"],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        timeout=300,
        check=False,
    )
    text = (done.stdout + done.stderr).decode()
    return Run(
        done.returncode,
        text,
        json.loads(results.read_text(encoding="utf-8")) if results.exists() else None,
        re.findall(r"^worker: (\w+)$", text, re.MULTILINE),
        sorted(path.name for path in folder.glob("run-*")),
        next((path.read_text(encoding="utf-8") for path in folder.glob("*.xml")), None),
    )
