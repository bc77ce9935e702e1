"""The recipes of CONTRIBUTING.md, each applied to a copy of the project: they are complete, and do what they say."""

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.releases import ROOT

PAGE = ROOT / "CONTRIBUTING.md"
SECTIONS = {
    section.partition("\n")[0]: section
    for section in PAGE.read_text(encoding="utf-8").partition("\n## Recipes\n")[2].split("\n### ")[1:]
}


def blocks(kind: str, title: str) -> list[str]:
    """Return the blocks of code of one kind in a recipe."""
    return re.findall(rf"```{kind}\n(.*?)```", SECTIONS[title], re.DOTALL)


@pytest.fixture(scope="module")
def changed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the project with all recipes applied, one after the other."""
    if shutil.which("git") is None:
        pytest.skip("git applies the recipes, and is not here")
    folder = tmp_path_factory.mktemp("contributing") / "project"
    for room in ("assignment", "solution", "grader", "data", "tests"):
        shutil.copytree(ROOT / room, folder / room, ignore=shutil.ignore_patterns("__pycache__", "svhn", "results"))
    for file in ("setup.cfg", "pyproject.toml", "LICENSE", "README.md"):
        shutil.copy(ROOT / file, folder / file)
    for title in SECTIONS:
        for patch in blocks("diff", title):
            done = subprocess.run(
                ["git", "apply", "-"], cwd=folder, input=patch, capture_output=True, text=True, check=False
            )
            assert done.returncode == 0, f"{title}: {done.stderr}"
    return folder


def test_there_are_recipes_for_what_is_often_changed() -> None:
    assert list(SECTIONS) == ["Change a tolerance", "Name a misconception", "Add a check", "Add a task"]


def test_a_task_is_at_home_in_eight_places() -> None:
    (patch,) = blocks("diff", "Add a task")
    assert len(re.findall(r"^\+\+\+ ", patch, re.MULTILINE)) <= 8


@pytest.mark.slow
@pytest.mark.parametrize("title", ["Name a misconception", "Add a check", "Add a task"])
def test_a_recipe_does_what_it_says(changed: Path, title: str) -> None:
    for command in "".join(blocks("bash", title)).splitlines():
        done = subprocess.run(
            command.replace("python ", f"{sys.executable} ", 1),
            shell=True,
            cwd=changed,
            capture_output=True,
            text=True,
            timeout=300,
            check=False,
        )
        assert done.returncode == 0, f"{command}: {done.stdout}{done.stderr}"
        assert "misleading" not in done.stdout or "misleading   0" in done.stdout
