"""One offering of the course: its tasks in the order of the handout, and grader/offering.toml, read and checked."""

import json
import math
import tomllib
from dataclasses import asdict, dataclass, field, fields
from datetime import datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any, Literal, cast, get_args

from .late_policy import Late, moment

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


TASKS = (
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

BY_ID = {task.id: task for task in TASKS}


OFFERING = Path(__file__).resolve().parents[1] / "offering.toml"

Counts = Literal["last", "best", "first"]
_OPTIONAL = {
    "late": ("due", "percent_per_day", "grace_hours", "most_days"),
    "attempts": ("counts",),
    "release": ("wheel_index",),
}
"""Optional tables, whose keys are all optional: the defaults are those of `Offering`."""


class OfferingError(ValueError):
    """The offering is invalid; the message names the key and its table."""


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

    task_cpu_s: float
    task_wall_s: float
    training_cpu_s: float
    training_wall_s: float
    submission_wall_s: float
    memory_mib: float
    file_mib: float
    sandbox_memory_mib: float
    sandbox_threads: float
    sandbox_files_mib: float


@dataclass(frozen=True)
class Offering:
    """What an instructor sets.

    Attributes:
        points: By task id.
        limits: What a submission may use.
        late: The late policy.
        attempts: Which of a student's attempts counts.
        wheel_index: Index from which a release installs PyTorch; empty for pip's default.
    """

    points: dict[str, int]
    limits: Limits
    late: Late = field(default_factory=Late)
    attempts: Counts = "last"
    wheel_index: str = ""

    def decisive(self) -> str:
        """Return, as text, the part that verdicts depend on: after a new due date, no grading has to be repeated."""
        return json.dumps({"points": self.points, "limits": asdict(self.limits)}, sort_keys=True)


def load_offering(path: Path = OFFERING) -> Offering:
    """Read and check an offering.

    Raises:
        OfferingError: The file cannot be read, a key is unknown or missing, a value is invalid, or the points do not
            add up to the stated total.
    """
    try:
        content = tomllib.loads(path.read_text(encoding="utf-8"))
        _check_keys(content)
        return Offering(
            _points(content["points"], content["total"]),
            _limits(content["limits"]),
            _late(**content.get("late", {})),
            _attempts(**content.get("attempts", {})),
            _wheel_index(**content.get("release", {})),
        )
    except (OSError, ValueError) as error:
        raise OfferingError(f"{path}: {error}") from None


def _check_keys(content: dict[str, Any]) -> None:
    required = {"points": tuple(BY_ID), "limits": tuple(limit.name for limit in fields(Limits))}
    _check_table("", content, ("total", *required), tuple(_OPTIONAL))
    for name, keys in required.items():
        _check_table(f"[{name}] ", content[name], keys)
    for name, keys in _OPTIONAL.items():
        _check_table(f"[{name}] ", content.get(name, {}), (), keys)


def _check_table(name: str, table: Any, required: tuple[str, ...], optional: tuple[str, ...] = ()) -> None:
    known = (*required, *optional)
    if not isinstance(table, dict):
        raise ValueError(f"{name}must be a table with the keys {', '.join(known)}")
    for key in table:
        if key not in known:
            raise ValueError(f"{name}unknown key {key!r}; the known keys are {', '.join(known)}")
    for key in required:
        if key not in table:
            raise ValueError(f"{name}{key} is missing")


def _points(points: dict[str, Any], total: Any) -> dict[str, int]:
    for key, value in {"total": total, **points}.items():
        if not _is_whole(value):
            name = key if key == "total" else f"[points] {key}"
            raise ValueError(f"{name} must be a whole number of points, not {value!r}")
    if sum(points.values()) != total:
        raise ValueError(f"the points add up to {sum(points.values())}, but total = {total}")
    return points


def _limits(limits: dict[str, Any]) -> Limits:
    for key, value in limits.items():
        if not _is_number(value) or not 0 < value < math.inf:
            raise ValueError(f"[limits] {key} must be a positive number, not {value!r}")
    return Limits(**{key: float(value) for key, value in limits.items()})


def _late(due: Any = "", percent_per_day: Any = 0, grace_hours: Any = 0, most_days: Any = 0) -> Late:
    if not _is_number(percent_per_day) or not 0 <= percent_per_day <= 100:
        raise ValueError(f"[late] percent_per_day must be a number from 0 to 100, not {percent_per_day!r}")
    if not _is_number(grace_hours) or not 0 <= grace_hours <= 24 * 365:
        raise ValueError(f"[late] grace_hours must be a number from 0 to {24 * 365} (a year), not {grace_hours!r}")
    if not _is_whole(most_days):
        raise ValueError(f"[late] most_days must be a whole number of days, not {most_days!r}")
    return Late(_due(due), Decimal(str(percent_per_day)), timedelta(hours=grace_hours), most_days)


def _due(value: Any) -> datetime | None:
    if isinstance(value, datetime):  # written without quotes, as a TOML date-time
        value = value.isoformat()
    if not isinstance(value, str):
        raise ValueError(f"[late] due must be a time as text, not {value!r}")
    try:
        return moment(value) if value.strip() else None
    except ValueError as error:
        raise ValueError(f"[late] due: {error}") from None


def _attempts(counts: Any = "last") -> Counts:
    if counts not in get_args(Counts):
        raise ValueError(f"[attempts] counts must be one of {', '.join(get_args(Counts))}, not {counts!r}")
    return cast(Counts, counts)


def _wheel_index(wheel_index: Any = "") -> str:
    if not isinstance(wheel_index, str) or not (wheel_index.isprintable() and len(wheel_index.split()) <= 1):
        raise ValueError(f"[release] wheel_index must be an address, not {wheel_index!r}")
    return wheel_index


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def _is_whole(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= 0
