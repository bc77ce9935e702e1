"""What commands print on terminals that know few characters, and in logs that a CI runner reads."""

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.gradings import REFERENCE, RIGHT_KL, ROOT
from tests.made_up_run import class_run, handed
from tests.test_report import orders

SEPARATORS = "\n\r\v\f\x1c\x85\u2028"
ORDERS = "".join(
    f"{mark}{blank}{order}"
    for mark in SEPARATORS
    for blank in ("", " \t\u3000")
    for order in ("::error::x", "##[add-path]x")
)
BAR = "".join(f"\\r{percent:3}%|{'#' * (percent // 10):<10}|" for percent in range(0, 101, 10))


def said(command: list[str], encoding: str, cwd: Path = ROOT) -> tuple[int, str]:
    """Return the exit status of a command and what it printed on a terminal with an encoding."""
    environment = {**os.environ, "PYTHONIOENCODING": encoding, "COLUMNS": "120"}
    done = subprocess.run(
        [sys.executable, *command],
        cwd=cwd,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        stdin=subprocess.DEVNULL,
        timeout=300,
        check=False,
    )
    return done.returncode, done.stdout.decode(encoding)


def check(text: str) -> None:
    """Assert that text is readable, line by line, and orders nothing."""
    assert "UnicodeEncodeError" not in text and "Traceback" not in text, text
    assert "\\n" not in text and max(map(len, text.splitlines())) < 1000, text
    assert orders(text) == []


def loud() -> str:
    """The reference with a kl that prints, draws a progress bar and raises; everything it says is an order."""
    text = REFERENCE.read_text(encoding="utf-8")
    assert text.count(RIGHT_KL) == 1
    said = f"print('μ is σ²'); print('{BAR}'); print({ORDERS!r}); raise ValueError('μ' + {ORDERS!r})"
    return text.replace(RIGHT_KL, said)


@pytest.fixture
def submission(tmp_path: Path) -> Path:
    file = tmp_path / "Müller.py"
    file.write_text(loud(), encoding="utf-8")
    return file


# A grading takes seconds: the three encodings are divided among pytest, the command and the class run.
def test_a_report_keeps_its_lines_and_gives_no_orders(submission: Path) -> None:
    command = ["-m", "pytest", "grader/", f"--submission={submission}", "-m", "kl or mode", "--sandbox=process"]
    exit_status, text = said(command, "cp1252")
    assert exit_status == 1
    check(text)
    assert "\\u03bc is \\u03c3²" in text
    assert re.search(r"^score +2 / 12 ", text, re.MULTILINE)
    assert "Müller.py" in text
    assert {line.strip() for line in text.splitlines() if line.endswith("|")} == {"100%|##########|"}


def test_a_grading_by_the_command_does_the_same(submission: Path) -> None:
    exit_status, text = said(["-m", "grader", "grade", str(submission), "-m", "kl", "--sandbox=process"], "ascii")
    assert exit_status == 1
    check(text)
    assert re.search(r"^kl +0 / 10 +crashed", text, re.MULTILINE)
    assert "\\u03bc is \\u03c3\\xb2" in text and "M\\xfcller.py" in text


@pytest.mark.slow
def test_a_name_of_a_file_is_no_order(tmp_path: Path) -> None:
    file = tmp_path / f"a{ORDERS[:60].replace('/', '')}.py"
    exit_status, text = said(["-m", "pytest", "grader/", f"--submission={file}"], "ascii")
    assert exit_status == pytest.ExitCode.USAGE_ERROR
    check(text)
    assert "cannot be read" in text.strip().splitlines()[-1]
    exit_status, text = said(["-m", "grader", "grade", str(file)], "ascii")
    assert exit_status == 2 and text.count("\n") == 1
    assert orders(text) == []


@pytest.mark.slow
def test_a_class_run_and_an_export(tmp_path: Path) -> None:
    pytest.importorskip("distributed")
    folder, out = tmp_path / "submissions", tmp_path / "λ"
    folder.mkdir()
    (folder / "μ.py").write_text(loud(), encoding="utf-8")
    for name in ("::error::x", "##[add-path]x", "\n::error::y", "\u2028::error::z"):
        (folder / name).write_text("no submission")
    command = ["class", str(folder), "--out", str(out), "-m", "kl", "--sandbox=process", "--jobs=1"]
    exit_status, text = said(["-m", "grader", *command], "latin-1")
    assert exit_status == 1, text
    check(text)
    assert "1 of 5 graded" in text and json.loads((out / "μ" / "results.json").read_text())["score"] == 0
    exit_status, text = said(["-m", "grader", "export", str(out), "--format=csv"], "cp1252")
    assert exit_status in (0, 1)
    check(text)
    assert "grades: " in text


def test_an_export_of_names_that_are_orders(tmp_path: Path) -> None:
    out = class_run(tmp_path, *(handed(f"::error::{mark}::error::μ", status="no verdict") for mark in SEPARATORS))
    exit_status, text = said(["-m", "grader", "export", str(out), "--format=csv"], "ascii")
    assert exit_status == 1
    check(text)


@pytest.mark.slow
def test_a_training_says_where_its_results_are(tmp_path: Path) -> None:
    tiny = ["--limit=20", "--batch-size=8", "--features=2", "--z-dim=3", "--k=2", "--epochs=1", "--device=cpu"]
    exit_status, text = said(["-m", "solution", *tiny, "--out", str(tmp_path / "μ")], "ascii")
    assert exit_status == 0, text
    check(text)
    assert "results written to " in text.splitlines()[-1]


@pytest.mark.parametrize("encoding", ["ascii", "cp1252"])
def test_a_students_own_prints_end_no_training(tmp_path: Path, encoding: str) -> None:
    shutil.copytree(ROOT / "assignment", tmp_path / "assignment", ignore=shutil.ignore_patterns("results", "results-*"))
    (tmp_path / "data").symlink_to(ROOT / "data")
    (tmp_path / "assignment" / "VAE_Model.py").write_text("print('σ is λ')\nraise SystemExit(7)\n", encoding="utf-8")
    assert said(["-m", "assignment"], encoding, tmp_path) == (7, "\\u03c3 is \\u03bb\n")


@pytest.mark.slow
def test_images_are_written_to_a_folder_with_any_name(tmp_path: Path) -> None:
    for name in ("μ", os.fsdecode(b"\xff")) if sys.platform == "linux" else ("μ",):
        command = ["-m", "data", "sample", "--train=1", "--test=1", "--out", str(tmp_path / name)]
        for encoding in ("ascii", "utf-8"):
            exit_status, text = said(command, encoding)
            assert exit_status == 0, text
            check(text)


_DOCTOR = """
from unittest import mock
from grader.__main__ import main
from grader.instructor.doctor import doctor as command
with mock.patch.object(command, "TRIALS", ()), mock.patch.object(command.BEST_FIRST[0], "why_not", lambda: "μ\\u2264"):
    main(["doctor"])
"""


def test_the_doctor_says_why_a_sandbox_does_not_work() -> None:
    exit_status, text = said(["-c", _DOCTOR], "ascii")
    assert exit_status == 0
    check(text)
    assert re.search(r"^bubblewrap +no: \\u03bc\\u2264$", text, re.MULTILINE)
