"""index.html: an overview of the class for the instructor."""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from grader.judge.result import Result, TaskResult
from grader.report.explain import Explained
from grader.report.html import attainment, render_page, share_of
from grader.report.results_json import Record

from . import class_statistics
from .compare import Comparison
from .look_alikes import LookAlikes

FIRST = 12  # rows of a list that are shown at first; the others are folded
MOST_LINES = 80  # lines of a look-alike that are shown
PAGE = 500  # rows of the large table that are shown at a time; a browser needs seconds to lay out thousands


@dataclass(frozen=True)
class Who:
    """How a page refers to a submission: by name with a link, or by number on the anonymous page."""

    name: str
    number: int


@dataclass(frozen=True)
class Cell:
    """The result of one task in the large table."""

    score: float
    attainment: str
    status: str


@dataclass(frozen=True)
class StudentRow:
    """One submission in the large table; a cell is None if the task was not graded."""

    who: Who
    score: float
    share: float
    seconds: float
    cells: tuple[Cell | None, ...]


@dataclass(frozen=True)
class MisconceptionRow:
    """A misconception in the class: its texts from the catalogue, who has it, and their share of the class."""

    id: str
    task: str
    wrong: str
    hint: str
    who: tuple[Who, ...]
    share: float


def index_page(
    records: Sequence[Record],
    *,
    title: str,
    catalogue: Mapping[str, Explained],
    look_alikes: LookAlikes | None,
    comparison: Comparison | None = None,
    anonymous: bool = False,
) -> str:
    """Return the page of a class.

    Args:
        records: All entries of the class, graded or not.
        title: Heading: course, assignment, term.
        catalogue: Explanation and hint of each misconception, by id; if one is missing, only its id is shown.
        look_alikes: Result of the search for look-alikes; None if there was no search.
        comparison: Comparison with an earlier run, if there is one.
        anonymous: Leave every name, and all text that could contain one, out of the file. Otherwise a switch on the
            page hides the names.
    """
    who = numbered(records)
    results = [record.result for record in records if record.result]
    most = max((result.max_score for result in results), default=0) / 100
    scores = [result.score / 100 for result in results]
    numbers = class_statistics.by_task(results)
    order = sorted((record for record in records if record.result), key=lambda r: who[r.submission].number)
    return render_page(
        "index.html",
        script="index.js",
        title=title,
        anonymous=anonymous,
        first=FIRST,
        most_lines=MOST_LINES,
        page=PAGE,
        entries=len(records),
        graded=len(results),
        most=most,
        summary=class_statistics.score_summary(scores, most) if most else None,
        bins=class_statistics.histogram(scores, most),
        numbers=numbers,
        misconceptions=_misconceptions(records, who, catalogue),
        slowest=[(who[name], seconds) for name, seconds in class_statistics.slowest(records)],
        troubles=[(who[trouble.submission], trouble) for trouble in class_statistics.troubles(records)],
        ungraded=[(who[r.submission], r.status) for r in records if not r.result],
        rows=[_row(who[r.submission], r.result, [n.task for n in numbers]) for r in order if r.result],
        look_alikes=None if anonymous else look_alikes,
        comparison=None if anonymous else comparison,
        who=who,
    )


def numbered(records: Sequence[Record]) -> dict[str, Who]:
    """Number the submissions by descending score.

    Equal scores are ordered by a hash of the name, so that the numbers do not reveal names.
    """

    def key(record: Record) -> tuple[bool, int, str]:
        chance = hashlib.sha256(record.submission.encode("utf-8", "replace")).hexdigest()
        return record.result is None, -(record.result.score if record.result else 0), chance

    ordered = sorted(records, key=key)
    return {record.submission: Who(record.submission, i) for i, record in enumerate(ordered, 1)}


def _misconceptions(
    records: Sequence[Record], who: Mapping[str, Who], catalogue: Mapping[str, Explained]
) -> list[MisconceptionRow]:
    graded = sum(record.result is not None for record in records)
    found = []
    for one in class_statistics.misconceptions(records):
        words = catalogue.get(one.id, Explained("", ""))
        them = tuple(who[name] for name in one.submissions)
        found.append(MisconceptionRow(one.id, one.task, words.wrong, words.hint, them, len(them) / graded))
    return found


def _row(who: Who, result: Result, tasks: Sequence[str]) -> StudentRow:
    of = {task.id: task for task in result.tasks}
    share = share_of(result) or 0.0
    return StudentRow(who, result.score / 100, share, result.seconds, tuple(_cell(of.get(task)) for task in tasks))


def _cell(task: TaskResult | None) -> Cell | None:
    return Cell(task.score / 100, attainment(task), task.status) if task else None
