"""A part that is handed out solved: it is graded nowhere, and whoever changes it reads so where it is run."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from grader.judge.given import changed
from grader.judge.offering import OFFERING, load_offering
from solution.skeleton import skeleton
from tests.gradings import REFERENCE, ROOT

TEXT = REFERENCE.read_text(encoding="utf-8")
COURSE, FIRST_LAB = (OFFERING.parent / "offerings" / f"{name}.toml" for name in ("course", "first_lab"))
NOTE = "`encoder` was given solved and is changed in your file; this run used your version"


# ## What is noticed
def changed_parts(folder: Path, text: str, encoding: str = "utf-8") -> tuple[str, ...]:
    file = folder / "VAE_Model.py"
    file.write_bytes(text.encode(encoding))
    return changed(file, ("encoder", "decoder", "mode"))


def test_what_is_as_it_was_handed_out_is_not_changed(tmp_path: Path) -> None:
    assert changed_parts(tmp_path, TEXT) == ()
    assert changed_parts(tmp_path, skeleton(TEXT, load_offering(FIRST_LAB))) == ("mode",), (
        "the TODO is not the given answer"
    )
    comments = TEXT.replace("return self.mean\n", "return (  # it is\n            self.mean)\n", 1)
    docstring = comments.replace('"""Return the features of each image."""', '"""Features."""')
    assert docstring != comments != TEXT
    assert changed_parts(tmp_path, f"# coding: latin-1\n# für\n{docstring}", "latin-1") == ()


@pytest.mark.parametrize(
    ("old", "new", "task"),
    [
        ("return self.layers(x)", "return self.layers(x) * 2", "encoder"),
        ("nn.Conv2d(in_channels, features, kernel_size=4", "nn.Conv2d(in_channels, features, kernel_size=3", "encoder"),
        ("def mode(self)", "def peak(self)", "mode"),
        ("class Decoder(", "class Generator(", "decoder"),
    ],
)
def test_changed_code_is_noticed(tmp_path: Path, old: str, new: str, task: str) -> None:
    assert TEXT.count(old) == 1
    assert changed_parts(tmp_path, TEXT.replace(old, new)) == (task,)


@pytest.mark.parametrize("text", ["def f(:", "x = " + "(" * 500, "\0", "x = " + "-" * 100_000 + "1"])
def test_a_file_that_cannot_be_parsed_is_left_to_its_checks(tmp_path: Path, text: str) -> None:
    assert changed_parts(tmp_path, text) == ()


# ## Where it is said
@pytest.mark.slow
@pytest.mark.parametrize(
    ("layers", "status", "points"),
    [("self.layers(x).mul(1.0)", "passed", 10), ("self.layers(x * 0.0)", "failed", 0)],
    ids=["harmless", "harmful"],
)
def test_training_says_so_and_all_other_tasks_put_it_back(
    tmp_path: Path, layers: str, status: str, points: float
) -> None:
    file, results = tmp_path / "VAE_Model.py", tmp_path / "results.json"
    file.write_text(TEXT.replace("return self.layers(x)", f"return {layers}"), encoding="utf-8")
    command = [sys.executable, "-m", "grader", "grade", str(file), f"--offering={COURSE}", f"--results={results}"]
    subprocess.run([*command, "-m", "encode or forward or training"], cwd=ROOT, check=False, capture_output=True)
    read = json.loads(results.read_text(encoding="utf-8"))
    tasks = read["extra_data"]["tasks"]
    assert {task: (entry["score"], entry["status"]) for task, entry in tasks.items()} == {
        "encode": (6, "passed"),
        "forward": (10, "passed"),
        "training": (points, status),
    }
    notes = {test["tags"][0]: test["extra_data"].get("note", "") for test in read["tests"]}
    assert notes == {"encode": "", "forward": "", "training": NOTE}
