"""What an earlier run left that is still valid; and the rows of grades.csv, whatever became of a submission."""

import csv
import io
import json
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from grader.instructor.class_runs import ledger
from grader.instructor.class_runs.entries import Stored, Submission
from grader.instructor.class_runs.grades import Entry, grades_text
from grader.instructor.class_runs.ledger import WAITING, Ledger
from grader.instructor.class_runs.resume import (
    ROOT,
    Stamp,
    grader_version,
    kept_results,
    stamp_of,
    stamped,
    strangers,
)
from tests.made_up_class import row

STAMP = Stamp("ab12", "v1", 7, 1, "process", "sample", "")
POINTS = {"kl": 10, "nll": 10, "mode": 2}


def results(score: float = 6.5, seed: int = 7) -> dict[str, Any]:
    tasks = {
        "kl": {"score": score, "max_score": 10, "status": "failed", "diagnoses": []},
        "nll": {"score": 0, "max_score": 10, "status": "failed", "diagnoses": []},
    }
    return {
        "score": score,
        "tests": [],
        "extra_data": {
            "tasks": tasks,
            "score": score,
            "max_score": 20,
            "seconds": 3.25,
            "sandbox": "process",
            "seed": seed,
            "environment": {"threads": 1},
        },
    }


def put(out: Path, name: str, content: Any) -> None:
    (out / name).mkdir(parents=True, exist_ok=True)
    (out / name / "results.json").write_text(content if isinstance(content, str) else json.dumps(content))


# ## Stamps
def test_results_carry_their_stamp_and_facts() -> None:
    made = stamped(results(), STAMP, {"cpu_s": 5.5})
    assert stamp_of(json.loads(json.dumps(made))) == STAMP
    assert made["extra_data"]["class"]["cpu_s"] == 5.5
    assert results()["extra_data"].items() <= made["extra_data"].items()


def test_results_are_found_by_their_stamp_in_whatever_folder(tmp_path: Path) -> None:
    put(tmp_path, "old name", stamped(results(), STAMP, {}))
    assert kept_results(tmp_path) == {STAMP: ["old name"]}


@pytest.mark.parametrize("field", Stamp.__dataclass_fields__)
def test_whatever_changes_in_a_stamp_makes_a_result_invalid(tmp_path: Path, field: str) -> None:
    put(tmp_path, "a", stamped(results(), STAMP, {}))
    value = getattr(STAMP, field)
    other: Any = value + 1 if isinstance(value, int) else f"{value}x"
    changed = replace(STAMP, **{field: other})
    assert changed not in kept_results(tmp_path)


@pytest.mark.parametrize(
    "content",
    [
        "",
        "{",
        "[]",
        "3",
        '{"extra_data": {}}',
        results(),
        stamped(results(seed=8), STAMP, {}),
        {**results(), "extra_data": {"class": {}, "seed": 7}},
    ],
)
def test_what_cannot_be_read_or_disagrees_is_graded_again(tmp_path: Path, content: Any) -> None:
    put(tmp_path, "a", content)
    assert kept_results(tmp_path) == {}


def test_folders_of_submissions_that_are_gone_are_named(tmp_path: Path) -> None:
    put(tmp_path, "a", results())
    put(tmp_path, "b", results())
    (tmp_path / "c").mkdir()
    assert strangers(tmp_path, {"a"}) == ["b"]


# ## The grader's version
@pytest.fixture
def copy(tmp_path: Path) -> Path:
    ignored = shutil.ignore_patterns("__pycache__")
    for room in ("grader", "data"):
        shutil.copytree(ROOT / room, tmp_path / room, ignore=ignored)
    shutil.copy(ROOT / "setup.cfg", tmp_path)
    return tmp_path


def test_a_copy_has_the_same_version(copy: Path) -> None:
    assert grader_version(copy) == grader_version() == grader_version()


@pytest.mark.parametrize(
    "file",
    ["grader/judge/oracles.py", "data/mat.py", "data/sample/test_32x32.mat", "setup.cfg"],
)
def test_the_version_changes_with_what_a_verdict_depends_on(copy: Path, file: str) -> None:
    before = grader_version(copy)
    with (copy / file).open("ab") as stream:
        stream.write(b"\n")
    assert grader_version(copy) != before


def in_the_offering(copy: Path, old: str, new: str) -> None:
    path = copy / "grader" / "offering.toml"
    assert path.read_text(encoding="utf-8").count(old) == 1
    path.write_text(path.read_text(encoding="utf-8").replace(old, new), encoding="utf-8")


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ('kl = { points = 10, part = "write" }\nnll = { points = 10', "kl = { points = 11 }\nnll = { points = 9"),
        ('kl = { points = 10, part = "write" }\nnll = { points = 10', 'kl = { part = "given" }\nnll = { points = 20'),
        ("task_cpu_s = 20", "task_cpu_s = 21"),
    ],
)
def test_the_version_changes_with_points_and_limits(copy: Path, old: str, new: str) -> None:
    before = grader_version(copy)
    in_the_offering(copy, old, new)
    assert grader_version(copy) != before


def test_the_version_does_not_change_with_what_a_verdict_does_not_depend_on(copy: Path) -> None:
    before = grader_version(copy)
    (copy / "grader" / "README.md").write_text("else")
    in_the_offering(copy, "percent_per_day = 0 ", "percent_per_day = 10 ")
    assert grader_version(copy) == before


def test_the_version_changes_with_a_library(monkeypatch: pytest.MonkeyPatch) -> None:
    before = grader_version()
    monkeypatch.setattr("grader.instructor.class_runs.resume.version", lambda library: f"{library} 99")
    assert grader_version() != before


# ## Rows
def rows(entries: list[Entry], tasks: tuple[str, ...] = ("kl", "nll")) -> list[dict[str, str]]:
    return list(csv.DictReader(grades_text([row(entry) for entry in entries], tasks, POINTS).splitlines()))


def test_a_row_for_what_was_graded() -> None:
    assert rows([Entry("alice", "graded", results())]) == [
        {
            "submission": "alice",
            "score": "6.5",
            "max_score": "20",
            "status": "graded",
            "seconds": "3.2",
            "kl": "6.5",
            "nll": "0",
            "mode": "",
        }
    ]


def test_a_row_for_what_was_not() -> None:
    (row,) = rows([Entry("bob", "no UTF-8 text")], ("kl", "nll", "mode"))
    assert (row["score"], row["max_score"], row["status"], row["kl"]) == ("0", "22", "no UTF-8 text", "0")


def test_no_cell_is_a_formula() -> None:
    (row,) = rows([Entry("_x", "=cmd|' /C calc'!A0\nnext")])
    assert not row["status"].startswith("=") and "\n" not in row["status"]


# ## The ledger
FILE = io.BytesIO()
SUBMISSIONS = [
    Submission("alice", Stored.append(FILE, b"# a\n")),
    Submission("bob", Stored.append(FILE, b"# b\n")),
    Submission("carol", None, "no regular file"),
]


def statuses(book: Ledger) -> dict[str, str]:
    return {entry.submission: entry.status for entry in book.entries()}


def test_a_result_is_on_disk_the_moment_it_is_entered(tmp_path: Path) -> None:
    book = Ledger(tmp_path, SUBMISSIONS)
    assert statuses(book) == {"alice": WAITING, "bob": WAITING, "carol": "no regular file"}
    assert book.enter("alice", results()) == "graded"
    assert json.loads((tmp_path / "alice" / "results.json").read_text()) == results()
    assert [path.name for path in (tmp_path / "alice").iterdir()] == ["results.json"]
    first, second, _ = book.entries()
    assert (first.results, first.source, second.results) == (results(), "# a\n", None)


def test_what_was_not_graded_keeps_no_results_of_an_earlier_run(tmp_path: Path) -> None:
    for name in ("bob", "carol"):
        put(tmp_path, name, results())
        (tmp_path / name / "report.html").touch()
    book = Ledger(tmp_path, SUBMISSIONS)
    assert book.fail("bob", "the grader took\nmore than 600 s") == "the grader took more than 600 s"
    assert list((tmp_path / "bob").iterdir()) == list((tmp_path / "carol").iterdir()) == []


def test_a_full_disk_costs_that_row_until_there_is_room(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(path: Path, text: str) -> None:
        raise OSError(28, "No space left on device")

    book = Ledger(tmp_path, SUBMISSIONS)
    with monkeypatch.context() as patch:
        patch.setattr(ledger, "write_whole", full)
        assert book.enter("alice", results()).endswith(": No space left on device")
        book.try_again()
    assert next(iter(book.entries())).results is None
    assert book.enter("bob", results()) == "graded", "the others go on"
    book.try_again()
    assert statuses(book)["alice"] == "graded"
