"""pytest's own options, other plugins and somebody's own tests: what is judged, what is said, and no score by mistake.

Other plugins are small stand-ins, passed with `-p`; the real ones are tried where they are installed.
"""

import importlib.util
import json
import os
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import pytest

from grader.judge.offering import TASKS
from tests.gradings import REFERENCE, RIGHT_KL, ROOT, Run, wrong_kl
from tests.wording import lines_with

Start = Callable[..., Run]
IN_ONE_LINE = re.compile(r"^ERROR: .*", re.MULTILINE)
HOOK = "import pytest\n\n@pytest.hookimpl(tryfirst=True)\ndef "


@pytest.fixture
def start(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> Start:
    """Return a starter of pytest, which grades the reference if nothing else is said.

    Its arguments: those of pytest, the text of a stand-in `plugin`, and the `file` to grade. The run is one inside this
    process, as importing torch takes seconds.
    """

    def run(*arguments: str, plugin: str = "", file: Path = REFERENCE) -> Run:
        results = tmp_path / "results.json"
        stand_in = ModuleType("stand_in")
        exec(plugin, vars(stand_in))
        options = (
            f"--submission={file}",
            f"--results={results}",
            f"--config-file={ROOT / 'setup.cfg'}",
            "-p",
            "no:cacheprovider",
        )
        capfd.readouterr()
        status = pytest.main([*arguments, *(options[:-2] if "--stepwise" in arguments else options)], [stand_in])
        read = json.loads(results.read_text(encoding="utf-8")) if results.exists() else None
        return Run(int(status), "".join(capfd.readouterr()), read, [], [])

    return run


@pytest.fixture
def start_alone(tmp_path: Path) -> Start:
    """Return the same as `start`, in a process and a `folder` of its own; `stdin` is what is typed there."""

    def run(*arguments: str, plugin: str = "", folder: Path = ROOT, file: Path = REFERENCE, stdin: str = "") -> Run:
        results = tmp_path / "results.json"
        (tmp_path / "stand_in.py").write_text(plugin, encoding="utf-8")
        done = subprocess.run(
            [sys.executable, "-m", "pytest", *arguments, f"--submission={file}", f"--results={results}"],
            cwd=folder,
            env={**os.environ, "PYTHONPATH": str(tmp_path), "PYTEST_ADDOPTS": "-p stand_in", "COLUMNS": "160"},
            input=stdin.encode(),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            timeout=300,
            check=False,
        )
        read = json.loads(results.read_text(encoding="utf-8")) if results.exists() else None
        return Run(done.returncode, done.stdout.decode(), read, [], [])

    return run


@pytest.fixture
def course(tmp_path: Path) -> Path:
    """Return a folder as students have it."""
    folder = tmp_path / "course"
    for name in ("assignment", "data", "grader"):
        shutil.copytree(ROOT / name, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "setup.cfg", folder)
    return folder


# ## A score comes only from a run that judged all it selected
TAKES_THE_RUN = {
    "runs the checks elsewhere": f"{HOOK}pytest_runtestloop(session):\n    return True\n",
    "reports what it ran elsewhere": f"""{HOOK}pytest_runtest_protocol(item):
    place = item.nodeid, item.location, item.keywords
    for when in ("setup", "call", "teardown"):
        item.ihook.pytest_runtest_logreport(report=pytest.TestReport(*place, "passed", None, when))
    return True
""",
    "skips": f"{HOOK}pytest_runtest_setup(item):\n    pytest.skip('not today')\n",
    "ends a check": f"{HOOK}pytest_runtest_call(item):\n    pytest.fail('took too long')\n",
}


@pytest.mark.parametrize("plugin", TAKES_THE_RUN.values(), ids=TAKES_THE_RUN)
def test_what_was_not_judged_here_has_no_points_and_is_no_verdict(start: Start, plugin: str) -> None:
    run = start("grader/", "-m", "mode", "--in-process", plugin=plugin)
    assert run.exit >= 2, "neither full points (0) nor points that are missing (1)"
    assert run.results is not None
    assert (run.results["score"], run.tasks["mode"]["status"]) == (0, "not judged")
    assert lines_with(run.results["output"], "unfinished", " 0 of 2 ")
    assert lines_with(run.text, "unfinished", " 0 of 2 ")
    assert "The grader itself failed" not in run.text


def test_another_plugin_that_ends_a_check_is_quoted(start: Start) -> None:
    run = start("grader/", "-m", "mode", "--in-process", plugin=TAKES_THE_RUN["ends a check"])
    assert "took too long" in run.text


def test_no_plugin_turns_points_that_are_missing_into_success(start: Start, tmp_path: Path) -> None:
    (tmp_path / "VAE_Model.py").write_text(wrong_kl(), encoding="utf-8")
    forgives = f"{HOOK}pytest_collection_modifyitems(items):\n    [i.add_marker(pytest.mark.xfail) for i in items]\n"
    run = start("grader/", "-m", "kl", "--in-process", plugin=forgives, file=tmp_path / "VAE_Model.py")
    assert (run.exit, run.tasks["kl"]["status"]) == (1, "failed")


def test_no_plugin_changes_the_order_of_the_handout(start: Start) -> None:
    mixes = f"{HOOK.replace('tryfirst', 'trylast')}pytest_collection_modifyitems(items):\n    items.reverse()\n"
    usual = start("grader/", "-m", "kl or mode", "--in-process")
    mixed = start("grader/", "-m", "kl or mode", "--in-process", plugin=mixes)
    assert usual.results is not None and mixed.results is not None
    assert mixed.results["tests"] == usual.results["tests"]


# ## What takes the run away is refused
OPTIONS = """
def pytest_addoption(parser):
    parser.addoption("--dist", default="no")
    for name in ("--forked", "--looponfail"):
        parser.addoption(name, action="store_true")
"""
REPEATS = """
import pytest

def pytest_generate_tests(metafunc):
    metafunc.fixturenames.append("again")
    metafunc.parametrize("again", [1, 2])

@pytest.fixture
def again(request):
    return request.param
"""
REFUSED = {
    "--dist=load": (OPTIONS, "leave -n out"),
    "--forked": (OPTIONS, "leave --forked out"),
    "--looponfail": (OPTIONS, "leave --looponfail out"),
    "--setup-plan": ("", "leave --setup-plan out"),
    "--setup-only": ("", "leave --setup-only out"),
    "--noconftest": ("", "leave --noconftest out"),
    "--verbose": (REPEATS, "more than once"),
    "-m kll": ("", "no task 'kll'"),
    "-m kl or nl": ("", "no task 'nl'"),
    "-m kl and nll": ("", "no check is selected by -m 'kl and nll'"),
    "-k nothing": ("", "no check is selected by -k 'nothing'"),
}


@pytest.mark.slow
@pytest.mark.parametrize(("option", "plugin", "words"), [(k, *v) for k, v in REFUSED.items()], ids=REFUSED)
def test_a_run_without_verdicts_is_refused_in_one_line(start: Start, option: str, plugin: str, words: str) -> None:
    alone = ("-p", "no:xdist", "-p", "no:xdist.looponfail")  # the stand-ins have the same options
    run = start("grader/", *alone, *option.split(" ", 1), plugin=plugin)
    (line,) = IN_ONE_LINE.findall(run.text)
    assert words in line
    assert run.exit >= 2
    assert run.results is None
    if option.startswith(("-m", "-k")):
        assert all(task.id in line for task in TASKS), "which there are"


@pytest.mark.parametrize(("package", "option"), [("xdist", "-n2"), ("pytest_forked", "--forked")])
def test_the_real_plugins_are_refused(start_alone: Start, package: str, option: str) -> None:
    if not importlib.util.find_spec(package):
        pytest.skip(f"{package} is not installed; a stand-in is tried above")
    run = start_alone("grader/", "-m", "mode", option)  # they register themselves
    assert (run.exit >= 2, run.results) == (True, None)
    assert len(IN_ONE_LINE.findall(run.text)) == 1


@pytest.mark.slow
@pytest.mark.parametrize("option", ["--markers", "--fixtures", "--collect-only"])
def test_a_question_to_pytest_leaves_nothing_behind(start: Start, option: str, tmp_path: Path) -> None:
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr("tempfile.tempdir", str(tmp_path))
        run = start("grader/", option)
    assert (run.exit, run.results) == (0, None)
    assert not list(tmp_path.glob("vae-grader-*"))


# ## Somebody's own tests
OWN = "def test_own_right():\n    assert True\n\ndef test_own_wrong():\n    assert 'mine' == 'yours'\n"


@pytest.mark.slow
def test_other_tests_run_as_usual_and_count_for_nothing_here(start_alone: Start, course: Path) -> None:
    (course / "assignment" / "test_mine.py").write_text(OWN, encoding="utf-8")
    (course / "grader" / "test_mine.py").write_text(f"import pytest\n\n@pytest.mark.kl\n{OWN}", encoding="utf-8")
    with (course / "grader" / "test_mode.py").open("a", encoding="utf-8") as file:
        file.write(f"\n\n{OWN}")
    run = start_alone(".", "-k", "test_own or TestMode or test_mode", folder=course)
    assert run.results is not None
    assert (run.results["score"], run.results["extra_data"]["max_score"]) == (2, 2)
    assert list(run.tasks) == ["mode"]
    assert run.exit == 1, "pytest's own tests failed"
    assert "3 failed, 6 passed" in run.text
    assert run.text.count("AssertionError") >= 3, "pytest explains them"
    assert "INTERNALERROR" not in run.text


def test_other_tests_alone_are_no_grading(start: Start, tmp_path: Path) -> None:
    (tmp_path / "test_mine.py").write_text("def test_own_right():\n    assert True\n", encoding="utf-8")
    run = start("grader/", str(tmp_path), "-k", "test_own")
    assert (run.exit, run.results) == (0, None)
    assert "points" not in run.text


SETTINGS = {
    "grader/pytest.ini": "[pytest]\n",
    "pyproject.toml": "[tool.pytest.ini_options]\nminversion = '7'\n",
}


@pytest.mark.parametrize(("name", "text"), SETTINGS.items(), ids=SETTINGS)
def test_where_other_settings_are_read_one_line_says_how_to_start(
    start_alone: Start, course: Path, name: str, text: str
) -> None:
    (course / name).write_text(text, encoding="utf-8")
    run = start_alone("grader/", "-m", "mode", folder=course)
    (line,) = IN_ONE_LINE.findall(run.text)
    assert "pytest -c setup.cfg grader/" in line
    assert run.exit >= 2


def test_started_as_it_says_there_the_checks_are_judged(start_alone: Start, course: Path) -> None:
    (course / "pytest.ini").write_text("[pytest]\n", encoding="utf-8")
    assert start_alone("-c", "setup.cfg", "grader/", "-m", "mode", "--in-process", folder=course).exit == 0


# ## A run that was stopped
STOPS = f"""{HOOK}pytest_runtest_setup(item):
    if "test_mode" in item.nodeid:
        raise KeyboardInterrupt
"""


@pytest.mark.parametrize(("option", "plugin"), [("-x", ""), ("--maxfail=1", ""), ("--stepwise", ""), ("-q", STOPS)])
def test_what_never_ran_is_not_judged(start: Start, option: str, plugin: str, tmp_path: Path) -> None:
    (tmp_path / "VAE_Model.py").write_text(wrong_kl(), encoding="utf-8")
    cache = f"cache_dir={tmp_path / 'cache'}"
    selected = ("-m", "kl or mode", "--in-process", option, "-o", cache)
    run = start("grader/", *selected, plugin=plugin, file=tmp_path / "VAE_Model.py")
    assert run.exit >= 2
    assert run.results is not None
    assert run.tasks["mode"] == {"score": 0, "max_score": 2, "status": "not judged", "diagnoses": []}
    assert run.tasks["kl"]["status"] == "failed", "as far as it was judged"
    assert "mode: " not in run.text, "nothing to read about it"
    assert "a verdict" not in run.text
    judged = 10 if plugin else 6
    assert lines_with(run.text, "unfinished", f" {judged} of 12 ")
    assert re.search(r"^mode +0 / 2   not judged$", run.text, re.MULTILINE)


# ## A part of a task
@pytest.mark.parametrize(
    "selection", [("grader/test_kl.py::test_closed_form",), ("grader/", "-k", "test_closed_form and kl")]
)
def test_a_part_of_a_task_is_not_the_task(start: Start, selection: tuple[str, ...]) -> None:
    run = start(*selection, "--in-process")
    assert run.exit == 0
    assert re.search(r"^kl +4 / 4   passed, .*\b4 of 10\b", run.text, re.MULTILINE)
    assert run.results is not None
    assert " 4 of 10 " in run.results["output"]
    assert run.tasks["kl"] == {"score": 4, "max_score": 4, "status": "passed", "diagnoses": [], "left_out": 6}


# ## The time
@pytest.mark.slow
def test_the_time_is_the_one_that_a_user_waits_and_stands_once(start_alone: Start) -> None:
    began = time.monotonic()
    run = start_alone("grader/", "-m", "mode", "--in-process", plugin="import time\ntime.sleep(5)\n")
    waited = time.monotonic() - began
    (shown,) = re.findall(r"([\d.]+) ?s\b", run.text.rpartition("score  ")[2])
    assert 5 <= float(shown) <= waited + 0.1
    assert run.results is not None
    assert run.results["extra_data"]["seconds"] == float(shown)
    assert "3 passed" in run.text


# ## The debugger
@pytest.mark.slow
def test_in_the_debugger_a_failure_names_the_line_of_the_students_own_file(start_alone: Start, tmp_path: Path) -> None:
    file = tmp_path / "VAE_Model.py"
    text = REFERENCE.read_text(encoding="utf-8").replace(RIGHT_KL, "return self.mean.reshape(3, 1000)")
    file.write_text(text, encoding="utf-8")
    number = text[: text.index("return self.mean.reshape(3, 1000)")].count("\n") + 1
    run = start_alone("grader/", "-m", "kl", "--in-process", "--pdb", file=file, stdin="q\n")
    assert f"> {file}({number})kl()" in run.text
    assert f"line {number}, in kl: return self.mean.reshape(3, 1000)" in run.text
    assert "RuntimeError in your code" in run.text
    assert "vae-grader-" not in run.text
    assert "does not count" in run.text
