"""Read grader/offering.toml: points and limits, checked."""

import math
import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from .tasks import BY_ID

OFFERING = Path(__file__).resolve().parents[1] / "offering.toml"

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


class OfferingError(ValueError):
    """The offering is unusable; the message names the line."""


@dataclass(frozen=True)
class Offering:
    """What an instructor sets: `points` by task id, `limits` by name, and where graders elsewhere get packages from."""

    points: dict[str, int]
    limits: dict[str, float]
    wheel_index: str = ""


def load(path: Path = OFFERING) -> Offering:
    """Read and check an offering.

    Raises:
        OfferingError: The file cannot be read, a key is unknown or missing, a value is no positive number, or the
            points do not add up to the stated total.
    """
    try:
        text = path.read_text(encoding="utf-8")
        content = tomllib.loads(text)
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise OfferingError(f"{path}: {error}") from None
    _keys(path, text, content, ("total", "points", "limits"), ("release",))
    points, limits = content["points"], content["limits"]
    _keys(path, text, points, tuple(BY_ID))
    _keys(path, text, limits, _LIMITS)
    for key, value in [("total", content["total"]), *points.items()]:
        if not isinstance(value, int) or isinstance(value, bool) or value < 0:
            raise OfferingError(f"{path}{_line(text, key)}: {key} must be a whole number of points, not {value!r}")
    for key, value in limits.items():
        if not isinstance(value, (int, float)) or isinstance(value, bool) or not 0 < value < math.inf:
            raise OfferingError(f"{path}{_line(text, key)}: {key} must be a positive number, not {value!r}")
    if sum(points.values()) != content["total"]:
        line = _line(text, "total")
        raise OfferingError(
            f"{path}{line}: the points add up to {sum(points.values())}, not to total = {content['total']}"
        )
    release = content.get("release", {"wheel_index": ""})
    _keys(path, text, release, ("wheel_index",))
    if not isinstance(release["wheel_index"], str):
        raise OfferingError(
            f"{path}{_line(text, 'wheel_index')}: wheel_index must be a URL in quotes, or empty: "
            f"not {release['wheel_index']!r}"
        )
    return Offering(points, {key: float(value) for key, value in limits.items()}, release["wheel_index"].strip())


def _keys(path: Path, text: str, table: Any, known: tuple[str, ...], optional: tuple[str, ...] = ()) -> None:
    if not isinstance(table, dict):
        raise OfferingError(f"{path}: a table is expected with the keys {', '.join(known)}")
    for key in table:
        if key not in known + optional:
            raise OfferingError(
                f"{path}{_line(text, key)}: unknown key {key!r}; known are {', '.join(known + optional)}"
            )
    for key in known:
        if key not in table:
            raise OfferingError(f"{path}: {key} is missing")


def _line(text: str, key: str) -> str:
    """Return ", line N" of the first line that sets or opens `key`."""
    for number, line in enumerate(text.splitlines(), 1):
        if line.split("=")[0].strip() in (key, f"[{key}]"):
            return f", line {number}"
    return ""
