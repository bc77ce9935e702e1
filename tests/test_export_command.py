"""`python -m grader export`: what it says, its exit status, and that a mistake is one line and writes nothing."""

import json
import os
from datetime import timedelta
from pathlib import Path

import pytest

from grader.instructor.class_runs.submissions import Student
from grader.instructor.gradebooks.export import WAITING
from tests.made_up_run import DUE, class_run, export, handed, offering, ten_percent, written
from tests.wording import lines_with, numbers

CANVAS = "Student,ID,SIS Login ID,Section,VAE (71)\nDoe,11,jane,A,\nLee,12,ann,A,\n"


@pytest.fixture
def run(tmp_path: Path) -> Path:
    return class_run(tmp_path, handed("jane"), handed("ann", {"kl": "wrong"}))


@pytest.fixture
def roster(tmp_path: Path) -> Path:
    return written(tmp_path / "canvas.csv", CANVAS)


# ## Exit status and words
def test_when_everyone_has_a_grade_the_status_is_zero(
    run: Path, roster: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert export(run, "--format=canvas", "--roster", roster) == 0
    said = capsys.readouterr()
    grades, policy = said.err.splitlines()
    words, path, _ = grades.partition(str(run / "gradebook-canvas.csv"))
    assert path and numbers(words) == ["2"]
    assert "late" in policy and not numbers(policy), "no due date, no percentage"
    assert not said.out


def test_students_without_a_partner_are_listed_and_the_status_says_so(
    tmp_path: Path, roster: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = class_run(tmp_path, handed("jane"), handed(Student("bob", "Bob \x1b[31mRay")))
    assert export(run, "--format=canvas", "--roster", roster) == 1
    said = capsys.readouterr().err
    (stranger,) = lines_with(said, "canvas.csv", " (1): bob (Bob Ray)")
    (lacking,) = lines_with(said, "canvas.csv", " (1): Lee")
    assert stranger.partition(" (1): ")[0] != lacking.partition(" (1): ")[0]


def test_the_late_policy_is_said_in_full(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run = class_run(tmp_path, handed("a", submitted=DUE + timedelta(days=1)), handed("b"), handed("c", submitted=DUE))
    policy = ten_percent(tmp_path, ("grace_hours = 0", "grace_hours = 1.5"), ("most_days = 0", "most_days = 7"))
    assert export(run, "--format=csv", "--offering", policy) == 1
    lines = capsys.readouterr().err.splitlines()
    assert numbers(lines[1]) == ["2026-12-01", "22:59", "10", "1.5", "7", "1"] and "UTC" in lines[1]
    assert lines[2].endswith(" (1): b") and "`submitted`" in lines[2]


def test_due_can_be_given_on_the_command_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run = class_run(tmp_path, handed("a", submitted=DUE))
    policy = offering(tmp_path, ("percent_per_day = 0", "percent_per_day = 10"))
    assert export(run, "--format=csv", "--offering", policy, "--due=2026-12-01T12:00+01:00") == 0
    assert '"19.80","22.00","graded","22.00","1","10"' in (run / "gradebook-csv.csv").read_text(encoding="utf-8")


def test_what_canvas_marked_late_is_said_where_no_time_is_known(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = class_run(tmp_path, handed("jane", marked_late=True))
    assert export(run, "--format=csv", "--offering", ten_percent(tmp_path)) == 1
    assert lines_with(capsys.readouterr().err, " (1): jane (", "LATE", "Canvas")


# ## What is read of a class run
def test_folders_of_submissions_that_are_gone_do_not_count(run: Path) -> None:
    (run / "gone").mkdir()
    (run / "gone" / "results.json").write_text((run / "jane" / "results.json").read_text())
    assert export(run, "--format=csv") == 0
    assert "gone" not in (run / "gradebook-csv.csv").read_text(encoding="utf-8")


def test_results_that_were_lost_or_are_not_there_yet_are_no_zero(run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (run / "jane" / "results.json").write_text("{")
    grades = (run / "grades.csv").read_text(encoding="utf-8")
    (run / "grades.csv").write_text("\n".join(line for line in grades.splitlines() if not line.startswith("ann")))
    assert export(run, "--format=csv") == 1
    said = capsys.readouterr().err
    assert lines_with(said, " (2): jane: ", "results.json", f"; ann: {WAITING}")
    assert '"0.00"' not in (run / "gradebook-csv.csv").read_text(encoding="utf-8")


def test_a_stale_result_of_what_is_not_graded_yet_does_not_count(run: Path) -> None:
    grades = (run / "grades.csv").read_text(encoding="utf-8").replace("graded", "not graded yet")
    (run / "grades.csv").write_text(grades)
    assert export(run, "--format=csv") == 1
    assert "22.00" not in (run / "gradebook-csv.csv").read_text(encoding="utf-8")


def test_a_roster_in_which_nobody_is_found_says_how_ids_look(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = class_run(tmp_path, handed("jane"), handed("ann"))
    assert export(run, "--format=csv", "--roster", written(tmp_path / "r.csv", "id\n0042\n0043\n")) == 1
    said = capsys.readouterr().err
    assert lines_with(said, "r.csv", "0042", "jane", "--roster")


# ## What is refused
REFUSED = {
    "no class run": (["{empty}", "--format=csv"], "holds no class run: run `python -m grader class`"),
    "no folder": (["{empty}/none", "--format=csv"], "holds no class run"),
    "canvas without a roster": (["{run}", "--format=canvas"], "--format canvas needs --roster ROSTER, the gradebook"),
    "moodle without a roster": (["{run}", "--format=moodle"], "--format moodle needs --roster ROSTER, the grading"),
    "zero without a roster": (["{run}", "--format=csv", "--missing=zero"], "need a roster"),
    "ids without a roster": (["{run}", "--format=csv", "--id-column=a"], "need a roster"),
    "an assignment of Moodle": (
        ["{run}", "--format=moodle", "--roster={roster}", "--assignment=VAE"],
        "--assignment is for --format canvas",
    ),
    "an assignment that is not there": (
        ["{run}", "--format=canvas", "--roster={roster}", "--assignment=72"],
        "canvas.csv, line 1: no assignment has the number in '72'",
    ),
    "a column of Canvas": (
        ["{run}", "--format=canvas", "--roster={roster}", "--id-column=ID"],
        "--id-column is for other rosters",
    ),
    "feedback for nobody's system": (["{run}", "--format=csv", "--feedback=f.zip"], "--feedback is for Canvas and Moo"),
    "no roster": (
        ["{run}", "--format=csv", "--roster={empty}/none.csv"],
        "--roster: must be a file that exists",
    ),
    "a folder as roster": (
        ["{run}", "--format=csv", "--roster={empty}"],
        "--roster: must be a file that exists",
    ),
    "a folder to write to": (["{run}", "--format=csv", "--out={empty}"], "is a folder or a device: name a file"),
    "the roster to write to": (
        ["{run}", "--format=canvas", "--roster={roster}", "--out={roster}"],
        "is the roster itself",
    ),
    "two files of one name": (
        ["{run}", "--format=canvas", "--roster={roster}", "--out={empty}/a", "--feedback={empty}/a"],
        "are the same file",
    ),
    "a place that cannot be": (
        ["{run}", "--format=csv", "--out={roster}/a.csv"],
        "canvas.csv/a.csv' cannot be written: ",
    ),
    "a due date without a zone": (
        ["{run}", "--format=csv", "--due=2026-12-01"],
        "--due: '2026-12-01' has no time zone; wri",
    ),
    "a wrong offering": (["{run}", "--format=csv", "--offering={roster}"], "canvas.csv: "),
    "another roster": (
        ["{run}", "--format=canvas", "--roster={empty}/../ids.csv"],
        "ids.csv, line 1: not a gradebook export of Canvas",
    ),
    "no format": (["{run}"], "required: --format; see python -m grader export --help"),
    "another format": (["{run}", "--format=xls"], "invalid choice: 'xls' (choose from"),
}


@pytest.mark.parametrize(("options", "words"), REFUSED.values(), ids=REFUSED.keys())
def test_what_cannot_be_exported_is_refused_in_one_line_and_nothing_is_written(
    tmp_path: Path, run: Path, roster: Path, capsys: pytest.CaptureFixture[str], options: list[str], words: str
) -> None:
    empty = tmp_path / "empty"
    empty.mkdir()
    written(tmp_path / "ids.csv", "id\njane\n")
    before = {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}
    given = [option.format(run=run, roster=roster, empty=empty) for option in options]
    try:
        status = export(*given)
    except SystemExit as refused:  # of the command line itself
        status = int(str(refused.code))
    said = capsys.readouterr()
    assert status == 2 and words in said.err
    assert said.err.startswith("python -m grader export: ") and said.err.count("\n") == 1 and not said.out
    assert {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()} == before


def test_a_class_run_of_another_format_says_what_to_do(run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    listing = run / "submissions.json"
    good = json.loads(listing.read_text(encoding="utf-8"))
    damaged = [
        "",
        "[]",
        json.dumps({**good, "submissions": [{"entry": "a"}]}),
        json.dumps({**good, "submissions": [{**good["submissions"][0], "students": []}]}),
        json.dumps({**good, "submissions": [{**good["submissions"][0], "submitted": "2026-12-01T10:00"}]}),
        json.dumps({**good, "max_score": None}),
    ]
    for text in damaged:
        listing.write_text(text, encoding="utf-8")
        assert export(run, "--format=csv") == 2
        assert lines_with(capsys.readouterr().err, str(listing), "`python -m grader class`")
    listing.unlink()
    assert export(run, "--format=csv") == 2
    (older,) = lines_with(capsys.readouterr().err, str(run), "`python -m grader class`")
    assert str(listing) not in older
    (run / "grades.csv").unlink()
    assert export(run, "--format=csv") == 2
    (no_run,) = lines_with(capsys.readouterr().err, str(run), "`python -m grader class`")
    assert no_run != older, "there is a class run, but an old one"


def test_grades_that_cannot_be_read_are_refused(run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (run / "grades.csv").write_bytes(b'submission,status\n"a,graded\n')
    assert export(run, "--format=csv") == 2
    assert "grades.csv cannot be read" in capsys.readouterr().err


def test_a_full_disk_leaves_what_was_there(
    run: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    old = run / "gradebook-csv.csv"
    old.write_text("the old one")

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device", str(old))

    with monkeypatch.context() as patch:
        patch.setattr(Path, "write_bytes", full)
        patch.setattr(os, "replace", full)
        assert export(run, "--format=csv") == 2
    assert lines_with(capsys.readouterr().err, "gradebook-csv.csv", "No space left on device")
    assert old.read_text() == "the old one"


def test_the_same_command_writes_the_same_file(run: Path) -> None:
    assert export(run, "--format=csv") == 0
    before = (run / "gradebook-csv.csv").read_bytes()
    assert export(run, "--format=csv") == 0
    assert (run / "gradebook-csv.csv").read_bytes() == before
