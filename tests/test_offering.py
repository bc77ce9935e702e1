"""grader/offering.toml: what an instructor edits is checked, and a mistake is named with its line."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path

import pytest

from grader.judge.offering import OFFERING, TASKS, Late, OfferingError, load

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


def line_of(path: Path, beginning: str) -> int:
    """Return the number of the last line that begins so."""
    lines = path.read_text(encoding="utf-8").splitlines()
    return max(number for number, line in enumerate(lines, 1) if line.startswith(beginning))


def test_the_projects_own_offering_gives_the_agreed_points() -> None:
    offering = load()
    assert offering.points == POINTS
    assert list(offering.points) == [task.id for task in TASKS]
    assert sum(offering.points.values()) == 100


def test_its_limits_are_the_agreed_ones() -> None:
    limits = load().limits
    assert (limits["task_cpu_s"], limits["task_wall_s"]) == (20, 40)
    assert (limits["training_cpu_s"], limits["training_wall_s"]) == (60, 120)
    assert limits["submission_wall_s"] == 540
    assert limits["memory_mib"] == 3 * 1024


def test_points_and_limits_can_be_changed_in_the_file_alone(tmp_path: Path) -> None:
    path = edited(tmp_path, ("total = 100", "total = 20"), *((f"{t} = {p}", f"{t} = 1") for t, p in POINTS.items()))
    path.write_text(path.read_text(encoding="utf-8").replace("\nkl = 1", "\nkl = 8"), encoding="utf-8")
    assert load(path).points == {**dict.fromkeys(POINTS, 1), "kl": 8}


def test_as_it_is_shipped_nothing_is_late_and_the_last_attempt_counts() -> None:
    offering = load()
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
    assert load(path).late == Late(due, Decimal("2.5"), timedelta(minutes=90), 7)


def test_a_due_date_may_be_a_time_of_toml(tmp_path: Path) -> None:
    path = edited(tmp_path, ('due = ""', "due = 2026-12-01T23:59:00-08:00"))
    assert load(path).late.due == datetime(2026, 12, 2, 7, 59, tzinfo=UTC)


def test_attempts_and_the_wheel_index_are_read(tmp_path: Path) -> None:
    path = edited(
        tmp_path, ('counts = "last"', 'counts = "best"'), ('wheel_index = ""', 'wheel_index = "https://a.example/cpu"')
    )
    assert (load(path).attempts, load(path).wheel_index) == ("best", "https://a.example/cpu")


def test_an_offering_of_points_and_limits_alone_is_whole(tmp_path: Path) -> None:
    path = edited(tmp_path)
    path.write_text(path.read_text(encoding="utf-8").partition("\n[late]")[0], encoding="utf-8")
    assert load(path) == load()


def test_verdicts_depend_on_points_and_limits_alone(tmp_path: Path) -> None:
    before = load().decisive()
    assert load(edited(tmp_path, ('due = ""', 'due = "2026-12-01T23:59Z"'))).decisive() == before
    assert load(edited(tmp_path, ("task_cpu_s = 20", "task_cpu_s = 21"))).decisive() != before


REFUSED = {
    "a wrong key": (("kl = 10", "kll = 10"), "unknown key 'kll'", "kll ="),
    "a wrong key of the limits": (("task_cpu_s = 20", "task_cpu = 20"), "unknown key 'task_cpu'", "task_cpu ="),
    "a wrong table": (("[limits]", "[limit]"), "unknown key 'limit'", "[limit]"),
    "points that do not add up": (("kl = 10", "kl = 11"), "the points add up to 101, not to total = 100", "total ="),
    "half points": (("kl = 10", "kl = 9.5"), "kl must be a whole number of points, not 9.5", "kl ="),
    "points as text": (("kl = 10", 'kl = "10"'), "kl must be a whole number of points, not '10'", "kl ="),
    "points as a truth value": (("mode = 2", "mode = true"), "mode must be a whole number of points", "mode ="),
    "negative points": (("kl = 10", "kl = -10"), "kl must be a whole number of points, not -10", "kl ="),
    "a limit of zero": (("task_wall_s = 40", "task_wall_s = 0"), "task_wall_s must be a positive number", "task_wall_"),
    "a limit as text": (("file_mib = 256", 'file_mib = "256"'), "file_mib must be a positive number", "file_mib ="),
    "a due date without a zone": (('due = ""', 'due = "2026-12-01T23:59"'), "has no zone; write it as", "due ="),
    "a day without a time": (('due = ""', "due = 2026-12-01"), "due must be a time as text", "due ="),
    "a local time of TOML": (('due = ""', "due = 2026-12-01T23:59:00"), "has no zone; write it as", "due ="),
    "a due date that is none": (('due = ""', 'due = "soon"'), "due: 'soon' is no time; write it as", "due ="),
    "a due date as a number": (('due = ""', "due = 7"), "due must be a time as text, not 7", "due ="),
    "more than everything a day": (("percent_per_day = 0", "percent_per_day = 101"), "from 0 to 100, not 101", "perc"),
    "a reward for lateness": (("percent_per_day = 0", "percent_per_day = -1"), "from 0 to 100, not -1", "percent_"),
    "a percentage as text": (("percent_per_day = 0", 'percent_per_day = "10"'), "must be a number from 0", "percent_"),
    "a percentage that is none": (("percent_per_day = 0", "percent_per_day = nan"), "must be a number", "percent_"),
    "a negative grace": (("grace_hours = 0", "grace_hours = -1"), "grace_hours must be a number from 0", "grace_hours"),
    "a grace without end": (("grace_hours = 0", "grace_hours = inf"), "grace_hours must be a number", "grace_hours"),
    "half a day at most": (("most_days = 0", "most_days = 0.5"), "most_days must be a whole number of days", "most_d"),
    "a truth value of days": (("most_days = 0", "most_days = true"), "most_days must be a whole number", "most_days"),
    "a wrong key of the late policy": (("grace_hours = 0", "grace = 0"), "unknown key 'grace'; known are due", "grace"),
    "attempts of another kind": (
        ('counts = "last"', 'counts = "mean"'),
        "one of last, best, first, not 'mean'",
        "coun",
    ),
    "attempts as a list": (('counts = "last"', "counts = []"), "one of last, best, first, not []", "counts ="),
    "a wrong key of attempts": (('counts = "last"', 'count = "last"'), "unknown key 'count'", "count ="),
    "an index that is no text": (('wheel_index = ""', "wheel_index = 3"), "wheel_index must be an address", "wheel_i"),
    "an index of two lines": (('wheel_index = ""', 'wheel_index = "a\\nb"'), "must be an address", "wheel_index"),
    "an index and an option": (('wheel_index = ""', 'wheel_index = "a --b"'), "must be an address", "wheel_index"),
    "a wrong key of the release": (('wheel_index = ""', 'wheels = ""'), "unknown key 'wheels'", "wheels ="),
    "a key at home in another table": (
        ("[attempts]", "[attempts]\nkl = 1"),
        "unknown key 'kl'; known are counts",
        "kl = 1",
    ),
    "a limit that is no number": (("file_mib = 256", "file_mib = nan"), "file_mib must be a positive", "file_mib ="),
}


@pytest.mark.parametrize(("replacement", "message", "line"), REFUSED.values(), ids=REFUSED.keys())
def test_a_mistake_is_refused_with_its_line(
    tmp_path: Path, replacement: tuple[str, str], message: str, line: str
) -> None:
    path = edited(tmp_path, replacement)
    with pytest.raises(OfferingError) as refusal:
        load(path)
    assert message in str(refusal.value)
    assert f"{path}, line {line_of(path, line)}: " in str(refusal.value)
    assert "\n" not in str(refusal.value)


def test_a_missing_key_is_named(tmp_path: Path) -> None:
    for line, key in [("kl = 10", "kl"), ("task_cpu_s = 20", "task_cpu_s"), ("total = 100", "total")]:
        with pytest.raises(OfferingError, match=rf"{key} is missing"):
            load(edited(tmp_path, (line, "#")))


def test_a_key_is_found_however_toml_writes_it(tmp_path: Path) -> None:
    head, _, rest = edited(tmp_path).read_text(encoding="utf-8").partition("\n[late]")
    path = tmp_path / "other.toml"
    path.write_text(f'late."most_days" = -1\n{head}\n[attempts]{rest.partition("[attempts]")[2]}', encoding="utf-8")
    with pytest.raises(OfferingError, match="line 1: most_days must be a whole number"):
        load(path)


def test_a_table_that_is_none_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "offering.toml"
    path.write_text("total = 100\npoints = 100\nlimits = 3\n")
    with pytest.raises(OfferingError, match="a table is expected"):
        load(path)


def test_a_file_that_is_no_toml_or_is_missing_is_refused_in_one_line(tmp_path: Path) -> None:
    (tmp_path / "broken.toml").write_text("a = 1\nb = 2\n\nc = = 3\n")
    (tmp_path / "binary.toml").write_bytes(b"\xff\xfe\x00")
    for name, words in [("broken.toml", "line 4"), ("absent.toml", "No such file"), ("binary.toml", "utf-8")]:
        with pytest.raises(OfferingError, match=words) as refusal:
            load(tmp_path / name)
        assert name in str(refusal.value) and "\n" not in str(refusal.value)
