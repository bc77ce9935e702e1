"""The template repository of GitHub Classroom: its workflow, and the step that grades, run for real."""

import base64
import json
import os
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import yaml

from grader.grading.seeds import VARIABLE, official_seed
from grader.judge.offering import TASKS
from grader.judge.result import CheckResult, Explanation, Result, TaskResult
from grader.platforms import classroom
from tests.releases import SECRET, filled, release, run, unpacked

WORKFLOW = ".github/workflows/classroom.yml"
_RIGHT_KL = "return 0.5 * torch.sum(self.mean**2 + self.var - 1.0 - self.logvar, dim=1)"
_PARTLY = filled(("kl", "mode"), {_RIGHT_KL: _RIGHT_KL.replace("0.5 * ", "")})
_TEST = {
    "name": str,
    "status": str,
    "score": int,
    "message": str,
    "test_code": str,
    "filename": str,
    "line_no": int,
    "duration": int,
}


def workflow() -> dict[Any, Any]:
    return yaml.safe_load(release().classroom[WORKFLOW].content)


def steps() -> dict[str, dict[str, Any]]:
    return {step.get("name", step.get("uses", "")): step for step in workflow()["jobs"]["grade"]["steps"]}


def graded(folder: Path, **variables: str) -> tuple[dict[str, Any], dict[str, Any], str]:
    """Run the grading step's command as GitHub's runner does; returns its result, results.json, and the log."""
    output = folder.parent / "output"
    words = steps()["Grade"]["run"].split()
    assert words[0] == "python"
    done = run(folder, sys.executable, *words[1:], GITHUB_OUTPUT=str(output), **variables)
    assert done.returncode == 0, done.stderr
    results = json.loads((folder / "report" / "results.json").read_text(encoding="utf-8"))
    return decoded(output.read_text(encoding="utf-8")), results, done.stdout


def decoded(output: str) -> dict[str, Any]:
    """Return what the reporter makes of a step's output, and check that it can."""
    name, _, value = output.strip().partition("=")
    assert name == "result" and "\n" not in value and len(f"VAE_RESULTS={value}") < 131_072
    result = json.loads(base64.b64decode(value, validate=True))
    assert set(result) == {"version", "status", "max_score", "tests"}
    assert result["version"] == 3 and type(result["max_score"]) is int
    assert result["status"] in ("pass", "fail", "error") and result["tests"]
    for test in result["tests"]:
        assert {key: type(value) for key, value in test.items()} == _TEST
        assert test["status"] in ("pass", "fail", "error")
    return result


@pytest.fixture(scope="module")
def repository(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A student's repository, made from the template, with one half right answer."""
    folder = unpacked(release().classroom, tmp_path_factory.mktemp("classroom") / "repository")
    (folder / "assignment" / "VAE_Model.py").write_text(_PARTLY, encoding="utf-8")
    return folder


# ## The workflow
def test_it_runs_at_every_push_and_writes_no_more_than_checks() -> None:
    read = workflow()
    assert "push" in read[True], "`on` is YAML's word for true"
    assert read["permissions"] == {"checks": "write", "actions": "read", "contents": "read"}


def test_the_reporter_reads_the_result_of_the_grading_step() -> None:
    reporter, grading = steps()["Report to GitHub Classroom"], steps()["Grade"]
    runner = reporter["with"]["runners"]
    assert grading["id"] == runner == "vae"
    result = "${{ steps.vae.outputs.result }}"
    assert reporter["env"] == {f"{runner.upper()}_RESULTS": result}


def test_the_secret_comes_from_the_repository_and_reaches_the_grading_step_only() -> None:
    given = {name: step["env"] for name, step in steps().items() if "secrets." in json.dumps(step)}
    assert given == {"Grade": {VARIABLE: "${{ secrets.VAE_GRADER_SECRET }}"}}


def test_every_action_has_a_version() -> None:
    used = [step["uses"] for step in steps().values() if "uses" in step]
    assert len(used) == 4 and all("@v" in action for action in used)


def test_its_commands_are_those_of_the_template(tmp_path: Path) -> None:
    """The line that reads the index needs no package: it runs before any is installed."""
    folder = unpacked(release().classroom, tmp_path / "repository")
    offering = folder / "grader" / "offering.toml"
    text = offering.read_text(encoding="utf-8").replace('wheel_index = ""', 'wheel_index = "https://example.org/cpu"')
    offering.write_text(text, encoding="utf-8")
    pip = tmp_path / "python"
    pip.write_text(
        f'#!/bin/bash\nif [ "$1" = -m ]; then echo "${{*:2}}"; else exec {sys.executable} -S "$@"; fi\n',
        encoding="utf-8",
    )
    pip.chmod(0o755)
    done = run(folder, "bash", "-e", "-c", steps()["Install"]["run"], PATH=f"{tmp_path}:{os.environ['PATH']}")
    assert done.stdout.splitlines() == [
        "pip install --index-url https://example.org/cpu torch torchvision",
        "pip install -e .",
    ]


# ## The step that grades
@pytest.mark.slow
def test_partial_points_are_told_as_the_reporter_reads_them(repository: Path) -> None:
    result, results, log = graded(repository, **{VARIABLE: SECRET.decode()})
    points = {task: entry["score"] for task, entry in results["extra_data"]["tasks"].items()}
    assert points["mode"] == 2 and 0 < points["kl"] < 10, "half of kl is forgotten"
    assert result["max_score"] == 10_000 and result["status"] == "fail"
    assert sum(test["score"] for test in result["tests"]) == round(100 * results["score"]) == 400
    assert {test["name"].partition(":")[0] for test in result["tests"]} == {task.id for task in TASKS}
    assert any("not attempted" in test["message"] for test in result["tests"])
    assert results["extra_data"]["seed"] == official_seed(SECRET, _PARTLY.encode()) != 0
    assert SECRET.decode() not in log + json.dumps(results)


@pytest.mark.parametrize(
    ("secret", "file", "status", "words"),
    [
        ("too short", True, "error", "The grader itself failed"),
        ("", False, "fail", "Nothing was graded: cannot be read: No such file or directory"),
    ],
)
def test_there_is_a_result_when_nothing_can_be_graded(
    repository: Path, tmp_path: Path, secret: str, file: bool, status: str, words: str
) -> None:
    folder = unpacked(release().classroom, tmp_path / "repository")
    if not file:
        (folder / "assignment" / "VAE_Model.py").unlink()
    result, results, log = graded(folder, **{VARIABLE: secret})
    assert (result["status"], results["score"]) == (status, 0)
    assert words in result["tests"][0]["message"]
    assert ("public seed 0" in log) == (not secret)


# ## The format
def full(**changes: Any) -> Result:
    check = {"task": "kl", "name": "test_it", "title": "kl is right", "kind": "value", "score": 333, "max_score": 1000}
    one = CheckResult(**{**check, "status": "failed", "explanation": Explanation("1"), **changes})
    return Result("VAE_Model.py", (TaskResult("kl", (one,)),), 1.0, "process", 0)


def test_full_points_pass() -> None:
    result = classroom.as_classroom_json(full(score=1000, status="passed"))
    assert (result["status"], result["tests"][0]["status"], result["tests"][0]["message"]) == ("pass", "pass", "")


def test_there_is_always_a_test() -> None:
    nothing = Result("VAE_Model.py", (), 0.0, "none", 0)
    assert decoded(f"result={classroom.encoded(nothing, 'could not be graded', sound=False)}")["status"] == "error"


def test_what_a_student_printed_is_no_order_to_the_runner() -> None:
    message = classroom.as_classroom_json(
        full(explanation=Explanation(got="1\n::set-output name=x::y\n##[add-path]/tmp"))
    )["tests"][0]["message"]
    assert "::" not in message and "##[" not in message


def test_many_long_messages_still_fit_into_a_variable() -> None:
    check = full(explanation=Explanation(got="ü" * 5_000)).tasks[0].checks[0]
    tasks = tuple(TaskResult(task.id, (replace(check, task=task.id),) * 8) for task in TASKS)
    result = decoded(f"result={classroom.encoded(Result('VAE_Model.py', tasks, 1.0, 'process', 0))}")
    assert len(result["tests"]) == 104
