"""grader/offering.toml: what an instructor edits is checked, and a mistake is named with its key and table."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path

import pytest

from grader.judge.late_policy import Late
from grader.judge.offering import OFFERING, TASKS, OfferingError, load_offering
from grader.sandbox.worker import Ceilings, WorkerLimits

NAMED = OFFERING.parent / "offerings"
POINTS = {
    "encoder": 5,
    "decoder": 7,
    "sample": 10,
    "kl": 10,
    "nll": 10,
    "mode": 2,
    "encode": 5,
    "decode": 5,
    "prior_sample": 6,
    "forward": 8,
    "log_likelihood": 16,
    "interpolate": 6,
    "training": 10,
}


def edited(folder: Path, *replacements: tuple[str, str]) -> Path:
    """Return the path of a copy of the project's offering with lines replaced."""
    text = OFFERING.read_text(encoding="utf-8")
    for old, new in replacements:
        assert text.count(f"\n{old}") == 1, f"the offering has no line that begins with {old!r}"
        text = text.replace(f"\n{old}", f"\n{new}")
    path = folder / "offering.toml"
    path.write_text(text, encoding="utf-8")
    return path


def given(task: str) -> tuple[str, str]:
    """Return the replacement that hands a task out."""
    return f"{task} = ", f'{task} = {{ part = "given" }} #'


def test_the_projects_own_offering_gives_the_agreed_points() -> None:
    offering = load_offering()
    assert offering.points == POINTS
    assert list(offering.points) == [task.id for task in TASKS]
    assert sum(offering.points.values()) == 100


def test_its_limits_are_the_agreed_ones() -> None:
    limits = load_offering().limits
    assert (limits.task_cpu_s, limits.task_wall_s) == (20, 40)
    assert (limits.training_cpu_s, limits.training_wall_s) == (60, 120)
    assert limits.submission_wall_s == 540
    assert limits.memory_mib == 3 * 1024


def test_sandboxes_that_are_tried_without_an_offering_have_its_limits() -> None:
    limits, mib = load_offering().limits, 1 << 20
    tried = WorkerLimits(
        limits.task_cpu_s, limits.task_wall_s, int(limits.memory_mib) * mib, int(limits.file_mib) * mib
    )
    together = Ceilings(
        int(limits.sandbox_memory_mib) * mib, int(limits.sandbox_threads), int(limits.sandbox_files_mib) * mib
    )
    assert (WorkerLimits(), Ceilings()) == (tried, together)


def test_points_and_limits_can_be_changed_in_the_file_alone(tmp_path: Path) -> None:
    points = {**dict.fromkeys(POINTS, 0.5), "kl": 14}
    lines = ((f"{task} = {{ points = {POINTS[task]}", f"{task} = {{ points = {n}") for task, n in points.items())
    assert load_offering(edited(tmp_path, ("total = 100", "total = 20"), *lines)).points == points


def test_as_it_is_shipped_nothing_is_late_and_the_last_attempt_counts() -> None:
    offering = load_offering()
    assert (offering.late, offering.attempts, offering.wheel_index) == (Late(), "last", "")


def test_a_late_policy_is_read(tmp_path: Path) -> None:
    path = edited(
        tmp_path,
        ('due = ""', 'due = "2026-12-01T23:59+01:00"'),
        ("percent_per_day = 0", "percent_per_day = 2.5"),
        ("grace_hours = 0", "grace_hours = 1.5"),
        ("most_days = 0", "most_days = 7"),
    )
    due = datetime(2026, 12, 1, 22, 59, tzinfo=UTC)
    assert load_offering(path).late == Late(due, Decimal("2.5"), timedelta(minutes=90), 7)


def test_a_due_date_may_be_a_time_of_toml(tmp_path: Path) -> None:
    path = edited(tmp_path, ('due = ""', "due = 2026-12-01T23:59:00-08:00"))
    assert load_offering(path).late.due == datetime(2026, 12, 2, 7, 59, tzinfo=UTC)


def test_attempts_and_the_wheel_index_are_read(tmp_path: Path) -> None:
    path = edited(
        tmp_path, ('counts = "last"', 'counts = "best"'), ('wheel_index = ""', 'wheel_index = "https://a.example/cpu"')
    )
    assert (load_offering(path).attempts, load_offering(path).wheel_index) == ("best", "https://a.example/cpu")


def test_an_offering_of_tasks_alone_is_whole(tmp_path: Path) -> None:
    path = edited(tmp_path, ("hints", "#"))
    path.write_text(path.read_text(encoding="utf-8").partition("\n[limits]")[0], encoding="utf-8")
    assert load_offering(path) == load_offering() == load_offering(NAMED / "full.toml")


# ## Which tasks students write
def test_the_named_offerings_are_what_they_are_called() -> None:
    course, first_lab = (load_offering(NAMED / f"{name}.toml") for name in ("course", "first_lab"))
    assert (course.of_part("given"), course.of_part("off")) == (("encoder", "decoder"), ())
    assert course.graded == tuple(POINTS)[2:]
    assert (first_lab.graded, first_lab.of_part("given")) == (("sample", "kl", "nll", "mode"), ())
    assert {path.stem for path in NAMED.iterdir()} == {"full", "course", "first_lab"}


def test_the_example_in_the_readme_is_an_offering(tmp_path: Path) -> None:
    page = (OFFERING.parent / "README.md").read_text(encoding="utf-8")
    path = tmp_path / "example.toml"
    path.write_text(page.partition("\n## An offering\n")[2].partition("```toml\n")[2].partition("```")[0])
    offering = load_offering(path)
    assert (offering.points, offering.of_part("given")) == ({"sample": 8, "kl": 12}, ("nll", "mode"))


def test_points_are_those_of_the_tasks_that_are_written(tmp_path: Path) -> None:
    path = edited(tmp_path, ("total = 100", "total = 88"), given("mode"), ("nll = { points = 10", "nll = { points = 0"))
    offering = load_offering(path)
    assert "mode" not in offering.points and offering.total == 88
    assert "nll" in offering.graded, "a task without points is checked and explained, and worth nothing"
    assert offering.parts["mode"] == "given"


def test_verdicts_depend_on_the_parts(tmp_path: Path) -> None:
    before = load_offering(edited(tmp_path, ("total = 100", "total = 98"), given("mode"))).decisive()
    off = edited(tmp_path, ("total = 100", "total = 98"), ("mode = ", 'mode = { part = "off" } #'))
    assert load_offering(off).decisive() != before


def test_verdicts_depend_on_points_and_limits_alone(tmp_path: Path) -> None:
    before = load_offering().decisive()
    assert load_offering(edited(tmp_path, ('due = ""', 'due = "2026-12-01T23:59Z"'))).decisive() == before
    assert load_offering(edited(tmp_path, ("task_cpu_s = 20", "task_cpu_s = 21"))).decisive() != before


REFUSED = {
    "a wrong key": (("kl = ", "kll = "), "[tasks] kll is unknown; the known keys are encoder"),
    "a wrong key of the limits": (
        ("task_cpu_s = 20", "task_cpu = 20"),
        "[limits] task_cpu is unknown; the known keys are task_cpu_s",
    ),
    "a wrong table": (("[limits]", "[limit]"), "[limit] is unknown; the known keys are total, hints, tasks, limits"),
    "points that do not add up": (
        ("kl = { points = 10", "kl = { points = 11"),
        "total is 100, but the points add up to 101: change one",
    ),
    "third points": (
        ("kl = { points = 10", "kl = { points = 9.3"),
        "[tasks] kl needs whole or half points, such as 7 or 7.5, not 9.3",
    ),
    "points as text": (
        ("kl = { points = 10", 'kl = { points = "10"'),
        "[tasks] kl needs whole or half points, such as 7 or 7.5, not '10'",
    ),
    "points as a truth value": (
        ("mode = { points = 2", "mode = { points = true"),
        "[tasks] mode needs whole or half points",
    ),
    "negative points": (
        ("kl = { points = 10", "kl = { points = -10"),
        "[tasks] kl needs whole or half points, such as 7 or 7.5, not -10",
    ),
    "a limit of zero": (("task_wall_s = 40", "task_wall_s = 0"), "[limits] task_wall_s must be a positive number"),
    "a limit as text": (("file_mib = 256", 'file_mib = "256"'), "[limits] file_mib must be a positive number"),
    "a due date without a zone": (('due = ""', 'due = "2026-12-01T23:59"'), "has no time zone; write it like"),
    "a day without a time": (('due = ""', "due = 2026-12-01"), "[late] due must be a time as text"),
    "a local time of TOML": (('due = ""', "due = 2026-12-01T23:59:00"), "has no time zone; write it like"),
    "a due date that is none": (
        ('due = ""', 'due = "soon"'),
        "[late] due is not a due date: 'soon' is not a time; write it like",
    ),
    "a due date as a number": (('due = ""', "due = 7"), "[late] due must be a time as text, not 7"),
    "more than everything a day": (("percent_per_day = 0", "percent_per_day = 101"), "from 0 to 100, not 101"),
    "a reward for lateness": (("percent_per_day = 0", "percent_per_day = -1"), "from 0 to 100, not -1"),
    "a percentage as text": (("percent_per_day = 0", 'percent_per_day = "10"'), "must be a number from 0"),
    "a percentage that is none": (("percent_per_day = 0", "percent_per_day = nan"), "must be a number"),
    "a negative grace": (("grace_hours = 0", "grace_hours = -1"), "[late] grace_hours must be a number from 0"),
    "a grace without end": (("grace_hours = 0", "grace_hours = inf"), "[late] grace_hours must be a number"),
    "half a day at most": (("most_days = 0", "most_days = 0.5"), "[late] most_days must be a whole number of days"),
    "a truth value of days": (("most_days = 0", "most_days = true"), "[late] most_days must be a whole number"),
    "a wrong key of the late policy": (
        ("grace_hours = 0", "grace = 0"),
        "[late] grace is unknown; the known keys are due",
    ),
    "attempts of another kind": (('counts = "last"', 'counts = "mean"'), "one of last, best, first, not 'mean'"),
    "attempts as a list": (('counts = "last"', "counts = []"), "one of last, best, first, not []"),
    "a wrong key of attempts": (('counts = "last"', 'count = "last"'), "[attempts] count is unknown"),
    "an index that is no text": (('wheel_index = ""', "wheel_index = 3"), "[release] wheel_index must be an address"),
    "an index of two lines": (('wheel_index = ""', 'wheel_index = "a\\nb"'), "must be an address"),
    "an index and an option": (('wheel_index = ""', 'wheel_index = "a --b"'), "must be an address"),
    "a wrong key of the release": (('wheel_index = ""', 'wheels = ""'), "[release] wheels is unknown"),
    "a key at home in another table": (
        ("[attempts]", "[attempts]\nkl = 1"),
        "[attempts] kl is unknown; the known keys are counts",
    ),
    "a limit that is no number": (("file_mib = 256", "file_mib = nan"), "[limits] file_mib must be a positive"),
    "points as before": (
        ("[tasks]", "[points]"),
        '[points] is called [tasks] now: write kl = { points = 10 }, { part = "given"',
    ),
    "a task as a number": (("kl = ", "kl = 10 #"), "[tasks] kl must be { points = 10 }"),
    "a wrong key of a task": (("kl = { points", "kl = { point"), "[tasks] kl must be { points = 10 }"),
    "another part": (
        ("kl = ", 'kl = { part = "done" } #'),
        "[tasks] kl needs a part that is one of write, given, off, not 'done'",
    ),
    "no points": (("kl = ", "kl = {} #"), "[tasks] kl has no points: write kl = { points = 10 }"),
    "points for what is given": (
        ("kl = ", 'kl = { points = 10, part = "given" } #'),
        '[tasks] kl is given and so not graded: remove its points, or write part = "write"',
    ),
    "a part without code": (
        ("training = ", 'training = { part = "given" } #'),
        '[tasks] training has no code that could be given: write training = { part = "off" }',
    ),
    "other hints": (('hints = "full"', 'hints = "all"'), "hints must be one of full, short, none, not 'all'"),
}


@pytest.mark.parametrize(("replacement", "message"), REFUSED.values(), ids=REFUSED.keys())
def test_a_mistake_is_refused_with_its_key(tmp_path: Path, replacement: tuple[str, str], message: str) -> None:
    path = edited(tmp_path, replacement)
    with pytest.raises(OfferingError) as refusal:
        load_offering(path)
    assert str(refusal.value).startswith(f"{path}: ")
    assert message in str(refusal.value) and "\n" not in str(refusal.value)


@pytest.mark.parametrize(
    ("replacement", "line"),
    [
        (("kl = { points = 10", "kl = { points = -1"), "kl = "),
        (("total = 100", "total = 99"), "total = "),
        (("[late]", "[later]"), "[later]"),
        (("file_mib = 256", "file_mib = 0"), "file_mib = "),
    ],
)
def test_a_mistake_is_named_with_its_line(tmp_path: Path, replacement: tuple[str, str], line: str) -> None:
    path = edited(tmp_path, replacement)
    number = next(i for i, text in enumerate(path.read_text().splitlines(), start=1) if text.startswith(line))
    with pytest.raises(OfferingError, match=rf"offering.toml: line {number}: "):
        load_offering(path)


@pytest.mark.parametrize(
    ("written", "message"),
    [
        ({}, "line 2: [tasks] leaves nothing to write: at least one task needs part"),
        ({"interpolate": 5, "training": 5}, "line 15: [tasks] training would pass without any work, as all code that"),
    ],
)
def test_tasks_that_make_no_sense_together_are_refused(tmp_path: Path, written: dict[str, int], message: str) -> None:
    lines = dict.fromkeys(POINTS, '{ part = "off" }') | {task: f"{{ points = {n} }}" for task, n in written.items()}
    path = tmp_path / "offering.toml"
    path.write_text("\n".join(["total = 10", "[tasks]", *(f"{task} = {how}" for task, how in lines.items())]))
    with pytest.raises(OfferingError) as refusal:
        load_offering(path)
    assert message in str(refusal.value)


def test_a_missing_key_is_named(tmp_path: Path) -> None:
    for line, key in [("kl = ", "kl"), ("total = 100", "total")]:
        with pytest.raises(OfferingError, match=rf"{key} is missing"):
            load_offering(edited(tmp_path, (line, "#")))


def test_a_table_that_is_none_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "offering.toml"
    path.write_text("total = 100\ntasks = {}\nlimits = 3\n")
    with pytest.raises(OfferingError, match="must be a table"):
        load_offering(path)


def test_a_file_that_is_no_toml_or_is_missing_is_refused_in_one_line(tmp_path: Path) -> None:
    (tmp_path / "broken.toml").write_text("a = 1\nb = 2\n\nc = = 3\n")
    (tmp_path / "binary.toml").write_bytes(b"\xff\xfe\x00")
    for name, words in [("broken.toml", "line 4"), ("absent.toml", "No such file"), ("binary.toml", "utf-8")]:
        with pytest.raises(OfferingError, match=words) as refusal:
            load_offering(tmp_path / name)
        assert name in str(refusal.value) and "\n" not in str(refusal.value)


def test_a_whole_total_of_half_points_is_shown_without_a_fraction() -> None:
    halves = replace(load_offering(), points={"sample": 3.5, "kl": 12, "nll": 4.5})
    assert (str(halves.total), halves.example) == ("20", "kl")
    assert replace(halves, points={"sample": 3.5}).example == "sample"
