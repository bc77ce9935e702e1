"""`python -m grader release`: the same bytes twice, nothing without proof, a secret that is kept, errors of one line.

Gradings are played here: `test_release_student.py` grades for real what goes out, and one test below a wrong reference.
"""

import os
import shutil
import stat
import subprocess
import sys
import zipfile
from pathlib import Path
from typing import Any

import pytest

from grader.__main__ import main
from grader.grading import seeds
from grader.instructor.release import release_checks, release_command
from grader.instructor.release.build import NotOurs, write_folder
from grader.judge.offering import TASKS
from tests.releases import ROOT, SECRET
from tests.wording import lines_with

WORKFLOW = ".github/workflows/classroom.yml"


def results(score: float, **statuses: str) -> dict[str, Any]:
    """A results.json with the status of all tasks that are not named: passed with points, not attempted with none."""
    usual = "passed" if score else "not attempted"
    tasks = {task.id: {"status": statuses.get(task.id, usual)} for task in TASKS}
    return {"extra_data": {"score": score, "max_score": 100, "tasks": tasks}}


@pytest.fixture(autouse=True)
def played(monkeypatch: pytest.MonkeyPatch) -> dict[str, dict[str, Any]]:
    """What the gradings of skeleton and reference say; a test may change it."""
    said = {"assignment": results(0), "solution": results(100)}
    monkeypatch.setattr(release_checks, "grade", lambda _, submission: said[submission.parent.name])
    monkeypatch.delenv(seeds.VARIABLE, raising=False)
    return said


def release(out: Path, *options: str) -> int:
    return main(["release", "--out", str(out), *options])


def content(out: Path) -> dict[str, tuple[bytes, int]]:
    """Bytes and permissions of all files, by path."""
    files = sorted(path for path in out.rglob("*") if path.is_file())
    return {str(p.relative_to(out)): (p.read_bytes(), stat.S_IMODE(p.stat().st_mode)) for p in files}


# ## What is written
def test_it_writes_what_it_says(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "dist"
    assert release(out) == 0
    said = capsys.readouterr().out.splitlines()
    assert [str(Path(line).relative_to(out)) for line in said] == [
        *("student.zip", "gradescope.zip", "github-classroom", "prairielearn.zip", "autolab", "README.md"),
        *("offering.toml", "secret"),
    ]
    assert sorted(path.name for path in out.iterdir()) == sorted(Path(line).name for line in said)
    with zipfile.ZipFile(out / "gradescope.zip") as gradescope:
        modes = {entry.filename: entry.external_attr >> 16 & 0o777 for entry in gradescope.infolist()}
    assert {path for path in modes if "/" not in path} == {"setup.sh", "run_autograder", "secret"}
    assert (modes["setup.sh"], modes["run_autograder"], modes["secret"]) == (0o755, 0o755, 0o600)


def test_the_same_repository_and_secret_give_the_same_bytes(tmp_path: Path) -> None:
    key = tmp_path / "key"
    key.write_bytes(SECRET)

    def released(name: str) -> dict[str, tuple[bytes, int]]:
        folder = (tmp_path / name).as_posix().encode()
        return {path: (data.replace(folder, b"OUT"), mode) for path, (data, mode) in content(tmp_path / name).items()}

    old = os.umask(0o077)
    try:
        assert release(tmp_path / "one", f"--secret-file={key}") == 0
        os.umask(0o002)
        assert release(tmp_path / "two", f"--secret-file={key}") == 0
    finally:
        os.umask(old)
    assert released("one") == released("two")
    assert b"OUT/secret" in released("one")["README.md"][0], "the page for instructors names its own folder"
    assert release(tmp_path / "one") == 0, "over the old one, with the secret that it keeps"
    assert released("one") == released("two")


def test_a_template_repository_keeps_its_history_and_nothing_else(tmp_path: Path) -> None:
    assert release(tmp_path) == 0
    template = tmp_path / "github-classroom"
    (template / ".git").mkdir()
    (template / ".git" / "HEAD").write_text("ref")
    (template / "old.md").write_text("from an earlier release")
    assert release(tmp_path) == 0
    assert (template / ".git" / "HEAD").exists() and (template / WORKFLOW).exists()
    assert not (template / "old.md").exists()


# ## The secret
def test_a_secret_is_made_once_and_only_its_owner_reads_it(tmp_path: Path) -> None:
    assert release(tmp_path) == 0
    first = (tmp_path / "secret").read_bytes()
    assert len(first.strip()) == 64
    assert release(tmp_path) == 0
    assert (tmp_path / "secret").read_bytes() == first
    modes = {path: mode for path, (_, mode) in content(tmp_path).items()}
    assert (modes["secret"], modes["gradescope.zip"], modes["student.zip"]) == (0o600, 0o600, 0o644)
    holders = {path for path, (text, _) in content(tmp_path).items() if first.strip() in text}
    private = {"secret", "gradescope.zip", "prairielearn.zip", "autolab/autograde.tar"}
    assert holders == private, "archives are stored, so a search sees into them"
    assert {modes[path] for path in private} == {0o600}


def test_a_given_secret_is_kept_and_another_one_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv(seeds.VARIABLE, SECRET.decode())
    assert release(tmp_path) == 0
    assert (tmp_path / "secret").read_bytes().strip() == SECRET
    capsys.readouterr()
    monkeypatch.setenv(seeds.VARIABLE, "quite another secret")
    assert release(tmp_path) == 2
    said = capsys.readouterr().err
    assert lines_with(said, str(tmp_path / "secret"), "--out") and said.count("\n") == 1
    assert (tmp_path / "secret").read_bytes().strip() == SECRET


# ## Nothing without proof
@pytest.mark.parametrize(
    ("which", "graded", "words"),
    [
        ("solution", results(96, kl="failed"), "the reference has 96 of 100 points: kl failed"),
        ("solution", results(99), "the reference has 99 of 100 points"),
        ("assignment", results(2), "the skeleton has 2 points, not 0 (encoder is passed)"),
        ("assignment", results(0, kl="crashed"), "the skeleton has 0 points, not 0 (kl is crashed)"),
    ],
)
def test_nothing_is_written_unless_the_reference_has_all_and_the_skeleton_nothing(
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    played: dict[str, dict[str, Any]],
    which: str,
    graded: dict[str, Any],
    words: str,
) -> None:
    played[which] = graded
    assert release(tmp_path / "dist") == 1
    assert not (tmp_path / "dist").exists()
    last = capsys.readouterr().err.splitlines()[-1]
    assert last.startswith(f"python -m grader release: {words}") and last.endswith("; nothing was written")


def changed_copy(folder: Path, file: str, old: str, new: str) -> "subprocess.CompletedProcess[str]":
    """Copy the repository as an instructor would, change one place in it, and release for real."""
    ignored = shutil.ignore_patterns(".*", "__pycache__", "tests", "results", "dist", "venv", "svhn", "*.egg-info")
    shutil.copytree(ROOT, folder, ignore=ignored)
    shutil.copy(ROOT / ".gitignore", folder)
    text = (folder / file).read_text(encoding="utf-8")
    assert text.count(old) == 1
    (folder / file).write_text(text.replace(old, new), encoding="utf-8")
    command = [sys.executable, "-B", "-m", "grader", "release"]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)


@pytest.mark.slow
def test_a_reference_that_is_wrong_is_found_out_for_real(tmp_path: Path) -> None:
    right = "return 0.5 * torch.sum(self.mean**2"
    done = changed_copy(tmp_path / "copy", "solution/VAE_Model.py", right, right.replace("0.5 * ", ""))
    last = done.stderr.splitlines()[-1]
    assert done.returncode == 1 and "the reference has 9" in last and ": kl failed" in last, done.stderr
    assert not (tmp_path / "copy" / "dist").exists()


def test_a_skeleton_that_was_edited_by_hand_stops_it(tmp_path: Path) -> None:
    todo = 'raise NotImplementedError("TODO: kl")'
    done = changed_copy(tmp_path / "copy", "assignment/VAE_Model.py", todo, "return self.mean.sum(1)")
    assert done.returncode == 1 and "`python -m solution.skeleton`" in done.stderr
    assert not (tmp_path / "copy" / "dist").exists()


# ## Errors of one line
def test_folders_that_no_release_wrote_are_left_alone(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "github-classroom").mkdir()
    (tmp_path / "github-classroom" / "thesis.tex").write_text("years of work")
    assert release(tmp_path) == 2
    said = capsys.readouterr().err
    assert lines_with(said, str(tmp_path / "github-classroom"), "--out")
    assert said.count("\n") == 1 and [path.name for path in tmp_path.iterdir()] == ["github-classroom"]
    with pytest.raises(NotOurs):
        write_folder(tmp_path / "github-classroom", {}, sign=WORKFLOW)
    assert (tmp_path / "github-classroom" / "thesis.tex").exists()


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--out={tmp}/file"], "is not a folder: choose another one with --out"),
        (["--out={tmp}/file/dist"], "Not a directory; choose another folder with --out"),
        (["--out={root}"], "contains the sources: choose another folder with --out, for example dist"),
        (["--out={root}/grader/dist"], "contains the sources"),
        (["--out={tmp}/dist", "--secret-file={tmp}/file"], "a secret needs at least 16 characters"),
        (["--out={tmp}/dist", "--secret-file={tmp}/none"], "--secret-file: must be a file that exists, not"),
    ],
)
def test_what_cannot_be_is_answered_in_one_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], options: list[str], words: str
) -> None:
    (tmp_path / "file").write_text("short")
    before = capsys.readouterr()
    try:
        status = main(["release", *(option.format(tmp=tmp_path, root=ROOT) for option in options)])
    except SystemExit as refused:  # of the command line itself
        status = int(str(refused.code))
    assert status == 2, before
    said = [line for line in capsys.readouterr().err.splitlines() if not line.startswith("grading skeleton")]
    assert len(said) == 1 and said[0].startswith("python -m grader release: ") and words in said[0]
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


def test_a_repository_that_is_incomplete_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    options = release_command.argparse.Namespace(out=tmp_path / "dist", secret_file=None, offering=None)
    (tmp_path / "repository").mkdir()
    assert release_command.main(options, root=tmp_path / "repository") == 2
    assert lines_with(capsys.readouterr().err, f"{tmp_path / 'repository'} ")
