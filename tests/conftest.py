"""Fixtures of the project's own tests."""

import os
from pathlib import Path

import pytest
from jaxtyping import install_import_hook

import tests.typechecker  # noqa: F401 - jaxtyping looks it up by name

# Before torch: on a busy machine two threads mostly wait for each other.
os.environ.setdefault("OMP_NUM_THREADS", "1")


# Before anything imports them: every call's shapes and types are checked against the annotations.
install_import_hook(["data", "solution", "assignment", "grader.judge"], "tests.typechecker.check")

ROOT = Path(__file__).resolve().parents[1]


def pytest_configure(config: pytest.Config) -> None:
    """In the project's own tests a warning is an error; in a grading run it must decide nothing."""
    config.addinivalue_line("filterwarnings", "error")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave tests marked slow for those who ask for them: `pytest -m slow`, or any other -m."""
    if not config.option.markexpr:
        slow = [item for item in items if item.get_closest_marker("slow")]
        config.hook.pytest_deselected(items=slow)
        items[:] = [item for item in items if item not in slow]


@pytest.fixture(scope="session")
def svhn_dir() -> Path:
    """The folder of real SVHN images, from $SVHN_DIR or ../shared/svhn; the test is skipped where there is none."""
    folder = Path(os.environ.get("SVHN_DIR", ROOT.parent / "shared" / "svhn"))
    if not any(folder.glob("*.mat")):
        pytest.skip("no real SVHN images here: set SVHN_DIR to a folder that holds some")
    return folder
