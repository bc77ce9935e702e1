"""The handout states what the grader does: points, shares, limits, the short run and the words of the report."""

import importlib
import re
from collections import defaultdict
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import pytest

from grader.judge.offering import TASKS, Limits, Part, load_offering
from grader.judge.result import Hints
from grader.judge.short_run import HELD_OUT, IMAGES, LONGER, LONGER_THRESHOLD, SETTINGS, SIZES, STEPS, THRESHOLD
from grader.sandbox.submission import MAX_BYTES
from solution.handout import handout

FOLDER = Path(__file__).parents[1] / "assignment"
TEXT = (FOLDER / "README.md").read_text(encoding="utf-8")
WORDS = " ".join(TEXT.split())
KINDS = ("shape", "value", "gradient", "statistics")
OFFERING = load_offering()


def shares(task: str) -> dict[str, int]:
    """Return the percent of a task's points by kind of check, as written in grader/test_<task>.py."""
    found: dict[str, int] = defaultdict(int)
    for name, function in vars(importlib.import_module(f"grader.test_{task}")).items():
        if name.startswith("test_"):
            (mark,) = (mark for mark in function.pytestmark if mark.name == "check")
            found[mark.kwargs["kind"]] += mark.kwargs["share"]
    return dict(found)


@pytest.mark.parametrize("task", [task.id for task in TASKS])
def test_points_and_shares_are_the_graders(task: str) -> None:
    (row,) = re.findall(rf"^\| \[`{task}`\]\(#task-{task}\) (.*)\|$", TEXT, re.MULTILINE)
    points, *percents = (cell.strip() for cell in row.strip("| ").split("|"))
    percents += [""] * (len(KINDS) - len(percents))
    assert int(points) == OFFERING.points[task]
    stated = {kind: int(percent.split()[0]) for kind, percent in zip(KINDS, percents, strict=True) if percent}
    assert stated == shares(task)


def test_every_task_has_a_section_named_by_its_id() -> None:
    headings = re.findall(r"^#+ Task `(\w+)`$", TEXT, re.MULTILINE)
    assert sorted(headings) == sorted(task.id for task in TASKS)


def test_the_short_run_is_the_graders() -> None:
    sizes = ", ".join(f"{name}={size}" for name, size in SIZES.items())
    assert f"VAE({sizes})" in TEXT
    assert f"{IMAGES:,} to train on, {HELD_OUT} others to test on" in TEXT
    assert f"{STEPS} steps of Adam" in TEXT and f"for {LONGER} steps, and then has to reach {LONGER_THRESHOLD}" in TEXT
    assert f"batch size {SETTINGS['batch_size']}, learning rate {SETTINGS['lr']}" in TEXT
    assert f"a gap of at least **{THRESHOLD}**" in TEXT


def test_limits_are_the_offerings() -> None:
    limits = {name: round(value) for name, value in asdict(OFFERING.limits).items()}
    assert f"{limits['task_cpu_s']} seconds of CPU time ({limits['task_wall_s']} seconds of wall-clock time)" in WORDS
    assert f"`training` {limits['training_cpu_s']} ({limits['training_wall_s']} seconds of wall-clock time)" in WORDS
    assert f"{limits['training_cpu_s']} seconds of CPU time on one core" in WORDS
    assert f"memory limit is {limits['memory_mib'] // 1024} GiB" in WORDS
    assert MAX_BYTES == 1 << 20 and "at most 1 MiB" in WORDS


def test_every_status_is_explained() -> None:
    for status in ("passed", "not attempted", "failed", "crashed", "timed out", "out of memory"):
        assert f"\n| {status} | " in TEXT


def test_links_lead_somewhere() -> None:
    anchors = {
        re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-")
        for heading in re.findall(r"^#+ (.*)$", re.sub(r"```.*?```", "", TEXT, flags=re.DOTALL), re.MULTILINE)
    }
    for target in re.findall(r"\]\(([^)]+)\)", TEXT):
        if target.startswith("#"):
            assert target[1:] in anchors, target
        elif not target.startswith("http"):
            assert (FOLDER / target).exists(), target


def test_the_example_of_a_report_names_checks_that_exist() -> None:
    (example,) = re.findall(r"```text\n(.*?)```", TEXT, re.DOTALL)
    titles = {f.__doc__ for f in vars(importlib.import_module("grader.test_kl")).values() if hasattr(f, "pytestmark")}
    shown = re.findall(r"^(?:kl: |    - )(.*?)(?: \((?:passed|failed)\))?$", example, re.MULTILINE)
    assert len(shown) >= 4
    assert all(title in titles for title in shown if not title.startswith(("these ", "follows from")))


# ## Of other offerings
def made(**changes: Any) -> str:
    return handout(replace(OFFERING, **changes), lines=60)


def test_it_is_what_the_template_makes() -> None:
    assert made() == TEXT, "run python -m solution.skeleton"


def test_other_limits_are_stated() -> None:
    text = " ".join(made(limits=Limits(task_cpu_s=7, task_wall_s=9, training_cpu_s=33.5, memory_mib=1536)).split())
    assert "7 seconds of CPU time (9 seconds of wall-clock time), `training` 33.5 (120 seconds" in text
    assert "33.5 seconds of CPU time on one core and 1.5 GiB of memory" in text and "limit is 1.5 GiB" in text


def test_only_the_tasks_that_are_written_are_counted_and_ordered() -> None:
    parts: dict[str, Part] = dict.fromkeys(OFFERING.parts, "off")
    text = " ".join(made(points={"mode": 3}, parts=parts | {"mode": "write", "encode": "given"}).split())
    assert "There is one such task. Together they are worth 3 points." in text
    assert "TODO: mode" in text and "-m mode" in text and "### Given: `encode`" in text
    assert not any(
        words in text for words in ("-m kl", "A good order", "not training", "### Task `kl`", "Two networks")
    )


@pytest.mark.parametrize(("hints", "shown"), [("full", 7), ("short", 1), ("none", 0)])
def test_the_report_is_described_as_the_hints_allow(hints: Hints, shown: int) -> None:
    text = made(hints=hints)
    labels = ("expected", "got", "deviation", "computes", "smallest", "hint")
    (example,) = re.findall(r"```text\n(.*?)```", text, re.DOTALL)
    described = [label for label in labels if re.search(rf"^    {label} ", example, re.MULTILINE)]
    assert len(described) + example.count("print(") == shown
    assert ("* `computes`" in text, "A `hint`" in text) == (hints == "full", hints != "none")
