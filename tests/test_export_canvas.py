"""Canvas: what its import reads of our file, by a strict reading of its rules, is what it should."""

import csv
import re
from dataclasses import dataclass
from pathlib import Path

import pytest

from grader.instructor.class_runs.submissions import Student
from grader.instructor.csv_tables import TableError, read_table
from grader.instructor.gradebooks import canvas
from tests.made_up_run import class_run, export, handed, table, written
from tests.wording import lines_with

EXPORT = [
    ["Student", "ID", "SIS User ID", "SIS Login ID", "Section", "Essay (70)", "VAE (71)", "Final Score"],
    ["", "", "", "", "", "Manual Posting", "", ""],
    ["    Points Possible", "", "", "", "", "10.00", "22.00", "(read only)"],
    ["Doe, Jane", "11", "0042", "jane@example.edu", "Lab 1 and Lab 2", "9.00", "", "90.00"],
    ["Müller, Jürgen", "12", "0043", "jm", "Lab 1", "", "3.50", ""],
    ['O\'Hara, "Zoë"', "13", "", "zoe", "Lab 1", "", "EX", ""],
    ["Student, Test", "14", "", "9f86d081884c7d65", "Lab 1", "", "", ""],
]


@dataclass(frozen=True)
class Imported:
    """What Canvas's import would do: points possible, and points or EX or nothing by Canvas id, for one assignment."""

    title: str
    assignment: str
    possible: str
    cells: dict[str, str]


def imported(text: str) -> Imported:
    """Read a gradebook as strictly as the documentation of Canvas's import allows."""
    header, *rows = csv.reader(text.splitlines(), strict=True)
    assert len(header) >= 4 and header[:2] == ["Student", "ID"]
    section = header.index("Section")
    assert set(header[2:section]) <= {"SIS User ID", "SIS Login ID", "Integration ID", "Root Account"}
    assert len(header) == section + 2, "one assignment, and nothing that Canvas could take for another"
    assert all(len(row) == len(header) for row in rows)
    first, *students = rows
    assert first[0].strip() == "Points Possible" and not any(first[1:-1])
    for row in students:
        assert row[1].isdigit(), "the id decides who it is"
        assert re.fullmatch(r"\d+\.\d\d|EX|", row[-1]), "two decimals, excused, or nothing"
    assert len({row[1] for row in students}) == len(students)
    match = re.fullmatch(r"(.+) \((\d+)\)", header[-1])
    title, number = (match[1], match[2]) if match else (header[-1], "")
    return Imported(title, number, first[-1], {row[1]: row[-1] for row in students})


def roster(folder: Path, rows: list[list[str]] = EXPORT) -> Path:
    return written(folder / "canvas.csv", table(rows))


def of_canvas(number: str) -> Student:
    return Student(number, system="canvas", number=number)


def run(folder: Path) -> Path:
    """Return a class run of a Canvas download: Jane has full points, Jürgen lost 8, nobody else handed in."""
    return class_run(folder, handed(of_canvas("11")), handed(of_canvas("12"), {"kl": "kl_missing_half"}))


def made(folder: Path, *options: str, rows: list[list[str]] = EXPORT) -> Imported:
    """Export a class run for Canvas, and import the file."""
    out = folder / "out.csv"
    assert export(run(folder), "--format=canvas", "--roster", roster(folder, rows), "--out", out, *options) in (0, 1)
    return imported(out.read_text(encoding="utf-8"))


# ## What is written
def test_points_go_to_the_students_by_their_ids_into_the_column_that_was_there(tmp_path: Path) -> None:
    assert made(tmp_path, "--assignment=VAE") == Imported(
        "VAE", "71", "22.00", {"11": "22.00", "12": "14.00", "13": "EX", "14": ""}
    )


@pytest.mark.parametrize("name", ["VAE", "71", "VAE (71)"])
def test_an_assignment_is_named_by_title_or_number(tmp_path: Path, name: str) -> None:
    assert made(tmp_path, f"--assignment={name}").assignment == "71"


def test_the_only_assignment_needs_no_name(tmp_path: Path) -> None:
    rows = [[*row[:5], *row[6:]] for row in EXPORT]
    assert made(tmp_path, rows=rows).assignment == "71"


def test_a_title_that_is_not_there_makes_a_new_assignment(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    new = made(tmp_path, "--assignment=VAE, resit")
    assert (new.title, new.assignment, new.possible) == ("VAE, resit", "", "22.00")
    assert new.cells == {"11": "22.00", "12": "14.00", "13": "", "14": ""}
    assert lines_with(capsys.readouterr().err, "VAE, resit")


def test_who_identifies_a_student_goes_back_to_the_letter(tmp_path: Path) -> None:
    made(tmp_path, "--assignment=VAE")
    rows = list(csv.reader((tmp_path / "out.csv").read_text(encoding="utf-8").splitlines()))
    assert [row[:5] for row in rows[2:]] == [row[:5] for row in EXPORT[3:]]


def test_without_a_submission_the_cell_stays_or_becomes_zero(tmp_path: Path) -> None:
    rows = [*EXPORT, ["Poe, E", "15", "", "poe", "Lab 1", "", "7.25", ""]]
    assert made(tmp_path, "--assignment=VAE", rows=rows).cells["15"] == "7.25"
    (tmp_path / "zero").mkdir()
    zero = made(tmp_path / "zero", "--assignment=VAE", "--missing=zero", rows=rows).cells
    assert zero == {"11": "22.00", "12": "14.00", "13": "EX", "14": "0.00", "15": "0.00"}


def test_what_the_grader_owes_is_not_a_zero(tmp_path: Path) -> None:
    out = class_run(
        tmp_path,
        handed(of_canvas("11"), status="the grader took more than 600 s"),
        handed(of_canvas("12"), problem="no VAE_Model.py in this folder"),
    )
    options = ("--format=canvas", "--roster", roster(tmp_path), "--assignment=VAE", "--missing=zero")
    assert export(out, *options) == 1
    cells = imported((out / "gradebook-canvas.csv").read_text(encoding="utf-8")).cells
    assert (cells["11"], cells["12"]) == ("", "0.00")


def test_other_columns_of_ids_are_kept(tmp_path: Path) -> None:
    rows = [[*row[:4], "root" if i > 2 else "", *row[4:]] for i, row in enumerate(EXPORT)]
    rows[0][4] = "Root Account"
    assert made(tmp_path, "--assignment=VAE", rows=rows).cells["11"] == "22.00"


def test_an_export_with_semicolons_or_a_byte_order_mark_is_read(tmp_path: Path) -> None:
    text = "\ufeffStudent;ID;Section;VAE (71)\nJane Doe;11;Lab 1;\n"
    people = canvas.people(read_table(written(tmp_path / "canvas.csv", text)))
    assert [(person.name, person.number) for person in people] == [("Jane Doe", "11")]


# ## What is refused, with the line
@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("72", "line 1: no assignment has the number in '72' (there are: `Essay (70)`, `VAE (71)`)"),
        ("VAE (72)", "line 1: no assignment has the number in 'VAE (72)'"),
        (None, "line 1: choose the assignment with --assignment (there are: `Essay (70)`, `VAE (71)`"),
    ],
)
def test_an_assignment_is_never_guessed(tmp_path: Path, name: str | None, words: str) -> None:
    with pytest.raises(TableError, match=re.escape(words)):
        canvas.column(read_table(roster(tmp_path)), name)


def test_two_assignments_of_one_title_need_a_number(tmp_path: Path) -> None:
    rows = [[*row[:5], row[6], row[6]] for row in EXPORT]
    rows[0][5:] = ["VAE (71)", "VAE (72)"]
    found = read_table(roster(tmp_path, rows))
    assert canvas.column(found, "72").heading == "VAE (72)"
    with pytest.raises(TableError, match="several assignments are called 'VAE'"):
        canvas.column(found, "VAE")


@pytest.mark.parametrize("header", ["id,name", "ID,Student,Section", "Student,ID,VAE (71)", ""])
def test_another_roster_is_no_export_of_canvas(tmp_path: Path, header: str) -> None:
    with pytest.raises(TableError, match="line 1: not a gradebook export of Canvas"):
        canvas.people(read_table(written(tmp_path / "canvas.csv", f"{header}\n")))


def test_other_points_possible_are_pointed_out(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    rows = [list(row) for row in EXPORT]
    rows[2][6] = "100.00"
    assert made(tmp_path, "--assignment=VAE", rows=rows).possible == "100.00", "Canvas's own"
    assert lines_with(capsys.readouterr().err, "canvas.csv", "100.00", "22.00", "--scale-to column")
