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
from grader.judge.short_run import HELD_OUT, IMAGES, LONGER, SMALL, USUAL
from grader.sandbox.submission import MAX_BYTES
from solution.handout import handout
from tests.wording import numbers

FOLDER = Path(__file__).parents[1] / "assignment"
TEXT = (FOLDER / "README.md").read_text(encoding="utf-8")
WORDS = " ".join(TEXT.split())
KINDS = ("shape", "value", "gradient", "statistics")
OFFERING = load_offering()


def row_of(name: str, page: str) -> str:
    """Return the second cell of the only row of a table that begins with this name."""
    (cell,) = re.findall(rf"^\| {name} \| (.*) \|$", page, re.MULTILINE)
    return str(cell)


def sentences(page: str) -> list[str]:
    """Return the sentences of a page, without line breaks."""
    return re.split(r"(?<=\.) ", " ".join(page.split()))


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
    sizes = ", ".join(f"{name}={size}" for name, size in USUAL.sizes.items())
    assert f"VAE({sizes})" in TEXT
    assert f"{IMAGES:,} to train on, {HELD_OUT} others to test on" in TEXT
    assert numbers(row_of("steps", TEXT)) == [str(USUAL.steps), str(USUAL.batch_size), str(USUAL.lr)]
    assert f"**{USUAL.threshold}**" in row_of("passes", TEXT)
    small = [SMALL.steps, SMALL.batch_size, SMALL.lr, SMALL.features, SMALL.threshold]
    assert numbers(row_of("before that", TEXT)) == [str(number) for number in small]
    assert [str(LONGER.steps), str(LONGER.threshold)] in map(numbers, sentences(TEXT))


def test_limits_are_the_offerings() -> None:
    limits = {name: round(value) for name, value in asdict(OFFERING.limits).items()}
    names = ("task_cpu_s", "task_wall_s", "training_cpu_s", "training_wall_s")
    assert [str(limits[name]) for name in names] in map(numbers, sentences(TEXT))
    of_training = [str(limits["training_cpu_s"]), str(limits["memory_mib"] // 1024)]
    assert numbers(row_of("limits", TEXT))[:2] == of_training
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
    text = made(limits=Limits(task_cpu_s=7, task_wall_s=9, training_cpu_s=33.5, memory_mib=1536))
    assert ["7", "9", "33.5", "120"] in map(numbers, sentences(text))
    assert numbers(row_of("limits", text))[:2] == ["33.5", "1.5"]
    assert "limit is 1.5 GiB" in " ".join(text.split())


def test_only_the_tasks_that_are_written_are_counted_and_ordered() -> None:
    parts: dict[str, Part] = dict.fromkeys(OFFERING.parts, "off")
    page = made(points={"mode": 3}, parts=parts | {"mode": "write", "encode": "given"})
    text = " ".join(page.split())
    assert "one such task" in text
    assert any(numbers(sentence) == ["3"] and "points" in sentence for sentence in sentences(page))
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
