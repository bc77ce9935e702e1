"""prairielearn.zip as PrairieLearn uses it: the entry point in a container's folders, and the format of results.json.

PrairieLearn itself was not at hand. The format below is the published one of its external graders.
"""

import base64
import json
import math
import os
import stat
import sys
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from grader.grading.seeds import official_seed
from grader.instructor.release.contents import template
from grader.judge.offering import TASKS
from grader.judge.result import CheckResult, Explanation, Result, TaskResult, TrainingPictures
from grader.platforms import prairielearn
from grader.platforms.container import SANDBOX
from grader.platforms.official_grading import FAILED
from grader.sandbox.process import UnprivilegedUser
from tests.releases import REFERENCE, SECRET, filled, release, run, unpacked

_RIGHT_KL = "return 0.5 * torch.sum(self.mean**2 + self.var - 1.0 - self.logvar, dim=1)"
_WRONG = filled(("kl", "mode"), {_RIGHT_KL: _RIGHT_KL.replace("0.5 * ", "")})
_RESULTS: dict[str, Any] = {
    "gradable": bool,
    "score": float,
    "message": str,
    "output": str,
    "images": list,
    "tests": list,
    "format_errors": list,
}
_TEST: dict[str, Any] = {
    "name": str,
    "description": str,
    "points": float,
    "max_points": float,
    "message": str,
    "output": str,
    "images": list,
}
_IMAGE: dict[str, Any] = {"label": str, "url": str}


def problems(results: Any) -> list[str]:
    """Return what PrairieLearn would not understand in a results.json."""
    found = _unlike(results, _RESULTS, "")
    if results.get("gradable") and not 0 <= results.get("score", -1) <= 1:
        found.append("no score from 0 to 1")
    if not results.get("gradable") and not all(isinstance(text, str) for text in results.get("format_errors", [0])):
        found.append("not gradable, and no reason")
    for number, test in enumerate(results.get("tests", [])):
        found += _unlike(test, _TEST, f"test {number}: ")
        if not {"name", "points", "max_points"} <= test.keys():
            found.append(f"test {number}: no points")
    for image in results.get("images", []):
        found += _unlike(image, _IMAGE, "image: ")
    return found


def _unlike(entry: Mapping[str, Any], known: Mapping[str, Any], where: str) -> list[str]:
    found = [f"{where}unknown key {key}" for key in entry if key not in known]
    for key in entry.keys() & known.keys():
        wanted: tuple[type, ...] = (int, float) if known[key] is float else (known[key],)
        right = isinstance(entry[key], wanted) and (known[key] is bool or not isinstance(entry[key], bool))
        if not right or (isinstance(entry[key], float) and not math.isfinite(entry[key])):
            found.append(f"{where}{key} is not {known[key].__name__}")
    return found


def job(folder: Path, submission: Mapping[str, bytes]) -> tuple[Path, Path]:
    """Lay out an image and the folders of a job, as PrairieLearn does; returns the entry point and /grade."""
    image, root = unpacked(release().prairielearn, folder / "image"), folder / "grade"
    (root / "student").mkdir(parents=True)
    (root / "data").mkdir()
    (root / "data" / "data.json").write_text("{}")
    (image / "question" / "tests").rename(root / "tests")
    for name, content in submission.items():
        (root / "student" / name).write_bytes(content)
    return image / "grade.sh", root


def graded(folder: Path, submission: Mapping[str, bytes], **variables: str) -> tuple[dict[str, Any], str]:
    """Run the entry point; returns results.json and the output."""
    script, root = job(folder, submission)
    ours = {
        "VAE_GRADE_ROOT": str(root),
        "VAE_GRADER_PYTHON": sys.executable,
        SANDBOX: "process" if UnprivilegedUser.why_not() else "user",
    }
    done = run(folder, str(script), **{**ours, **variables})
    assert done.returncode == 0, done.stdout + done.stderr
    results = json.loads((root / "results" / "results.json").read_text(encoding="utf-8"))
    assert problems(results) == []
    assert SECRET.decode() not in done.stdout + json.dumps(results)
    return results, done.stdout


# ## The entry point
@pytest.mark.slow
def test_the_reference_has_full_score(tmp_path: Path) -> None:
    results, _ = graded(tmp_path, {"VAE_Model.py": REFERENCE.read_bytes(), "notes.txt": b"for you"})
    assert (results["gradable"], results["score"], results["message"]) == (True, 1.0, "100 of 100 points")
    assert {test["message"] for test in results["tests"]} == {"passed"}
    kind, _, data = results["images"][0]["url"].partition(",")
    assert kind == "data:image/png;base64" and base64.b64decode(data).startswith(b"\x89PNG")


@pytest.mark.slow
def test_a_wrong_file_has_the_points_of_its_checks_and_reads_why(tmp_path: Path) -> None:
    results, _ = graded(tmp_path, {"VAE_Model.py": _WRONG.encode()})
    assert results["score"] == pytest.approx(sum(test["points"] for test in results["tests"]) / 100) == 0.04
    assert sum(test["max_points"] for test in results["tests"]) == pytest.approx(100)
    assert {test["name"].partition(":")[0] for test in results["tests"]} == {task.id for task in TASKS}
    value = next(test for test in results["tests"] if test["name"].startswith("kl: kl() equals"))
    assert value["message"] == "failed" and "computes" in value["output"]


@pytest.mark.slow
def test_the_seed_follows_from_the_secret_in_the_tests_of_the_question(tmp_path: Path) -> None:
    _, log = graded(tmp_path, {"VAE_Model.py": b"x = 1\n"})
    assert f"seed {official_seed(SECRET, b'x = 1' + bytes([10]))}" in log


@pytest.mark.parametrize(
    ("submission", "words"),
    [
        ({}, "Nothing was graded: no VAE_Model.py in this folder"),
        ({"VAE_Model.py": b"\xff\xfe\0PK"}, "Nothing was graded: text in UTF-16"),
    ],
    ids=["nothing", "no text"],
)
def test_an_attempt_with_nothing_to_grade_does_not_count(
    tmp_path: Path, submission: Mapping[str, bytes], words: str
) -> None:
    results, _ = graded(tmp_path, submission)
    assert not results["gradable"] and "score" not in results
    assert results["format_errors"][0].startswith(words)


def test_a_failure_of_the_grader_does_not_count(tmp_path: Path) -> None:
    (tmp_path / "one").mkdir()
    results, said = graded(tmp_path / "one", {"VAE_Model.py": b""}, VAE_GRADER_PYTHON="false")
    (reason,) = results["format_errors"]
    assert not results["gradable"] and f'"{reason}"' in template("prairielearn/grade.sh").content.decode()
    assert "exit status 1" in said
    script, root = job(tmp_path / "two", {"VAE_Model.py": b""})
    (root / "tests" / "secret").unlink()
    run(tmp_path, str(script), VAE_GRADE_ROOT=str(root), VAE_GRADER_PYTHON=sys.executable)
    results = json.loads((root / "results" / "results.json").read_text(encoding="utf-8"))
    assert problems(results) == [] and FAILED in results["format_errors"][0]


def test_other_users_see_neither_secret_nor_data_nor_results(tmp_path: Path) -> None:
    script, root = job(tmp_path, {"VAE_Model.py": b""})
    for folder in ("tests", "data"):
        os.chmod(root / folder, 0o755)  # noqa: PTH101
    run(tmp_path, str(script), VAE_GRADE_ROOT=str(root), VAE_GRADER_PYTHON="false")
    modes = {path.name: stat.S_IMODE(path.stat().st_mode) & 0o077 for path in root.iterdir()}
    assert modes.pop("student") and set(modes.values()) == {0}


# ## The question and the image
def test_the_question_names_the_entry_point_and_its_time_is_longer_than_the_longest_grading() -> None:
    from grader.judge.offering import load_offering

    info = json.loads(release().prairielearn["question/info.json"].content)
    grading = info["externalGradingOptions"]
    assert info["gradingMethod"] == "External" and grading["enabled"] and not grading["enableNetworking"]
    assert grading["entrypoint"] == "/opt/vae-grader/grade.sh"
    assert grading["timeout"] > load_offering().limits.submission_wall_s + 30
    html = release().prairielearn["question/question.html"].content.decode()
    assert 'file-names="VAE_Model.py"' in html and "<pl-external-grader-results>" in html


def test_the_image_copies_what_there_is_and_no_secret() -> None:
    files = release().prairielearn
    lines = files["Dockerfile"].content.decode().splitlines()
    copied = [line.split()[-2:] for line in lines if line.startswith("COPY")]
    assert copied == [["project", "/opt/vae-grader/project"], ["grade.sh", "/opt/vae-grader/grade.sh"]]
    assert [path for path, file in files.items() if SECRET in file.content] == ["question/tests/secret"]


# ## The format
def one_check(**changes: Any) -> Result:
    check = CheckResult("kl", "test_it", "kl is right", "value", 333, 1000, "failed", Explanation("1"))
    return Result("VAE_Model.py", (TaskResult("kl", (replace(check, **changes),)),), 1.0, "process", 0)


def test_a_check_keeps_its_points_and_text() -> None:
    results = prairielearn.as_prairielearn_json(one_check(), "3.33 of 10 points")
    assert problems(results) == [] and results["score"] == 0.333
    assert results["tests"] == [
        {
            "name": "kl: kl is right",
            "description": "pytest grader/ -m kl",
            "points": 3.33,
            "max_points": 10.0,
            "message": "failed",
            "output": "expected  1",
        }
    ]
    assert results["images"] == []


def test_pictures_of_the_training_run_are_images() -> None:
    with_pictures = replace(one_check(), training=TrainingPictures((1,), (2.0,), 3.0, 1.0, b"png"))
    assert prairielearn.as_prairielearn_json(with_pictures)["images"][0]["url"] == "data:image/png;base64,cG5n"


def test_what_prairielearn_would_not_understand_is_noticed() -> None:
    right = prairielearn.as_prairielearn_json(one_check())
    wrong: list[tuple[dict[str, Any], str]] = [
        ({**right, "score": 33.3}, "no score from 0 to 1"),
        ({**right, "score": float("nan")}, "score is not float"),
        ({**right, "points": 3}, "unknown key points"),
        ({**right, "tests": [{"name": "kl"}]}, "test 0: no points"),
        ({"gradable": False}, "not gradable, and no reason"),
    ]
    for results, said in wrong:
        assert said in problems(results)
