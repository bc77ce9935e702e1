"""Moodle: grade and feedback arrive together, for a worksheet by participant, for a gradebook by mail address or id."""

import csv
import html
import re
from pathlib import Path

import pytest

from grader.report.gradebooks import moodle
from grader.report.submissions import Student
from grader.report.tables import TableError, read_table
from tests.made_up_run import class_run, export, handed, table, written

WORKSHEET = [
    ["Identifier", "Full name", "Email address", "Status", "Grade", "Maximum Grade", "Grade can be changed",
     "Last modified (submission)", "Last modified (grade)", "Feedback comments"],
    ["Participant 501", "Jane Doe", "jane@example.edu", "Submitted for grading", "", "22.00", "Yes",
     "Tuesday, 1 December 2026, 11:58 PM", "-", ""],
    ["Participant 502", "Jürgen Müller", "jm@example.edu", "Submitted for grading", "3.50", "22.00", "Yes",
     "Tuesday, 1 December 2026, 11:59 PM", "Monday, 30 November 2026, 9:00 AM", "<p>See me.\nSoon</p>"],
    ["Participant 503", "Zoë O'Hara", "zoe@example.edu", "No submission", "", "22.00", "Yes", "-", "-", ""],
]  # fmt: skip
GRADEBOOK = [
    ["First name", "Last name", "ID number", "Institution", "Email address", "Quiz: One (Real)", "Course total (Real)"],
    ["Jane", "Doe", "s1", "", "jane@example.edu", "3.00", "-"],
    ["Jürgen", "Müller", "s2", "", "JM@example.edu", "-", "-"],
    ["Zoë", "O'Hara", "s3", "", "zoe@example.edu", "-", "-"],
]


def of_moodle(number: str, name: str) -> Student:
    return Student(number, name, system="moodle", number=number)


def run(folder: Path) -> Path:
    """Return a class run of a Moodle download: Jane has full points, Jürgen lost 8, nobody else handed in."""
    jane, juergen = of_moodle("501", "Jane Doe"), of_moodle("502", "Jürgen Müller")
    return class_run(
        folder,
        handed(jane, row="Jane Doe_501"),
        handed(juergen, {"kl": "kl_missing_half"}, row="Jürgen Müller_502"),
    )


def made(folder: Path, rows: list[list[str]], *options: str, of: Path | None = None) -> list[dict[str, str]]:
    """Export a class run for Moodle, and return the rows of the file."""
    path = written(folder / "moodle.csv", table(rows))
    out = folder / "out.csv"
    assert export(of or run(folder), "--format=moodle", "--roster", path, "--out", out, *options) in (0, 1)
    found = list(csv.DictReader(out.read_text(encoding="utf-8").splitlines(keepends=True), strict=True))
    for row in found:
        grade, feedback = row["Grade"], row.get("Feedback comments", row.get("Feedback", ""))
        assert re.fullmatch(r"\d+\.\d\d|", grade), "two decimals, or nothing"
        assert bool(grade) == bool(feedback), "feedback without a grade would lose the grade"
    return found


# ## A grading worksheet
def test_a_worksheet_goes_back_with_grade_and_feedback_by_participant(tmp_path: Path) -> None:
    jane, juergen, _ = made(tmp_path, WORKSHEET)
    assert (jane["Identifier"], jane["Grade"]) == ("Participant 501", "22.00")
    assert jane["Feedback comments"] == "22.00 of 22.00 points."
    assert (juergen["Identifier"], juergen["Grade"]) == ("Participant 502", "14.00")
    assert juergen["Feedback comments"] == "14.00 of 22.00 points. kl: 2.00/10.00 failed (kl_missing_half)."


def test_all_else_in_a_worksheet_stays_to_the_letter(tmp_path: Path) -> None:
    header, *before = WORKSHEET
    for row, old in zip(made(tmp_path, WORKSHEET), before, strict=True):
        kept = dict(zip(header, old, strict=True))
        assert {**row, "Grade": "", "Feedback comments": ""} == {**kept, "Grade": "", "Feedback comments": ""}


def test_who_handed_nothing_in_keeps_grade_and_feedback(tmp_path: Path) -> None:
    jane = class_run(tmp_path, handed(of_moodle("501", "Jane Doe"), row="Jane Doe_501"))
    rows = made(tmp_path, WORKSHEET, of=jane)
    assert (rows[1]["Grade"], rows[1]["Feedback comments"]) == ("3.50", "<p>See me.\nSoon</p>")
    assert (rows[2]["Grade"], rows[2]["Feedback comments"]) == ("", "")


def test_or_gets_zero_and_a_reason(tmp_path: Path) -> None:
    zoe = made(tmp_path, WORKSHEET, "--missing=zero")[2]
    assert (zoe["Grade"], zoe["Feedback comments"]) == ("0.00", "No submission.")


def test_a_worksheet_without_comments_gets_the_column(tmp_path: Path) -> None:
    rows = made(tmp_path, [row[:-1] for row in WORKSHEET[:2]])
    assert rows[0]["Feedback comments"] == "22.00 of 22.00 points."


def test_another_maximum_is_pointed_out(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    made(tmp_path, [[cell.replace("22.00", "100.00") for cell in row] for row in WORKSHEET])
    assert "moodle.csv has 100.00 points possible, the class run 22.00" in capsys.readouterr().err


# ## A gradebook export
def test_a_gradebook_gets_what_tells_who_a_student_is_and_grade_with_feedback(tmp_path: Path) -> None:
    of = class_run(
        tmp_path,
        handed(Student("s1"), row="a"),
        handed(Student("7", email="jm@example.edu", system="gradescope"), {"mode": "wrong"}, row="b"),
    )
    jane, juergen = made(tmp_path, GRADEBOOK, of=of)
    assert jane == {
        "First name": "Jane",
        "Last name": "Doe",
        "ID number": "s1",
        "Email address": "jane@example.edu",
        "Grade": "22.00",
        "Feedback": "22.00 of 22.00 points.",
    }
    assert (juergen["Email address"], juergen["Grade"]) == ("JM@example.edu", "20.40"), "addresses have no capitals"


def test_who_handed_nothing_in_has_no_row_that_could_erase_a_grade(tmp_path: Path) -> None:
    assert [row["ID number"] for row in made(tmp_path, GRADEBOOK)] == ["s1", "s2"]
    rows = made(tmp_path, GRADEBOOK, "--missing=zero", of=tmp_path / "class-results")
    assert [(row["ID number"], row["Grade"]) for row in rows] == [("s1", "22.00"), ("s2", "14.00"), ("s3", "0.00")]


def test_full_names_are_the_last_resort_and_said_so(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert [row["Grade"] for row in made(tmp_path, GRADEBOOK)] == ["22.00", "14.00"]
    said = capsys.readouterr().err
    assert "matched by the full name alone" in said and "(2): 501 (Jane Doe); 502 (Jürgen Müller)" in said


def test_a_gradebook_in_another_language_needs_the_name_of_a_column(tmp_path: Path) -> None:
    rows = [["Vorname", "E-Mail-Adresse"], ["Jane", "jane@example.edu"]]
    of = class_run(tmp_path, handed(Student("x", email="jane@example.edu")))
    (jane,) = made(tmp_path, rows, "--id-column=E-Mail-Adresse", of=of)
    assert (jane["E-Mail-Adresse"], jane["Grade"]) == ("jane@example.edu", "22.00")


def test_a_roster_that_tells_nobody_is_refused(tmp_path: Path) -> None:
    found = read_table(written(tmp_path / "a.csv", "Vorname,Nachname\nJane,Doe\n"))
    with pytest.raises(TableError, match=r"a.csv, line 1: no column tells who a student is: .* --id-column"):
        moodle.people(found)
    with pytest.raises(TableError, match=r"a.csv, line 1: no column 'Nummer': there are Vorname, Nachname"):
        moodle.people(found, "Nummer")


# ## Feedback
def test_words_from_a_submission_stay_text_in_moodles_html(tmp_path: Path) -> None:
    problem = '2 files called VAE_Model.py in this archive: <img src=x onerror="alert(1)">/VAE_Model.py'
    of = class_run(tmp_path, handed(of_moodle("501", "Jane Doe"), row="Jane Doe_501", problem=problem))
    feedback = made(tmp_path, WORKSHEET, of=of)[0]["Feedback comments"]
    assert "<" not in feedback
    assert html.unescape(feedback) == f"0.00 of 22.00 points. Not graded: {problem}."
