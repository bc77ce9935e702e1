"""student.zip as a student has it: unpacked, graded at once, and with the right answers in place."""

import re
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from grader.instructor.release import contents
from grader.instructor.release.contents import PROJECT, Missing
from grader.judge.offering import TASKS
from tests.releases import REFERENCE, ROOT, SECRET, grading, release, run, unpacked
from tests.test_layout import MODULES, imports

_LINK = re.compile(r"\]\((?!https?:|#)([^)#\s]+)")
_KEPT_AT_HOME = ("solution/", "tests/", "grader/instructor/")
ARTEFACTS = {
    "student": lambda: release().student,
    "gradescope": lambda: {
        path.removeprefix("project/"): file
        for path, file in release().gradescope.items()
        if path.startswith("project/")
    },
    "classroom": lambda: release().classroom,
}


@pytest.fixture(scope="module")
def gradings(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Any]]:
    """The skeleton as it is, and the reference dropped in: two students, graded at the same time."""
    folders = {name: unpacked(release().student, tmp_path_factory.mktemp(name) / name) for name in ("begins", "done")}
    (folders["done"] / "assignment" / "VAE_Model.py").write_bytes(REFERENCE.read_bytes())
    with ThreadPoolExecutor(max_workers=2) as pool:
        yield dict(zip(folders, pool.map(grading, folders.values()), strict=True))


def test_at_first_nothing_is_attempted_and_nothing_is_paid(gradings: dict[str, Any]) -> None:
    begins = gradings["begins"]
    assert (begins["score"], begins["exit"]) == (0, 1)
    statuses = {task: entry["status"] for task, entry in begins["extra_data"]["tasks"].items()}
    assert statuses == {task.id: "not attempted" for task in TASKS} and len(statuses) == 13


def test_the_right_answers_have_all_points(gradings: dict[str, Any]) -> None:
    done = gradings["done"]
    assert (done["score"], done["extra_data"]["max_score"], done["exit"]) == (100, 100, 0), done["text"]


def test_students_have_the_command_that_is_of_use_to_them(tmp_path: Path) -> None:
    said = run(unpacked(release().student, tmp_path / "it"), sys.executable, "-m", "grader", "--help").stdout
    assert "    grade " in said
    assert not any(word in said for word in ("class", "export", "release", "doctor", "solution", "instructor"))


# ## What is in it
def test_what_only_instructors_have_is_not_in_it() -> None:
    assert not [path for path in release().student if path.startswith(_KEPT_AT_HOME)]
    assert not [path for path in release().student if "secret" in path or path.startswith("grader/platforms")]


@pytest.mark.parametrize("name", ARTEFACTS)
def test_each_artefact_holds_all_that_its_modules_import(name: str) -> None:
    held = ARTEFACTS[name]()
    modules = {module for module, file in MODULES.items() if file.relative_to(ROOT).as_posix() in held}
    wanted = {name for module in modules for name in imports(module) if name in MODULES}
    assert "grader.judge.oracles" in modules
    assert wanted - modules == set()


@pytest.mark.parametrize("name", ["student", "classroom"])
def test_links_lead_to_what_is_there(name: str) -> None:
    held = ARTEFACTS[name]()
    pages = [path for path in held if path.endswith(".md")]
    assert {"README.md", "assignment/README.md"} <= set(pages)
    for page in pages:
        for link in _LINK.findall(held[page].content.decode()):
            target = (Path("/") / page).parent / link
            assert target.resolve().relative_to("/").as_posix() in held, f"{page} links to {link}"


def test_its_settings_bring_the_dependencies_and_nothing_of_developers() -> None:
    settings = release().student["setup.cfg"].content.decode()
    whole = (ROOT / "setup.cfg").read_text(encoding="utf-8")
    needed = whole.partition("install_requires =\n")[2].partition("\n\n")[0].split()
    assert all(requirement in settings for requirement in needed) and "torch" in settings
    assert not any(word in settings for word in ("extras_require", "mypy", "ruff", "slow"))


# ## What may not go out by accident
def test_what_nobody_decided_about_is_refused(tmp_path: Path) -> None:
    for path in ("LICENSE", "pyproject.toml"):
        (tmp_path / path).write_text("text")
    with pytest.raises(Missing, match=r"has no data/: release from a complete copy"):
        contents.chosen_files(tmp_path, ("LICENSE", "data/"))


def test_what_git_does_not_know_is_refused(tmp_path: Path) -> None:
    (tmp_path / "LICENSE").write_text("text")
    done = run(tmp_path, "git", "init", "-q")
    if done.returncode != 0:
        pytest.skip("no git here")
    with pytest.raises(Missing, match="LICENSE would be released, but is unknown to git: `git add` it"):
        contents.chosen_files(tmp_path, ("LICENSE",))
    run(tmp_path, "git", "add", "LICENSE")
    assert set(contents.chosen_files(tmp_path, ("LICENSE",))) == {"LICENSE"}


def test_the_secret_is_in_the_archive_of_gradescope_only() -> None:
    for name, artefact in (("student", release().student), ("classroom", release().classroom)):
        assert not [path for path, file in artefact.items() if SECRET in file.content], name
    holders = [path for path, file in release().gradescope.items() if SECRET in file.content]
    assert holders == ["secret"] and release().gradescope["secret"].mode == 0o600
    assert PROJECT == "project"
