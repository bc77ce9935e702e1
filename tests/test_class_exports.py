"""Whose submission an entry is: exports of Canvas and Gradescope, and rosters."""

from pathlib import Path

import pytest

from grader.classrun.exports import ExportError, read_gradescope, read_roster, students

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


def test_a_plain_folder_tells_names_only() -> None:
    entries = [Path("alice.py"), Path("bob_2_final.zip"), Path("carol_3_final.zip")]
    assert students(entries, {}, {}) == ["alice", "bob_2_final", "carol_3_final"]


@pytest.mark.parametrize(
    ("name", "student"),
    [
        ("doejane_1234_98765_VAE_Model.py", "1234"),
        ("doejane_LATE_1234_98765_VAE_Model.py", "1234"),
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


def test_a_folder_that_is_no_export_has_no_list(tmp_path: Path) -> None:
    assert read_gradescope(tmp_path) == {}


@pytest.mark.parametrize(("text", "line"), [("a: [1\nb: 2\n", "line 2"), ("- 1\n- 2\n", "line 1")])
def test_a_broken_list_names_the_line(tmp_path: Path, text: str, line: str) -> None:
    (tmp_path / "submission_metadata.yml").write_text(text)
    with pytest.raises(ExportError, match=line):
        read_gradescope(tmp_path)


# ## Rosters
def roster(folder: Path, text: str) -> dict[str, str]:
    (folder / "roster.csv").write_text(text, encoding="utf-8")
    return read_roster(folder / "roster.csv")


def test_a_roster_gives_ids(tmp_path: Path) -> None:
    listed = roster(tmp_path, "\ufeffName,Submission,ID\nJane,alice.py,s1\nBob, bob ,s2\n\nAnn,jane@example.edu,s3\n")
    metadata = {"submission_1": ["jane@example.edu"]}
    entries = [Path("alice.py"), Path("bob.zip"), Path("submission_1"), Path("dave.py")]
    assert students(entries, listed, metadata) == ["s1", "s2", "s3", "dave"]


def test_a_roster_can_rename_the_ids_of_an_export(tmp_path: Path) -> None:
    assert students([Path("doe_12_34_VAE_Model.py")], roster(tmp_path, "id,submission\nmat-7,12\n"), {}) == ["mat-7"]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "line 1: no column `submission`"),
        ("submission,name\na,b\n", "line 1: no column `id`"),
        ("submission,id\na,\n", "line 2: no id"),
        ("submission,id\n,x\n", "line 2: no submission"),
        ("submission,id\na,x\na,y\n", "line 3: submission 'a' stands in line 2 too"),
        ("submission,id\na,x\nb,x\n", "line 3: id 'x' stands in line 2 too"),
        ('submission,id\na,"x\n', "line 2"),
    ],
)
def test_a_bad_roster_names_the_line(tmp_path: Path, text: str, words: str) -> None:
    with pytest.raises(ExportError, match=words):
        roster(tmp_path, text)


def test_a_missing_roster_is_told(tmp_path: Path) -> None:
    with pytest.raises(ExportError, match="cannot be read"):
        read_roster(tmp_path / "none.csv")
