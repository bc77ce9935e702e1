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
collect_ignore = ["own_checks"]  # checks of submissions, not tests of the project


def pytest_configure(config: pytest.Config) -> None:
    """In the project's own tests a warning is an error; in a grading run it must decide nothing."""
    config.addinivalue_line("filterwarnings", "error")


# Files whose tests start no sandbox and no other program, half a minute together.
QUICK = (
    "benchmarks", "causes", "cells", "class_exports", "class_names", "class_resume", "class_seeds", "compare",
    "data_loader", "data_mat", "drawings", "export_attempts", "export_canvas", "export_match", "export_moodle",
    "export_plain", "formula", "handout", "html", "junit", "layout", "memory", "normality", "offering", "oracles",
    "reading", "report", "scoring", "short_run", "skeleton", "statistics", "tables", "wire",
)  # fmt: skip


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Mark what is quick, before `-m` selects; leave tests marked slow or long for those who ask for them."""
    for item in items:
        if item.path.stem.removeprefix("test_") in QUICK:
            item.add_marker("quick")
    if not config.option.markexpr:
        left = [item for item in items if item.get_closest_marker("slow") or item.get_closest_marker("long")]
        config.hook.pytest_deselected(items=left)
        items[:] = [item for item in items if item not in left]


@pytest.fixture(scope="session")
def svhn_dir() -> Path:
    """The folder of real SVHN images, from $SVHN_DIR or ../shared/svhn; the test is skipped where there is none."""
    folder = Path(os.environ.get("SVHN_DIR", ROOT.parent / "shared" / "svhn"))
    if not any(folder.glob("*.mat")):
        pytest.skip("no real SVHN images here: set SVHN_DIR to a folder that holds some")
    return folder
