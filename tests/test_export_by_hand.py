"""Points by hand: questions of an instructor's own, verdicts that are replaced, and totals other than the grader's."""

import csv
import zipfile
from datetime import timedelta
from pathlib import Path

import pytest

from grader.instructor.class_runs.submissions import Student
from grader.instructor.gradebooks.plain import NO_SUBMISSION
from tests.made_up_run import DUE, class_run, export, handed, offering, table, ten_percent, written
from tests.test_export_canvas import EXPORT
from tests.test_export_moodle import WORKSHEET
from tests.test_export_moodle import made as of_moodle
from tests.test_export_moodle import run as run_of_moodle
from tests.test_export_plain import made
from tests.wording import lines_with, numbers

ESSAY = "id,question,points,max_points,comment\n"


def hand(folder: Path, text: str) -> Path:
    return written(folder / "hand.csv", text)


# ## A question of one's own
def test_the_columns_of_one_question_are_id_points_and_comment(tmp_path: Path) -> None:
    file = hand(tmp_path, "id;points;max_points;comment\na;7,5;10;Good idea.\n")
    run = class_run(tmp_path, handed("a", {"kl": "wrong"}), handed("b"))
    found = made(run, "--by-hand", file)
    assert [found["a"][name] for name in ("points", "max_points", "earned", "by_hand")] == [
        *("21.50", "32.00", "14.00", "7.50")
    ]
    feedback = found["a"]["feedback"]
    assert numbers(feedback) == ["21.50", "32.00", "2.00", "10.00", "7.50", "10.00"]
    assert "kl: 2.00" in feedback and "question: 7.50" in feedback and "Good idea." in feedback
    assert found["b"]["points"] == "22.00", "no row, no points"
    assert numbers(found["b"]["feedback"]) == ["22.00", "32.00", "0.00", "10.00"]
    assert "question: 0.00" in found["b"]["feedback"]


def test_there_may_be_several_questions_and_the_maximum_is_written_once(tmp_path: Path) -> None:
    rows = "a,Essay,7.5,10,\nb,Essay,9,,\na,Proof,0.25,2,\n"
    found = made(class_run(tmp_path, handed("a"), handed("b")), "--by-hand", hand(tmp_path, ESSAY + rows))
    assert {name: (row["points"], row["max_points"]) for name, row in found.items()} == {
        "a": ("29.75", "34.00"),
        "b": ("31.00", "34.00"),
    }


def test_lateness_takes_nothing_from_a_question_that_was_handed_in_on_paper(tmp_path: Path) -> None:
    run = class_run(tmp_path, handed("a", submitted=DUE + timedelta(hours=30)))
    found = made(run, "--by-hand", hand(tmp_path, ESSAY + "a,Essay,10,10,\n"), "--offering", ten_percent(tmp_path))
    assert found["a"]["points"] == "27.60", "22 minus 20 %, plus 10"
    feedback = numbers(found["a"]["feedback"])
    assert [feedback[:2], feedback[-5:]] == [["27.60", "32.00"], ["22.00", "20", "17.60", "10.00", "10.00"]]


def test_a_student_is_known_by_every_id_and_a_group_by_its_submission(tmp_path: Path) -> None:
    group = (Student("c"), Student("d", email="d@example.edu"))
    run = class_run(tmp_path, handed(group, row="c_d"), handed("e"))
    rows = "c_d,Essay,5,10,\nD@example.edu,Proof,1,2,\n"
    found = made(run, "--by-hand", hand(tmp_path, ESSAY + rows))
    assert {name: row["by_hand"] for name, row in found.items()} == {"c": "5.00", "d": "6.00", "e": "0.00"}


def test_a_student_who_handed_in_nothing_else_gets_the_points_of_a_question(tmp_path: Path) -> None:
    roster = written(tmp_path / "roster.csv", "id,name\na,Ann\nz,Zoë\ny,Yann\n")
    run = class_run(tmp_path, handed("a"))
    found = made(run, "--roster", roster, "--by-hand", hand(tmp_path, ESSAY + "z,Essay,4,10,\n"))
    assert {name: (row["points"], row["status"]) for name, row in found.items()} == {
        "a": ("22.00", "graded"),
        "z": ("4.00", "no submission"),
        "y": ("", "no submission"),
    }
    feedback = found["z"]["feedback"]
    assert numbers(feedback) == ["4.00", "32.00", "4.00", "10.00"]
    assert NO_SUBMISSION in feedback and "Essay: 4.00" in feedback


def test_who_is_not_in_the_roster_gets_no_points_and_is_no_mistake(tmp_path: Path) -> None:
    roster = written(tmp_path / "roster.csv", "id\na\n")
    run = class_run(tmp_path, handed("a"), handed("guest"))
    found = made(run, "--roster", roster, "--by-hand", hand(tmp_path, ESSAY + "guest,Essay,4,10,\n"))
    assert {name: row["points"] for name, row in found.items()} == {"a": "22.00"}


def test_without_a_verdict_there_is_still_no_grade(tmp_path: Path) -> None:
    run = class_run(tmp_path, handed("a", status="the judge died"))
    assert made(run, "--by-hand", hand(tmp_path, ESSAY + "a,Essay,4,10,\n"))["a"]["points"] == ""


# ## A verdict that is replaced
def test_a_row_about_a_task_replaces_the_verdict_before_the_late_penalty(tmp_path: Path) -> None:
    run = class_run(tmp_path, handed("a", {"kl": "wrong"}, submitted=DUE + timedelta(hours=1)))
    file = hand(tmp_path, ESSAY + "a,KL,9.5,,Only the sign was missing.\n")
    found = made(run, "--by-hand", file, "--offering", ten_percent(tmp_path))["a"]
    assert [found[name] for name in ("earned", "points", "max_points", "by_hand")] == [
        "21.50",
        "19.35",
        "22.00",
        "0.00",
    ]
    assert numbers(found["feedback"])[-5:] == ["21.50", "10", "19.35", "9.50", "10.00"]
    assert "kl: 9.50" in found["feedback"] and found["feedback"].endswith("Only the sign was missing.")


def test_of_several_attempts_the_row_names_one(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run = class_run(
        tmp_path,
        handed("s", {"kl": "wrong"}, row="s-1", attempt=1),
        handed("s", {"kl": "not attempted"}, row="s-2", attempt=2),
    )
    assert made(run, "--by-hand", hand(tmp_path, ESSAY + "s-2,kl,6,,\n"))["s"]["points"] == "18.00"
    assert made(run, "--by-hand", hand(tmp_path, ESSAY + "s-1,kl,10,,\n"))["s"]["points"] == "12.00", "the last counts"
    assert export(run, "--format=csv", "--by-hand", hand(tmp_path, ESSAY + "s,kl,10,,\n")) == 2
    assert lines_with(capsys.readouterr().err, "hand.csv, line 2: ", "'s'", "s-1, s-2")


def test_a_replaced_verdict_can_change_which_attempt_is_best(tmp_path: Path) -> None:
    run = class_run(tmp_path, handed("s", row="s-1", attempt=1), handed("s", row="s-2", attempt=2))
    best = offering(tmp_path, ('counts = "last"', 'counts = "best"'))
    file = hand(tmp_path, ESSAY + "s-1,kl,0,,copied\n")
    assert made(run, "--by-hand", file, "--offering", best)["s"]["submission"] == "s-2"


def test_the_returned_report_has_the_comment_and_what_the_grader_gave(tmp_path: Path) -> None:
    run = run_of_moodle(tmp_path)
    lines = "502,kl,9,,<b>Nearly</b>.\n501,Essay,3,10,See page 2.\n"
    rows = of_moodle(
        tmp_path, WORKSHEET, "--by-hand", str(hand(tmp_path, ESSAY + lines)), f"--feedback={tmp_path / 'f.zip'}", of=run
    )
    assert [row["Grade"] for row in rows] == ["25.00", "21.00", ""]
    feedback = rows[1]["Feedback comments"]
    assert numbers(feedback) == ["21.00", "32.00", "9.00", "10.00", "0.00", "10.00"]
    assert "kl: 9.00" in feedback and "Essay: 0.00" in feedback and "&lt;b&gt;Nearly&lt;/b&gt;." in feedback
    with zipfile.ZipFile(tmp_path / "f.zip") as archive:
        pages = [archive.read(name).decode() for name in archive.namelist()]
    jane, juergen = pages
    assert "Essay: 3.00/10.00" in jane and "See page 2." in jane and "25.00 of 32.00" in jane
    assert "&lt;b&gt;Nearly&lt;/b&gt;." in juergen and "2.00 of 10.00" in juergen


# ## Another total
def test_grades_are_scaled_to_a_total_and_say_so(tmp_path: Path) -> None:
    run = class_run(tmp_path, handed("a", {"kl": "wrong"}), handed("b"))
    found = made(run, "--scale-to=20")
    assert {name: (row["points"], row["max_points"]) for name, row in found.items()} == {
        "a": ("12.73", "20.00"),
        "b": ("20.00", "20.00"),
    }
    assert numbers(found["a"]["feedback"]) == ["12.73", "20.00", "14.00", "22.00", "2.00", "10.00"]
    assert found["a"]["earned"] == "14.00", "points of the submission are not scaled"


def test_points_by_hand_are_scaled_with_the_rest(tmp_path: Path) -> None:
    file = hand(tmp_path, ESSAY + "a,Essay,8,22,\n")
    assert made(class_run(tmp_path, handed("a")), "--by-hand", file, "--scale-to=10")["a"]["points"] == "6.82"


def test_moodle_scales_to_the_maximum_of_the_column_when_asked(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    worksheet = [[cell.replace("22.00", "11,0") for cell in row] for row in WORKSHEET]
    assert [row["Grade"] for row in of_moodle(tmp_path, worksheet, "--scale-to=column")] == ["11.00", "7.00", ""]
    assert "--scale-to" not in capsys.readouterr().err
    unscaled = of_moodle(tmp_path, worksheet, of=tmp_path / "class-results")
    assert unscaled[0]["Grade"] == "22.00"
    assert lines_with(capsys.readouterr().err, "moodle.csv", "11,0 ", "22.00", "--scale-to column")


def test_canvas_scales_to_the_points_possible(tmp_path: Path) -> None:
    jane = Student("x", system="canvas", number="11")
    export_of_canvas = [[cell.replace("22.00", "44") for cell in row] for row in EXPORT]
    roster = written(tmp_path / "canvas.csv", table(export_of_canvas))
    run, out = class_run(tmp_path, handed(jane)), tmp_path / "out.csv"
    options = ("--format=canvas", "--roster", roster, "--out", out, "--assignment=VAE")
    assert export(run, *options, "--scale-to=column") in (0, 1)
    points = {row[1]: row[-1] for row in csv.reader(out.read_text(encoding="utf-8").splitlines())}
    assert (points[""], points["11"]) == ("44", "44.00")


# ## What cannot be used
@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("id,comment\na,b\n", "line 1: no column 'points': the columns are id, comment"),
        ("points\n3\n", "line 1: no column 'id'"),
        (
            ESSAY + "a,Essay,1,10,\nx,Essay,1,,\n",
            "line 3: id 'x' is neither a student nor a submission of the class run",
        ),
        (ESSAY + ",Essay,1,10,\n", "line 2: no id"),
        (ESSAY + "a,Essay,1,10,\nb,Essay,1,,\nA,Essay,2,,\n", "line 4: Essay of 'A' is also in line 2"),
        (ESSAY + "a,kl,1,,\na,kl,2,,\n", "line 3: kl of 'a' is also in line 2"),
        (
            ESSAY + "a,Essay,many,10,\n",
            "line 2: points must be a number, 0 or more, with at most two decimals, not 'many'",
        ),
        (ESSAY + "a,Essay,,10,\n", "line 2: points must be a number"),
        (ESSAY + "a,Essay,-1,10,\n", "line 2: points must be a number"),
        (ESSAY + "a,Essay,nan,10,\n", "line 2: points must be a number"),
        (ESSAY + "a,Essay,1e999,10,\n", "line 2: points must be a number"),
        (ESSAY + "a,Essay,0.125,10,\n", "line 2: points must be a number"),
        (ESSAY + "a,Essay,1,ten,\n", "line 2: max_points must be a number"),
        (ESSAY + "a,Essay,10.5,10,\n", "line 2: 10.50 points, but Essay has 10.00"),
        (ESSAY + "a,kl,11,,\n", "line 2: 11.00 points, but kl has 10.00"),
        (ESSAY + "a,kl,8,12,\n", "line 2: kl has 12.00 points here, but 10.00 in the offering"),
        (ESSAY + "a,Essay,1,10,\nb,Essay,1,12,\n", "line 3: Essay has 12.00 points here, but 10.00 in line 2"),
        (
            "id,points\na,3\n",
            "line 2: 'question' is not a graded task (kl, mode, training): give its points in the column",
        ),
        (ESSAY + "a,nl,3,,\n", "line 2: 'nl' is not a graded task (kl, mode, training): give its points in the column"),
        (ESSAY + "c,kl,3,,\n", "line 2: id 'c' has no verdict to replace: no UTF-8 text"),
    ],
)
def test_a_bad_file_is_refused_with_its_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], text: str, words: str
) -> None:
    run = class_run(tmp_path, handed("a"), handed("b"), handed("c", problem="no UTF-8 text"))
    assert export(run, "--format=csv", "--by-hand", hand(tmp_path, text)) == 2
    said = capsys.readouterr().err
    assert f"{tmp_path / 'hand.csv'}, {words}" in said and said.count("\n") == 1
    assert not (run / "gradebook-csv.csv").exists(), "nothing is written"


def test_a_student_of_the_roster_without_a_submission_has_no_verdict_to_replace(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    roster = written(tmp_path / "roster.csv", "id\na\nz\n")
    run = class_run(tmp_path, handed("a"))
    refused = {}
    for name in ("z", "nobody"):
        file = hand(tmp_path, f"{ESSAY}{name},kl,3,,\n")
        assert export(run, "--format=csv", "--roster", roster, "--by-hand", file) == 2
        (refused[name],) = lines_with(capsys.readouterr().err, f"{file}, line 2: ", repr(name))
    assert refused["z"].replace("'z'", "'nobody'") != refused["nobody"], "z is a student"


def test_there_must_be_a_column_to_scale_to(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run = class_run(tmp_path, handed("a"))
    assert export(run, "--format=csv", "--scale-to=column") == 2
    assert lines_with(capsys.readouterr().err, "--scale-to column", "--scale-to 20")
    gradebook = written(tmp_path / "m.csv", "First name,Last name,Email address\nJane,Doe,a@example.edu\n")
    assert export(run, "--format=moodle", "--roster", gradebook, "--scale-to=column") == 2
    assert lines_with(capsys.readouterr().err, "m.csv, line 1: ", "--scale-to 20")
