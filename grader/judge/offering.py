"""One offering of the course: its tasks in the order of the handout, and grader/offering.toml, read and checked."""

import ast
import json
import math
import re
import tomllib
from dataclasses import asdict, dataclass, field, fields, replace
from datetime import datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any, Literal, cast, get_args

from .late_policy import Late, moment
from .result import Hints

_METHODS = ("sample", "kl", "nll", "mode")
_MODEL = ("distribution", *_METHODS, "decoder", "encoder", "vae", "encode", "decode", "prior_sample")


@dataclass(frozen=True)
class Task:
    """One task.

    Attributes:
        id: pytest marker, section of the handout and name in every report.
        what: What the student writes, in a few words.
        leans_on: Stand-ins (right replacements of other tasks) that its worker installs, in this order.
    """

    id: str
    what: str
    leans_on: tuple[str, ...] = ()


def _all_but(task: str, names: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(name for name in names if name != task)


_BUILT_IN = (
    Task("encoder", "Encoder", ("decoder",)),
    Task("decoder", "Decoder", ("encoder",)),
    Task("sample", "DiagonalGaussianDistribution.sample", _all_but("sample", _METHODS)),
    Task("kl", "DiagonalGaussianDistribution.kl", _all_but("kl", _METHODS)),
    Task("nll", "DiagonalGaussianDistribution.nll", _all_but("nll", _METHODS)),
    Task("mode", "DiagonalGaussianDistribution.mode", _all_but("mode", _METHODS)),
    Task("encode", "VAE.encode", _all_but("encode", _MODEL)),
    Task("decode", "VAE.decode", _all_but("decode", _MODEL)),
    Task("prior_sample", "VAE.sample", _all_but("prior_sample", _MODEL)),
    Task("forward", "VAE.forward", _MODEL),
    Task("log_likelihood", "VAE.log_likelihood", _MODEL),
    Task("interpolate", "interpolate", _MODEL),
    Task("training", "the whole file trains"),
)

OFFERING = Path(__file__).resolve().parents[1] / "offering.toml"


def own_task(file: Path) -> Task:
    """Return the task of an instructor's own file of checks, test_<id>.py.

    The file may define LEANS_ON, a tuple of the names of stand-ins; by default, all other parts are replaced. A file
    that Python cannot read is reported when its checks are collected.
    """
    leans_on: tuple[str, ...] = _MODEL
    try:
        for node in ast.parse(file.read_bytes()).body:
            if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "LEANS_ON":
                leans_on = tuple(name for name in _MODEL if name in ast.literal_eval(node.value))
    except (OSError, SyntaxError, ValueError, TypeError):
        pass
    return Task(file.stem.removeprefix("test_"), "an instructor's own question", leans_on)


def _own_tasks() -> tuple[Task, ...]:
    """Return the tasks whose checks `--checks` has put beside the grader's own; somebody's plain tests are none."""
    built_in = {f"test_{task.id}.py" for task in _BUILT_IN}
    files = [file for file in sorted(OFFERING.parent.glob("test_*.py")) if file.name not in built_in]
    return tuple(own_task(file) for file in files if b"grader.judge.check" in file.read_bytes())


TASKS = (*_BUILT_IN, *_own_tasks())
BY_ID = {task.id: task for task in TASKS}
OWN = frozenset(BY_ID) - {task.id for task in _BUILT_IN}
"""Ids of an instructor's own tasks."""


_TRAINED = ("encoder", "decoder", *_METHODS, "encode", "decode", "forward")
"""The tasks whose code the short training run needs."""

Part = Literal["write", "given", "off"]
Counts = Literal["last", "best", "first"]


class OfferingError(ValueError):
    """The offering is invalid; the message names the file, the line and the key, and says what to write."""


@dataclass(frozen=True)
class Limits:
    """What a submission may use; offering.toml says what each limit is for.

    Attributes:
        task_cpu_s, task_wall_s: Seconds for a task, including the import of the file.
        training_cpu_s, training_wall_s: Seconds for the short training run.
        submission_wall_s: Seconds for all tasks together.
        memory_mib, file_mib: Memory of one worker; the largest file that it may write.
        sandbox_memory_mib, sandbox_threads, sandbox_files_mib: For a worker together with all processes that it starts.
    """

    task_cpu_s: float = 20.0
    task_wall_s: float = 40.0
    training_cpu_s: float = 60.0
    training_wall_s: float = 120.0
    submission_wall_s: float = 540.0
    memory_mib: float = 3072.0
    file_mib: float = 256.0
    sandbox_memory_mib: float = 4096.0
    sandbox_threads: float = 256.0
    sandbox_files_mib: float = 256.0


_TABLES = {
    "tasks": tuple(BY_ID),
    "limits": tuple(limit.name for limit in fields(Limits)),
    "late": ("due", "percent_per_day", "grace_hours", "most_days"),
    "attempts": ("counts",),
    "release": ("wheel_index",),
}
"""The tables and their keys. [tasks] names every task; all other keys are optional: see `Offering` for the defaults."""


@dataclass(frozen=True)
class Offering:
    """What an instructor sets.

    Attributes:
        points: By id, for the tasks that students write, in the order of the handout; whole or half points.
        parts: By id, for all tasks: whether students write it, get it solved, or get it solved and do not hear of it.
        kept: Ids of an instructor's own tasks whose checks students do not get.
        limits: What a submission may use.
        hints: How much a report tells a student; reports for instructors always have everything.
        late: The late policy.
        attempts: Which of a student's attempts counts.
        wheel_index: Index from which a release installs PyTorch; empty for pip's default.
    """

    points: dict[str, float]
    parts: dict[str, Part]
    kept: tuple[str, ...] = ()
    limits: Limits = field(default_factory=Limits)
    hints: Hints = "full"
    late: Late = field(default_factory=Late)
    attempts: Counts = "last"
    wheel_index: str = ""

    @property
    def graded(self) -> tuple[str, ...]:
        """Ids of the tasks that students write; all others are handed out solved and never graded."""
        return tuple(self.points)

    @property
    def total(self) -> float:
        """The points of all tasks together."""
        return _whole_if_it_is(sum(self.points.values()))

    @property
    def example(self) -> str:
        """The task that pages take as an example."""
        return "kl" if "kl" in self.points else self.graded[0]

    def for_students(self) -> "Offering":
        """Return the offering as students grade with it: without the tasks whose checks they do not get."""
        return replace(self, points={task: points for task, points in self.points.items() if task not in self.kept})

    def of_part(self, part: Part) -> tuple[str, ...]:
        """Return the ids of the tasks that are written, given or off, in the order of the handout."""
        return tuple(task for task, chosen in self.parts.items() if chosen == part)

    def decisive(self) -> str:
        """Return, as text, the part that verdicts depend on: after a new due date, no grading has to be repeated."""
        settings = {"points": self.points, "parts": self.parts, "limits": asdict(self.limits)}
        return json.dumps(settings, sort_keys=True)


class _Mistake(ValueError):  # noqa: N818
    """A mistake in the file. Table and key lead to its line; either is "" if the mistake is not in one."""

    def __init__(self, table: str, key: str, what: str):
        super().__init__(" ".join(part for part in (f"[{table}]" if table else "", key, what) if part))
        self.table, self.key = table, key


def load_offering(path: Path = OFFERING) -> Offering:
    """Read and check an offering.

    Raises:
        OfferingError: The file cannot be read, a key is unknown or missing, a value is invalid, or the points do not
            add up to the stated total.
    """
    text = ""
    try:
        text = path.read_text(encoding="utf-8")
        return _offering(tomllib.loads(text))
    except _Mistake as mistake:
        line = _line_of(text, mistake.table, mistake.key)
        raise OfferingError(f"{path}: {f'line {line}: ' if line else ''}{mistake}") from None
    except (OSError, ValueError) as error:
        raise OfferingError(f"{path}: {error}") from None


def _line_of(text: str, table: str, key: str) -> int:
    """Return the line, counted from 1, of a key, else of the head of its table; 0 if the file has neither."""
    inside, head = not table, 0
    for number, line in enumerate(text.splitlines(), start=1):
        if found := re.match(r"\s*\[\s*([\w-]+)\s*\]", line):
            inside = found[1] == table
            head = number if inside else head
        elif inside and re.match(rf"""\s*["']?{re.escape(key)}["']?\s*=""", line):
            return number
    return head


def _offering(content: dict[str, Any]) -> Offering:
    _check_keys(content)
    tasks = content["tasks"]
    kept = tuple(task for task, settings in tasks.items() if _is_kept(task, settings))
    parts = {task: _part(task, tasks[task]) for task in BY_ID}
    points = {task: _points(task, tasks[task]) for task, part in parts.items() if part == "write"}
    # Where the checks of a task were kept back, it is not graded, and the total still has its points.
    _check_tasks(points | {task: _points(task, tasks[task]) for task in kept}, parts, content["total"])
    return Offering(
        points,
        parts,
        kept,
        _limits(content.get("limits", {})),
        _one_of("", "hints", content.get("hints", "full"), Hints),
        _late(**content.get("late", {})),
        _one_of("attempts", "counts", content.get("attempts", {}).get("counts", "last"), Counts),
        _wheel_index(**content.get("release", {})),
    )


def _check_keys(content: dict[str, Any]) -> None:
    known = ("total", "hints", *_TABLES)
    for key, value in content.items():
        if key == "points":
            raise _Mistake("points", "", f"is called [tasks] now: write kl = {_WAYS}")
        if key not in known:
            table, name = (key, "") if isinstance(value, dict) else ("", key)
            raise _Mistake(table, name, f"is unknown; the known keys are {', '.join(known)}")
    for key in ("total", "tasks"):
        if key not in content:
            raise _Mistake("", key, "is missing")
    for name, keys in _TABLES.items():
        table = content.get(name, {})
        if not isinstance(table, dict):
            raise _Mistake("", name, f"must be a table, [{name}], with the keys {', '.join(keys)}")
        for key, value in table.items():
            if key not in keys and not (name == "tasks" and _is_kept(key, value)):
                own = "; a question of your own also needs --checks" if name == "tasks" else ""
                raise _Mistake(name, key, f"is unknown; the known keys are {', '.join(keys)}{own}")
    for task in BY_ID:
        if task not in content["tasks"]:
            raise _Mistake("tasks", task, f"is missing: write {task} = {_WAYS}")


_MOST = 1_000_000  # points
_WAYS = '{ points = 10 }, { part = "given" } or { part = "off" }'


def _is_kept(task: str, settings: Any) -> bool:
    """Whether students do not get the checks of a task, which must be an instructor's own one."""
    if not isinstance(settings, dict) or task in BY_ID.keys() - OWN:
        return False
    return settings.get("ship") is False and settings.get("part", "write") == "write"


def _part(task: str, settings: Any) -> Part:
    keys = {"points", "part", *(["ship"] if task in OWN else [])}
    if not isinstance(settings, dict) or not settings.keys() <= keys:
        raise _Mistake("tasks", task, f"must be {_WAYS}, not {settings!r}")
    part = settings.get("part", "write")
    if part not in get_args(Part):
        raise _Mistake("tasks", task, f"needs a part that is one of {', '.join(get_args(Part))}, not {part!r}")
    if task in OWN and not isinstance(settings.get("ship", True), bool):
        raise _Mistake("tasks", task, f"needs ship = true or ship = false, not {settings['ship']!r}")
    if task in OWN and part == "given":
        raise _Mistake("tasks", task, 'is a question of your own, which cannot be given: write part = "off"')
    if part != "write" and settings.get("points", 0) != 0:
        raise _Mistake("tasks", task, f'is {part} and so not graded: remove its points, or write part = "write"')
    return cast(Part, part)


def _points(task: str, settings: dict[str, Any]) -> float:
    if "points" not in settings:
        raise _Mistake("tasks", task, f"has no points: write {task} = {_WAYS}")
    points = settings["points"]
    if not _is_half(points):
        raise _Mistake("tasks", task, f"needs whole or half points, such as 7 or 7.5, not {points!r}")
    return _whole_if_it_is(points)


def _whole_if_it_is(points: float) -> float:
    """Return points as an integer if they are whole, so that no text shows 20.0."""
    return int(points) if points == int(points) else float(points)


def _check_tasks(points: dict[str, float], parts: dict[str, Part], total: Any) -> None:
    """Check the tasks as a whole: the sum of their points, and that something is left to write."""
    if not _is_half(total):
        raise _Mistake("", "total", f"must be whole or half points, such as 20 or 20.5, not {total!r}")
    if not points:
        raise _Mistake("tasks", "", 'leaves nothing to write: at least one task needs part = "write"')
    off = 'write training = { part = "off" }'
    if parts["training"] == "given":
        raise _Mistake("tasks", "training", f"has no code that could be given: {off}")
    if "training" in points and not any(task in points for task in _TRAINED):
        raise _Mistake("tasks", "training", f"would pass without any work, as all code that it runs is given: {off}")
    if sum(points.values()) != total:
        raise _Mistake(
            "", "total", f"is {total:g}, but the points add up to {sum(points.values()):g}: change one of them"
        )


def _limits(limits: dict[str, Any]) -> Limits:
    for key, value in limits.items():
        if not _is_number(value) or not 0 < value < math.inf:
            raise _Mistake("limits", key, f"must be a positive number, not {value!r}")
    return Limits(**{key: float(value) for key, value in limits.items()})


def _late(due: Any = "", percent_per_day: Any = 0, grace_hours: Any = 0, most_days: Any = 0) -> Late:
    if not _is_number(percent_per_day) or not 0 <= percent_per_day <= 100:
        raise _Mistake("late", "percent_per_day", f"must be a number from 0 to 100, not {percent_per_day!r}")
    if not _is_number(grace_hours) or not 0 <= grace_hours <= 24 * 365:
        most = f"{24 * 365} (a year)"
        raise _Mistake("late", "grace_hours", f"must be a number from 0 to {most}, not {grace_hours!r}")
    if not _is_whole(most_days):
        raise _Mistake("late", "most_days", f"must be a whole number of days, not {most_days!r}")
    return Late(_due(due), Decimal(str(percent_per_day)), timedelta(hours=grace_hours), most_days)


def _due(value: Any) -> datetime | None:
    if isinstance(value, datetime):  # written without quotes, as a TOML date-time
        value = value.isoformat()
    if not isinstance(value, str):
        raise _Mistake("late", "due", f"must be a time as text, not {value!r}")
    try:
        return moment(value) if value.strip() else None
    except ValueError as error:
        raise _Mistake("late", "due", f"is not a due date: {error}") from None


def _one_of(table: str, key: str, value: Any, kind: Any) -> Any:
    """Return the value of a key if it is one of the literals of a type."""
    if value not in get_args(kind):
        raise _Mistake(table, key, f"must be one of {', '.join(get_args(kind))}, not {value!r}")
    return value


def _wheel_index(wheel_index: Any = "") -> str:
    if not isinstance(wheel_index, str) or not (wheel_index.isprintable() and len(wheel_index.split()) <= 1):
        raise _Mistake("release", "wheel_index", f"must be an address, not {wheel_index!r}")
    return wheel_index


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def _is_half(value: Any) -> bool:
    """Whether a value is a number of whole or half points."""
    return _is_number(value) and 0 <= value <= _MOST and float(2 * value).is_integer()


def _is_whole(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= 0
