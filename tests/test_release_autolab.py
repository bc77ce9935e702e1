"""autolab/ as Autolab uses it: `make` in a job's folder, and the line of scores at the end of the output.

Autolab itself was not at hand. The conventions are the published ones: autograde-Makefile, autograde.tar, and JSON in
the last line.
"""

import errno
import io
import json
import os
import sys
import tarfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import yaml

from grader.judge.offering import load_offering
from grader.judge.result import CheckResult, Result, TaskResult
from grader.platforms import autolab
from grader.platforms.container import SANDBOX
from grader.platforms.official_grading import FAILED, OfficialVerdict, ungraded
from tests.releases import REFERENCE, SECRET, filled, release, run

_NO_VERDICT: dict[str, Any] = {"scores": {}}


def scores(output: str) -> dict[str, Any]:
    """Return what Autolab reads in the output of a job: JSON in its last line, with a number for each problem."""
    found = json.loads(output.rstrip().splitlines()[-1])
    assert set(found) <= {"scores", "scoreboard"} and isinstance(found["scores"], dict)
    numbers = [*found["scores"].values(), *found.get("scoreboard", [])]
    assert all(type(number) in (int, float) for number in numbers)
    return found


def made(folder: Path, submission: str | None, **variables: str) -> tuple[dict[str, Any], str]:
    """Run a job: Autolab copies the files and the submission into a folder, and runs `make` there."""
    folder.mkdir(exist_ok=True)
    (folder / "Makefile").write_bytes(release().autolab["autograde-Makefile"].content)
    (folder / "autograde.tar").write_bytes(release().autolab["autograde.tar"].content)
    if submission is not None:
        (folder / "VAE_Model.py").write_text(submission, encoding="utf-8")
    ours = {"VAE_GRADER_PYTHON": sys.executable, SANDBOX: "process"}
    done = run(folder, "make", **{**ours, **variables})
    assert done.returncode == 0, done.stderr
    assert SECRET.decode() not in done.stdout
    return scores(done.stdout), done.stdout


# ## A job
@pytest.mark.slow
def test_the_reference_has_all_points_of_each_problem(tmp_path: Path) -> None:
    found, _ = made(tmp_path, REFERENCE.read_text(encoding="utf-8"))
    assert found == {"scores": load_offering().points, "scoreboard": [100.0]}


@pytest.mark.slow
def test_a_partly_right_file_has_its_points_and_its_student_reads_the_report(tmp_path: Path) -> None:
    found, output = made(tmp_path, filled(("kl", "mode")))
    assert {task: points for task, points in found["scores"].items() if points} == {"kl": 10.0, "mode": 2.0}
    assert found["scores"].keys() == load_offering().points.keys() and found["scoreboard"] == [12.0]
    assert "not attempted" in output


def test_the_secret_is_gone_before_the_submission_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "vae-grader" / "secret"
    file.parent.mkdir()
    file.write_bytes(SECRET)

    def judged(submission: Path, find_secret: Callable[[], bytes], sandbox: str) -> OfficialVerdict:
        assert (submission, find_secret()) == (tmp_path / "VAE_Model.py", SECRET)
        assert not file.exists()
        return ungraded("stopped here", "crashed", sound=False)

    monkeypatch.setattr(autolab, "judge_in_container", judged)
    assert autolab.main([str(tmp_path)]) == 0


def test_nothing_to_grade_is_no_points_and_the_reason(tmp_path: Path) -> None:
    found, output = made(tmp_path, None)
    assert set(found["scores"].values()) == {0.0}
    assert os.strerror(errno.ENOENT) in output


@pytest.mark.parametrize("python", ["false", "/no/such/python"])
def test_a_grader_that_does_not_start_gives_nobody_a_score(tmp_path: Path, python: str) -> None:
    assert made(tmp_path, "", VAE_GRADER_PYTHON=python)[0] == _NO_VERDICT


def test_a_grader_that_fails_gives_nobody_a_score(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert autolab.main([str(tmp_path)]) == 0, "there is no secret"
    output = capsys.readouterr().out
    assert scores(output) == _NO_VERDICT and FAILED in output


# ## What is uploaded
def test_the_problems_are_the_tasks_and_their_points() -> None:
    listed = yaml.safe_load(release().autolab["problems.yml"].content)["problems"]
    assert {problem["name"]: problem["max_score"] for problem in listed} == load_offering().points


def test_the_archive_holds_the_grader_and_the_secret_for_its_owner_only() -> None:
    with tarfile.open(fileobj=io.BytesIO(release().autolab["autograde.tar"].content)) as archive:
        entries = {entry.name: entry for entry in archive.getmembers()}
    assert entries["vae-grader/secret"].mode == 0o600
    assert "vae-grader/project/grader/platforms/autolab.py" in entries
    assert all(entry.mtime == entry.uid == 0 for entry in entries.values()), "the same bytes every time"
    assert not any("instructor" in name or "solution" in name for name in entries)


# ## The line
def test_half_points_are_numbers() -> None:
    check = CheckResult("kl", "test_it", "kl is right", "value", 250, 1000, "failed")
    tasks = (TaskResult("kl", (check,)), TaskResult("mode", (replace(check, task="mode", score=0),)))
    line = autolab.as_autolab_line(Result("VAE_Model.py", tasks, 1.0, "process", 0))
    assert scores(f"anything\n{line}") == {"scores": {"kl": 2.5, "mode": 0.0}, "scoreboard": [2.5]}
