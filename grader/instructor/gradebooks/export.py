"""A complete export: read a class run, match students, decide on grades, and return the files without writing them."""

from collections.abc import Container, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, tzinfo
from pathlib import Path
from typing import Literal

from grader.judge.late_policy import Late
from grader.judge.offering import Counts

from ..class_runs import submissions
from ..class_runs.grades import Entry, read_class, record
from ..csv_tables import Table, TableError, moodle_time, read_table, time_in
from . import canvas, moodle, plain
from .attempts import Attempt, Claim, Decided, Findings, Matched, by_student, claims, considered, decide, match_students
from .by_hand import NOTHING, ByHand, holder, read_by_hand
from .gradebook import Grade, Person, canvas_name, hundredths, moodle_name, zipped_reports
from .plain import StudentLine

WAITING = "not graded yet"


@dataclass(frozen=True)
class ClassRun:
    """A class run.

    Attributes:
        title: Heading of its pages.
        max_points: Maximum points, in hundredths.
        attempts: All submissions, in the order of the run.
    """

    title: str
    max_points: int
    attempts: tuple[Attempt, ...]


def read_run(folder: Path) -> ClassRun:
    """Read a class run.

    Only submissions with a row count. Folders of submissions that no longer exist are ignored.

    Raises:
        ValueError: The folder holds no class run, or the run cannot be read; the message says what to do.
    """
    listing = submissions.read_listing(folder)
    try:
        entries = {entry.submission: entry for entry in read_class(folder)}
    except TableError as error:
        raise ValueError(f"{folder / 'grades.csv'} cannot be read ({error}): run the class run again") from None
    attempts = []
    for place, handed_in in enumerate(listing.submissions):
        name = handed_in.submission
        entry = Entry(name, handed_in.problem) if handed_in.problem else entries.get(name, Entry(name, WAITING))
        attempts.append(Attempt(handed_in, record(entry), place))
    return ClassRun(listing.title, listing.max_score, tuple(attempts))


Format = Literal["canvas", "moodle", "csv"]


@dataclass(frozen=True)
class Request:
    """The settings of an export.

    Attributes:
        folder: Output folder of the class run.
        format: Format of the gradebook.
        late: The late policy.
        counts: Which of a student's attempts counts.
        roster: The system's export, or the instructor's own list; may be None for the format `csv` only.
        assignment: Title or number of the assignment in Canvas.
        id_column: Heading of the roster's column of ids, if it is not found automatically.
        grade_column: Heading of the worksheet's column of grades, if it is not found automatically.
        zone: Time zone of the times in Moodle's worksheet; None if unknown.
        zero: Whether students of the roster without a submission get 0 points.
        feedback: Whether to create a zip of reports.
        by_hand: File with points by hand; None if there is none.
        scale_to: Total to which all grades are scaled, in hundredths of points; `column` for the maximum in the roster;
            None to leave them as they are.
    """

    folder: Path
    format: Format
    late: Late
    counts: Counts
    roster: Path | None = None
    assignment: str | None = None
    id_column: str | None = None
    grade_column: str | None = None
    zone: tzinfo | None = None
    zero: bool = False
    feedback: bool = False
    by_hand: Path | None = None
    scale_to: int | Literal["column"] | None = None


@dataclass(frozen=True)
class Exported:
    """The result of an export.

    Attributes:
        gradebook: Text of the CSV file.
        feedback: The zip of reports; None if it was not requested.
        students: Number of students with a grade.
        late: Number of these who were late.
        findings: What the instructor should check.
        new_assignment: Title of the assignment, if it does not exist in Canvas yet; else empty.
    """

    gradebook: str
    feedback: bytes | None
    students: int
    late: int
    findings: Findings
    new_assignment: str = ""


def export(request: Request) -> Exported:
    """Return the files of an export.

    Raises:
        TableError: The roster or the file of points by hand cannot be used.
        ValueError: The folder holds no class run, the roster has no maximum to scale to, or feedback was requested and
            cannot be returned to any student.
        ModuleNotFoundError: Feedback was requested, and the package that renders pages is not installed.
    """
    run = read_run(request.folder)
    if request.roster is None:
        return _without_roster(request, run)
    table = read_table(request.roster)
    columns = moodle.columns(table, request.id_column, request.grade_column) if request.format == "moodle" else None
    people = moodle.people(table, columns) if columns else _people(request, table)
    matched = match_students(list(claims(run.attempts)), people)
    found = Findings(of_roster=request.roster.name)
    found.matching(matched, [person for person in people if person.row.line not in matched.of])
    hand = _by_hand(request, people, matched)
    max_points = run.max_points + hand.max_points
    column = canvas.column(table, request.assignment) if request.format == "canvas" else None
    possible = canvas.possible(table, column) if column else moodle.possible(table, columns) if columns else ""
    finish = _Finish(hand, run.max_points, _total(request, table, possible))
    decided = {
        person.row.line: finish.decided(
            _decide(request, run, matched.of[person.row.line], hand, table, person), person.row.line
        )
        for person in people
        if person.row.line in matched.of
    }
    named = {person.row.line: person.called() for person in people}
    found.decisions([(named[line], one) for line, one in decided.items()])
    found.times_of_moodle([(p, decided[p.row.line]) for p in people if p.row.line in decided], request.zone is not None)
    grades = {line: one.grade for line, one in decided.items()} | finish.without_submission(grades_of=decided)
    found.points(possible, finish.total or max_points)
    new = ""
    if column:
        found.excused([named[line] for line in canvas.excused(table, column) if line in grades])
        text = canvas.text(table, column, grades, finish.total or max_points, request.zero)
        new = column.heading if column.place is None else ""
    elif columns:
        text = moodle.text(table, columns, grades, request.zero)
    else:
        text = plain.text([_line(person, matched.of, decided, grades) for person in people], request.zero)
    zipped = None
    if request.feedback:
        zipped = reports(request.format, run.title, people, matched.of, decided, found)
    return _exported(text, zipped, grades, found, new)


def _without_roster(request: Request, run: ClassRun) -> Exported:
    groups = by_student(claims(run.attempts))
    hand = NOTHING
    if request.by_hand:
        hand = read_by_hand(request.by_hand, {i: holder(group) for i, group in enumerate(groups)})
    finish = _Finish(hand, run.max_points, request.scale_to if isinstance(request.scale_to, int) else None)
    decided = {i: finish.decided(_decide(request, run, group, hand), i) for i, group in enumerate(groups)}
    found = Findings()
    found.decisions([(group[0].called(), decided[i]) for i, group in enumerate(groups)])
    lines = []
    for i, group in enumerate(groups):
        student = group[0].student
        lines.append(_row(student.id, student.name, student.email, decided[i]))
    return _exported(plain.text(lines, request.zero), None, {i: one.grade for i, one in decided.items()}, found)


def _by_hand(request: Request, people: Sequence[Person], matched: Matched) -> ByHand:
    if request.by_hand is None:
        return NOTHING
    students = {person.row.line: holder(matched.of.get(person.row.line, ()), person) for person in people}
    others = [holder([claim]) for claim in (*matched.strangers, *matched.ambiguous)]
    return read_by_hand(request.by_hand, students, others)


def _total(request: Request, table: Table, possible: str) -> int | None:
    """Return the total to scale to, in hundredths of points; None to leave grades as they are.

    Raises:
        TableError: It is the maximum in the roster, and the roster has none.
    """
    if request.scale_to != "column":
        return request.scale_to
    total = hundredths(possible)
    if not total:
        message = "no maximum to scale to: write the number of points instead, as in --scale-to 20"
        raise table.error(table.top, message)
    return total


@dataclass(frozen=True)
class _Finish:
    """Adds to a grade what does not come from the grader: points by hand, and scaling.

    Attributes:
        hand: Points by hand.
        max_points: Maximum points of a submission, in hundredths.
        total: Total to scale to, in hundredths; None to leave grades as they are.
    """

    hand: ByHand
    max_points: int
    total: int | None

    def decided(self, one: Decided, student: int) -> Decided:
        """Return a decision with its final grade."""
        if one.grade is None:
            return one
        return replace(one, grade=self._scaled(self.hand.added(one.grade, student, one.attempt.place)))

    def without_submission(self, grades_of: Container[int]) -> dict[int, Grade]:
        """Return the grades of students who have points by hand, and nothing else."""
        nothing = Grade("", plain.NO_SUBMISSION, 0, self.max_points, 0, attempt=0, attempts=0)
        students = [student for student in self.hand.given if student not in grades_of]
        return {student: self._scaled(self.hand.added(nothing, student)) for student in students}

    def _scaled(self, grade: Grade) -> Grade:
        return grade if self.total is None or not grade.max_points else grade.scaled(self.total)


def _exported(
    text: str, zipped: bytes | None, grades: Mapping[int, Grade | None], found: Findings, new: str = ""
) -> Exported:
    known = [grade for grade in grades.values() if grade]
    return Exported(text, zipped, len(known), sum(grade.days_late > 0 for grade in known), found, new)


def _people(request: Request, table: Table) -> list[Person]:
    return canvas.people(table) if request.format == "canvas" else plain.people(table, request.id_column)


def _decide(
    request: Request,
    run: ClassRun,
    claimed: list[Claim],
    hand: ByHand,
    table: Table | None = None,
    person: Person | None = None,
) -> Decided:
    """Return the attempt and grade that count for a student; times and due dates in the roster take precedence."""
    attempts = list({claim.attempt.place: hand.judged(claim.attempt) for claim in claimed}.values())
    due = max((claim.student.due for claim in claimed if claim.student.due), default=request.late.due)
    if table is not None and person is not None:
        due = time_in(table, person.row, "due") or due
        if time := time_in(table, person.row, "submitted"):
            attempts = [_at(time, table, person, considered(attempts))]
        elif (time := _of_moodle(person, request.zone)) and len(attempts) == 1:
            attempts = [_at(time, table, person, attempts)]
    return decide(attempts, request.counts, request.late, due, run.max_points)


def _of_moodle(person: Person, zone: tzinfo | None) -> datetime | None:
    return moodle_time(person.submitted, zone) if person.submitted and zone else None


def _at(time: datetime, table: Table, person: Person, attempts: list[Attempt]) -> Attempt:
    if len(attempts) > 1:
        message = (
            f"one time `submitted` for {len(attempts)} attempts: give the times of attempts in the class run's roster"
        )
        raise table.error(person.row.line, message)
    return replace(attempts[0], handed_in=replace(attempts[0].handed_in, submitted=time))


def _line(
    person: Person,
    of: Mapping[int, list[Claim]],
    decided: Mapping[int, Decided],
    grades: Mapping[int, Grade | None],
) -> StudentLine:
    line = person.row.line
    student = of[line][0].student if line in decided else None
    email = next((own for own in person.ids if "@" in own), student.email if student else "")
    name = person.name or (student.name if student else "")
    own = next(iter(person.ids), "")
    return _row(own, name, email, decided[line]) if line in decided else StudentLine(own, name, email, grades.get(line))


def _row(student: str, name: str, email: str, one: Decided) -> StudentLine:
    return StudentLine(student, name, email, one.grade, one.attempt.record.status)


def reports(
    system: str,
    title: str,
    people: Sequence[Person],
    of: Mapping[int, Sequence[Claim]],
    decided: Mapping[int, Decided],
    found: Findings,
) -> bytes:
    """Return a zip with the report of each student who has a grade.

    Args:
        system: `canvas` or `moodle`.
        title: Title of the class run.
        people: The students of the roster.
        of: Submissions of each student, by line.
        decided: The attempt and grade that count, by line.
        found: Receives a message about students to whom nothing can be returned.

    Raises:
        ValueError: Nothing can be returned to any student.
    """
    from grader.report.html import report_page  # needs a package that exports without reports do not need

    files, nameless = {}, []
    for person in people:
        one = decided.get(person.row.line)
        if one is None or one.grade is None:
            continue
        name = _name(system, person, of[person.row.line], one)
        if name:
            files[name] = report_page(one.attempt.record, title, one.grade.notes())
        else:
            nameless.append(person.called())
    if not files:
        raise ValueError(NOBODY[system])
    found.unreturned(nameless)
    return zipped_reports(files)


NOBODY = {
    "canvas": "no feedback can be returned: Canvas needs the file names of its own download, so grade that folder",
    "moodle": "no feedback can be returned: Moodle needs participant numbers, so grade the folder downloaded from "
    "Moodle, or give the grading worksheet as --roster",
}


def _name(system: str, person: Person, claimed: Sequence[Claim], one: Decided) -> str | None:
    if system == "canvas":
        return canvas_name(one.attempt.handed_in.entry)
    student = next((claim.student for claim in claimed if claim.student.system == "moodle"), None)
    number = person.number or (student.number if student else "")
    name = person.name or (student.name if student else "")
    return moodle_name(name, number) if number else None
