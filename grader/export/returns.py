"""Reports for bulk return: each student's page, with what lateness took, called as the system expects it."""

from collections.abc import Mapping, Sequence

from grader.report import html
from grader.report.gradebooks import feedback
from grader.report.gradebooks.roster import Person

from .attempts import Decided
from .findings import Findings
from .match import Claim


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
        title: Of the class run.
        people: Of the roster.
        of: Submissions of each, by line.
        decided: What counts of each, by line.
        found: Is told whom nothing can be returned to.

    Raises:
        ValueError: That is everyone.
    """
    files, nameless = {}, []
    for person in people:
        one = decided.get(person.row.line)
        if one is None or one.grade is None:
            continue
        name = _name(system, person, of[person.row.line], one)
        if name:
            files[name] = html.page(one.attempt.record, title, one.grade.notes())
        else:
            nameless.append(person.called())
    if not files:
        raise ValueError(_NOBODY[system])
    found.unreturned(nameless)
    return feedback.zipped(files)


_NOBODY = {
    "canvas": "no feedback can be returned: Canvas takes files by the names of its own download, so grade that folder",
    "moodle": "no feedback can be returned: Moodle goes by numbers of participants, so grade the folder that it lets "
    "you download, or give the grading worksheet as --roster",
}


def _name(system: str, person: Person, claimed: Sequence[Claim], one: Decided) -> str | None:
    if system == "canvas":
        return feedback.canvas_name(one.attempt.handed_in.entry)
    student = next((claim.student for claim in claimed if claim.student.system == "moodle"), None)
    number = person.number or (student.number if student else "")
    name = person.name or (student.name if student else "")
    return feedback.moodle_name(name, number) if number else None
