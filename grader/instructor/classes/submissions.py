"""submissions.json: who handed in what and when, as a class run recorded it. No verdict depends on it."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import Any, Literal, get_args

FILE_NAME = "submissions.json"
System = Literal["", "canvas", "gradescope", "moodle"]


@dataclass(frozen=True)
class Student:
    """Whoever handed something in, as far as a file's name, an export or a roster tells.

    Attributes:
        id: What the course calls the student.
        name, email: Empty if unknown.
        system: Where the submission was downloaded from; empty if unknown.
        number: The student's number there (Canvas: the column ID; Moodle: the participant's number).
        due: The student's own due date, if it is another than everyone's.
    """

    id: str
    name: str = ""
    email: str = ""
    system: System = ""
    number: str = ""
    due: datetime | None = None


@dataclass(frozen=True)
class HandedIn:
    """One submission.

    Attributes:
        entry: Name of the file or folder, as it was handed in or downloaded.
        students: One, or the members of a group.
        submission: What the class run calls it: its row in grades.csv, and its folder.
        problem: Why there was nothing to grade; empty if there was.
        submitted: When; None if unknown.
        attempt: Its number among those of the same student; None if unknown.
        marked_late: Whether the name of a file from Canvas says so.
        took: The file that was graded, of a folder or an archive, where it is not called VAE_Model.py; else empty.
        sha256: Hash of the content; empty if there was nothing to grade.
    """

    entry: str
    students: tuple[Student, ...]
    submission: str = ""
    problem: str = ""
    submitted: datetime | None = None
    attempt: int | None = None
    marked_late: bool = False
    took: str = ""
    sha256: str = ""


@dataclass(frozen=True)
class Listing:
    """All submissions of a class run.

    Attributes:
        title: Heads its pages.
        max_score: To earn, in hundredths of points.
        submissions: In the order of its rows.
        folder: Where they were read from; empty if unknown.
    """

    title: str
    max_score: int
    submissions: tuple[HandedIn, ...]
    folder: str = ""


def listing_text(listing: Listing) -> str:
    """Return the file; all but ASCII is escaped, so that no name can harm a terminal that shows it."""
    return json.dumps(asdict(listing), indent=1, default=datetime.isoformat)


def read_listing(folder: Path) -> Listing:
    """Read the file in the output folder of a class run.

    Raises:
        ValueError: It is missing or has another format; the message says what to do.
    """
    path = folder / FILE_NAME
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        submissions = tuple(_handed_in(one) for one in content["submissions"])
        read_from = str(content.get("folder", ""))
        return Listing(str(content["title"]), int(content["max_score"]), submissions, read_from)
    except FileNotFoundError:
        what = "the class run of an earlier grader" if (folder / "grades.csv").is_file() else "no class run"
        raise ValueError(f"{folder} holds {what}: make one with `python -m grader class`") from None
    except OSError as error:
        raise ValueError(f"{path}: cannot be read: {error.strerror or error}") from None
    except (ValueError, KeyError, TypeError, AttributeError):
        raise ValueError(f"{path} has another format: run `python -m grader class` again") from None


def _handed_in(content: Mapping[str, Any]) -> HandedIn:
    found = HandedIn(**content)
    return replace(found, students=_students(found.students), submitted=_time(found.submitted))


def _students(content: Sequence[Any]) -> tuple[Student, ...]:
    students = [Student(**one) for one in content]
    if not students or any(one.system not in get_args(System) for one in students):
        raise ValueError("no student, or one of an unknown system")
    return tuple(replace(one, due=_time(one.due)) for one in students)


def _time(text: Any) -> datetime | None:
    if text is None:
        return None
    time = datetime.fromisoformat(text)
    if time.tzinfo is None:
        raise ValueError("a time without a zone")
    return time
