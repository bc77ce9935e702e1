"""A class run, read back from its output folder: what was handed in, by whom, and what became of it."""

from dataclasses import dataclass
from pathlib import Path

from grader.report import submissions
from grader.report.entry import Entry
from grader.report.reading import read_class, record
from grader.report.tables import TableError

from .attempts import Attempt

_WAITING = "not graded yet"


@dataclass(frozen=True)
class ClassRun:
    """A class run.

    Attributes:
        title: Heading of its pages.
        max_points: To earn, in hundredths.
        attempts: All submissions, in the order of the run.
    """

    title: str
    max_points: int
    attempts: tuple[Attempt, ...]


def read_run(folder: Path) -> ClassRun:
    """Read a class run.

    Only what it has a row for counts: folders of submissions that are gone do not.

    Raises:
        ValueError: The folder holds none, or it cannot be read; the message says what to do.
    """
    listing = submissions.read(folder)
    try:
        entries = {entry.submission: entry for entry in read_class(folder)}
    except TableError as error:
        raise ValueError(f"{folder / 'grades.csv'} cannot be read ({error}): run the class run again") from None
    attempts = []
    for place, handed_in in enumerate(listing.submissions):
        name = handed_in.submission
        entry = Entry(name, handed_in.problem) if handed_in.problem else entries.get(name, Entry(name, _WAITING))
        attempts.append(Attempt(handed_in, record(entry), place))
    return ClassRun(listing.title, listing.max_score, tuple(attempts))
