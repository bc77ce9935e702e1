"""submissions.json: who handed in what and when, recorded by a class run. Verdicts do not depend on it."""

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
    """A student, as described by a file name, an export or a roster.

    Attributes:
        id: Id of the student in the course.
        name, email: Empty if unknown.
        system: The system that the submission was downloaded from; empty if unknown.
        number: The student's number in that system (Canvas: the column ID; Moodle: the participant's number).
        due: The student's own due date, if it differs from that of the class.
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
        entry: Name of the file or folder, as handed in or downloaded.
        students: One student, or the members of a group.
        submission: Name in the class run: of its row in grades.csv, and of its folder.
        problem: Why there was nothing to grade; otherwise empty.
        submitted: When it was handed in; None if unknown.
        attempt: Number of the attempt among those of the same student; None if unknown.
        marked_late: Whether the file name from Canvas contains "late".
        took: The graded file of a folder or archive, if its name is not VAE_Model.py; else empty.
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
        title: Heading of the pages.
        max_score: Maximum score, in hundredths of points.
        submissions: In the order of the rows.
        folder: Folder of the submissions; empty if unknown.
    """

    title: str
    max_score: int
    submissions: tuple[HandedIn, ...]
    folder: str = ""


def listing_text(listing: Listing) -> str:
    """Return the text of the file, with all non-ASCII characters escaped, so that it is safe to print in a terminal."""
    return json.dumps(asdict(listing), indent=1, default=datetime.isoformat)


def read_listing(folder: Path) -> Listing:
    """Read the file in the output folder of a class run.

    Raises:
        ValueError: The file is missing or has another format; the message says what to do.
    """
    path = folder / FILE_NAME
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        submissions = tuple(_handed_in(one) for one in content["submissions"])
        read_from = str(content.get("folder", ""))
        return Listing(str(content["title"]), int(content["max_score"]), submissions, read_from)
    except FileNotFoundError:
        what = "a class run of an older grader" if (folder / "grades.csv").is_file() else "no class run"
        raise ValueError(f"{folder} holds {what}: run `python -m grader class` first") from None
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
