"""The warm judge: the same verdicts as `pytest grader/`, whatever a submission does, and nothing left of it after."""

import json
import os
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import psutil
import pytest

from grader.grading.grading_process import Child
from grader.grading.jobs import Job, JudgeDied, Outcome, WarmJudge
from grader.grading.options import GradingOptions
from grader.instructor.class_runs.judging import FreshJudge, LastingJudge
from grader.judge.offering import OFFERING
from grader.sandbox import watchdog
from tests.gradings import REFERENCE, ROOT, SKELETON
from tests.wording import numbers

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="a warm judge forks")

SEED = 2**53 - 9
BY_HAND = """
import os, subprocess, sys, time
here = os.path.dirname(os.path.abspath(__file__))
if os.fork() == 0:
    os.setsid()
    if os.fork() == 0:
        os.execvp("sleep", ["sleep", "98765"])
    os._exit(0)
"""


def job(content: bytes | str, tasks: str | None = "mode", limit_s: float = 120.0) -> Job:
    raw = content if isinstance(content, bytes) else content.encode()
    return Job(raw, SEED, "process", tasks=tasks, limit_s=limit_s)


@pytest.fixture(scope="module")
def judge(tmp_path_factory: pytest.TempPathFactory) -> Iterator[WarmJudge]:
    """Return a judge whose gradings have a folder for temporary files of their own; its user likes the option -x."""
    temporary = tmp_path_factory.mktemp("temporary")
    temporary.chmod(0o711)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TMPDIR", str(temporary))
        patch.setenv("PYTEST_ADDOPTS", "-x")
        judge = WarmJudge("sample")
    yield judge
    judge.close()
    assert list(temporary.iterdir()) == []


def score(outcome: Outcome) -> float:
    assert outcome.results is not None, outcome.problem
    return float(outcome.results["extra_data"]["score"])


def descendants(judge: WarmJudge) -> list[psutil.Process]:
    return psutil.Process(judge._process.pid).children(recursive=True)


# ## Verdicts
def test_a_job_survives_its_journey() -> None:
    there = job(b"\xff\x00\n", None)
    assert Job.from_json(there.to_json()) == there and there.to_json().count(b"\n") == 1
    back = Outcome({"score": 1.0}, "", False, 2.5, 2.0)
    assert Outcome.from_json(back.to_json()) == back


def verdicts(results: dict[str, Any]) -> dict[str, Any]:
    """Return all but what differs from run to run."""
    extra = {key: value for key, value in results["extra_data"].items() if key != "seconds"}
    return {"tests": results["tests"], "score": results["score"], "extra_data": extra}


@pytest.mark.slow
def test_the_verdict_is_that_of_pytest_to_the_letter(judge: WarmJudge, tmp_path: Path) -> None:
    """With the seed recorded, at home: values, messages and all."""
    wrong = REFERENCE.read_text(encoding="utf-8").replace("return 0.5 * torch.sum(", "return torch.sum(")
    (tmp_path / "VAE_Model.py").write_text(wrong, encoding="utf-8")
    ours = judge.grade(job(wrong, "kl or nll or sample"))
    options = [f"--submission={tmp_path / 'VAE_Model.py'}", f"--results={tmp_path / 'results.json'}", f"--seed={SEED}"]
    subprocess.run(
        [sys.executable, "-m", "pytest", "grader/", "--sandbox=process", "-m", "kl or nll or sample", *options],
        cwd=ROOT,
        capture_output=True,
        check=False,
    )
    theirs = json.loads((tmp_path / "results.json").read_text(encoding="utf-8"))
    assert ours.results is not None
    assert verdicts(ours.results) == verdicts(theirs)
    assert ours.results["extra_data"]["tasks"]["kl"]["status"] == "failed"


@pytest.mark.slow
def test_one_judge_grades_one_after_the_other_and_does_not_grow(judge: WarmJudge) -> None:
    memory = []
    for content, expected in [(REFERENCE, 2.0), (SKELETON, 0.0), (REFERENCE, 2.0)]:
        outcome = judge.grade(job(content.read_bytes()))
        assert score(outcome) == expected
        assert 0 < outcome.sandbox_cpu_s < outcome.cpu_s
        memory.append(psutil.Process(judge._process.pid).memory_info().rss)
    assert memory[-1] - memory[0] < 1 << 20


def test_a_judge_keeps_its_memory_although_dask_tells_its_workers_not_to(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MALLOC_TRIM_THRESHOLD_", "65536")
    monkeypatch.setenv("OF_THE_USER", "1")
    judge = WarmJudge("sample")
    process = psutil.Process(judge._process.pid)
    while not (there := process.environ()):  # it has none yet while it turns into another program
        time.sleep(0.01)
    judge.close()
    assert "MALLOC_TRIM_THRESHOLD_" not in there and there["OF_THE_USER"] == "1"


def test_another_offering_gives_other_points(judge: WarmJudge) -> None:
    text = OFFERING.read_text(encoding="utf-8")
    other = text.replace("\nmode = { points = 2,", "\nmode = { points = 9,").replace(
        "\nkl = { points = 10,", "\nkl = { points = 3,"
    )
    assert score(judge.grade(replace(job(REFERENCE.read_bytes()), offering=other))) == 9


# ## Hostile submissions
@pytest.mark.slow
@pytest.mark.parametrize(
    "content",
    [
        "import os; os._exit(0)",
        "import os, signal; os.kill(os.getppid(), signal.SIGKILL)",
        BY_HAND,
        "\0",
    ],
)
def test_a_hostile_file_costs_itself_only(judge: WarmJudge, content: str) -> None:
    outcome = judge.grade(job(content))
    assert outcome.results is None or score(outcome) == 0
    assert descendants(judge) == [], "nothing outlives its grading"
    assert score(judge.grade(job(REFERENCE.read_bytes()))) == 2


def test_what_takes_too_long_is_ended(judge: WarmJudge) -> None:
    started = time.monotonic()
    outcome = judge.grade(job("import time; time.sleep(600)", limit_s=4.0))
    assert (outcome.results, outcome.again) == (None, False)
    assert numbers(outcome.problem) == ["4"], "the seconds that it may take"
    assert time.monotonic() - started < 90
    assert descendants(judge) == []


def test_a_grader_that_refuses_says_why(judge: WarmJudge) -> None:
    outcome = judge.grade(job(REFERENCE.read_bytes(), "no_such_task"))
    assert outcome.results is None and not outcome.again
    assert (
        numbers(outcome.problem)[0] == str(int(pytest.ExitCode.USAGE_ERROR)) and "-m 'no_such_task'" in outcome.problem
    )


# ## When judges die
class Mortal:
    """A judge that dies or fails as often as it is told."""

    made = 0

    def __init__(self, deaths: list[Exception | Outcome]):
        self._deaths = deaths
        Mortal.made += 1

    def grade(self, job: Job) -> Outcome:
        if self._deaths:
            end = self._deaths.pop(0)
            if isinstance(end, Exception):
                raise end
            return end
        return Outcome({"score": 1})

    def close(self) -> None:
        pass


DIED = JudgeDied("the judge died: alas")
FAILED = Outcome(None, "the grader ended with signal 9", again=True)
TOO_LONG = Outcome(None, "the grader took more than 4 s")


@pytest.mark.parametrize(
    ("deaths", "problem", "judges"),
    [
        ([], "", 1),
        ([DIED], "", 2),
        ([FAILED], "", 1),
        ([DIED, FAILED], "the grader ended with signal 9 (tried twice)", 2),
        ([FAILED, DIED], "the judge died: alas (tried twice)", 1),
        ([TOO_LONG], "the grader took more than 4 s", 1),
    ],
)
def test_what_died_is_tried_once_more(deaths: list[Any], problem: str, judges: int) -> None:
    Mortal.made, left = 0, list(deaths)
    judge = LastingJudge(lambda data: Mortal(left))
    outcome = judge.grade(job(b""))
    assert (outcome.problem, Mortal.made) == (problem, judges)
    assert (outcome.results is None) == bool(problem)
    assert judge.grade(job(b"")).results, "the next submission has a judge"


@pytest.mark.slow
def test_a_killed_judge_is_replaced_and_its_grading_ends_with_it() -> None:
    judge = LastingJudge()
    killed: list[psutil.Process] = []

    def kill_the_first() -> None:
        while not (isinstance(judge._judge, WarmJudge) and (grading := descendants(judge._judge))):
            time.sleep(0.05)
        killed.extend(grading)
        os.kill(judge._judge._process.pid, signal.SIGKILL)

    killer = threading.Thread(target=kill_the_first)
    killer.start()
    outcome = judge.grade(job(REFERENCE.read_bytes()))
    killer.join()
    assert score(outcome) == 2
    gone, alive = psutil.wait_procs(killed, timeout=90)
    assert gone and not alive
    judge.close()


@pytest.mark.slow
@pytest.mark.parametrize("how", ["closed", "hung up"])
def test_a_judge_that_is_not_needed_any_more_ends_what_it_is_at(how: str) -> None:
    judge = WarmJudge("sample")
    answers: list[Any] = []

    def ask() -> None:
        try:
            answers.append(judge.grade(job("import time; time.sleep(600)")))
        except JudgeDied as error:
            answers.append(error)

    asking = threading.Thread(target=ask)
    asking.start()
    while not (grading := descendants(judge)):
        time.sleep(0.05)
    time.sleep(0.5)
    if how == "closed":
        judge.close()
    else:  # as when the dask worker that asked is killed
        assert judge._process.stdin is not None
        judge._process.stdin.close()
    asking.join(timeout=90)
    assert isinstance(answers[0], JudgeDied)
    assert not psutil.wait_procs(grading, timeout=90)[1]
    judge.close()


@pytest.mark.slow
def test_a_judge_that_cannot_start_says_why() -> None:
    judge = LastingJudge()
    outcome = judge.grade(Job(b"", 0, "process", data="nowhere"))
    assert outcome.results is None
    assert "nowhere" in outcome.problem


# ## Where fork is unsafe
@pytest.mark.slow
def test_without_fork_a_fresh_interpreter_judges_the_same(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTEST_ADDOPTS", "--collect-only")
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))  # other runs on this machine leave folders in theirs
    judge = FreshJudge("sample")
    assert score(judge.grade(job(REFERENCE.read_bytes()))) == 2
    outcome = judge.grade(job("import time; time.sleep(600)", limit_s=4.0))
    assert numbers(outcome.problem) == ["4"], "the seconds that it may take"
    assert not list(tmp_path.iterdir())


def test_a_grading_that_has_ended_is_not_ended_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its pid may belong to another process by then."""
    monkeypatch.setattr(watchdog, "end_family", lambda *_, **__: pytest.fail("a stranger's process would be ended"))
    child = Child(GradingOptions(tmp_path / "no such file.py", results=tmp_path / "results.json"), tmp_path / "log")
    assert child.wait(60) == 4, (tmp_path / "log").read_text()
    child.end()
