"""The tutorial notebook: clean as committed, and it runs from the first cell to the last."""

import shutil
from pathlib import Path
from typing import Any

import nbformat
import pytest

ROOT = Path(__file__).parents[1]
NOTEBOOK = ROOT / "assignment" / "Getting_Started_With_VAE.ipynb"
TINY = {
    "VAE_SOURCE": "sample",
    "VAE_LIMIT": "64",
    "VAE_EPOCHS": "1",
    "VAE_FEATURES": "4",
    "VAE_Z_DIM": "4",
    "VAE_K": "3",
    "VAE_COURSE_FOLDER": "",
    "OMP_NUM_THREADS": "1",
}


@pytest.fixture(scope="module")
def notebook() -> Any:
    return nbformat.read(NOTEBOOK, as_version=4)


def test_the_notebook_is_valid_and_carries_no_results(notebook: Any) -> None:
    nbformat.validate(notebook)
    for cell in notebook.cells:
        if cell.cell_type == "code":
            assert cell.outputs == [], cell.id
            assert cell.execution_count is None, cell.id


def test_cells_are_named_by_what_they_are_about(notebook: Any) -> None:
    """Names that people gave stay the same in every commit; names that a program gave would not."""
    names = [cell.id for cell in notebook.cells]
    assert len(set(names)) == len(names)
    assert all(name.replace("-", "").isalpha() for name in names)


def test_nothing_about_the_authors_computer_is_in_the_metadata(notebook: Any) -> None:
    assert set(notebook.metadata) == {"kernelspec", "language_info"}
    assert notebook.metadata.kernelspec.name == "python3"
    assert all(set(cell.metadata) <= {"tags"} for cell in notebook.cells)


@pytest.fixture
def tiny(monkeypatch: pytest.MonkeyPatch) -> None:
    """Settings with which the notebook runs in seconds."""
    for name, value in TINY.items():
        monkeypatch.setenv(name, value)
    monkeypatch.delenv("PYTHONPATH", raising=False)


def copy_course(folder: Path) -> Path:
    """Copy what students have into a folder, and return it."""
    skip = shutil.ignore_patterns("__pycache__", "results", "svhn", "downloads", "instructor", "platforms")
    for room in ("assignment", "data", "grader"):
        shutil.copytree(ROOT / room, folder / room, ignore=skip)
    shutil.copy(ROOT / "setup.cfg", folder)
    return folder


def run(file: Path, folder: Path) -> dict[str, Any]:
    """Run a notebook in a folder; return the outputs by cell."""
    nbclient = pytest.importorskip("nbclient", reason="the extra `dev` brings it")
    notebook = nbformat.read(file, as_version=4)
    resources = {"metadata": {"path": str(folder)}}
    nbclient.NotebookClient(notebook, timeout=120, kernel_name="python3", resources=resources).execute()
    return {cell.id: cell.outputs for cell in notebook.cells if cell.cell_type == "code"}


def check(outputs: dict[str, Any]) -> None:
    """Look whether all went through: numbers and pictures."""
    assert "epoch   1/1   test: -ELBO" in outputs["train"][0].text
    assert "kl                     10 / 10   passed" in outputs["check-task"][0].text
    assert "log-likelihood, K = 3" in "".join(output.text for output in outputs["log-likelihood"])
    for name in ("show-data", "curves", "reconstructions", "samples-figure", "interpolation-figure"):
        assert any("image/png" in output.get("data", {}) for output in outputs[name]), name


@pytest.mark.slow
@pytest.mark.usefixtures("tiny")
def test_the_notebook_runs_from_start_to_end(tmp_path: Path) -> None:
    """In a copy of what students have, with all tasks solved."""
    course = copy_course(tmp_path)
    shutil.copy(ROOT / "solution" / "VAE_Model.py", course / "assignment")
    outputs = run(course / "assignment" / NOTEBOOK.name, course / "assignment")
    assert f"course folder: {tmp_path}" in outputs["find-course"][0].text
    check(outputs)


COLAB = """
from pathlib import Path

def upload():
    contents = {path.name: path.read_bytes() for path in Path(__file__).with_name("chosen").iterdir()}
    for name, content in contents.items():
        Path(name).write_bytes(content)  # as Colab does: into the folder of the notebook, too
    return contents
"""


@pytest.mark.slow
@pytest.mark.usefixtures("tiny")
def test_in_colab_it_asks_for_the_course_and_the_students_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """In a folder that holds nothing, with a stand-in for google.colab whose upload hands over two files."""
    colab = tmp_path / "site" / "google" / "colab"
    (colab / "chosen").mkdir(parents=True)
    (colab / "__init__.py").touch()
    (colab / "files.py").write_text(COLAB, encoding="utf-8")
    course = copy_course(tmp_path / "handed-out" / "vae-assignment")
    shutil.make_archive(str(colab / "chosen" / "student"), "zip", course.parent)
    shutil.copy(ROOT / "solution" / "VAE_Model.py", colab / "chosen" / "VAE_Model (1).py")
    shutil.rmtree(course.parent)
    content = tmp_path / "content"
    content.mkdir()
    monkeypatch.setenv("PYTHONPATH", str(tmp_path / "site"))

    outputs = run(NOTEBOOK, content)

    assert f"course folder: {content}/course/vae-assignment" in outputs["find-course"][0].text
    check(outputs)
