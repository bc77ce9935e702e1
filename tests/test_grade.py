"""Grading from end to end, as a student and an instructor run it: exit status, points, results.json, words.

A grading takes seconds. So all start together, two at a time, and each test waits for those that it looks at.
"""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from importlib.util import find_spec
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest

from grader.judge.offering import TASKS, load_offering
from grader.sandbox.bubblewrap import Bubblewrap
from grader.sandbox.interpreter import can_fork
from tests import ctrl_c
from tests.gradings import REFERENCE, ROOT, RUNS, Run, grade

POINTS = load_offering().points
STATUSES = {"passed", "failed", "not attempted", "crashed", "timed out", "out of memory"}


@pytest.fixture(scope="module")
def runs(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[[str], Run]]:
    """Return the outcome of a run, by name."""
    here = [item for item in request.session.items if item.path == request.path]
    rare = set() if any(item.get_closest_marker("slow") for item in here) else RARE
    futures: dict[str, Future[Run]] = {}
    with ThreadPoolExecutor(max_workers=2) as pool:

        def begin(name: str) -> Future[Run]:
            if name not in futures:
                futures[name] = pool.submit(grade, tmp_path_factory.mktemp("grade"), name)
            return futures[name]

        for name in RUNS.keys() - rare if len(here) > 4 else ():
            begin(name)
        yield lambda name: begin(name).result()
        pool.shutdown(cancel_futures=True)


RARE = {"reference, seed 5", "no text", "notebook", "zip called .py", "zip, another name"}
"""Runs that only slow tests look at: each takes the same way as another one, whose tests always run."""


def rarely(*names: str) -> list[Any]:
    """Return names of runs as parameters; those of rare ones are slow."""
    return [pytest.param(name, marks=pytest.mark.slow) if name in RARE else name for name in names]


# ## Full points, and none
@pytest.mark.parametrize("name", rarely("reference", "reference, seed 5"))
def test_the_reference_has_full_points(runs: Callable[[str], Run], name: str) -> None:
    run = runs(name)
    assert run.exit == 0, run.text
    assert run.results is not None
    assert run.results["score"] == 100
    assert {task: entry["score"] for task, entry in run.tasks.items()} == POINTS
    assert {entry["status"] for entry in run.tasks.values()} == {"passed"}
    assert "100 / 100" in run.text


@pytest.mark.slow
def test_results_are_complete_and_add_up(runs: Callable[[str], Run]) -> None:
    for name, seed in [("reference", 0), ("reference, seed 5", 5), ("wrong kl", 0), ("skeleton", 0), ("no python", 5)]:
        results = runs(name).results
        assert results is not None
        extra, tests = results["extra_data"], results["tests"]
        always = {"tasks", "score", "max_score", "seconds", "sandbox", "seed", "environment"}
        assert set(extra) - {"training"} == always
        assert ("training" in extra) == (name not in ("skeleton", "no python")), "pictures of the training run"
        assert set(extra["environment"]) == {"python", "torch", "threads"}
        assert (extra["seed"], extra["max_score"], extra["sandbox"] != "in-process") == (seed, 100, True)
        assert extra["seconds"] > 0
        assert list(extra["tasks"]) == [task.id for task in TASKS]
        for task, entry in extra["tasks"].items():
            assert set(entry) == {"score", "max_score", "status", "diagnoses"}
            assert entry["status"] in STATUSES
            of_task = [test for test in tests if test["tags"] == [task]]
            assert sum(round(100 * test["max_score"]) for test in of_task) == 100 * POINTS[task]
            assert sum(round(100 * test["score"]) for test in of_task) == round(100 * entry["score"])
        assert all(set(t) == {"name", "score", "max_score", "status", "output", "tags", "extra_data"} for t in tests)
        assert sum(round(100 * entry["score"]) for entry in extra["tasks"].values()) == round(100 * extra["score"])
        assert results["score"] == extra["score"]


def test_the_skeleton_has_none_and_is_not_called_wrong(runs: Callable[[str], Run]) -> None:
    run = runs("skeleton")
    assert run.exit == 1
    assert {(entry["score"], entry["status"]) for entry in run.tasks.values()} == {(0, "not attempted")}
    assert run.text.count("not attempted") == len(TASKS) == 13
    assert "0 / 100" in run.text


# ## One mistake
def test_one_mistake_costs_its_own_task_and_training_only(runs: Callable[[str], Run]) -> None:
    run = runs("wrong kl")
    assert run.exit == 1
    lost = {task for task, entry in run.tasks.items() if entry["score"] < entry["max_score"]}
    assert "kl" in lost and lost <= {"kl", "training"}
    assert (run.tasks["kl"]["status"], run.tasks["kl"]["diagnoses"]) == ("failed", ["kl_missing_half"])
    assert 0 < run.tasks["kl"]["score"] <= 4, "its shape is right, and worth 40 % at most"


def test_the_report_says_what_was_expected_what_came_and_what_to_look_at(runs: Callable[[str], Run]) -> None:
    text = runs("wrong kl").text
    for words in ("expected  kl = ", "got       ", "deviation ", "hint      ", "printed   ", "kl_missing_half"):
        assert words in text
    assert "Traceback" not in text and "grader/judge" not in text


def test_one_task_alone_starts_its_own_worker_and_no_other(runs: Callable[[str], Run]) -> None:
    alone = runs("wrong kl alone")
    assert list(alone.tasks) == ["kl"]
    assert alone.workers == ["kl"]
    assert alone.results is not None
    assert alone.results["extra_data"]["max_score"] == POINTS["kl"]
    assert alone.exit == 1


def test_junit_has_the_points_of_each_check_as_results_have_them(runs: Callable[[str], Run]) -> None:
    alone = runs("wrong kl alone")
    assert alone.junit is not None and alone.results is not None
    cases = list(ElementTree.fromstring(alone.junit).iter("testcase"))
    properties = [{one.get("name"): one.get("value") for one in case.iter("property")} for case in cases]
    assert [(one["task"], float(one["points"] or ""), float(one["max_points"] or "")) for one in properties] == [
        (test["tags"][0], test["score"], test["max_score"]) for test in alone.results["tests"]
    ]
    assert {one["status"] for one in properties} == {"passed", "failed"}
    assert "kl_missing_half" in {one.get("diagnosis") for one in properties}
    for case, one in zip(cases, properties, strict=True):
        assert (case.find("failure") is None) == (one["status"] == "passed")


def test_the_same_file_and_seed_get_the_same_verdict_to_the_letter(runs: Callable[[str], Run]) -> None:
    """Alone or among others, from pytest or from the command of instructors."""
    first, second = runs("wrong kl").results, runs("wrong kl alone").results
    assert first is not None and second is not None
    assert [test for test in first["tests"] if test["tags"] == ["kl"]] == second["tests"]


@pytest.mark.parametrize("name", ["wrong kl", "wrong kl alone", "no python", "empty", "in process", "too large"])
def test_nothing_beside_the_submission_is_run(runs: Callable[[str], Run], name: str) -> None:
    assert runs(name).intruders == []


# ## Files that are no solution
def test_what_is_no_python_is_graded_with_nothing(runs: Callable[[str], Run]) -> None:
    run = runs("no python")
    assert run.exit == 1
    assert {(entry["score"], entry["status"]) for entry in run.tasks.values()} == {(0, "crashed")}
    assert "while your file was imported" in run.text


@pytest.mark.parametrize("name", rarely("zip", "zip, another name"))
def test_an_archive_is_graded_as_class_runs_do(runs: Callable[[str], Run], name: str) -> None:
    run, shown = runs(name), {"zip": "hw3.zip, ", "zip, another name": "hw3.zip: hw3\\vae_model.py, "}
    assert run.exit == 0 and shown[name] in run.text, run.text


def test_a_file_in_another_encoding_is_graded_as_python_reads_it(runs: Callable[[str], Run]) -> None:
    assert runs("Latin-1").exit == 0, runs("Latin-1").text
    unsaid = runs("Latin-1, not said")
    assert unsaid.exit == 1 and {entry["status"] for entry in unsaid.tasks.values()} == {"crashed"}
    assert "Save it in UTF-8" in unsaid.text


def test_an_empty_file_lacks_everything(runs: Callable[[str], Run]) -> None:
    run = runs("empty")
    assert run.exit == 1
    assert {(entry["score"], entry["status"]) for entry in run.tasks.values()} == {(0, "failed")}
    for name in ("DiagonalGaussianDistribution", "VAE", "interpolate"):
        assert f"`{name}`" in run.text


# ## Nothing to grade
REFUSALS = {
    "missing": "must be a file or folder that exists, not '",
    "folder": "no VAE_Model.py in this folder, which is empty: hand in one VAE_Model.py",
    "too large": "VAE_Model.py: the file is larger than 1,048,576 bytes: hand in the code alone",
    "no text": "VAE_Model.py: line 2 of the file has a null byte: save it again as text in UTF-8",
    "notebook": "VAE_Model.py: a Jupyter notebook: put your code into one file, and hand in one VAE_Model.py",
    "zip called .py": "VAE_Model.py: a zip archive or an office document, despite its name",
    "no such sandbox": "castle",
    "no such data": "nowhere",
}


@pytest.mark.parametrize("name", rarely(*REFUSALS))
def test_what_cannot_be_graded_is_refused_in_one_clear_line(runs: Callable[[str], Run], name: str) -> None:
    run = runs(name)
    assert run.exit >= 2
    lines = [line for line in run.text.splitlines() if REFUSALS[name] in line]
    assert len(lines) == 1, run.text
    assert "Traceback" not in run.text
    assert run.results is None, "no points are recorded for what was not graded"


def test_a_task_that_does_not_exist_selects_nothing(runs: Callable[[str], Run]) -> None:
    run = runs("no such task")
    assert run.exit >= 2
    assert run.results is None


# ## Other ways to run
@pytest.mark.skipif(not can_fork(), reason="every run is one without fork here")
def test_without_fork_the_verdict_is_the_same(runs: Callable[[str], Run]) -> None:
    run, usual = runs("no fork"), runs("reference")
    assert run.exit == 0, run.text
    assert run.tasks == {task: usual.tasks[task] for task in ("kl", "mode")}


def test_in_process_says_that_its_score_does_not_count(runs: Callable[[str], Run]) -> None:
    run = runs("in process")
    assert "this score does not count" in run.text
    assert run.results is not None
    assert run.results["extra_data"]["sandbox"] == "in-process"
    assert run.tasks["kl"]["diagnoses"] == ["kl_missing_half"]
    assert run.exit == 1


# ## Any folder will do
ODD = """-course [2026] 50% it's "mine" a::b $HOME é"""


@pytest.fixture(scope="module")
def odd_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the project, and a submission, below a folder whose name holds what programs read as syntax."""
    folder = tmp_path_factory.mktemp("odd") / ODD
    for room in ("grader", "data"):
        shutil.copytree(ROOT / room, folder / room, ignore=shutil.ignore_patterns("__pycache__", "svhn"))
    shutil.copy(ROOT / "setup.cfg", folder)
    (folder / "handed in").mkdir()
    shutil.copy(REFERENCE, folder / "handed in" / f"{ODD}.py")
    return folder


@pytest.mark.slow
@pytest.mark.skipif(os.name == "nt", reason="Windows allows no such names")
@pytest.mark.parametrize(
    "command",
    [
        ["grader", "grade", f"handed in/{ODD}.py", f"--results={ODD}/results.json"],
        ["pytest", "grader/", f"--submission=handed in/{ODD}.py", f"--results={ODD}/results.json"],
        ["grader", "class", "handed in", f"--out={ODD}", "--jobs=1"],
    ],
    ids=["grade", "pytest", "class"],
)
def test_the_names_of_folders_do_not_matter(odd_folder: Path, command: list[str]) -> None:
    if "class" in command and (find_spec("distributed") is None or Bubblewrap.why_not()):
        pytest.skip("a class run needs its extra packages and a sandbox")
    done = subprocess.run(
        [sys.executable, "-m", *command, "-m", "mode"], cwd=odd_folder, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    (written,) = (odd_folder / ODD).rglob("results.json")
    assert json.loads(written.read_text(encoding="utf-8"))["extra_data"]["score"] == 2
    shutil.rmtree(odd_folder / ODD)


# ## A grading that is stopped leaves nothing
@pytest.mark.slow
@pytest.mark.skipif(os.name != "posix", reason="needs signals")
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP, signal.SIGINT], ids=lambda number: number.name)
@pytest.mark.parametrize("command", [["grader", "grade"], ["pytest", "grader/"]], ids=" ".join)
def test_a_signal_leaves_no_folder_and_no_process(tmp_path: Path, command: list[str], number: signal.Signals) -> None:
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    slow = tmp_path / "VAE_Model.py"
    slow.write_text("import time\ntime.sleep(600)\n", encoding="utf-8")
    file = str(slow) if command[1] == "grade" else f"--submission={slow}"
    process = subprocess.Popen(
        [sys.executable, "-m", *command, file, "-m", "kl"],
        cwd=ROOT,
        env={**os.environ, "TMPDIR": str(scratch)},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        preexec_fn=ctrl_c.listen,
    )
    try:
        until = time.monotonic() + 60
        while not list(scratch.glob("vae-grader-*/checks")) and time.monotonic() < until:
            time.sleep(0.1)
        time.sleep(1.0)
        process.send_signal(number)
        assert process.wait(60) == 2, "what pytest says of an interrupted run"
        assert list(scratch.iterdir()) == []
    finally:
        process.kill()
        process.wait()
