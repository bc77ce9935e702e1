"""Moodle: grade and feedback arrive together, for a worksheet by participant, for a gradebook by mail address or id."""

import csv
import html
import re
from pathlib import Path

import pytest

from grader.instructor.class_runs.submissions import Student
from grader.instructor.csv_tables import TableError, read_table
from grader.instructor.gradebooks import moodle
from tests.made_up_run import class_run, export, handed, table, ten_percent, written
from tests.wording import lines_with, numbers

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
    assert numbers(juergen["Feedback comments"]) == ["14.00", "22.00", "2.00", "10.00"]
    assert "kl: 2.00" in juergen["Feedback comments"] and "kl_missing_half" in juergen["Feedback comments"]


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
    assert lines_with(capsys.readouterr().err, "moodle.csv", "100.00", "22.00", "--scale-to column")


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
    (line,) = lines_with(capsys.readouterr().err, " (2): 501 (Jane Doe); 502 (Jürgen Müller)")
    assert "moodle.csv" not in line, "they are in it"


def test_other_ids_of_a_gradebook_in_another_language_are_named(tmp_path: Path) -> None:
    rows = [["Vorname", "Nachname", "Matrikel"], ["Jane", "Doe", "s1"]]
    of = class_run(tmp_path, handed("s1"))
    assert made(tmp_path, rows, "--id-column=Matrikel", of=of) == [
        {"Vorname": "Jane", "Nachname": "Doe", "Matrikel": "s1", "Grade": "22.00", "Feedback": "22.00 of 22.00 points."}
    ]


# ## Moodle in another language
GERMAN = [
    ["ID", "Vollständiger Name", "E-Mail-Adresse", "Status", "Bewertung", "Bestwertung",
     "Bewertung kann geändert werden", "Zuletzt geändert (Abgabe)", "Zuletzt geändert (Bewertung)",
     "Feedback als Kommentar"],
    ["Teilnehmer/in 501", "Jane Doe", "jane@example.edu", "Zur Bewertung abgegeben", "", "22,00", "Ja",
     "Dienstag, 1. Dezember 2026, 23:58", "-", ""],
    ["Teilnehmer/in 502", "Jürgen Müller", "jm@example.edu", "Zur Bewertung abgegeben", "3,50", "22,00", "Ja",
     "Dienstag, 1. Dezember 2026, 23:59", "Montag, 30. November 2026, 9:00", "<p>Siehe mich</p>"],
    ["Teilnehmer/in 503", "Zoë O'Hara", "", "Keine Abgabe", "", "22,00", "Ja", "-", "-", ""],
]  # fmt: skip


def grades(folder: Path, rows: list[list[str]], *options: str) -> list[list[str]]:
    """Export a class run for a worksheet, whose headings may be anything, and return the rows of the file."""
    out = folder / "out.csv"
    roster = written(folder / "moodle.csv", table(rows))
    assert export(run(folder), "--format=moodle", "--roster", roster, "--out", out, *options) in (0, 1)
    with out.open(encoding="utf-8", newline="") as stream:
        return list(csv.reader(stream, strict=True))


@pytest.mark.parametrize("comments", [True, False])
def test_a_worksheet_in_another_language_is_filled_in_like_an_english_one(tmp_path: Path, comments: bool) -> None:
    before = GERMAN if comments else [row[:-1] for row in GERMAN]
    header, jane, juergen, zoe = grades(tmp_path, before)
    assert header[: len(before[0])] == before[0] and len(header) == 10
    assert (jane[4], jane[9]) == ("22.00", "22.00 of 22.00 points.")
    assert (juergen[4], juergen[9][:8]) == ("14.00", "14.00 of")
    assert zoe[:9] == GERMAN[3][:9] and zoe[9] == ""
    assert [*jane[:4], *jane[5:9]] == [*GERMAN[1][:4], *GERMAN[1][5:9]], "all else stays"


def test_its_maximum_is_looked_at_too(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    grades(tmp_path, [[cell.replace("22,00", "100,00") for cell in row] for row in GERMAN])
    assert lines_with(capsys.readouterr().err, "moodle.csv", "100,00", "22.00", "--scale-to column")


@pytest.mark.parametrize(
    ("change", "there"),
    [("", "Bewertung, Bestwertung"), ("22,00", "Bewertung, Bestwertung")],
    ids=["no maximum", "two columns of points"],
)
def test_where_grades_go_is_asked_when_it_cannot_be_told(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], change: str, there: str
) -> None:
    rows = [GERMAN[0]] + [[*row[:5], change, change or row[6], *row[7:]] for row in GERMAN[1:]]
    roster = written(tmp_path / "moodle.csv", table(rows))
    options: list[str | Path] = ["--format=moodle", "--roster", roster, "--out", tmp_path / "out.csv"]
    assert export(run(tmp_path), *options) == 2
    said = capsys.readouterr().err
    assert lines_with(said, "moodle.csv, line 1: ", "ID, Vollständiger Name, ", there, "--grade-column")
    assert said.count("\n") == 1
    assert export(tmp_path / "class-results", *options, "--grade-column=bewertung") in (0, 1)
    assert '"Teilnehmer/in 501"' in (tmp_path / "out.csv").read_text(encoding="utf-8")
    assert '"22.00 of 22.00 points."' in (tmp_path / "out.csv").read_text(encoding="utf-8")


def test_a_column_of_grades_is_for_worksheets(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    roster = written(tmp_path / "moodle.csv", table(GRADEBOOK))
    assert export(run(tmp_path), "--format=moodle", "--roster", roster, "--grade-column=Institution") == 2
    assert "--grade-column is for grading worksheets" in capsys.readouterr().err


def test_a_gradebook_in_another_language_is_known_by_addresses_and_names(tmp_path: Path) -> None:
    rows = [
        ["Vorname", "Nachname", "ID-Nummer", "Institution", "E-Mail-Adresse", "Kurs gesamt (Punkte)"],
        ["Jane", "Doe", "s1", "", "jane@example.edu", "3,00"],
        ["Jürgen", "Müller", "s2", "", "", "-"],
    ]
    of = class_run(
        tmp_path,
        handed(Student("x", email="jane@example.edu", system="gradescope")),
        handed(of_moodle("502", "Jürgen Müller"), row="Jürgen Müller_502"),
    )
    jane, juergen = made(tmp_path, rows, of=of)
    assert (jane["E-Mail-Adresse"], jane["Grade"]) == ("jane@example.edu", "22.00")
    assert (juergen["Vorname"], juergen["Nachname"], juergen["Grade"]) == ("Jürgen", "Müller", "22.00")


def test_a_worksheet_in_another_language_is_a_roster_too(tmp_path: Path) -> None:
    """Its column of numbers is called ID, like that of a list of one's own."""
    out = tmp_path / "out.csv"
    roster = written(tmp_path / "moodle.csv", table(GERMAN))
    assert export(run(tmp_path), "--format=csv", "--roster", roster, "--out", out) == 1
    found = list(csv.DictReader(out.read_text(encoding="utf-8").splitlines()))
    assert [(row["name"], row["points"]) for row in found[:2]] == [("Jane Doe", "22.00"), ("Jürgen Müller", "14.00")]


# ## When something was handed in
def late(folder: Path, rows: list[list[str]], *options: str) -> list[str]:
    """Return the grades of a class that was due on 1 December 2026 at 23:59 in Berlin."""
    return [row[4] for row in grades(folder, rows, "--offering", str(ten_percent(folder)), *options)[1:]]


def worksheet(*times: str) -> list[list[str]]:
    return [WORKSHEET[0], *([*row[:7], time, *row[8:]] for row, time in zip(WORKSHEET[1:], times, strict=True))]


@pytest.mark.parametrize(
    "time",
    [
        "Wednesday, 2 December 2026, 12:30 AM",
        "Wednesday, 2 December 2026, 00:30",
        "Wednesday, December 2, 2026, 12:30\u202fAM",
        "Wednesday, December 2, 2026, 0:30",
    ],
)
def test_moodles_own_times_count_for_lateness(tmp_path: Path, time: str) -> None:
    rows = worksheet("Tuesday, 1 December 2026, 11:59 PM", time, "-")
    assert late(tmp_path, rows, "--timezone=Europe/Berlin") == ["22.00", "12.60", ""]
    rows = worksheet("Tuesday, 1 December 2026, 11:59 PM", time, "-")
    assert [row[4] for row in grades_again(tmp_path, rows, "--timezone=Asia/Tokyo")][:2] == ["22.00", "14.00"]


def grades_again(folder: Path, rows: list[list[str]], *options: str) -> list[list[str]]:
    """Export the same class run once more."""
    out, roster = folder / "out.csv", written(folder / "moodle.csv", table(rows))
    given = ["--format=moodle", "--offering", str(folder / "offering.toml"), *options]
    assert export(folder / "class-results", "--roster", roster, "--out", out, *given) in (0, 1)
    with out.open(encoding="utf-8", newline="") as stream:
        return list(csv.reader(stream, strict=True))[1:]


def test_without_a_zone_they_do_not_and_that_is_said(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    time = "Wednesday, 2 December 2026, 12:30 AM"
    assert late(tmp_path, worksheet(time, time, "-")) == ["22.00", "14.00", ""]
    assert lines_with(capsys.readouterr().err, f"`{time}`", "moodle.csv", "--timezone Europe/Berlin")


def test_times_in_another_language_are_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert late(tmp_path, GERMAN, "--timezone=Europe/Berlin") == ["22.00", "14.00", ""]
    (line,) = lines_with(capsys.readouterr().err, " (2): Jane Doe: Dienstag, 1. Dezember 2026, 23:58; ", "`submitted`")
    assert "--timezone" not in line, "a zone was given"


def test_a_zone_that_is_none_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    roster = written(tmp_path / "moodle.csv", table(WORKSHEET))
    of = run(tmp_path)
    for name in ("Berlin", "../etc/passwd", "/etc/passwd"):
        assert export(of, "--format=moodle", "--roster", roster, "--timezone", name) == 2
        assert lines_with(capsys.readouterr().err, f"--timezone: {name!r} ", "Europe/Berlin")


def test_a_roster_that_tells_nobody_is_refused(tmp_path: Path) -> None:
    found = read_table(written(tmp_path / "a.csv", "Vorname,Nachname\nJane,Doe\n"))
    words = r"a.csv, line 1: no column identifies students: the columns are Vorname, Nachname; .* with --id-column"
    with pytest.raises(TableError, match=words):
        moodle.columns(found)
    with pytest.raises(TableError, match=r"a.csv, line 1: no column 'Nummer': the columns are Vorname, Nachname"):
        moodle.columns(found, "Nummer")


# ## Feedback
def test_words_from_a_submission_stay_text_in_moodles_html(tmp_path: Path) -> None:
    problem = '2 files called VAE_Model.py in this archive: <img src=x onerror="alert(1)">/VAE_Model.py'
    of = class_run(tmp_path, handed(of_moodle("501", "Jane Doe"), row="Jane Doe_501", problem=problem))
    feedback = made(tmp_path, WORKSHEET, of=of)[0]["Feedback comments"]
    assert "<" not in feedback
    assert numbers(feedback)[:2] == ["0.00", "22.00"] and problem in html.unescape(feedback)
