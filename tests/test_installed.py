"""`python -m grader` and `vae-grader` after `pip install -e .`: from every folder, and without a way to the answers.

An editable install is one line in site-packages: the folder that setup.cfg names. The tests write this line into a new
virtual environment, which finds the other packages where this Python has them.
"""

import configparser
import json
import os
import subprocess
import sys
import sysconfig
import venv
from pathlib import Path

import pytest

from grader.sandbox.interpreter import PROGRAM
from tests.releases import REFERENCE, ROOT
from tests.wording import lines_with

_NAMES = ("solution", "grader", "assignment", "data", "tests", "plugin", "offering")
_LOOK = f"""
import importlib.util
found = [name for name in {_NAMES} if importlib.util.find_spec(name)]
if found:
    raise ImportError("found " + ", ".join(found))
"""
SETTINGS = configparser.ConfigParser()
SETTINGS.read(ROOT / "setup.cfg")
FOLDER = SETTINGS["options"]["package_dir"].partition("=")[2].strip()


def environment(folder: Path, *installed: Path) -> str:
    """Make a virtual environment with these folders on its import path; returns its Python."""
    venv.create(folder, with_pip=False)
    site = Path(sysconfig.get_path("purelib", vars={"base": str(folder)}))
    lines = [*map(str, installed), sysconfig.get_path("purelib"), sysconfig.get_path("platlib")]
    (site / "__editable__.pth").write_text("\n".join([*lines, ""]), encoding="utf-8")
    return str(folder / "bin" / "python")


@pytest.fixture(scope="module")
def python(tmp_path_factory: pytest.TempPathFactory) -> str:
    return environment(tmp_path_factory.mktemp("venv"), ROOT / FOLDER)


def called(folder: Path, *command: str) -> "subprocess.CompletedProcess[str]":
    """Run a command in a folder outside the project."""
    kept = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    return subprocess.run(command, cwd=folder, env=kept, capture_output=True, text=True, timeout=300, check=False)


def test_every_command_is_there_from_another_folder(python: str, tmp_path: Path) -> None:
    done = called(tmp_path, python, "-m", "grader", "--help")
    assert done.returncode == 0, done.stderr
    assert all(command in done.stdout for command in ("grade", "class", "export", "release", "doctor"))


def test_the_console_script_is_the_same_command(python: str, tmp_path: Path) -> None:
    name, _, target = SETTINGS["options.entry_points"]["console_scripts"].strip().partition(" = ")
    module, _, function = target.partition(":")
    assert name == "vae-grader"
    script = f"import sys; from {module} import {function}; sys.exit({function}())"
    done = called(tmp_path, python, "-c", script, "grade", "nothing.py")
    assert done.returncode == 2 and done.stderr.startswith("python -m grader grade: argument FILE: ")
    assert "'nothing.py'" in done.stderr


def test_a_mistake_in_a_path_is_about_the_folder_of_the_user(python: str, tmp_path: Path) -> None:
    (tmp_path / "mine").write_text("a file")
    done = called(tmp_path, python, "-m", "grader", "release", "--out=mine")
    assert done.returncode == 2 and lines_with(done.stderr, "'mine'", "--out")


def test_a_worker_takes_the_project_off_its_import_path(tmp_path: Path) -> None:
    """Also if someone put the whole project there, as a .pth file may do; its virtual environment stays."""
    python = environment(tmp_path / "venv", ROOT / FOLDER, ROOT, tmp_path)
    code = f"""
import importlib.util, json, runpy, sys
names = {_NAMES}
program = runpy.run_path({str(PROGRAM)!r})
before = [name for name in names if importlib.util.find_spec(name)]
program["_leave_out_the_project"]()
importlib.invalidate_caches()
print(json.dumps([before, [name for name in names if importlib.util.find_spec(name)], sys.path]))
"""
    done = called(tmp_path, python, "-I", "-c", code)
    before, after, path = json.loads(done.stdout)
    assert {"solution", "grader", "data"} <= set(before) and after == []
    assert str(tmp_path) in path and any(entry.endswith("site-packages") for entry in path)


@pytest.mark.slow
@pytest.mark.parametrize("options", [[], ["--no-fork"]], ids=["fork", "no fork"])
def test_a_submission_finds_nothing_of_the_project(python: str, tmp_path: Path, options: list[str]) -> None:
    (tmp_path / "mine.py").write_text(_LOOK + REFERENCE.read_text(encoding="utf-8"), encoding="utf-8")
    command = ["grade", "mine.py", "-m", "mode", "--sandbox=process", "--results=r.json", *options]
    done = called(tmp_path, python, "-m", "grader", *command)
    assert done.returncode == 0, done.stdout + done.stderr
    assert json.loads((tmp_path / "r.json").read_text(encoding="utf-8"))["score"] == 2, "in the user's folder"


def test_a_copy_that_is_not_editable_says_what_to_do(tmp_path: Path) -> None:
    folder = tmp_path / "site-packages" / "grader"
    folder.mkdir(parents=True)
    for file in (ROOT / FOLDER / "grader").glob("*.py"):
        (folder / file.name).write_bytes(file.read_bytes())
    done = called(tmp_path / "site-packages", sys.executable, "-m", "grader")
    assert (done.returncode, done.stdout) == (2, "")
    assert "`pip install -e .`" in done.stderr and done.stderr.count("\n") == 1


def test_only_the_start_of_the_grader_is_installed() -> None:
    installed = {path.relative_to(ROOT / FOLDER).as_posix() for path in (ROOT / FOLDER).rglob("*.py")}
    assert installed == {"__init__.py", "grader/__init__.py", "grader/__main__.py"}
    assert SETTINGS["options"]["packages"] == "grader" and SETTINGS["options"]["py_modules"] == ""
