"""A class run, read back from its output folder: what was handed in, by whom, and what became of it."""

import csv
from dataclasses import dataclass
from pathlib import Path

from grader.report import submissions
from grader.report.entry import Entry
from grader.report.reading import read_class, read_statuses, record

from .attempts import Attempt


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
        statuses = read_statuses(folder / "grades.csv")
        entries = {entry.submission: entry for entry in read_class(folder)}
    except (OSError, csv.Error, UnicodeDecodeError) as error:
        raise ValueError(f"{folder / 'grades.csv'} cannot be read ({error}): run the class run again") from None
    attempts = []
    for place, handed_in in enumerate(listing.submissions):
        name = handed_in.submission
        status = handed_in.problem or statuses.get(name, "not graded yet")
        results = entries[name].results if status == "graded" and name in entries else None
        if status == "graded" and name in entries:
            status = entries[name].status  # its results.json may be gone or damaged
        attempts.append(Attempt(handed_in, record(Entry(name, status, results)), place))
    return ClassRun(listing.title, listing.max_score, tuple(attempts))
