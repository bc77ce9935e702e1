"""One offering of the course: its tasks in the order of the handout, and grader/offering.toml, checked.

Times are compared as instants, whatever zones they were written in, and a day is 24 hours: a night in which clocks
change makes nobody late or early.
"""

import json
import math
import tomllib
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from decimal import ROUND_HALF_UP, Decimal
from pathlib import Path
from typing import Any, Literal, get_args

_METHODS = ("sample", "kl", "nll", "mode")
_MODEL = ("distribution", *_METHODS, "decoder", "encoder", "vae", "encode", "decode", "prior_sample")


@dataclass(frozen=True)
class Task:
    """One task.

    Attributes:
        id: Marker, section of the handout and name in every report.
        what: What the student writes, in a few words.
        leans_on: Stand-ins that its worker gets, in the order of their installation; never its own.
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


_DAY = timedelta(days=1)
_EVERYTHING = Decimal(100)
_LIKE = "as 2026-12-01T23:59+01:00"


@dataclass(frozen=True)
class Late:
    """The late policy of an offering. As it stands without arguments, nothing is ever late.

    Attributes:
        due: When submissions are due; None for never.
        percent_per_day: Percent of the points earned that each day begun costs, 0 to 100.
        grace: After `due`, costs nothing. Days are counted from its end.
        most_days: What comes more days late than these has no points; 0 for no such end.
    """

    due: datetime | None = None
    percent_per_day: Decimal = Decimal(0)
    grace: timedelta = timedelta(0)
    most_days: int = 0

    def days(self, late_by: timedelta) -> int:
        """Return how many days had begun since the grace ended; 0 for what came until then, or early."""
        return max(0, -((self.grace - late_by) // _DAY))

    def penalty(self, late_by: timedelta) -> Decimal:
        """Return the percent of its points that a submission loses, 0 to 100, by how long after `due` it came.

        The moment at which the grace, or a day, ends still belongs to it.
        """
        days = self.days(late_by)
        if self.most_days and days > self.most_days:
            return _EVERYTHING
        return min(_EVERYTHING, days * self.percent_per_day)


def reduced(hundredths: int, percent: Decimal) -> int:
    """Return hundredths of points less a penalty in percent, rounded to whole hundredths, halves up."""
    left = Decimal(hundredths) * (_EVERYTHING - percent) / _EVERYTHING
    return int(left.to_integral_value(ROUND_HALF_UP))


def moment(text: str) -> datetime:
    """Return the instant that an ISO 8601 time with a zone means, in UTC.

    Raises:
        ValueError: It is no such time, or has no zone; the message says how to write it.
    """
    written = text.strip()
    try:
        time = datetime.fromisoformat(written)
    except ValueError:
        raise ValueError(f"{written!r} is no time; write it {_LIKE}") from None
    if time.tzinfo is None:
        raise ValueError(f"{written!r} has no zone; write it {_LIKE}")
    try:
        return time.astimezone(UTC)
    except OverflowError:  # in the first or the last year that there is
        raise ValueError(f"{written!r} is no time; write it {_LIKE}") from None


OFFERING = Path(__file__).resolve().parents[1] / "offering.toml"

Counts = Literal["last", "best", "first"]
_LIMITS = (
    "task_cpu_s",
    "task_wall_s",
    "training_cpu_s",
    "training_wall_s",
    "submission_wall_s",
    "memory_mib",
    "file_mib",
    "sandbox_memory_mib",
    "sandbox_threads",
    "sandbox_files_mib",
)
_OPTIONAL = {
    "late": ("due", "percent_per_day", "grace_hours", "most_days"),
    "attempts": ("counts",),
    "release": ("wheel_index",),
}
"""Tables that may be left out, like each of their keys: then the defaults of `Offering` hold."""


class OfferingError(ValueError):
    """The offering is unusable; the message names the line."""


@dataclass(frozen=True)
class Offering:
    """What an instructor sets.

    Attributes:
        points: By task id.
        limits: By name.
        late: What lateness costs.
        attempts: Which of a student's attempts counts.
        wheel_index: Where PyTorch comes from in a release; empty for where pip looks by itself.
    """

    points: dict[str, int]
    limits: dict[str, float]
    late: Late = field(default_factory=Late)
    attempts: Counts = "last"
    wheel_index: str = ""

    def decisive(self) -> str:
        """Return the part that verdicts depend on, as text: whoever sets a due date need not grade again."""
        return json.dumps({"points": self.points, "limits": self.limits}, sort_keys=True)


def load(path: Path = OFFERING) -> Offering:
    """Read and check an offering.

    Raises:
        OfferingError: The file cannot be read, a key is unknown or missing, a value is none of those it may have, or
            the points do not add up to the stated total.
    """
    try:
        text = path.read_text(encoding="utf-8")
        content = tomllib.loads(text)
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise OfferingError(f"{path}: {error}") from None
    return _Reader(path, text, content).offering()


class _Reader:
    """One file; each method checks a part of it."""

    def __init__(self, path: Path, text: str, content: dict[str, Any]):
        self._path, self._text, self._content = path, text, content

    def offering(self) -> Offering:
        self._keys("", self._content, required=("total", "points", "limits"), optional=tuple(_OPTIONAL))
        for table, required in (("points", tuple(BY_ID)), ("limits", _LIMITS)):
            self._keys(table, self._content[table], required=required)
        for table, optional in _OPTIONAL.items():
            self._keys(table, self._content.get(table, {}), optional=optional)
        return Offering(self._points(), self._limits(), self._late(), self._attempts(), self._wheel_index())

    def _points(self) -> dict[str, int]:
        points, total = self._content["points"], self._content["total"]
        for table, key, value in [("", "total", total), *(("points", *item) for item in points.items())]:
            if not isinstance(value, int) or isinstance(value, bool) or value < 0:
                raise self._error(table, key, f"{key} must be a whole number of points, not {value!r}")
        if sum(points.values()) != total:
            message = f"the points add up to {sum(points.values())}, not to total = {total}"
            raise self._error("", "total", message)
        return points

    def _limits(self) -> dict[str, float]:
        for key, value in self._content["limits"].items():
            if not _is_number(value) or not 0 < value < math.inf:
                raise self._error("limits", key, f"{key} must be a positive number, not {value!r}")
        return {key: float(value) for key, value in self._content["limits"].items()}

    def _late(self) -> Late:
        table = self._content.get("late", {})
        percent, grace, days = (table.get(key, 0) for key in ("percent_per_day", "grace_hours", "most_days"))
        if not _is_number(percent) or not 0 <= percent <= 100:
            message = f"percent_per_day must be a number from 0 to 100, not {percent!r}"
            raise self._error("late", "percent_per_day", message)
        if not _is_number(grace) or not 0 <= grace <= 24 * 365:
            message = f"grace_hours must be a number from 0 to a year's, not {grace!r}"
            raise self._error("late", "grace_hours", message)
        if not isinstance(days, int) or isinstance(days, bool) or days < 0:
            raise self._error("late", "most_days", f"most_days must be a whole number of days, not {days!r}")
        return Late(self._due(table.get("due", "")), Decimal(str(percent)), timedelta(hours=grace), days)

    def _due(self, value: Any) -> datetime | None:
        if isinstance(value, datetime):  # without quotes: TOML has times of its own
            value = value.isoformat()
        if not isinstance(value, str):
            raise self._error("late", "due", f"due must be a time as text, not {value!r}")
        try:
            return moment(value) if value.strip() else None
        except ValueError as error:
            raise self._error("late", "due", f"due: {error}") from None

    def _attempts(self) -> Counts:
        counts: Any = self._content.get("attempts", {}).get("counts", "last")
        if counts not in get_args(Counts):
            message = f"counts must be one of {', '.join(get_args(Counts))}, not {counts!r}"
            raise self._error("attempts", "counts", message)
        return counts

    def _wheel_index(self) -> str:
        index = self._content.get("release", {}).get("wheel_index", "")
        if not isinstance(index, str) or not (index.isprintable() and len(index.split()) <= 1):
            raise self._error("release", "wheel_index", f"wheel_index must be an address, not {index!r}")
        return index

    def _keys(self, name: str, table: Any, required: tuple[str, ...] = (), optional: tuple[str, ...] = ()) -> None:
        known = (*required, *optional)
        if not isinstance(table, dict):
            raise self._error("", name, f"a table is expected with the keys {', '.join(known)}")
        for key in table:
            if key not in known:
                raise self._error(name, key, f"unknown key {key!r}; known are {', '.join(known)}")
        for key in required:
            if key not in table:
                raise self._error("", name, f"{key} is missing")

    def _error(self, table: str, key: str, message: str) -> OfferingError:
        return OfferingError(f"{self._path}{_line(self._text, table, key)}: {message}")


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def _line(text: str, table: str, key: str) -> str:
    """Return ", line N" of the line that sets `key` in `table`, or opens it as one; nothing if there is none."""
    wanted = [part for part in (table, key) if part]
    inside: list[str] = []
    for number, line in enumerate(text.splitlines(), 1):
        name, sets, _ = line.partition("=")
        bare = name.partition("#")[0].strip()
        if bare.startswith("["):
            inside = _parts(bare.strip("[]"))
            found = inside
        else:
            found = [*inside, *_parts(bare)] if sets and bare else []
        if found[: len(wanted)] == wanted and wanted:
            return f", line {number}"
    return ""


def _parts(name: str) -> list[str]:
    return [part.strip().strip("\"'") for part in name.split(".")]
