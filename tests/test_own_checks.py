"""`--checks DIR`: questions of an instructor's own, graded beside ours. tests/own_checks/ is a worked example."""

import csv
import io
import re
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

import pytest

from grader.__main__ import main
from grader.instructor import own_checks
from grader.judge.offering import BY_ID, OfferingError, load_offering, own_task
from tests.releases import REFERENCE, ROOT

EXAMPLE = Path(__file__).parent / "own_checks"
OFFERING = EXAMPLE / "offering.toml"
_METHOD = '''    # ## Task `kl_free_bits`
    def kl_free_bits(self):
        """Return the KL divergence with 0.5 nats of free bits per dimension, (B, z) -> (B,)."""
        ### BEGIN SOLUTION
        terms = 0.5 * (self.mean**2 + self.var - 1.0 - self.logvar)
        return terms.clamp(min=0.5).sum(dim=1)
        ### END SOLUTION

'''
_WRONG = _METHOD.replace("terms.clamp(min=0.5).sum(dim=1)", "terms.sum(dim=1).clamp(min=0.5)")
_CHECK = '''"""Task `own`."""
import pytest
from grader.judge.check import check
pytestmark = pytest.mark.own

@check("shape", 40)
def test_shape(probe, draw):
    """own() has a shape"""

@check("value", 60)
def test_value(probe, draw):
    """own() is right"""
'''


def with_answer(method: str) -> str:
    """Return the reference with a method for the question of the example."""
    text, before = REFERENCE.read_text(encoding="utf-8"), "    # ## Task `mode`"
    assert text.count(before) == 1
    return text.replace(before, method + before)


# ## Graded
@pytest.mark.slow
def test_a_class_is_graded_with_the_question_in_the_example(tmp_path: Path) -> None:
    (tmp_path / "submissions").mkdir()
    for name, method in (("right", _METHOD), ("wrong", _WRONG), ("without", "")):
        (tmp_path / "submissions" / f"{name}.py").write_text(with_answer(method), encoding="utf-8")
    command = ["class", "submissions", "--out=out", "--jobs=1", "--sandbox=process", "-m", "kl_free_bits or mode"]
    more = [f"--checks={EXAMPLE}", f"--offering={OFFERING}"]
    start = [sys.executable, str(ROOT / "grader" / "entry" / "grader" / "__main__.py")]
    done = subprocess.run([*start, *command, *more], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    with (tmp_path / "out" / "grades.csv").open(encoding="utf-8", newline="") as stream:
        rows = {row["submission"]: row for row in csv.DictReader(stream)}
    assert {name: (row["kl_free_bits"], row["mode"], row["max_score"]) for name, row in rows.items()} == {
        "right": ("4.5", "2", "6.5"),
        "wrong": ("0.9", "2", "6.5"),  # the shape is right
        "without": ("0", "2", "6.5"),
    }
    report = (tmp_path / "out" / "wrong" / "report.html").read_text(encoding="utf-8")
    (hint,) = re.findall(r'hint = "(.+)"', "".join(file.read_text(encoding="utf-8") for file in EXAMPLE.glob("*.py")))
    assert hint in report


@pytest.mark.slow
def test_students_get_the_checks_unless_the_offering_keeps_them(tmp_path: Path) -> None:
    """A release proves what students get: there, the kept question is not graded."""
    copy = tmp_path / "project"
    kept = tmp_path / "kept.toml"
    text = OFFERING.read_text(encoding="utf-8")
    kept.write_text(text.replace("{ points = 4.5 }", "{ points = 4.5, ship = false }"), encoding="utf-8")
    own_checks.copy_project(copy, own_checks.own_files(EXAMPLE), kept)
    (copy / "solution" / "VAE_Model.py").write_text(with_answer(_METHOD), encoding="utf-8")
    own_checks.make_skeleton(copy)
    command = [sys.executable, str(copy / "grader" / "entry" / "grader" / "__main__.py"), "release", "--out=dist"]
    more = [f"--offering={kept}", f"--checks={EXAMPLE}"]
    done = subprocess.run([*command, *more], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    with zipfile.ZipFile(tmp_path / "dist" / "student.zip") as student:
        names = student.namelist()
        skeleton, handout = (student.read(f"assignment/{name}").decode() for name in ("VAE_Model.py", "README.md"))
    assert "grader/test_kl.py" in names and "grader/test_kl_free_bits.py" not in names
    assert 'raise NotImplementedError("TODO: kl_free_bits")' in skeleton
    assert "| `kl_free_bits` | 4.5 |" in handout and "| **sum** | **104.5** |" in handout
    with tarfile.open(fileobj=io.BytesIO((tmp_path / "dist" / "autolab" / "autograde.tar").read_bytes())) as archive:
        assert "vae-grader/project/grader/test_kl_free_bits.py" in archive.getnames()


# ## The file of checks
def test_the_example_has_the_right_form_and_says_what_is_replaced() -> None:
    (file,) = own_checks.own_files(EXAMPLE)
    assert own_task(file).id == "kl_free_bits"
    assert own_task(file).leans_on == ("sample", "kl", "nll", "mode")


def test_by_default_all_other_parts_are_replaced(tmp_path: Path) -> None:
    (tmp_path / "test_own.py").write_text(_CHECK)
    assert own_task(tmp_path / "test_own.py").leans_on == BY_ID["forward"].leans_on


@pytest.mark.parametrize(
    ("name", "old", "new", "words"),
    [
        ("own.py", "", "", "has no file test_<id>.py with checks"),
        ("test_Own.py", "", "", "'Own' cannot be the id of a task: use small letters, digits and underscores"),
        ("test_kl.py", "mark.own", "mark.kl", "the grader has a task 'kl' already: choose another name"),
        ("test_own.py", "def test_value(", "def test_value", "test_own.py: Python cannot read it: "),
        ("test_own.py", "mark.own", "mark.other", "write `pytestmark = pytest.mark.own` below the imports"),
        ("test_own.py", '"value", 60', '"value", 50', "the shares of its checks add up to 90: they must add up to 100"),
        ("test_own.py", '"value"', '"gradient"', "at least one check must be of kind value"),
        (
            "test_own.py",
            '@check("shape", 40)',
            "",
            'line 7: test_shape needs its kind and share, as in @check("value", 60)',
        ),
        ("test_own.py", '"shape", 40', '"form", 40', "line 7: test_shape needs its kind and share"),
    ],
)
def test_a_folder_that_cannot_be_graded_is_refused_in_one_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], name: str, old: str, new: str, words: str
) -> None:
    (tmp_path / name).write_text(_CHECK.replace(old, new) if old else _CHECK, encoding="utf-8")
    assert main(["grade", str(REFERENCE), f"--checks={tmp_path}"]) == 2
    said = capsys.readouterr().err
    assert said.startswith("python -m grader grade: --checks: ") and words in said and said.count("\n") == 1


# ## The offering
def test_a_question_in_the_offering_needs_its_checks() -> None:
    with pytest.raises(
        OfferingError, match=r"\[tasks\] kl_free_bits is unknown; .*; a question of your own also needs"
    ):
        load_offering(OFFERING)


def test_where_the_checks_are_kept_back_the_question_is_not_graded(tmp_path: Path) -> None:
    kept = tmp_path / "offering.toml"
    text = OFFERING.read_text(encoding="utf-8")
    kept.write_text(text.replace("{ points = 4.5 }", "{ points = 4.5, ship = false }"), encoding="utf-8")
    offering = load_offering(kept)
    assert offering.kept == ("kl_free_bits",) and offering.total == 100
    assert "kl_free_bits" not in offering.graded
