"""run_autograder as Gradescope runs it: whatever was handed in, there is a results.json that Gradescope understands."""

import json
import os
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from grader.grading.seeds import official_seed
from grader.judge.offering import TASKS
from grader.platforms import container, gradescope, official_grading
from grader.platforms.container import too_small
from tests.autograder import laid_out, problems, run, variables
from tests.releases import REFERENCE, SECRET, filled
from tests.wording import numbers

_ENDLESS = b"import time\nwhile True:\n    time.sleep(0.1)\n"
SUBMISSIONS: dict[str, dict[str, bytes]] = {
    "right": {"VAE_Model.py": REFERENCE.read_bytes(), "notes.txt": b"for you"},
    "partly right": {"VAE_Model.py": filled(("kl", "mode")).encode()},
    "malformed": {"VAE_Model.py": b"def VAE(:\n"},
    "no text": {"VAE_Model.py": b"\xff\xfe\0PK"},
    "empty": {"VAE_Model.py": b""},
    "missing": {},
    "wrong name": {"vae_model_final(2).py": filled(("kl", "mode")).encode()},
    "time-out": {"VAE_Model.py": _ENDLESS},
}


def small_limits(root: Path) -> None:
    """Let nothing take longer than a second or two, as an instructor's offering may."""
    offering = root / "source" / "project" / "grader" / "offering.toml"
    text = offering.read_text(encoding="utf-8")
    for old, new in (("task_wall_s = 40", "task_wall_s = 1"), ("submission_wall_s = 540", "submission_wall_s = 4")):
        assert old in text
        text = text.replace(old, new)
    offering.write_text(text, encoding="utf-8")


@pytest.fixture(scope="module")
def graded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[[str], dict[str, Any]]]:
    """Return the results.json of a submission, by its name; two are graded at a time."""

    def grade(name: str) -> dict[str, Any]:
        root = laid_out(tmp_path_factory.mktemp("autograder"), SUBMISSIONS[name])
        if name == "time-out":
            small_limits(root)
        done = run(root, "run_autograder")
        assert done.returncode == 0, done.stdout + done.stderr
        return json.loads((root / "results" / "results.json").read_text(encoding="utf-8"))

    tmp_path_factory.getbasetemp()  # made here, because two threads would make it twice
    with ThreadPoolExecutor(max_workers=2) as pool:
        futures: dict[str, Future[dict[str, Any]]] = {}

        def result(name: str) -> dict[str, Any]:
            for each in SUBMISSIONS if not futures else ():
                futures[each] = pool.submit(grade, each)
            return futures[name].result()

        yield result
        pool.shutdown(cancel_futures=True)


# ## Whatever was handed in
@pytest.mark.slow
@pytest.mark.parametrize("name", SUBMISSIONS)
def test_gradescope_understands_the_results(graded: Callable[[str], dict[str, Any]], name: str) -> None:
    results = graded(name)
    assert problems(results) == []
    assert {tag for test in results["tests"] for tag in test["tags"]} == {task.id for task in TASKS}
    assert sum(test["score"] for test in results["tests"]) == pytest.approx(results["score"])
    assert sum(test["max_score"] for test in results["tests"]) == pytest.approx(100)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "score", "words"),
    [
        ("right", 100, "100 of 100 points"),
        ("partly right", 12, "12 of 100 points"),
        ("malformed", 0, "0 of 100 points"),
        ("no text", 0, "Nothing was graded: text in UTF-16: save the file in UTF-8."),
        ("empty", 0, "0 of 100 points"),
        ("missing", 0, "Nothing was graded: no VAE_Model.py in this folder, which is empty: hand in one VAE_Model.py."),
        ("wrong name", 12, "There is no VAE_Model.py: vae_model_final(2).py was graded.\n\n12 of 100 points"),
        ("time-out", 0, "0 of 100 points"),
    ],
)
def test_the_student_has_a_score_and_reads_why(
    graded: Callable[[str], dict[str, Any]], name: str, score: float, words: str
) -> None:
    assert graded(name)["score"] == score
    assert graded(name)["output"].startswith(words)


@pytest.mark.slow
def test_a_file_that_never_ends_is_timed_out(graded: Callable[[str], dict[str, Any]]) -> None:
    statuses = {entry["status"] for entry in graded("time-out")["extra_data"]["tasks"].values()}
    assert statuses == {"timed out"}


@pytest.mark.slow
def test_the_seed_follows_from_the_secret_of_the_offering(graded: Callable[[str], dict[str, Any]]) -> None:
    for name in ("right", "partly right"):
        content = SUBMISSIONS[name]["VAE_Model.py"]
        assert graded(name)["extra_data"]["seed"] == official_seed(SECRET, content) != 0


# ## When the grader itself fails
def message(root: Path) -> str:
    results = json.loads((root / "results" / "results.json").read_text(encoding="utf-8"))
    assert problems(results) == [] and results["score"] == 0
    return str(results["output"])


@pytest.mark.parametrize(("python", "status"), [("false", 1), ("/no/such/python", 127), ("kill", 128 + signal.SIGKILL)])
def test_a_broken_interpreter_is_told_as_what_it_is(tmp_path: Path, python: str, status: int) -> None:
    root = laid_out(tmp_path, SUBMISSIONS["right"])
    if python == "kill":
        python = str(tmp_path / "python")
        Path(python).write_text("#!/bin/sh\nkill -9 $$\n")
        Path(python).chmod(0o755)
    done = run(root, "run_autograder", VAE_GRADER_PYTHON=python)
    assert done.returncode == 0 and numbers(done.stdout.splitlines()[-1]) == [str(status)]
    assert message(root) != official_grading.FAILED
    script = (root / "run_autograder").read_text(encoding="utf-8")
    assert f'"output": "{message(root)}"' in script, "Python says nothing, so the script does"


@pytest.mark.slow
@pytest.mark.parametrize("lost", ["secret", "project/grader/offering.toml", "project/grader/test_kl.py"])
def test_a_container_that_is_set_up_wrongly_is_told_as_what_it_is(tmp_path: Path, lost: str) -> None:
    root = laid_out(tmp_path, SUBMISSIONS["malformed"])
    (root / "source" / lost).unlink()
    assert run(root, "run_autograder").returncode == 0
    said = message(root)
    assert "The grader itself failed" in said and "not your mistake" in said


def test_a_container_that_is_killed_leaves_a_result_that_says_so(tmp_path: Path) -> None:
    root = laid_out(tmp_path, {"VAE_Model.py": _ENDLESS})
    results = root / "results" / "results.json"
    with subprocess.Popen(
        ["bash", str(root / "run_autograder")], env=variables(root), start_new_session=True, stdout=subprocess.DEVNULL
    ) as process:
        while not results.exists():
            time.sleep(0.01)
        os.killpg(process.pid, signal.SIGKILL)
    assert message(root).startswith(official_grading.UNFINISHED)


def test_a_grading_that_does_not_end_is_ended(tmp_path: Path) -> None:
    (tmp_path / "VAE_Model.py").write_bytes(_ENDLESS)
    found = official_grading.judge(tmp_path, SECRET, sandbox="process", lanes=1, seconds=0.5)
    assert not found.sound and problems(found.results) == []
    assert found.results["output"].startswith(official_grading.TOO_LONG)


def test_a_container_that_is_too_small_is_refused_before_points_are_lost(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "memory.max").write_text(f"{768 << 20}\n")
    reason = too_small(tmp_path)
    assert "768 MiB" in reason and "1.5 GB" in reason
    root = laid_out(tmp_path / "autograder", SUBMISSIONS["right"])
    monkeypatch.setattr(container, "too_small", lambda: too_small(tmp_path))
    assert gradescope.main(["", str(root)]) == 0
    assert reason in message(root)


@pytest.mark.parametrize(("name", "text"), [("memory.max", "max"), ("memory.max", f"{3 << 30}"), ("other", "0")])
def test_a_container_that_is_large_enough_or_says_nothing_is_used(tmp_path: Path, name: str, text: str) -> None:
    (tmp_path / name).write_text(text)
    assert too_small(tmp_path) == ""


# ## The demands themselves
def test_what_gradescope_would_not_understand_is_noticed() -> None:
    right = {"score": 1.0, "tests": [{"score": 1, "max_score": 1, "name": "kl", "status": "passed"}]}
    assert problems(right) == []
    test = right["tests"][0]  # type: ignore[index]
    wrong: list[tuple[dict[str, Any], str]] = [
        ({**right, "points": 3}, "unknown key points"),
        ({**right, "score": float("nan")}, "score is no number"),
        ({"tests": []}, "no score"),
        ({**right, "tests": [{**test, "status": "not attempted"}]}, "test 0: status is 'not attempted'"),
        ({**right, "tests": [{**test, "visibility": "hidden"}]}, "one hidden test hides the total"),
        ({**right, "output_format": "markdown"}, "output_format is 'markdown'"),
    ]
    for results, said in wrong:
        assert said in problems(results)
