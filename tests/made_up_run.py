"""The output folder of a made-up class run, written by the class run's own writers: no student's code is run."""

import json
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from grader.__main__ import main
from grader.instructor.class_runs import submissions
from grader.instructor.class_runs.grades import FILE_NAME, Entry, grades_text
from grader.instructor.class_runs.submissions import HandedIn, Listing, Student
from tests.made_up_class import POINTS, entry, row

MOST = sum(POINTS.values())
DUE = datetime(2026, 12, 1, 22, 59, tzinfo=UTC)


def handed(
    student: str | Student | tuple[Student, ...],
    outcomes: dict[str, str] | None = None,
    *,
    row: str = "",
    problem: str = "",
    status: str = "",
    got: str | None = None,
    **more: Any,
) -> tuple[HandedIn, Entry]:
    """Return a submission, and what became of it.

    Args:
        student: Whose it is: an id, a student, or a group.
        outcomes: By task, as in `made_up_class.result`; by default all points.
        row: What the class run calls it; by default the first student's id.
        problem: Why there is nothing to grade.
        status: Why the grader has no verdict.
        got: What failed checks say.
        **more: Fields of HandedIn.
    """
    students = student if isinstance(student, tuple) else (student,)
    known = tuple(Student(one) if isinstance(one, str) else one for one in students)
    row = row or known[0].id
    found = HandedIn(more.pop("entry", f"{row}.py"), known, submission=row, problem=problem, **more)
    return found, Entry(row, problem or status) if problem or status else entry(row, outcomes, got)


def class_run(folder: Path, *handed_in: tuple[HandedIn, Entry], title: str = "VAE, autumn") -> Path:
    """Write the output folder of a class run; returns it."""
    entries = [one for _, one in handed_in]
    names = [one.submission for one in entries]
    assert len(names) == len(set(names)), "rows have names of their own"
    out = folder / "class-results"
    for one in entries:
        if one.results:
            (out / one.submission).mkdir(parents=True)
            (out / one.submission / "results.json").write_text(json.dumps(one.results), encoding="utf-8")
    out.mkdir(exist_ok=True)
    (out / FILE_NAME).write_text(grades_text([row(one) for one in entries], list(POINTS), POINTS), encoding="utf-8")
    listing = Listing(title, 100 * MOST, tuple(replace(found) for found, _ in handed_in))
    (out / submissions.FILE_NAME).write_text(submissions.listing_text(listing), encoding="utf-8")
    return out


def offering(folder: Path, *replacements: tuple[str, str]) -> Path:
    """Write the project's offering with other values; returns its path."""
    from grader.judge.offering import OFFERING

    text = OFFERING.read_text(encoding="utf-8")
    for old, new in replacements:
        assert text.count(f"\n{old}") == 1
        text = text.replace(f"\n{old}", f"\n{new}")
    path = folder / "offering.toml"
    path.write_text(text, encoding="utf-8")
    return path


def ten_percent(folder: Path, *replacements: tuple[str, str]) -> Path:
    """Write an offering that takes ten percent for each day, due at DUE; returns its path."""
    due = ('due = ""', f'due = "{DUE.isoformat()}"')
    return offering(folder, due, ("percent_per_day = 0", "percent_per_day = 10"), *replacements)


def export(*arguments: str | Path) -> int:
    """Run the command; returns its exit status."""
    return main(["export", *map(str, arguments)])


def written(path: Path, text: str) -> Path:
    """Write a roster; returns its path."""
    path.write_text(text, encoding="utf-8")
    return path


def table(rows: Sequence[Sequence[str]]) -> str:
    """Return rows as the CSV of a system that quotes nothing it need not."""
    import csv
    import io

    stream = io.StringIO()
    csv.writer(stream, lineterminator="\r\n").writerows(rows)
    return stream.getvalue()
