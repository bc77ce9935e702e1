"""Read grader/offering.toml, checked: points, limits, and what else an instructor sets for an offering."""

import json
import math
import tomllib
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any, Literal, get_args

from .late import Late, moment
from .tasks import BY_ID

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
