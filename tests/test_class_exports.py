"""Whose submission an entry is, and when it came: exports of Canvas, Gradescope and Moodle, and rosters."""

from datetime import UTC, datetime
from pathlib import Path

import pytest

from grader.instructor.class_runs.entries import ExportError, Told, read_gradescope
from grader.instructor.class_runs.roster import Listed, owners, read_roster
from grader.instructor.class_runs.submissions import HandedIn, Student
from grader.instructor.csv_tables import TableError

METADATA = """\
---
submission_101:
  :submitters:
  - :name: Jane Doe
    :sid: '0042'
    :email: jane@example.edu
  :created_at: 2026-09-07 03:44:36.567098000 Z
  :score: 0.0
  :results:
    tests: []
  :history: !ruby/object:Thing
    a: 1
submission_102:
  :submitters:
  - :name: Ann
    :sid:
    :email: ann@example.edu
  - :name: Bob
    :sid: 7
    :email: bob@example.edu
submission_103:
  :submitters: []
"""


def students(entries: list[Path], listed: dict[str, Listed], metadata: dict[str, Told]) -> list[str]:
    """Return what the rows are called."""
    return [owner.submission for owner in owners(entries, listed, metadata)]


def owner(name: str, listed: dict[str, Listed] | None = None) -> HandedIn:
    return owners([Path(name)], listed or {}, {})[0]


def test_a_plain_folder_tells_names_only() -> None:
    entries = [Path("alice.py"), Path("bob_2_final.zip"), Path("carol_3_final.zip")]
    assert students(entries, {}, {}) == ["alice", "bob_2_final", "carol_3_final"]


@pytest.mark.parametrize(
    ("name", "student"),
    [
        ("doejane_1234_98765_VAE_Model.py", "1234"),
        ("doejane_LATE_1234_98765_VAE_Model.py", "1234"),
        ("doejane_late_1234_98765_vae_model.py", "1234"),
        ("doejane Late_1234_98765_VAE_Model.py", "1234"),
        ("late_1234_98765_VAE_Model.py", "1234"),
        ("doejane_1234_98765_VAE_Model-1 (1).PY", "1234"),
        ("doejane_1234_vae_model (1).py", "1234"),
        ("doejane_1234_98765_VAE_Model-1.py", "1234"),
        ("doejane_1234_98765_my homework.zip", "1234"),
        ("doejane_1234_VAE_Model.py", "1234"),
        ("müllerjürgen_1234_98765_VAE_Model.py", "1234"),
        ("VAE_Model.py", "VAE_Model"),
        ("jane_VAE_Model.py", "jane_VAE_Model"),
        ("jane_2_homework.py", "jane_2_homework"),
    ],
)
def test_names_of_a_canvas_export_hold_an_id(name: str, student: str) -> None:
    assert students([Path(name)], {}, {}) == [student]


def test_a_canvas_export_tells_the_number_lateness_and_resubmissions() -> None:
    first = owner("doejane_1234_98765_VAE_Model.py")
    assert first.students == (Student("1234", system="canvas", number="1234"),)
    assert (first.attempt, first.marked_late, first.submitted) == (1, False, None)
    for name in (
        *("doejane_LATE_1234_98766_VAE_Model-2.py", "doejane_late_1234_98766_vae_model-2.PY"),
        *("doejane LATE_1234_98766_VAE_Model-2 (1).py", "doejane_Late_1234_98766_hw-2.ZIP"),
    ):
        again = owner(name)
        assert again.students == first.students
        assert (again.attempt, again.marked_late, again.entry) == (3, True, name)
    downloaded_twice = owner("doejane_1234_98765_VAE_Model (1).py")
    assert (downloaded_twice.attempt, downloaded_twice.marked_late) == (1, False)


@pytest.mark.parametrize(
    "name",
    [
        "Jane O'Doe_1234_assignsubmission_file_",
        "Jane O'Doe_1234_assignsubmission_file",
        "Jane O'Doe_1234_assignsubmission_file_VAE_Model.py",
        "Jane O'Doe_1234_assignsubmission_onlinetext_",
        "Jane O'Doe_1234_ASSIGNSUBMISSION_FILE_vae_model.PY",
        "Jane O'Doe_1234_assignsubmission_file (1)",
    ],
)
def test_names_of_a_moodle_export_hold_the_student_and_the_participants_number(name: str) -> None:
    found = owner(name)
    assert found.students == (Student("1234", "Jane O'Doe", system="moodle", number="1234"),)
    assert found.submission == "Jane O'Doe_1234", "the number alone tells nobody who it is"


def test_a_name_in_a_moodle_export_may_hold_anything() -> None:
    found = owner("Group_7-Jane_Doe_2_1234_assignsubmission_file_hw_3.zip")
    assert (found.students[0].name, found.students[0].id) == ("Group_7-Jane_Doe_2", "1234")


def test_numbers_that_two_names_share_are_no_ids() -> None:
    entries = [Path("ann_2_VAE_Model.py"), Path("bob_2_VAE_Model.py"), Path("eve_3_VAE_Model.py")]
    assert students(entries, {}, {}) == ["ann_2_VAE_Model", "bob_2_VAE_Model", "3"]


def test_a_gradescope_export_names_the_submitters(tmp_path: Path) -> None:
    (tmp_path / "submission_metadata.yml").write_text(METADATA)
    metadata = read_gradescope(tmp_path)
    entries = [tmp_path / f"submission_{i}" for i in (101, 102, 103, 104)]
    for entry in entries:
        entry.mkdir()
    assert students(entries, {}, metadata) == ["0042", "ann@example.edu_7", "submission_103", "submission_104"]


def test_it_tells_when_they_came_and_who_belongs_to_a_group(tmp_path: Path) -> None:
    (tmp_path / "submission_metadata.yml").write_text(METADATA)
    entries = [tmp_path / f"submission_{i}" for i in (101, 102, 103)]
    first, group, nobody = owners(entries, {}, read_gradescope(tmp_path))
    assert first.submitted == datetime(2026, 9, 7, 3, 44, 36, 567098, tzinfo=UTC)
    assert first.students == (Student("0042", "Jane Doe", "jane@example.edu", "gradescope", "0042"),)
    assert [student.id for student in group.students] == ["ann@example.edu", "7"]
    assert (group.submitted, nobody.students) == (None, (Student("submission_103"),))


@pytest.mark.parametrize(
    ("written", "hour"), [("2026-09-07 03:44:36 -07:00", 10), ("2026-09-07 03:44:36", 3), ("2026-09-07T03:44:36Z", 3)]
)
def test_times_of_an_export_are_instants(tmp_path: Path, written: str, hour: int) -> None:
    (tmp_path / "submission_metadata.yml").write_text(f"a:\n  :created_at: {written}\nb: 3\n")
    assert read_gradescope(tmp_path) == {"a": Told((), submitted=datetime(2026, 9, 7, hour, 44, 36, tzinfo=UTC))}


def test_a_folder_that_is_no_export_has_no_list(tmp_path: Path) -> None:
    assert read_gradescope(tmp_path) == {}


@pytest.mark.parametrize(
    ("text", "line"), [("a: [1\nb: 2\n", "line 2"), ("- 1\n- 2\n", "line 1"), ("a: 2026-13-07 03:44:36 Z", "month")]
)
def test_a_broken_list_names_the_line(tmp_path: Path, text: str, line: str) -> None:
    (tmp_path / "submission_metadata.yml").write_text(text)
    with pytest.raises(ExportError, match=line):
        read_gradescope(tmp_path)


# ## Rosters
def roster(folder: Path, text: str) -> dict[str, Listed]:
    (folder / "roster.csv").write_text(text, encoding="utf-8")
    return read_roster(folder / "roster.csv")


def test_a_roster_gives_ids(tmp_path: Path) -> None:
    listed = roster(tmp_path, "\ufeffName,Submission,ID\nJane,alice.py,s1\nBob, bob ,s2\n\nAnn,jane@example.edu,s3\n")
    metadata = {"submission_1": Told((Student("jane@example.edu"),))}
    entries = [Path("alice.py"), Path("bob.zip"), Path("submission_1"), Path("dave.py")]
    assert students(entries, listed, metadata) == ["s1", "s2", "s3", "dave"]


def test_a_roster_can_rename_the_ids_of_an_export(tmp_path: Path) -> None:
    assert students([Path("doe_12_34_VAE_Model.py")], roster(tmp_path, "id,submission\nmat-7,12\n"), {}) == ["mat-7"]


def test_a_roster_finds_a_student_by_id_or_mail_address(tmp_path: Path) -> None:
    listed = roster(tmp_path, "submission,id\njane@example.edu,s1\n7,s2\n")
    (tmp_path / "submission_metadata.yml").write_text(METADATA)
    entries = [tmp_path / "submission_101", tmp_path / "submission_102"]
    jane, group = owners(entries, listed, read_gradescope(tmp_path))
    assert jane.submission == "s1"
    assert jane.students == (Student("s1", "Jane Doe", "jane@example.edu", "gradescope", "0042"),)
    assert group.submission == "ann@example.edu_s2", "each member of a group has a line of its own"


def test_a_roster_tells_when_something_came_and_was_due(tmp_path: Path) -> None:
    text = (
        "submission;id;name;email;submitted;due\n"
        'alice.py;s1;"Alice; A.";a@example.edu;2026-12-02T01:00+01:00;2026-12-03T00:00Z\n'
        "bob;s2;;;;\n"
    )
    listed = roster(tmp_path, text)
    alice, bob = owner("alice.py", listed), owner("bob.py", listed)
    assert alice.submitted == datetime(2026, 12, 2, 0, 0, tzinfo=UTC)
    due = datetime(2026, 12, 3, tzinfo=UTC)
    assert alice.students == (Student("s1", "Alice; A.", "a@example.edu", due=due),)
    assert (bob.submitted, bob.students) == (None, (Student("s2"),))


def test_attempts_of_one_student_are_told_apart_by_time_or_number(tmp_path: Path) -> None:
    listed = roster(tmp_path, "submission,id,attempt\na1,s1,1\na2,s1,2\n")
    found = owners([Path("a1.py"), Path("a2.py")], listed, {})
    assert [(one.submission, one.attempt) for one in found] == [("s1", 1), ("s1", 2)]
    times = "submission,id,submitted\na1,s1,2026-12-01T10:00Z\na2,s1,2026-12-01T11:00Z\n"
    assert [one.id for one in roster(tmp_path, times).values()] == ["s1", "s1"]


def test_a_rosters_time_is_better_than_an_exports(tmp_path: Path) -> None:
    (tmp_path / "submission_metadata.yml").write_text(METADATA)
    listed = roster(tmp_path, "submission,id,submitted\n0042,0042,2026-12-01T10:00Z\n")
    (jane,) = owners([tmp_path / "submission_101"], listed, read_gradescope(tmp_path))
    assert jane.submitted == datetime(2026, 12, 1, 10, tzinfo=UTC)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "line 1: no column `submission`"),
        ("submission,name\na,b\n", "line 1: no column `id`"),
        ("submission,id\na,\n", "line 2: no id"),
        ("submission,id\n,x\n", "line 2: no submission"),
        ("submission,id\na,x\na,y\n", "line 3: submission 'a' is also in line 2"),
        ("submission,id\na,x\nb,x\n", "line 3: id 'x' is also in line 2"),
        ('submission,id\na,"x\n', "line 2"),
        ("submission,id\na,x,y\n", "line 2: 3 cells, but the header has 2"),
        ('submission,id\n"a\nb",x\nc,\n', "line 4: no id"),
        ("submission,id,Id\na,x,y\n", "line 1: 2 columns are called `id`"),
        ("submission,id,submitted\na,x,2026-12-01T10:00\n", "line 2: submitted: '2026-12-01T10:00' has no time zone"),
        ("submission,id,due\na,x,tomorrow\n", "line 2: due: 'tomorrow' is not a time"),
        ("submission,id,attempt\na,x,second\n", "line 2: attempt: 'second' is not a whole number"),
        ("submission,id,submitted\na,x,\nb,x,2026-12-01T10:00Z\n", "line 3: id 'x' is also in line 2"),
        ("submission,id,attempt\na,x,1\nb,x,1\n", "line 3: id 'x' is also in line 2"),
    ],
)
def test_a_bad_roster_names_the_line(tmp_path: Path, text: str, words: str) -> None:
    with pytest.raises(TableError, match=words) as refusal:
        roster(tmp_path, text)
    assert "\n" not in str(refusal.value) and "roster.csv" in str(refusal.value)


def test_a_roster_as_a_spreadsheet_writes_it_is_read(tmp_path: Path) -> None:
    (tmp_path / "excel.csv").write_bytes("sep=;\nsubmission;id\na;b\nJürgen;c\n".encode("cp1252"))
    assert [(key, one.line) for key, one in read_roster(tmp_path / "excel.csv").items()] == [("a", 3), ("Jürgen", 4)]


def test_a_missing_roster_is_told(tmp_path: Path) -> None:
    with pytest.raises(TableError, match="cannot be read"):
        read_roster(tmp_path / "none.csv")
