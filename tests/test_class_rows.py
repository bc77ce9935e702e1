"""What a class run says and what lies on disk agree, however a row came about: no student's code is run here."""

import csv
import io
import json
import shlex
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from grader.__main__ import main
from grader.grading.jobs import Job, Outcome
from grader.instructor.class_runs import class_run, dask_judges
from grader.instructor.class_runs.entries import Stored, Submission
from grader.instructor.class_runs.grades import Entry
from grader.instructor.class_runs.ledger import Ledger
from grader.instructor.class_runs.sandbox_here import NoSuchSandbox
from grader.instructor.gradebooks.export import WAITING
from grader.instructor.pages import class_pages
from grader.report import results_json
from tests.made_up_class import result
from tests.made_up_run import offering
from tests.wording import lines_with, numbers

pytest.importorskip("distributed")


class Fleet:
    """A cluster that gives each submission full points at once; `graded` holds what it was asked for."""

    def __init__(self) -> None:
        self.graded: list[bytes] = []
        self.stop_after = 1000

    @contextmanager
    def local(self, jobs: int) -> Iterator[None]:
        yield None

    def outcomes(
        self, client: Any, names: list[str], of: Callable[[str], Job], apart: bool = True
    ) -> Iterator[tuple[str, Outcome]]:
        for name, job in ((name, of(name)) for name in names):
            if len(self.graded) == self.stop_after:
                raise KeyboardInterrupt
            self.graded.append(job.content)
            yield name, Outcome(results_json.as_json(result({}, seed=job.seed, sandbox=job.sandbox)))


@pytest.fixture
def judges(monkeypatch: pytest.MonkeyPatch) -> Fleet:
    made = Fleet()
    monkeypatch.setattr(class_run, "local_cluster", made.local)
    monkeypatch.setattr(dask_judges, "outcomes", made.outcomes)
    monkeypatch.setattr(class_run, "chosen_here", lambda name: name)
    monkeypatch.setattr(class_pages, "handed_out", lambda offering: [])
    monkeypatch.setenv("VAE_GRADER_SECRET", "the secret of the tests")
    return made


Grade = Callable[..., int]


@pytest.fixture
def grade(tmp_path: Path, judges: Fleet, monkeypatch: pytest.MonkeyPatch) -> Grade:
    """Return a class run of `tmp_path/in` into `tmp_path/out`."""
    (tmp_path / "in").mkdir()

    def graded(*options: str | Path, folder: Path | None = None) -> int:
        monkeypatch.setenv("VAE_GRADER_SECRET", "the secret of the tests")
        given = ["class", str(folder or tmp_path / "in"), "--out", str(tmp_path / "out")]
        return main([*given, "-m", "kl or mode or training", "--sandbox=process", *map(str, options)])

    return graded


def hand_in(folder: Path, **files: str) -> None:
    """Write submissions: the content of each by its name without `.py`."""
    for name, content in files.items():
        (folder / f"{name}.py").write_text(content, encoding="utf-8")


def rows(out: Path) -> dict[str, str]:
    with (out / "grades.csv").open(encoding="utf-8", newline="") as stream:
        return {row["submission"]: row["status"] for row in csv.DictReader(stream)}


def exported(out: Path) -> dict[str, str]:
    """Return the points of each row as an export has them."""
    assert main(["export", str(out), "--format=csv"]) == 0
    with (out / "gradebook-csv.csv").open(encoding="utf-8", newline="") as stream:
        return {row["submission"]: row["points"] for row in csv.DictReader(stream)}


def assert_whole(out: Path) -> None:
    """Each row that is graded has its files, and an export has its points."""
    for name, status in rows(out).items():
        assert (out / name / "report.html").is_file()
        assert (out / name / "results.json").is_file() == (status == "graded"), name
    points = exported(out)
    assert points == {name: "22.00" if status == "graded" else "0.00" for name, status in rows(out).items()}


# ## However a row came about
def test_a_result_that_another_submission_takes_over_is_written(tmp_path: Path, grade: Grade, judges: Fleet) -> None:
    hand_in(tmp_path / "in", doejane_1001_77_VAE_Model="# x\n")
    assert grade() == 0
    hand_in(tmp_path / "in", roebob_1002_78_VAE_Model="# x\n")
    assert grade() == 0
    assert len(judges.graded) == 1, "the same content is graded once"
    assert rows(tmp_path / "out") == {"1001": "graded", "1002": "graded"}
    assert_whole(tmp_path / "out")


def test_a_student_who_hands_in_the_same_file_twice_keeps_the_grade(tmp_path: Path, grade: Grade) -> None:
    hand_in(tmp_path / "in", doejane_1001_77_VAE_Model="# x\n")
    assert grade() == 0
    (tmp_path / "in" / "doejane_1001_79_VAE_Model-1.py").write_text("# x\n")
    assert grade() == 0
    assert (tmp_path / "out" / "1001-2" / "results.json").is_file()
    assert exported(tmp_path / "out") == {"1001-2": "22.00"}, "the last attempt counts"


def test_a_row_that_a_roster_renames_has_its_files(tmp_path: Path, grade: Grade, judges: Fleet) -> None:
    hand_in(tmp_path / "in", alice="# a\n", bob="# b\n")
    assert grade() == 0
    roster = tmp_path / "roster.csv"
    roster.write_text("submission,id\nalice,bob\nbob,alice\n")
    assert grade("--roster", roster) == 0
    assert len(judges.graded) == 2, "both results change places"
    assert_whole(tmp_path / "out")
    listed = json.loads((tmp_path / "out" / "submissions.json").read_text())["submissions"]
    shas = {one["submission"]: one["sha256"] for one in listed}
    for name, sha256 in shas.items():
        made = json.loads((tmp_path / "out" / name / "results.json").read_text())["extra_data"]["class"]
        assert made["sha256"] == sha256


def test_a_run_that_was_stopped_goes_on_and_is_whole(
    tmp_path: Path, grade: Grade, judges: Fleet, capsys: pytest.CaptureFixture[str]
) -> None:
    hand_in(tmp_path / "in", alice="# a\n", bob="# b\n", carol="# c\n", dave="# a\n")
    judges.stop_after = 1
    assert grade() == 130
    capsys.readouterr()
    assert main(["export", str(tmp_path / "out"), "--format=csv"]) == 1
    assert f" (2): bob: {WAITING}; carol: {WAITING}\n" in capsys.readouterr().err
    judges.stop_after = 1000
    assert grade() == 0
    assert_whole(tmp_path / "out")


def test_what_a_folder_holds_of_an_earlier_content_is_not_compared(tmp_path: Path, grade: Grade, judges: Fleet) -> None:
    """`bob` handed in again, and the run that would grade it was stopped: it has no result now."""
    from grader.instructor.class_runs.grades import read_class

    hand_in(tmp_path / "in", alice="# a\n", bob="# b\n")
    assert grade() == 0
    hand_in(tmp_path / "in", bob="# b, better\n")
    judges.stop_after = 2
    assert grade() == 130
    assert (tmp_path / "out" / "bob" / "results.json").is_file(), "another run may take it over"
    found = {entry.submission: (entry.status, entry.results is not None) for entry in read_class(tmp_path / "out")}
    assert found == {"alice": ("graded", True), "bob": ("not graded yet", False)}


def test_a_run_that_cannot_start_leaves_the_one_before_as_it_was(
    tmp_path: Path, grade: Grade, monkeypatch: pytest.MonkeyPatch
) -> None:
    def none(name: str) -> str:
        raise NoSuchSandbox("none works here")

    hand_in(tmp_path / "in", alice="# a\n")
    assert grade() == 0
    before = {path: path.read_bytes() for path in (tmp_path / "out").rglob("*") if path.is_file()}
    (tmp_path / "in" / "alice.py").write_bytes(b"\xff")
    monkeypatch.setattr(class_run, "chosen_here", none)
    assert grade() == 2
    assert {path: path.read_bytes() for path in (tmp_path / "out").rglob("*") if path.is_file()} == before


# ## The look at the end
@pytest.mark.parametrize("file", ["results.json", "report.html"])
def test_a_run_says_which_of_its_files_are_missing(
    tmp_path: Path,
    grade: Grade,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    file: str,
) -> None:
    def losing(out: Path, entries: Iterable[Entry], *more: Any) -> list[str]:
        found = write_pages(out, entries, *more)
        (out / "bob" / file).unlink()
        return found

    hand_in(tmp_path / "in", alice="# a\n", bob="# b\n")
    write_pages = class_pages.write_pages
    with monkeypatch.context() as patch:
        patch.setattr(class_run, "write_pages", losing)
        assert grade() == 3
    assert f": bob/{file}; 2 of 2" in capsys.readouterr().err
    assert grade() == 0
    assert_whole(tmp_path / "out")


def test_results_of_another_content_are_not_those_of_a_row(tmp_path: Path, grade: Grade) -> None:
    hand_in(tmp_path / "in", alice="# a\n", bob="# b\n")
    assert grade() == 0
    out = tmp_path / "out"
    book = Ledger(out, [Submission(name, Stored.append(io.BytesIO(), b"")) for name in rows(out)])
    for name in rows(out):
        book.keep(name, (out / name / "results.json").read_bytes())
    assert book.missing() == []
    (out / "bob" / "results.json").write_bytes((out / "alice" / "results.json").read_bytes())
    assert book.missing() == ["bob/results.json"]
    (out / "grades.csv").write_text("submission,status\nalice,graded\n")
    assert book.missing() == ["grades.csv (the row of bob)", "bob/results.json"]


def test_an_export_says_which_file_is_missing(tmp_path: Path, grade: Grade, capsys: pytest.CaptureFixture[str]) -> None:
    hand_in(tmp_path / "in", alice="# a\n")
    assert grade() == 0
    (tmp_path / "out" / "alice" / "results.json").unlink()
    assert main(["export", str(tmp_path / "out"), "--format=csv"]) == 1
    assert "alice: its results.json is missing" in capsys.readouterr().err


# ## Compared with an earlier run
def test_a_limit_that_an_offering_changed_is_named(
    tmp_path: Path, grade: Grade, capsys: pytest.CaptureFixture[str]
) -> None:
    hand_in(tmp_path / "in", alice="# a\n")
    assert grade() == 0
    old = (tmp_path / "out").rename(tmp_path / "old")
    limits = offering(tmp_path, ("training_cpu_s = 60", "training_cpu_s = 1"))
    assert grade("--offering", limits, "--compare", old) == 0
    out = capsys.readouterr().out
    assert "differs  training_cpu_s: 60 → 1\n" in out
    assert "secret" not in out and "the secret of the tests" not in (old / "alice" / "results.json").read_text()


# ## Which class it is
def snapshot(out: Path) -> dict[Path, bytes]:
    return {path: path.read_bytes() for path in out.rglob("*") if path.is_file() and path.name != ".lock"}


def another(tmp_path: Path, name: str, **files: str) -> Path:
    folder = tmp_path / name
    folder.mkdir()
    hand_in(folder, **files)
    return folder


CLASS = {"group1": "# a\n", "group2": "# b\n", "group3": "# c\n"}


def test_another_class_does_not_take_the_place_of_one(
    tmp_path: Path, grade: Grade, capsys: pytest.CaptureFixture[str]
) -> None:
    hand_in(tmp_path / "in", **CLASS)
    assert grade() == 0
    before = snapshot(tmp_path / "out")
    other = another(tmp_path, "other class", group1="# p\n", group2="# q\n", group3="# c\n")
    roster = tmp_path / "roster.csv"
    roster.write_text("submission,id\nnobody,x\n")
    capsys.readouterr()
    assert grade("--roster", roster, folder=other) == 2
    said = capsys.readouterr().err
    assert said.count("\n") == 1
    assert lines_with(said, f" {tmp_path / 'out'} ", f"({tmp_path / 'in'})", f" {other}.", "--out")
    assert snapshot(tmp_path / "out") == before


def test_nor_does_one_that_is_unpacked_into_the_same_folder(tmp_path: Path, grade: Grade) -> None:
    hand_in(tmp_path / "in", **CLASS)
    assert grade() == 0
    for name in CLASS:
        (tmp_path / "in" / f"{name}.py").unlink()
    hand_in(tmp_path / "in", ann="# p\n", bob="# q\n")
    assert grade() == 2


def test_who_says_that_it_is_the_same_class_is_believed(tmp_path: Path, grade: Grade) -> None:
    hand_in(tmp_path / "in", **CLASS)
    assert grade() == 0
    other = another(tmp_path, "other", group1="# p\n")
    (tmp_path / "out" / "submissions.json").unlink()
    assert grade(folder=other) == 0


@pytest.mark.parametrize(
    ("name", "files"),
    [
        ("in", {**CLASS, "group4": "# d\n", "group5": "# e\n", "group6": "# f\n", "group7": "# g\n"}),
        ("in", {name: f"{content}# again\n" for name, content in CLASS.items()}),
        ("copy", {**CLASS, "group4": "# d\n"}),
        ("copy", {"Group one": "# a\n", "Group two": "# b\n", "group3": "# c, again\n"}),
    ],
    ids=["more students", "all handed in again", "a copy with more students", "renamed in a copy, one handed in again"],
)
def test_a_class_may_grow_hand_in_again_and_be_copied(
    tmp_path: Path, grade: Grade, name: str, files: dict[str, str]
) -> None:
    hand_in(tmp_path / "in", **CLASS)
    assert grade() == 0
    folder = tmp_path / name
    folder.mkdir(exist_ok=True)
    hand_in(folder, **files)
    assert grade(folder=folder) == 0
    assert set(rows(tmp_path / "out")) == set(files)
    assert_whole(tmp_path / "out")


def test_a_later_download_of_a_class_that_handed_in_again_is_the_same_class(tmp_path: Path, grade: Grade) -> None:
    hand_in(tmp_path / "in", doe_1001_77_VAE_Model="# a\n", roe_1002_78_VAE_Model="# b\n")
    assert grade() == 0
    later = another(tmp_path, "later", **{"doe_1001_81_VAE_Model-1": "# c\n", "roe_1002_82_VAE_Model-1": "# d\n"})
    assert grade(folder=later) == 0
    assert set(rows(tmp_path / "out")) == {"1001", "1002"}


# ## Tables that do not fit
def test_a_roster_that_does_not_fit_says_what_has_no_partner(
    tmp_path: Path, grade: Grade, capsys: pytest.CaptureFixture[str]
) -> None:
    hand_in(tmp_path / "in", **{f"s{i}": f"# {i}\n" for i in range(8)})
    roster, out = tmp_path / "roster.csv", tmp_path / "out"
    roster.write_text("submission,id\n" + "".join(f"x{i},m{i}\n" for i in range(7)) + "s7.py,m7\n")
    assert grade("--roster", roster) == 0
    said = capsys.readouterr().err
    (line,) = lines_with(said, "roster.csv: ", "(line 2: x0, line 3: x1, ", "(s0.py, s1.py, s2.py, s3.py, s4.py ")
    assert line.count("7 of 8 ") == line.count(" 2 more)") == 2
    assert str(out / "unmatched.csv") in said
    with (out / "unmatched.csv").open(encoding="utf-8", newline="") as stream:
        found = [(row["what"], row["which"]) for row in csv.DictReader(stream)]
    assert [which for _, which in found] == [
        *(f"line {i + 2}: x{i}" for i in range(7)),
        *(f"s{i}.py" for i in range(7)),
    ]
    (no_entry,), (no_line,) = ({what for what, _ in rows} for rows in (found[:7], found[7:]))
    assert no_entry != no_line and "roster.csv" in no_entry and "roster.csv" in no_line
    roster.write_text("submission,id\n" + "".join(f"s{i},m{i}\n" for i in range(8)))
    assert grade("--roster", roster) == 0
    assert "roster.csv" not in capsys.readouterr().err and not (out / "unmatched.csv").exists()


def test_each_way_to_name_an_entry_is_a_match(tmp_path: Path, grade: Grade, capsys: pytest.CaptureFixture[str]) -> None:
    hand_in(tmp_path / "in", alice="# a\n", bob="# b\n", doe_1001_77_VAE_Model="# c\n")
    roster = tmp_path / "roster.csv"
    roster.write_text("submission,id\nalice,m1\nbob.py,m2\n1001,m3\n")
    assert grade("--roster", roster) == 0
    assert "roster.csv" not in capsys.readouterr().err
    assert set(rows(tmp_path / "out")) == {"m1", "m2", "m3"}


def test_the_list_of_an_export_that_does_not_fit_says_so_too(
    tmp_path: Path, grade: Grade, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in ("submission_1", "submission_9"):
        (tmp_path / "in" / name).mkdir()
        (tmp_path / "in" / name / "VAE_Model.py").write_text(f"# {name}\n")
    lines = [f"submission_{i}:\n  :submitters:\n  - :name: N\n    :sid: s{i}\n" for i in (1, 2)]
    (tmp_path / "in" / "submission_metadata.yml").write_text("".join(lines))
    assert grade() == 0
    said = capsys.readouterr().err
    (line,) = lines_with(said, "submission_metadata.yml: ")
    no_entry, no_line = line.split("; ")[:2]
    assert "1 of 2 " in no_entry and "(submission_2)" in no_entry
    assert "1 of 2 " in no_line and "(submission_9)" in no_line


# ## Interruptions
def test_what_is_said_of_a_run_that_was_stopped_agrees_with_its_bar(
    tmp_path: Path, grade: Grade, judges: Fleet, capsys: pytest.CaptureFixture[str]
) -> None:
    hand_in(tmp_path / "in", alice="# a\n", bob="# b\n", carol="# c\n")
    for name in ("one", "two"):
        (tmp_path / "in" / name).mkdir()
    judges.stop_after = 1
    assert grade() == 130
    said = capsys.readouterr().err
    bar, _, words = said.partition("interrupted")
    summary = words.partition(str(tmp_path / "out"))[0]
    assert numbers(summary) == ["1", "5", "2", "2"], "graded, of how many, not graded, not yet"
    assert "`status`" in summary
    assert "| 3/5 [" in bar.replace("\r", "\n").splitlines()[-1], "3 are settled, 2 are left"


def test_the_command_that_goes_on_can_be_pasted(
    tmp_path: Path, judges: Fleet, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    folder, out = tmp_path / "term 1; rm", tmp_path / "my results"
    folder.mkdir()
    hand_in(folder, alice="# a\n")
    judges.stop_after = 0
    words = ["class", str(folder), "--out", str(out), "-m", "kl or mode or training", "--sandbox=process"]
    assert main(words) == 130
    line = capsys.readouterr().err.splitlines()[-1]
    command = line.removeprefix("to resume, run the same command again: ")
    assert shlex.split(command) == ["python", "-m", "grader", *words]
