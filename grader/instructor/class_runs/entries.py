"""Read a folder of submissions: for each entry a safe name, its students and its content."""

import hashlib
import os
import re
import unicodedata
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import IO, Any

from grader.report.text import shortened
from grader.sandbox.archives import NoSubmission, is_clutter
from grader.sandbox.submission import read_submission

from ..gradebooks.gradebook import CANVAS
from .submissions import HandedIn, Student

_ENDINGS = (".tar.gz", ".tgz", ".zip", ".py", ".py.txt")
_LONGEST = 120  # bytes; file systems allow 255 for a name, but a path has several names
_DEVICES = re.compile(r"(con|prn|aux|nul|com\d|lpt\d)(\..*)?", re.IGNORECASE)  # Windows opens these as devices


def stem(name: str) -> str:
    """Return a file's name without its extension: `.py`, `.zip`, `.tar.gz`, `.tgz`, or what follows the last dot."""
    for ending in _ENDINGS:
        if name.lower().endswith(ending) and len(name) > len(ending):
            return name[: -len(ending)]
    return name.rpartition(".")[0] or name


def harmless_name(name: str) -> str:
    """Return a name that is safe on every system: letters, digits and accents are kept, other characters become `_`.

    The result is not a path, does not begin with a formula sign or a dot, does not end with a dot or a space, and is
    neither empty nor too long. Hyphens, dots and spaces inside the name are kept.
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
    """Return safe names without duplicates, also on file systems that ignore case.

    Of several equal names, the first stays as it is, the others get `-2`, `-3`, ... The result depends only on the
    names and their order.

    Args:
        names: The original names.
        reserved: Names that must not be used.
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

# Full name_participant_assignsubmission_file[_]: a folder of Moodle's zip, or a file, whose name then follows.
_MOODLE = re.compile(
    r"(?P<name>.+)_(?P<id>\d+)_assignsubmission_(?:file|onlinetext)(?:[_ ].*)?", re.DOTALL | re.IGNORECASE
)
# VAE_Model-1.py is the second attempt. The "(1)" that a browser adds does not count attempts.
_RESUBMITTED = re.compile(
    r".*-(\d{1,4})(?: ?\(\d+\))?(?:\.py|\.py\.txt|\.zip|\.tar\.gz|\.tgz)?", re.DOTALL | re.IGNORECASE
)


class ExportError(ValueError):
    """An export's own list cannot be read; the message names the line."""


@dataclass(frozen=True)
class Told:
    """Information about an entry from an export.

    Attributes:
        students: The students who handed it in.
        row: Name of its row if no roster gives another; empty to use the ids of the students.
        submitted: When it was handed in; None if unknown.
        attempt: Number of the attempt; None if unknown.
        marked_late: Whether Canvas marked it as late.
    """

    students: tuple[Student, ...]
    row: str = ""
    submitted: datetime | None = None
    attempt: int | None = None
    marked_late: bool = False


def by_form(names: Sequence[str]) -> dict[str, Told]:
    """Return the information in file names that have the form of Canvas or Moodle, by name."""
    return {**_canvas(names), **{name: info for name in names if (info := _moodle(name))}}


def _moodle(name: str) -> Told | None:
    match = _MOODLE.fullmatch(name)
    if match is None:
        return None
    return Told((Student(match["id"], match["name"], "", "moodle", match["id"]),), f"{match['name']}_{match['id']}")


def _canvas(names: Sequence[str]) -> dict[str, Told]:
    """Skip names whose number two students share: in that case the numbers are not ids."""
    matches = {name: CANVAS.fullmatch(name) for name in names}
    found = {name: match for name, match in matches.items() if match and _is_of_canvas(match)}
    owners: dict[str, set[str]] = defaultdict(set)
    for match in found.values():
        owners[match["id"]].add(match["name"])
    infos = {}
    for name, match in found.items():
        if len(owners[match["id"]]) == 1:
            again = _RESUBMITTED.fullmatch(match["file"])
            attempt = int(again[1]) + 1 if again else 1
            student = Student(match["id"], system="canvas", number=match["id"])
            infos[name] = Told((student,), attempt=attempt, marked_late=match["late"] is not None)
    return infos


def _is_of_canvas(match: re.Match[str]) -> bool:
    """Return whether a name has both numbers, or one number and the file name that the assignment asks for."""
    return bool(match["number"] or re.match("vae.?model", match["file"], re.IGNORECASE))


def read_gradescope(folder: Path) -> dict[str, Told]:
    """Return the information of a Gradescope export, by folder; an empty dict if `folder` is not such an export.

    A student's id is the id that Gradescope has, else the mail address, else the name.

    Raises:
        ExportError: The file `submission_metadata.yml` cannot be read.
    """
    path = folder / GRADESCOPE
    if not path.is_file():
        return {}
    import yaml

    class Loader(getattr(yaml, "CSafeLoader", yaml.SafeLoader)):  # type: ignore[misc]
        """Reads unknown tags as None: the file is written by Ruby. PyYAML's C loader is ten times as fast."""

    Loader.add_multi_constructor("!", lambda loader, suffix, node: None)
    try:
        content = yaml.load(path.read_text(encoding="utf-8"), Loader)
    except (OSError, ValueError, yaml.YAMLError) as error:  # ValueError: not UTF-8, or an impossible time
        line = getattr(getattr(error, "problem_mark", None), "line", None)
        where = "" if line is None else f", line {line + 1}"
        raise ExportError(f"{path}{where}: cannot be read: {getattr(error, 'problem', None) or error}") from None
    if not isinstance(content, dict):
        raise ExportError(f"{path}, line 1: expected a mapping of submissions")
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
    """Return the value of a key, with or without the colon that Ruby writes before it."""
    return table.get(f":{key}", table.get(key))


def _instant(time: Any) -> datetime | None:
    """Return a time from YAML with a zone; YAML defines a time without one as UTC."""
    if not isinstance(time, datetime):
        return None
    return time.astimezone(UTC) if time.tzinfo else time.replace(tzinfo=UTC)


@dataclass(frozen=True)
class Stored:
    """The content of a submission, in a temporary file: the contents of a large class need not fit into memory."""

    file: IO[bytes]
    start: int
    length: int

    @staticmethod
    def append(file: IO[bytes], content: bytes) -> "Stored":
        """Write a content to the end of a file."""
        start = file.seek(0, os.SEEK_END)
        return Stored(file, start, file.write(content))

    def read(self) -> bytes:
        """Return the content."""
        self.file.seek(self.start)
        return self.file.read(self.length)


@dataclass(frozen=True)
class Submission:
    """One entry of a folder of submissions.

    Attributes:
        name: Safe and unique name.
        stored: Content of the file; None if there is nothing to grade.
        problem: Why there is nothing to grade, in one line; otherwise empty.
        sha256: Hash of the content.
        handed_in: Who handed it in, and when; None where this is not needed.
    """

    name: str
    stored: Stored | None = field(repr=False)
    problem: str = ""
    sha256: str = ""
    handed_in: HandedIn | None = None

    @property
    def content(self) -> bytes | None:
        """Content of the file."""
        return self.stored.read() if self.stored else None


def listing(folder: Path, out: Path) -> list[Path]:
    """Return the entries of a folder, sorted by name.

    Skipped are files that operating systems add, the list in a Gradescope export, and the output folder.

    Raises:
        OSError: The folder cannot be read.
    """
    beside = [e for e in folder.iterdir() if not is_clutter(e.name) and e.name != GRADESCOPE]
    return sorted(e for e in beside if e.is_symlink() or e.resolve() != out.resolve())


def collect(
    entries: Sequence[Path], owners: Sequence[HandedIn], reserved: Iterable[str], contents: IO[bytes]
) -> list[Submission]:
    """Return one submission per entry, in the same order.

    Args:
        entries: From `listing`.
        owners: Who handed in each entry.
        reserved: Names that no submission may have.
        contents: File to which the contents are written.
    """
    given = unique_names([owner.submission for owner in owners], reserved)
    return [
        _submission(name, entry, owner, contents) for name, entry, owner in zip(given, entries, owners, strict=True)
    ]


def _submission(name: str, entry: Path, owner: HandedIn, file: IO[bytes]) -> Submission:
    try:
        content, took = read_submission(entry)
    except NoSubmission as refused:
        problem = shortened(str(refused), lines=1, width=300)
        return Submission(name, None, problem, handed_in=replace(owner, submission=name, problem=problem))
    sha256 = hashlib.sha256(content).hexdigest()
    return Submission(
        name, Stored.append(file, content), sha256=sha256, handed_in=replace(owner, submission=name, took=took)
    )
