"""Whose submission an entry is, as the exports of Canvas, Gradescope and Moodle tell."""

import re
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from grader.report.gradebooks.feedback import CANVAS
from grader.report.submissions import Student

GRADESCOPE = "submission_metadata.yml"

# Full name_participant_assignsubmission_file[_]: a folder, or with the file's name behind it, of Moodle's zip.
_MOODLE = re.compile(
    r"(?P<name>.+)_(?P<id>\d+)_assignsubmission_(?:file|onlinetext)(?:[_ ].*)?", re.DOTALL | re.IGNORECASE
)
# VAE_Model-1.py: the second attempt. A browser's (1) says nothing of attempts.
_RESUBMITTED = re.compile(
    r".*-(\d{1,4})(?: ?\(\d+\))?(?:\.py|\.py\.txt|\.zip|\.tar\.gz|\.tgz)?", re.DOTALL | re.IGNORECASE
)


class ExportError(ValueError):
    """An export's own list is unusable; the message names the line."""


@dataclass(frozen=True)
class Told:
    """What an export tells of an entry.

    Attributes:
        students: Whose it is.
        row: What its row is called where no roster says better; empty for the ids of the students.
        submitted: When it was handed in; None if unknown.
        attempt: Its number; None if unknown.
        marked_late: Whether Canvas calls it late.
    """

    students: tuple[Student, ...]
    row: str = ""
    submitted: datetime | None = None
    attempt: int | None = None
    marked_late: bool = False


def by_form(names: Sequence[str]) -> dict[str, Told]:
    """Return what names of the forms of Canvas and Moodle tell, by name."""
    return {**_canvas(names), **{name: told for name in names if (told := _moodle(name))}}


def _moodle(name: str) -> Told | None:
    match = _MOODLE.fullmatch(name)
    if match is None:
        return None
    return Told((Student(match["id"], match["name"], "", "moodle", match["id"]),), f"{match['name']}_{match['id']}")


def _canvas(names: Sequence[str]) -> dict[str, Told]:
    """Leave out the names whose number two students share: then the numbers are no ids."""
    matches = {name: CANVAS.fullmatch(name) for name in names}
    found = {name: match for name, match in matches.items() if match and _is_of_canvas(match)}
    owners: dict[str, set[str]] = defaultdict(set)
    for match in found.values():
        owners[match["id"]].add(match["name"])
    told = {}
    for name, match in found.items():
        if len(owners[match["id"]]) == 1:
            again = _RESUBMITTED.fullmatch(match["file"])
            attempt = int(again[1]) + 1 if again else 1
            student = Student(match["id"], system="canvas", number=match["id"])
            told[name] = Told((student,), attempt=attempt, marked_late=match["late"] is not None)
    return told


def _is_of_canvas(match: re.Match[str]) -> bool:
    """Whether a name has both numbers, or the one and the name of the file that is asked for."""
    return bool(match["number"] or re.match("vae.?model", match["file"], re.IGNORECASE))


def read_gradescope(folder: Path) -> dict[str, Told]:
    """Return what a Gradescope export tells, by folder; nothing for a folder that is no such export.

    A student is called by the id, or the mail address, or the name that Gradescope has.

    Raises:
        ExportError: Its `submission_metadata.yml` is unusable.
    """
    path = folder / GRADESCOPE
    if not path.is_file():
        return {}
    import yaml

    class Loader(getattr(yaml, "CSafeLoader", yaml.SafeLoader)):  # type: ignore[misc]
        """Reads what it does not know as nothing: the file is written by Ruby. In C it is ten times as fast."""

    Loader.add_multi_constructor("!", lambda loader, suffix, node: None)
    try:
        content = yaml.load(path.read_text(encoding="utf-8"), Loader)
    except (OSError, ValueError, yaml.YAMLError) as error:  # ValueError: no UTF-8, or a time that cannot be
        line = getattr(getattr(error, "problem_mark", None), "line", None)
        where = "" if line is None else f", line {line + 1}"
        raise ExportError(f"{path}{where}: cannot be read: {getattr(error, 'problem', None) or error}") from None
    if not isinstance(content, dict):
        raise ExportError(f"{path}, line 1: a table of submissions is expected")
    return {str(name): _told(entry) for name, entry in content.items() if isinstance(entry, dict)}


def _told(entry: Mapping[Any, Any]) -> Told:
    submitters = _value(entry, "submitters")
    people = [s for s in submitters if isinstance(s, dict)] if isinstance(submitters, list) else []
    students = [student for one in people if (student := _student(one)).id]
    return Told(tuple(students), submitted=_instant(_value(entry, "created_at")))


def _student(submitter: Mapping[Any, Any]) -> Student:
    sid, email, name = (str(_value(submitter, key) or "") for key in ("sid", "email", "name"))
    return Student(sid or email or name, name, email, "gradescope", sid)


def _value(table: Mapping[Any, Any], key: str) -> Any:
    """Return what stands at a key of Ruby's, which begins with a colon, or of anyone's."""
    return table.get(f":{key}", table.get(key))


def _instant(time: Any) -> datetime | None:
    """Return a time of YAML: one without a zone is in UTC, by the rules of YAML."""
    if not isinstance(time, datetime):
        return None
    return time.astimezone(UTC) if time.tzinfo else time.replace(tzinfo=UTC)
