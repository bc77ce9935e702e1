"""The named offerings, released: what each artefact holds, and how students and Gradescope grade with it."""

import json
import re
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from grader.instructor.release import build, release_checks
from grader.instructor.release.build import Leaking, Release
from grader.instructor.release.contents import HANDOUT, NOTEBOOK, SKELETON, File, notebook_of
from grader.instructor.release.release_checks import NotProven, pieces
from grader.judge.offering import BY_ID, OFFERING, load_offering
from tests import autograder
from tests.releases import REFERENCE, ROOT, grading, release, run, unpacked
from tests.wording import lines_with
from tests.zoo.build import reference

NAMED = {path.stem: path for path in sorted((OFFERING.parent / "offerings").glob("*.toml"))}
LINES_OF_DECODE = "return DiagonalGaussianDistribution(self.decoder(z))"


def text(name: str, path: str) -> str:
    return release(NAMED[name]).student[path].content.decode()


def sections(handout: str) -> list[str]:
    return re.findall("^### Task `(\\w+)`$", handout, re.MULTILINE)


# ## What is in it
@pytest.mark.parametrize("name", NAMED)
def test_the_artefacts_hold_the_checks_of_the_tasks_that_are_written(name: str) -> None:
    graded = load_offering(NAMED[name]).graded
    artefacts = release(NAMED[name])
    for files in (artefacts.student, artefacts.gradescope, artefacts.classroom):
        held = {found[1] for path in files if (found := re.search(r"grader/test_(\w+)\.py$", path))}
        assert held == set(graded)
        (offering,) = (file for path, file in files.items() if path.endswith("grader/offering.toml"))
        assert offering.content == NAMED[name].read_bytes()


@pytest.mark.parametrize("name", NAMED)
def test_the_handout_states_the_tasks_and_points_of_the_offering(name: str) -> None:
    offering, handout = load_offering(NAMED[name]), text(name, HANDOUT)
    stated = re.findall(r"^\| \[`(\w+)`\]\(#(?:task|given)-\w+\) \| (\w+) \|", handout, re.MULTILINE)
    points = {task: str(points) for task, points in offering.points.items()}
    assert dict(stated) == points | dict.fromkeys(offering.of_part("given"), "given")
    assert f"worth {offering.total} points" in " ".join(handout.split())
    assert sections(handout) == [task for task in sections(text("full", HANDOUT)) if task in points]
    assert f"0 of {offering.total} points" in " ".join(text(name, "README.md").split())


def test_the_notebook_checks_tasks_that_are_written() -> None:
    full = load_offering(NAMED["full"])
    notebook = File((ROOT / NOTEBOOK).read_bytes())
    assert notebook_of(full, notebook) == notebook
    two = replace(
        full,
        parts={task: "write" if task in ("nll", "forward") else "given" for task in full.parts},
        points={"nll": 5, "forward": 15},
    )
    cells = json.loads(notebook_of(two, notebook).content)["cells"]
    checked = re.findall(r'check\("([^"]+)"\)', "".join(line for cell in cells for line in cell["source"]))
    assert {name for tasks in checked for name in tasks.split(" or ")} == {"nll", "forward"}


def test_a_task_that_is_off_is_not_mentioned() -> None:
    off = load_offering(NAMED["first_lab"]).of_part("off")
    for path in (HANDOUT, "README.md"):
        said = text("first_lab", path)
        assert not [task for task in off if re.search(rf"[Tt]ask `{task}`|-m {task}|#task-{task}", said)]
    assert "## Two networks" not in text("first_lab", HANDOUT)


@pytest.mark.parametrize("name", NAMED)
def test_links_in_the_handout_lead_to_its_headings(name: str) -> None:
    handout = re.sub(r"```.*?```", "", text(name, HANDOUT), flags=re.DOTALL)
    headings = re.findall(r"^#+ (.*)$", handout, re.MULTILINE)
    anchors = {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}
    assert set(re.findall(r"\]\(#([^)]+)\)", handout)) <= anchors


# ## What may not go out
def test_given_answers_are_released_and_all_others_are_not() -> None:
    course = load_offering(NAMED["course"])
    assert "nn.ConvTranspose2d(8 * features" in text("course", SKELETON)
    given = {form for form in pieces(reference()) if form not in pieces(reference(), course.graded)}
    assert given and any("ConvTranspose2d" in form for form in given)
    planted = {**release(NAMED["course"]).student, "data/hint.md": File(f"{LINES_OF_DECODE}\n".encode())}
    leaking = Release(planted, {}, {}, {}, {})
    with pytest.raises(Leaking, match=r"data/hint\.md in student\.zip contains a piece of the reference"):
        build.check_answers(leaking, reference(), course.graded)


def test_a_release_that_grades_another_task_is_refused() -> None:
    """A given task must not be graded."""
    course = load_offering(NAMED["course"])
    tasks = {task: {"status": "not attempted"} for task in BY_ID}
    with pytest.raises(NotProven, match=r"the tasks encoder, decoder, .* are graded, not sample"):
        release_checks.check_skeleton({"extra_data": {"score": 0, "max_score": 100, "tasks": tasks}}, course)


# ## How it grades
def test_students_cannot_ask_for_more_hints_or_for_other_tasks(tmp_path: Path) -> None:
    folder = unpacked(release(NAMED["first_lab"]).student, tmp_path / "student")
    command = (sys.executable, "-m", "pytest", "grader/")
    assert "unrecognized arguments: --hints=full" in run(folder, *command, "--hints=full").stderr
    (refusal,) = lines_with(run(folder, *command, "-m", "forward").stderr, "-m 'forward'")
    assert refusal.endswith(" sample, kl, nll, mode")


def graded(name: str, place: str, content: bytes, folder: Path) -> dict[str, Any]:
    """Return the results of a submission, in an unpacked student.zip or through Gradescope's script."""
    if place == "student.zip":
        (unpacked(release(NAMED[name]).student, folder / "student") / SKELETON).write_bytes(content)
        return grading(folder / "student")
    root = autograder.laid_out(folder / "autograder", {"VAE_Model.py": content}, NAMED[name])
    assert autograder.run(root, "run_autograder").returncode == 0
    return json.loads((root / "results" / "results.json").read_text(encoding="utf-8"))


@pytest.mark.slow
@pytest.mark.parametrize("place", ["student.zip", "Gradescope"])
@pytest.mark.parametrize("name", NAMED)
@pytest.mark.parametrize(("what", "status"), [("skeleton", "not attempted"), ("reference", "passed")])
def test_the_skeleton_has_no_points_and_the_reference_all(
    tmp_path: Path, name: str, place: str, what: str, status: str
) -> None:
    offering = load_offering(NAMED[name])
    content = release(NAMED[name]).student[SKELETON].content if what == "skeleton" else REFERENCE.read_bytes()
    results = graded(name, place, content, tmp_path)
    tasks = results["extra_data"]["tasks"]
    assert results["score"] == (0 if what == "skeleton" else offering.total)
    assert {task: entry["max_score"] for task, entry in tasks.items()} == offering.points
    assert {entry["status"] for entry in tasks.values()} == {status}
    assert results["extra_data"]["max_score"] == offering.total
