"""What all gradebooks share: a person in each line, what a grade says, and reports for bulk return."""

import io
import re
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from grader.judge.result import Result
from grader.report.text import harmless, safe_cell, two_decimals

from ..classes.submissions import System
from ..tables import Row

COLUMNS = ("points", "max_points", "status", "earned", "days_late", "late_percent", "submitted", "due", "attempt")


@dataclass(frozen=True)
class Grade:
    """What a gradebook says of one student. Points are in hundredths, so that they are exact.

    Attributes:
        submission: The one that counts, as the class run calls it.
        status: `graded`, or why there was nothing to grade.
        points: What counts in the end.
        max_points: To earn.
        earned: Before the penalty.
        days_late: Days begun after the grace.
        percent: What lateness took, of the points earned.
        submitted, due: None if unknown.
        attempt, attempts: Which of how many this is, counted from 1.
        result: What the grader found; None if there was nothing to grade.
    """

    submission: str
    status: str
    points: int
    max_points: int
    earned: int
    days_late: int = 0
    percent: Decimal = Decimal(0)
    submitted: datetime | None = None
    due: datetime | None = None
    attempt: int = 1
    attempts: int = 1
    result: Result | None = None

    def notes(self) -> list[str]:
        """Return what a report of the submission alone does not know: lateness and attempts, as sentences."""
        notes = []
        if self.days_late:
            days = f"{self.days_late} day{'' if self.days_late == 1 else 's'}"
            when = f"handed in {shown_time(self.submitted)}, due {shown_time(self.due)}"
            less = f"{two_decimals(self.earned)} points less {percent_text(self.percent)} %"
            notes.append(f"{days} late, {when}: {less} are {two_decimals(self.points)}.")
        if self.attempts > 1:
            notes.append(f"Attempt {self.attempt} of {self.attempts} counts.")
        return notes

    def words(self) -> str:
        """Return the grade and its reasons as one line for the student."""
        told = [f"{two_decimals(self.points)} of {two_decimals(self.max_points)} points."]
        if self.result is None:
            told.append(f"Not graded: {self.status}.")
        for task in self.result.tasks if self.result else ():
            if task.score < task.max_score:
                why = f" ({', '.join(task.diagnoses)})" if task.diagnoses else ""
                told.append(f"{task.id}: {two_decimals(task.score)}/{two_decimals(task.max_score)} {task.status}{why}.")
        return " ".join([told[0], *self.notes(), *told[1:]])

    def cells(self) -> dict[str, str]:
        """Return a cell for each of COLUMNS."""
        return {
            "points": two_decimals(self.points),
            "max_points": two_decimals(self.max_points),
            "status": safe_cell(self.status),
            "earned": two_decimals(self.earned),
            "days_late": str(self.days_late),
            "late_percent": percent_text(self.percent),
            "submitted": self.submitted.isoformat(timespec="seconds") if self.submitted else "",
            "due": self.due.isoformat(timespec="seconds") if self.due else "",
            "attempt": f"{self.attempt} of {self.attempts}",
        }


Grades = Mapping[int, Grade | None]
"""By the line of the student in the roster: None where the grader has no verdict, no entry without a submission."""


def percent_text(value: Decimal) -> str:
    """Return a percentage without needless digits: 20, 2.5."""
    return f"{value.normalize():f}"


def shown_time(time: datetime | None) -> str:
    """Return a time as people read it, with its zone."""
    return f"{time:%Y-%m-%d %H:%M} {time.tzname()}" if time else "unknown"


ZERO = "0.00"


@dataclass(frozen=True)
class Person:
    """A student of a roster.

    Attributes:
        row: The line.
        name: As the roster has it.
        ids: Ids, logins and mail addresses.
        system: Whose roster it is.
        number: The student's number in that system; empty if the roster does not tell.
        submitted: When the student handed in, in that system's words and without a zone; empty if it does not tell.
    """

    row: Row
    name: str = ""
    ids: tuple[str, ...] = ()
    system: System = ""
    number: str = ""
    submitted: str = ""

    def called(self) -> str:
        """Return what tells an instructor who this is."""
        return self.name or next(iter(self.ids), "") or f"line {self.row.line}"


def kept_cell(cell: str) -> str:
    """Return a cell of a roster as it goes back: as it was, unless a spreadsheet would run it.

    A number is no formula, whatever its sign, nor is the dash that systems write for nothing.
    """
    number = cell.strip().removeprefix("-").replace(".", "", 1).replace(",", "", 1)
    if number.isdecimal() or cell.strip() == "-":
        return cell
    safe = safe_cell(cell)
    return cell if safe == cell.replace("\r\n", " ").replace("\n", " ").replace("\t", " ") else safe


# name_[late_]student_[submission_]file: what Canvas puts into the zip of all submissions, with LATE in any letters.
CANVAS = re.compile(
    r"(?P<ours>(?P<name>[^_]+?)(?:[_ ](?P<late>late))?_(?P<id>\d+)_(?P<number>\d+_)?)(?P<file>.+)",
    re.DOTALL | re.IGNORECASE,
)
_PATHS = re.compile(r'[/\\:*?"<>|]')  # what a name in a zip must not hold on some system
_REPORT = "report.html"


def canvas_name(entry: str) -> str | None:
    """Return what a report is called beside the file that Canvas knows: the same name up to the file's own.

    Returns:
        None for an entry that did not come from Canvas.
    """
    match = CANVAS.fullmatch(entry)
    return _plain(match["ours"]) + _REPORT if match else None


def moodle_name(full_name: str, participant: str) -> str:
    """Return where a report lies in a zip that Moodle takes back: in the folder that Moodle's own zips have."""
    return f"{_plain(full_name.replace('_', ' '))}_{participant}_assignsubmission_file_/{_REPORT}"


def _plain(name: str) -> str:
    return _PATHS.sub("", harmless(name)).replace("\n", " ").replace("\t", " ").strip(". ") or "student"


def zipped_reports(files: Mapping[str, str]) -> bytes:
    """Return a zip of texts by name; the same texts give the same bytes."""
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, text in files.items():
            archive.writestr(zipfile.ZipInfo(name, (1980, 1, 1, 0, 0, 0)), text, zipfile.ZIP_DEFLATED)
    return stream.getvalue()
