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


def test_the_notebook_runs_from_start_to_end(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """In a copy of what students have, with all tasks solved."""
    nbclient = pytest.importorskip("nbclient", reason="the extra `dev` brings it")
    skip = shutil.ignore_patterns("__pycache__", "results", "svhn", "downloads")
    for room in ("assignment", "data"):
        shutil.copytree(ROOT / room, tmp_path / room, ignore=skip)
    shutil.copy(ROOT / "solution" / "VAE_Model.py", tmp_path / "assignment")
    for name, value in TINY.items():
        monkeypatch.setenv(name, value)
    monkeypatch.delenv("PYTHONPATH", raising=False)

    notebook = nbformat.read(tmp_path / "assignment" / NOTEBOOK.name, as_version=4)
    resources = {"metadata": {"path": str(tmp_path / "assignment")}}
    nbclient.NotebookClient(notebook, timeout=120, kernel_name="python3", resources=resources).execute()

    outputs = {cell.id: cell.outputs for cell in notebook.cells if cell.cell_type == "code"}
    assert str(tmp_path) in outputs["find-course"][0].text
    assert "epoch   1/1   test: -ELBO" in outputs["train"][0].text
    assert "log-likelihood, K = 3" in "".join(output.text for output in outputs["log-likelihood"])
    for name in ("show-data", "curves", "reconstructions", "samples-figure", "interpolation-figure"):
        assert any("image/png" in output.get("data", {}) for output in outputs[name]), name
