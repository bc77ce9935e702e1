"""From a folder of submissions to a list of them: a harmless name each, whose it is, and its content."""

import hashlib
import re
import unicodedata
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from grader.report.text import shortened
from grader.sandbox.archives import NoSubmission, is_clutter
from grader.sandbox.submission import read_submission

from ..gradebooks.gradebook import CANVAS
from .submissions import HandedIn, Student

_ENDINGS = (".tar.gz", ".tgz", ".zip", ".py", ".py.txt")
_LONGEST = 120  # bytes: file systems allow 255, and a path has more than one name
_DEVICES = re.compile(r"(con|prn|aux|nul|com\d|lpt\d)(\..*)?", re.IGNORECASE)  # Windows opens these as devices


def stem(name: str) -> str:
    """Return a file's name without its extension: `.py`, `.zip`, `.tar.gz`, `.tgz`, or what follows the last dot."""
    for ending in _ENDINGS:
        if name.lower().endswith(ending) and len(name) > len(ending):
            return name[: -len(ending)]
    return name.rpartition(".")[0] or name


def harmless_name(name: str) -> str:
    """Return a name with every letter, digit and accent kept, and `_` for all that could do harm somewhere.

    It is no path, begins with no formula sign and no dot, ends with no dot or blank, and is neither empty nor too long.
    """
    text = unicodedata.normalize("NFC", name)
    text = "".join(c if c in "-_. " or unicodedata.category(c)[0] in "LMN" else "_" for c in text)
    text = re.sub(r"^[-. ]+", "_", text).rstrip(". ")
    while len(text.encode()) > _LONGEST:
        text = text[:-1].rstrip(". ")
    if not text.strip("_"):
        return f"submission{text}"
    return f"_{text}" if _DEVICES.fullmatch(text) else text


def unique_names(names: Sequence[str], reserved: Iterable[str] = ()) -> list[str]:
    """Return harmless names, none of them twice, also where capital letters are not told apart.

    The first of several keeps its name, the others get `-2`, `-3`, ...: the same names in the same order always become
    the same.

    Args:
        names: As they came.
        reserved: Names that none may have.
    """
    bases = [harmless_name(name) for name in names]
    taken = {_key(name) for name in [*bases, *reserved]}
    free = {_key(base) for base in bases} - {_key(name) for name in reserved}
    given = []
    for base in bases:
        name, number = base, 1
        if _key(base) in free:
            free.remove(_key(base))
        else:
            while _key(name) in taken:
                number += 1
                name = f"{base}-{number}"
            taken.add(_key(name))
        given.append(name)
    return given


def _key(name: str) -> str:
    return unicodedata.normalize("NFKC", name).casefold()


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


@dataclass(frozen=True)
class Submission:
    """One entry of a folder of submissions.

    Attributes:
        name: Harmless and unique.
        content: The file; None if there is nothing to grade.
        problem: Why there is nothing, in one line; empty if there is.
        sha256: Hash of the content.
        handed_in: Who handed it in, and when; None where nobody asks.
    """

    name: str
    content: bytes | None = field(repr=False)
    problem: str = ""
    sha256: str = ""
    handed_in: HandedIn | None = None


def listing(folder: Path, out: Path) -> list[Path]:
    """Return the entries of a folder in the order of their names.

    Left out are what systems put beside files, the list in a Gradescope export, and the output folder if it lies here.

    Raises:
        OSError: The folder cannot be read.
    """
    beside = [e for e in folder.iterdir() if not is_clutter(e.name) and e.name != GRADESCOPE]
    return sorted(e for e in beside if e.is_symlink() or e.resolve() != out.resolve())


def collect(entries: Sequence[Path], owners: Sequence[HandedIn], reserved: Iterable[str]) -> list[Submission]:
    """Return a submission per entry, in the same order.

    Args:
        entries: Of `listing`.
        owners: Who handed them in.
        reserved: Names that no submission may have.
    """
    given = unique_names([owner.submission for owner in owners], reserved)
    return [_submission(name, entry, owner) for name, entry, owner in zip(given, entries, owners, strict=True)]


def _submission(name: str, entry: Path, owner: HandedIn) -> Submission:
    try:
        content, took = read_submission(entry)
    except NoSubmission as refused:
        problem = shortened(str(refused), lines=1, width=300)
        return Submission(name, None, problem, handed_in=replace(owner, submission=name, problem=problem))
    sha256 = hashlib.sha256(content).hexdigest()
    return Submission(name, content, sha256=sha256, handed_in=replace(owner, submission=name, took=took))
