"""Points by hand: a CSV file with points for an instructor's own questions, and for tasks that the grader got wrong.

Each row gives points to one student, or to all students of one submission. If `question` is the id of a task, the row
replaces the verdict of the grader; any other text is a question of its own, for example one that was written on paper.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from grader.judge.result import CheckResult, Explanation, Result, Status, TaskResult
from grader.report.text import harmless, some, two_decimals

from ..csv_tables import Row, Table, read_table
from .attempts import Attempt, Claim, folded
from .gradebook import Grade, HandPoints, Person, hundredths

COLUMNS = ("id", "points", "comment", "question", "max_points")
NO_NAME = "question"
"""Name of the question in a file without the column `question`."""


@dataclass(frozen=True)
class Holder:
    """A student who can get points.

    Attributes:
        ids: Ids, logins and mail addresses, folded.
        attempts: The student's submissions.
    """

    ids: frozenset[str]
    attempts: tuple[Attempt, ...]


def holder(claimed: Iterable[Claim], person: Person | None = None) -> Holder:
    """Return the student of these claims, who may be in a roster."""
    claimed = list(claimed)
    ids = {own for claim in claimed for own in (claim.student.id, claim.student.email)}
    ids |= set(person.ids) if person else set()
    return Holder(frozenset(map(folded, ids - {""})), tuple({c.attempt.place: c.attempt for c in claimed}.values()))


@dataclass(frozen=True)
class ByHand:
    """The points of a file, assigned to students and submissions; empty if there is no file.

    Attributes:
        questions: Maximum points of each question that is not a task, in hundredths.
        given: Points for these questions, by student (a line of the roster, or a number).
        replaced: Points for tasks, by `Attempt.place`.
    """

    questions: Mapping[str, int] = field(default_factory=dict)
    given: Mapping[int, tuple[HandPoints, ...]] = field(default_factory=dict)
    replaced: Mapping[int, tuple[HandPoints, ...]] = field(default_factory=dict)

    @property
    def max_points(self) -> int:
        """Maximum points of all questions, in hundredths."""
        return sum(self.questions.values())

    def judged(self, attempt: Attempt) -> Attempt:
        """Return an attempt with the verdicts that the file replaces."""
        rows = self.replaced.get(attempt.place)
        if not rows or attempt.record.result is None:
            return attempt
        result = _with_verdicts(attempt.record.result, {row.question: row for row in rows})
        return replace(attempt, record=replace(attempt.record, result=result))

    def added(self, grade: Grade, student: int, place: int | None = None) -> Grade:
        """Return a grade with the points for questions. They have no late penalty, since lateness is that of a file.

        Args:
            grade: The grade of the attempt that counts.
            student: The student, as in `given`.
            place: Place of the attempt in the class run; None if there is none.
        """
        given = {row.question: row for row in self.given.get(student, ())}
        rows = [given.get(name, HandPoints(name, 0, most)) for name, most in self.questions.items()]
        verdicts = () if place is None else self.replaced.get(place, ())
        return replace(
            grade,
            points=grade.points + sum(row.points for row in rows),
            max_points=grade.max_points + self.max_points,
            questions=tuple(rows),
            verdicts=verdicts,
        )


def _with_verdicts(result: Result, rows: Mapping[str, HandPoints]) -> Result:
    return replace(result, tasks=tuple(_task(task, rows.get(task.id)) for task in result.tasks))


def _task(task: TaskResult, row: HandPoints | None) -> TaskResult:
    """Return a task whose checks are replaced by the verdict of a row."""
    if row is None:
        return task
    note = f"The grader gave {two_decimals(task.score)} of {two_decimals(task.max_score)} points."
    said = Explanation(message=row.comment or "Your instructor decided on these points.", note=note)
    status: Status = "passed" if row.points == task.max_score else "failed"
    check = CheckResult(task.id, "by_hand", "judged by hand", "value", row.points, task.max_score, status, said)
    return replace(task, checks=(check,))


NOTHING = ByHand()


def read_by_hand(path: Path, students: Mapping[int, Holder], others: Sequence[Holder] = ()) -> ByHand:
    """Read a file of points.

    Args:
        path: A CSV file with the columns COLUMNS; `question`, `max_points` and `comment` may be missing.
        students: The students who get a grade.
        others: Students of the class run who get none, for example because they are not in the roster.

    Raises:
        TableError: A row cannot be used; the message names the line and says why.
    """
    return _Reader(read_table(path), dict(students), others).read()


class _Reader:
    """Assigns the rows of a file, and remembers the line of each for messages about repeated ones."""

    def __init__(self, table: Table, students: dict[int, Holder], others: Sequence[Holder]):
        self._table, self._students = table, students
        self._everyone = [*students.items(), *((None, other) for other in others)]
        results = (one.record.result for _, each in self._everyone for one in each.attempts)
        self._tasks = {task.id: task.max_score for result in results if result for task in result.tasks}
        self._lines: dict[tuple[object, str], int] = {}

    def read(self) -> ByHand:
        """Return the points of all rows."""
        for name in ("id", "points"):
            if self._table.column(name) is None:
                there = ", ".join(self._table.header) or "none"
                raise self._table.error(self._table.top, f"no column {name!r}: the columns are {there}")
        questions = self._maxima()
        given: dict[int, list[HandPoints]] = {}
        replaced: dict[int, list[HandPoints]] = {}
        for row in self._table.rows:
            question = self._question(row)
            most = self._tasks.get(question, questions.get(question, 0))
            comment = harmless(self._table.cell(row, "comment"))
            points = HandPoints(question, self._points(row, "points"), most, comment)
            if points.points > most:
                possible = f"{question} has {two_decimals(most)}"
                raise self._table.error(row.line, f"{two_decimals(points.points)} points, but {possible}")
            if question in self._tasks:
                place = self._attempt(row).place
                self._once(row, place, question)
                replaced.setdefault(place, []).append(points)
            else:
                for student in self._holders(row):
                    self._once(row, student, question)
                    given.setdefault(student, []).append(points)
        return ByHand(questions, _frozen(given), _frozen(replaced))

    def _question(self, row: Row) -> str:
        name = harmless(" ".join(self._table.cell(row, "question").split())) or NO_NAME
        return name.casefold() if name.casefold() in self._tasks else name

    def _points(self, row: Row, column: str) -> int:
        """Return a number of points in hundredths."""
        cell = self._table.cell(row, column)
        points = hundredths(cell)
        if points is None:
            message = f"{column} must be a number, 0 or more, with at most two decimals, not {cell!r}"
            raise self._table.error(row.line, message)
        return points

    def _maxima(self) -> dict[str, int]:
        """Return the maximum points of each question that is not a task, in the order of the file."""
        found: dict[str, tuple[int, int]] = {}
        first: dict[str, int] = {}
        for row in self._table.rows:
            question, stated = self._question(row), bool(self._table.cell(row, "max_points"))
            first.setdefault(question, row.line)
            if not stated:
                continue
            most = self._points(row, "max_points")
            before, line = found.setdefault(question, (self._tasks.get(question, most), row.line))
            if most != before:
                where = "in the offering" if question in self._tasks else f"in line {line}"
                message = f"{question} has {two_decimals(most)} points here, but {two_decimals(before)} {where}"
                raise self._table.error(row.line, message)
        for question, line in first.items():
            if question not in found and question not in self._tasks:
                tasks = ", ".join(self._tasks) or "none"
                missing = "give its points in the column max_points"
                raise self._table.error(line, f"{question!r} is not a graded task ({tasks}): {missing}")
        return {question: found[question][0] for question in first if question not in self._tasks}

    def _holders(self, row: Row) -> Iterator[int]:
        """Yield the students that a row is about; those who get no grade are left out."""
        for student, _ in self._found(row):
            if student is not None:
                yield student

    def _found(self, row: Row) -> list[tuple[int | None, Holder]]:
        """Return the holders that a row names: by an id of a student, else by the name of a submission."""
        name = self._table.cell(row, "id")
        if not name:
            raise self._table.error(row.line, "no id")
        by_id = [(student, each) for student, each in self._everyone if folded(name) in each.ids]
        by_name = [(student, each) for student, each in self._everyone if _submission(each, name)]
        if not (by_id or by_name):
            raise self._table.error(row.line, f"id {name!r} is neither a student nor a submission of the class run")
        return by_id or by_name

    def _attempt(self, row: Row) -> Attempt:
        """Return the submission that a row is about."""
        name = self._table.cell(row, "id")
        found = [one for _, each in self._found(row) for one in each.attempts]
        named = [one for _, each in self._everyone for one in _submission(each, name)]
        attempts = list({one.place: one for one in named or found}.values())
        if len(attempts) != 1:
            names = some([one.record.submission for one in attempts])
            what = f"several submissions: name one of them ({names})" if attempts else "no submission"
            raise self._table.error(row.line, f"id {name!r} has {what}")
        if attempts[0].record.result is None:
            status = attempts[0].record.status
            raise self._table.error(row.line, f"id {name!r} has no verdict to replace: {status}")
        return attempts[0]

    def _once(self, row: Row, target: object, question: str) -> None:
        line = self._lines.setdefault((target, question), row.line)
        if line != row.line:
            name = self._table.cell(row, "id")
            raise self._table.error(row.line, f"{question} of {name!r} is also in line {line}")


def _submission(student: Holder, name: str) -> list[Attempt]:
    return [one for one in student.attempts if folded(one.record.submission) == folded(name)]


def _frozen(rows: Mapping[int, list[HandPoints]]) -> dict[int, tuple[HandPoints, ...]]:
    return {key: tuple(each) for key, each in rows.items()}
