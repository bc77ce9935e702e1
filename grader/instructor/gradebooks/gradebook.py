"""Shared by all gradebooks: a person per line, the contents of a grade, and reports for bulk return."""

import io
import re
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from decimal import Decimal, InvalidOperation

from grader.judge.late_policy import reduced
from grader.judge.result import Result
from grader.report.text import harmless, safe_cell, two_decimals

from ..class_runs.submissions import System
from ..csv_tables import Row

COLUMNS = (
    *("points", "max_points", "status", "earned", "days_late", "late_percent", "by_hand", "submitted", "due"),
    "attempt",
)


@dataclass(frozen=True)
class HandPoints:
    """Points that an instructor gave by hand, in hundredths.

    Attributes:
        question: The question, or the id of a task.
        points, max_points: Points, and the most that can be given.
        comment: A comment for the student; may be empty.
    """

    question: str
    points: int
    max_points: int
    comment: str = ""

    def text(self) -> str:
        """Return the points and the comment as one sentence or more."""
        said = f"{self.question}: {two_decimals(self.points)}/{two_decimals(self.max_points)} by hand."
        return f"{said} {' '.join(self.comment.split())}".strip()


@dataclass(frozen=True)
class Grade:
    """The grade of one student. Points are in hundredths, so that they are exact.

    Attributes:
        submission: Name, in the class run, of the submission that counts; empty if there is none.
        status: `graded`, or why there was nothing to grade.
        points: Final points: after the late penalty, with the points of `questions`, scaled.
        max_points: Maximum points.
        earned: Points of the submission before the late penalty.
        days_late: Days begun after the grace period.
        percent: Late penalty, in percent of the points earned.
        submitted, due: None if unknown.
        attempt, attempts: Number of this attempt, from 1, and of all attempts.
        result: Result of the grader; None if there was nothing to grade.
        questions: Points by hand for questions that are not tasks.
        verdicts: Points by hand for tasks; `result` contains them.
        unscaled: Points and maximum points before they were scaled; None if they were not.
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
    questions: tuple[HandPoints, ...] = ()
    verdicts: tuple[HandPoints, ...] = ()
    unscaled: tuple[int, int] | None = None

    def scaled(self, total: int) -> "Grade":
        """Return the grade with another maximum, in hundredths; its points are rounded to hundredths, halves up."""
        points = (2 * self.points * total + self.max_points) // (2 * self.max_points)
        return replace(self, points=points, max_points=total, unscaled=(self.points, self.max_points))

    def notes(self) -> list[str]:
        """Return sentences about all that the report of a submission does not contain."""
        total = f"Together: {two_decimals(self.points)} of {two_decimals(self.max_points)} points."
        more = [total] if self.questions or self.unscaled else []
        return [*self._circumstances(), *(row.text() for row in self.questions), *more]

    def _circumstances(self) -> list[str]:
        """Return sentences about scaling, lateness and attempts."""
        notes = []
        if self.unscaled:
            notes.append("Scaled from {} of {} points.".format(*map(two_decimals, self.unscaled)))
        if self.days_late:
            days = f"{self.days_late} day{'' if self.days_late == 1 else 's'}"
            when = f"handed in {shown_time(self.submitted)}, due {shown_time(self.due)}"
            less = f"{two_decimals(self.earned)} points minus {percent_text(self.percent)} %"
            notes.append(f"{days} late, {when}: {less} = {two_decimals(reduced(self.earned, self.percent))}.")
        if self.attempts > 1:
            notes.append(f"Attempt {self.attempt} of {self.attempts} counts.")
        return notes

    def words(self) -> str:
        """Return the grade and its reasons as one line for the student."""
        sentences = [f"{two_decimals(self.points)} of {two_decimals(self.max_points)} points."]
        if self.result is None:
            sentences.append(f"Not graded: {self.status}.")
        by_hand = {row.question for row in self.verdicts}
        for task in self.result.tasks if self.result else ():
            if task.score < task.max_score and task.id not in by_hand:
                why = f" ({', '.join(task.diagnoses)})" if task.diagnoses else ""
                points = f"{two_decimals(task.score)}/{two_decimals(task.max_score)}"
                sentences.append(f"{task.id}: {points} {task.status}{why}.")
        sentences += [row.text() for row in (*self.verdicts, *self.questions)]
        return " ".join([sentences[0], *self._circumstances(), *sentences[1:]])

    def cells(self) -> dict[str, str]:
        """Return the cell for each of COLUMNS."""
        return {
            "points": two_decimals(self.points),
            "max_points": two_decimals(self.max_points),
            "status": safe_cell(self.status),
            "earned": two_decimals(self.earned),
            "days_late": str(self.days_late),
            "late_percent": percent_text(self.percent),
            "by_hand": two_decimals(sum(row.points for row in self.questions)),
            "submitted": self.submitted.isoformat(timespec="seconds") if self.submitted else "",
            "due": self.due.isoformat(timespec="seconds") if self.due else "",
            "attempt": f"{self.attempt} of {self.attempts}" if self.attempts else "",
        }


_MOST = Decimal(10) ** 8  # hundredths, so a million points: more is a mistake, and would not fit on a line


def hundredths(text: str) -> int | None:
    """Return points, with a decimal point or comma, in hundredths; None for other text and for more decimals."""
    try:
        value = Decimal(text.strip().replace(",", ".", 1)) * 100
    except InvalidOperation:
        return None
    return int(value) if value.is_finite() and 0 <= value <= _MOST and value == int(value) else None


Grades = Mapping[int, Grade | None]
"""Grades by line of the roster: None if the grader has no verdict; no entry for a student without a submission."""


def percent_text(value: Decimal) -> str:
    """Return a percentage without trailing zeros: 20, 2.5."""
    return f"{value.normalize():f}"


def shown_time(time: datetime | None) -> str:
    """Return a time as readable text, with its zone."""
    return f"{time:%Y-%m-%d %H:%M} {time.tzname()}" if time else "unknown"


ZERO = "0.00"


@dataclass(frozen=True)
class Person:
    """A student of a roster.

    Attributes:
        row: The line of the roster.
        name: Name in the roster.
        ids: Ids, logins and mail addresses.
        system: The system that the roster comes from.
        number: The student's number in that system; empty if unknown.
        submitted: Time of submission as text in the system's format, without a zone; empty if unknown.
    """

    row: Row
    name: str = ""
    ids: tuple[str, ...] = ()
    system: System = ""
    number: str = ""
    submitted: str = ""

    def called(self) -> str:
        """Return the student's name, else an id, else the line, for messages."""
        return self.name or next(iter(self.ids), "") or f"line {self.row.line}"


def kept_cell(cell: str) -> str:
    """Return a cell of a roster as it is exported: unchanged, unless a spreadsheet would run it as a formula.

    Positive and negative numbers are not formulas, nor is the dash that systems write for an empty cell.
    """
    number = cell.strip().removeprefix("-").replace(".", "", 1).replace(",", "", 1)
    if number.isdecimal() or cell.strip() == "-":
        return cell
    safe = safe_cell(cell)
    return cell if safe == cell.replace("\r\n", " ").replace("\n", " ").replace("\t", " ") else safe


# name_[late_]student_[submission_]file: a file in Canvas's zip of all submissions; LATE in upper or lower case.
CANVAS = re.compile(
    r"(?P<ours>(?P<name>[^_]+?)(?:[_ ](?P<late>late))?_(?P<id>\d+)_(?P<number>\d+_)?)(?P<file>.+)",
    re.DOTALL | re.IGNORECASE,
)
_PATHS = re.compile(r'[/\\:*?"<>|]')  # not allowed in file names on some systems
_REPORT = "report.html"


def canvas_name(entry: str) -> str | None:
    """Return the name of a report that Canvas assigns to the submission `entry`: it starts with the same fields.

    Returns:
        The name, or None for an entry that did not come from Canvas.
    """
    match = CANVAS.fullmatch(entry)
    return _plain(match["ours"]) + _REPORT if match else None


def moodle_name(full_name: str, participant: str) -> str:
    """Return the path of a report in a zip for Moodle: in a folder named as in Moodle's own zips."""
    return f"{_plain(full_name.replace('_', ' '))}_{participant}_assignsubmission_file_/{_REPORT}"


def _plain(name: str) -> str:
    return _PATHS.sub("", harmless(name)).replace("\n", " ").replace("\t", " ").strip(". ") or "student"


def zipped_reports(files: Mapping[str, str]) -> bytes:
    """Return a zip archive of texts, given by name; the same texts give the same bytes."""
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, text in files.items():
            archive.writestr(zipfile.ZipInfo(name, (1980, 1, 1, 0, 0, 0)), text, zipfile.ZIP_DEFLATED)
    return stream.getvalue()
