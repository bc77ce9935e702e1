"""Reports for bulk return: each file is called so that Canvas or Moodle finds the student, and holds the penalty."""

import re
import zipfile
from datetime import timedelta
from pathlib import Path

import pytest

from grader.instructor.class_runs.submissions import Student
from grader.instructor.gradebooks.export import NOBODY
from grader.instructor.gradebooks.gradebook import canvas_name, moodle_name, zipped_reports
from tests.made_up_run import DUE, class_run, export, handed, ten_percent, written
from tests.wording import lines_with

CANVAS = "Student,ID,SIS Login ID,Section,VAE (71)\nDoe,11,jane,A,\nLee,12,ann,A,\n"
SHEET = "Identifier,Full name,Grade,Feedback comments\nParticipant 11,Jane Doe,,\nParticipant 12,Ann/Lee_..,,\n"


def of(system: str, number: str, name: str = "") -> Student:
    return Student(number, name, system=system, number=number)  # type: ignore[arg-type]


def pages(path: Path) -> dict[str, str]:
    with zipfile.ZipFile(path) as archive:
        assert archive.testzip() is None
        return {name: archive.read(name).decode("utf-8") for name in archive.namelist()}


# ## Names
@pytest.mark.parametrize(
    ("entry", "name"),
    [
        ("doejane_1234_98765_VAE_Model.py", "doejane_1234_98765_report.html"),
        ("doejane_LATE_1234_98765_VAE_Model-1.py", "doejane_LATE_1234_98765_report.html"),
        ("doejane_late_1234_98765_VAE_Model.py", "doejane_late_1234_98765_report.html"),
        ("doejane_1234_VAE_Model.py", "doejane_1234_report.html"),
        ("müller_1234_98765_VAE_Model.zip", "müller_1234_98765_report.html"),
        ("jane.py", None),
        ("jane_VAE_Model.py", None),
        ("submission_123", None),
    ],
)
def test_canvas_knows_a_file_by_the_beginning_of_its_name(entry: str, name: str | None) -> None:
    assert canvas_name(entry) == name


def participant(path: str) -> tuple[str, str, str, str]:
    """Read a path as Moodle's feedback import does, and return participant, type, plugin, and what is left."""
    for part in path.split("/"):
        info = part.split("_", 4)
        if len(info) >= 4 and info[1].isdigit():
            rest = "/".join([*([info[4]] if len(info) > 4 and info[4] else []), *path.split("/")[1:]])
            return info[1], info[2], info[3], rest
    raise AssertionError(f"Moodle would pass over {path}")


@pytest.mark.parametrize("name", ["Jane Doe", "Zoë_O'Hara", "../../etc", "a/b\\c:d", "", "_", "张伟", "a\nb"])
def test_moodle_knows_a_folder_by_the_participants_number(name: str) -> None:
    path = moodle_name(name, "501")
    assert participant(path) == ("501", "assignsubmission", "file", "report.html")
    assert path.count("/") == 1 and not re.search(r'[\\:*?"<>|\n]|^\.|^/', path)


def test_the_same_reports_give_the_same_bytes() -> None:
    files = {"a_1_report.html": "σ", "b_2_report.html": ""}
    assert zipped_reports(files) == zipped_reports(dict(files))


# ## Zips
def test_canvas_gets_the_report_of_the_attempt_that_counts_with_the_penalty(tmp_path: Path) -> None:
    run = class_run(
        tmp_path,
        handed(of("canvas", "11"), row="11", entry="doe_11_901_VAE_Model.py", submitted=DUE, attempt=1),
        handed(
            of("canvas", "11"),
            {"kl": "wrong"},
            row="11-2",
            entry="doe_LATE_11_905_VAE_Model-1.py",
            submitted=DUE + timedelta(minutes=1),
            attempt=2,
        ),
        handed(of("canvas", "12"), entry="lee_12_903_VAE_Model.zip", problem="no VAE_Model.py in this archive"),
    )
    roster, out = written(tmp_path / "canvas.csv", CANVAS), tmp_path / "feedback.zip"
    policy = ten_percent(tmp_path)
    export(run, "--format=canvas", "--roster", roster, "--feedback", out, "--offering", policy)
    found = pages(out)
    assert list(found) == ["doe_LATE_11_905_report.html", "lee_12_903_report.html"]
    late, empty = found.values()
    assert lines_with(late, "1 day", "2026-12-01 23:00 UTC", "2026-12-01 22:59 UTC", "14.00", "10 %", "12.60")
    assert "2 of 2" in late
    assert "VAE, autumn" in late and "Content-Security-Policy" in late
    assert "no VAE_Model.py in this archive" in empty


def test_moodle_gets_a_folder_for_each_participant(tmp_path: Path) -> None:
    run = class_run(
        tmp_path,
        handed(of("moodle", "11", "Jane Doe"), row="Jane Doe_11"),
        handed(of("moodle", "12", "Ann Lee"), row="Ann Lee_12"),
    )
    roster, out = written(tmp_path / "sheet.csv", SHEET), tmp_path / "feedback.zip"
    assert export(run, "--format=moodle", "--roster", roster, "--feedback", out) == 0
    assert [participant(name)[0] for name in pages(out)] == ["11", "12"]


def test_who_has_no_place_in_the_zip_is_said(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run = class_run(tmp_path, handed(of("canvas", "11"), entry="doe_11_901_VAE_Model.py"), handed("ann"))
    roster, out = written(tmp_path / "canvas.csv", CANVAS), tmp_path / "feedback.zip"
    assert export(run, "--format=canvas", "--roster", roster, "--feedback", out) == 1
    assert lines_with(capsys.readouterr().err, "zip", " (1): Lee")
    assert list(pages(out)) == ["doe_11_901_report.html"]


def test_a_zip_for_nobody_is_refused_and_nothing_is_written(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run = class_run(tmp_path, handed("jane"))
    roster, out = written(tmp_path / "canvas.csv", CANVAS), tmp_path / "feedback.zip"
    assert export(run, "--format=canvas", "--roster", roster, "--feedback", out) == 2
    said = capsys.readouterr().err
    assert NOBODY["canvas"] in said and said.count("\n") == 1
    assert not out.exists() and not (run / "gradebook-canvas.csv").exists()


def test_what_a_student_wrote_stays_text_in_the_page(tmp_path: Path) -> None:
    evil = "<script>alert(1)</script>"
    run = class_run(tmp_path, handed(of("canvas", "11"), {"kl": "wrong"}, entry="d_11_9_VAE_Model.py", got=evil))
    roster, out = written(tmp_path / "canvas.csv", CANVAS), tmp_path / "feedback.zip"
    export(run, "--format=canvas", "--roster", roster, "--feedback", out)
    (page,) = pages(out).values()
    assert evil not in page and "&lt;script&gt;alert(1)&lt;/script&gt;" in page
