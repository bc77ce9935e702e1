"""`python -m grader export`: the options, the checks before anything is written, and the messages at the end."""

import argparse
import sys
from dataclasses import replace
from pathlib import Path
from zoneinfo import ZoneInfo

from data.commandline import file, path, quoted, words
from grader.grading.options import refuse
from grader.judge import offering
from grader.judge.late_policy import Late, moment
from grader.report.files import write_whole

from . import FILE_NAMES
from .export import Exported, Request, export
from .gradebook import hundredths, percent_text, shown_time

_DESCRIPTION = "Export the grades of a class run to Canvas, Moodle or a CSV file, with the late policy applied."
_EPILOG = """examples:
  python -m grader export class-results/ --format csv
  python -m grader export class-results/ --format canvas --roster canvas-export.csv --assignment "VAE"
  python -m grader export class-results/ --format moodle --roster worksheet.csv --feedback feedback.zip
  python -m grader export class-results/ --format moodle --roster worksheet.csv --by-hand essay.csv --scale-to column

DIR is the output folder of `python -m grader class`. ROSTER lists the students of the course; the gradebook contains
only these. ROSTER is for
  canvas  the gradebook that Canvas exports (Grades > Export). Import the written file with Grades > Import.
  moodle  the grading worksheet, or the gradebook that Moodle exports (Grades > Export). Import the written file with
          Upload grading worksheet, or with Grades > Import. It contains grades and feedback.
  csv     either of these, or your own list with a column `id`; without ROSTER, all students of the class run.

The late policy and the attempts are set in grader/offering.toml, [late] and [attempts]. Times of submission come
from Gradescope's export, from the column `submitted` of ROSTER or of the class run's roster, or from Moodle's worksheet
(with --timezone, because its times have no zone). A column `due` sets another due date for a student. Times are in ISO
8601 with a time zone: 2026-12-01T23:59+01:00.

ROSTER may be separated by commas, semicolons or tabs, and encoded in UTF-8, UTF-16 or Windows-1252. In exports of a
Moodle in another language, columns are recognised by their content; --id-column and --grade-column select others.

--by-hand FILE adds points that you give yourself. Its columns are `id` (of a student, or the name of a submission),
`points`, and if needed `comment`, `question` and `max_points`. If `question` is the id of a task, the row replaces the
verdict of the grader on this task of one submission. Any other text is a question of your own, and `max_points`, in at
least one of its rows, is the most that it gives. Points for your own questions have no late penalty. Feedback for the
student contains the comments.

A student without a submission keeps the grade in ROSTER (usually none), or gets 0.00 with --missing=zero. A submission
that cannot be graded gets 0.00 points and the reason. If the grader itself failed, there is no grade. The reports in
DIR/<submission>/report.html are without the penalty; --feedback writes reports with it.

exit status: 0 everything is written, and every student of ROSTER has a grade; 1 everything is written, and the printed
lines list what to check (students without a match, a verdict, or a time); 2 nothing is written, because an option, DIR,
ROSTER or FILE cannot be used
"""
_HOW = {
    "canvas": "the gradebook that Canvas exports (Grades > Export)",
    "moodle": "the grading worksheet or the gradebook that Moodle exports",
}


def add_to(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add the subcommand to the parser of `python -m grader`."""
    parser = commands.add_parser(
        "export",
        help="write a class run as a gradebook for Canvas, Moodle or a spreadsheet",
        description=_DESCRIPTION,
        epilog=_EPILOG,
    )
    parser.add_argument("folder", type=path, metavar="DIR", help="output folder of a class run")
    parser.add_argument("--format", choices=tuple(FILE_NAMES), required=True, help="format of the gradebook")
    parser.add_argument("--roster", type=file, metavar="ROSTER", help="CSV file of the course, see below [none]")
    parser.add_argument("--out", type=path, metavar="FILE", help="gradebook to write [DIR/gradebook-FORMAT.csv]")
    parser.add_argument(
        "--feedback", type=path, metavar="ZIP", help="also write an archive of reports for bulk upload [none]"
    )
    parser.add_argument(
        "--assignment",
        type=words,
        metavar="TITLE",
        help="title or number of the assignment in Canvas [the only one in ROSTER]",
    )
    parser.add_argument(
        "--id-column",
        type=words,
        metavar="NAME",
        help="column of student ids in ROSTER [found by English headings and mail addresses]",
    )
    parser.add_argument(
        "--grade-column",
        type=words,
        metavar="NAME",
        help="column of grades in Moodle's worksheet [the one next to the maximum]",
    )
    parser.add_argument(
        "--timezone",
        type=words,
        metavar="ZONE",
        help="time zone of the times in Moodle's worksheet, such as Europe/Berlin [its times are ignored]",
    )
    parser.add_argument(
        "--missing", choices=("keep", "zero"), default="keep", help="grade of students without a submission [keep]"
    )
    parser.add_argument(
        "--due", type=words, metavar="TIME", help="due date, such as 2026-12-01T23:59+01:00 [offering's]"
    )
    parser.add_argument(
        "--by-hand", type=file, metavar="FILE", help="CSV file with points that you give yourself, see below [none]"
    )
    parser.add_argument(
        "--scale-to",
        type=_total,
        metavar="POINTS|column",
        help="scale all grades to this total, or to the maximum in ROSTER [as graded]",
    )
    parser.add_argument("--offering", type=file, metavar="FILE", help="late policy and attempts [grader/offering.toml]")


def _total(text: str) -> int | str:
    """Return a total in hundredths of points, or `column`."""
    if text == "column":
        return text
    if not (total := hundredths(text)):
        raise argparse.ArgumentTypeError(
            f"must be a number of points, such as 20, or the word column, not {quoted(text)}"
        )
    return total


def main(options: argparse.Namespace) -> int:
    """Run the subcommand; returns the exit status."""
    out = options.out or options.folder / FILE_NAMES[options.format]
    try:
        request = _request(options)
        _check_targets(options, out)
        made = export(request)
    except ModuleNotFoundError as error:
        return refuse("export", f"reports need {error.name}: pip install -e '.[class]'")
    except ValueError as error:  # also from the offering, the roster and the class run
        return refuse("export", error)
    files: dict[Path, str | bytes] = {out: made.gradebook}
    if made.feedback is not None:
        files[options.feedback] = made.feedback
    for target, content in files.items():
        try:
            write_whole(target, content)
        except OSError as error:
            return refuse("export", f"{quoted(target)} cannot be written: {error.strerror}")
    _tell(request, made, list(files))
    return 1 if made.findings.lines else 0


def _request(options: argparse.Namespace) -> Request:
    """Return the settings that the options specify.

    Raises:
        ValueError, OfferingError: Options contradict each other, or one is invalid.
    """
    if options.roster is None and options.format in _HOW:
        raise ValueError(f"--format {options.format} needs --roster ROSTER, {_HOW[options.format]}")
    if options.roster is None and (options.id_column or options.missing == "zero"):
        raise ValueError("--id-column and --missing need a roster: add --roster ROSTER")
    if options.assignment and options.format != "canvas":
        raise ValueError("--assignment is for --format canvas: in other files the assignment has no name")
    if options.id_column and options.format == "canvas":
        raise ValueError("--id-column is for other rosters: an export of Canvas always has the same columns")
    if options.grade_column and options.format != "moodle":
        raise ValueError("--grade-column is for --format moodle: other files have no such column")
    if options.scale_to == "column" and options.format == "csv":
        raise ValueError("--scale-to column is for Canvas and Moodle: write the number of points, as in --scale-to 20")
    if options.feedback and options.format == "csv":
        raise ValueError("--feedback is for Canvas and Moodle: other reports are in DIR/<submission>/report.html")
    chosen = offering.load_offering(options.offering or offering.OFFERING)
    try:
        late = replace(chosen.late, due=moment(options.due)) if options.due else chosen.late
    except ValueError as error:
        raise ValueError(f"--due: {error}") from None
    return Request(
        folder=options.folder,
        format=options.format,
        late=late,
        counts=chosen.attempts,
        roster=options.roster,
        assignment=options.assignment,
        id_column=options.id_column,
        grade_column=options.grade_column,
        zone=_zone(options.timezone) if options.timezone else None,
        zero=options.missing == "zero",
        feedback=options.feedback is not None,
        by_hand=options.by_hand,
        scale_to=options.scale_to,
    )


def _zone(name: str) -> ZoneInfo:
    try:
        return ZoneInfo(name)
    except (ValueError, OSError, KeyError):  # KeyError: the zone is unknown
        raise ValueError(f"--timezone: {quoted(name)} is not a time zone; write it as Europe/Berlin") from None


def _check_targets(options: argparse.Namespace, out: Path) -> None:
    """Check that the output would not overwrite something else.

    Raises:
        ValueError: A file would replace the roster, the other file, a folder or a device.
    """
    for option, target in (("--out", out), ("--feedback", options.feedback)):
        if target is not None and target.exists() and not target.is_file():
            raise ValueError(f"{option} {quoted(target)} is a folder or a device: name a file")
        for read, what in ((options.roster, "roster"), (options.by_hand, "file of points by hand")):
            if target is not None and read is not None and target.resolve() == read.resolve():
                raise ValueError(f"{option} {quoted(target)} is the {what} itself: choose another file")
    if options.feedback is not None and options.feedback.resolve() == out.resolve():
        raise ValueError("--feedback and --out are the same file: choose two files")


def _tell(request: Request, made: Exported, paths: list[Path]) -> None:
    """Print what was written, and what to check."""
    grades = f"{made.students} grade{'' if made.students == 1 else 's'}"
    print(f"{grades}: {', '.join(map(str, paths))}", _policy(request.late, made.late), sep="\n", file=sys.stderr)
    if made.new_assignment:
        print(f"the import will create a new assignment: {made.new_assignment}", file=sys.stderr)
    print(*made.findings.lines, sep="\n", end="\n" if made.findings.lines else "", file=sys.stderr)


def _policy(late: Late, count: int) -> str:
    """Return the late policy in words, with the number of late students."""
    if late.due is None and not count:
        return "late policy: no due date, so no penalty"
    due = shown_time(late.due) if late.due else "by student"
    grace = f" after {late.grace.total_seconds() / 3600:g} h" if late.grace else ""
    end = f", no points after {late.most_days} days" if late.most_days else ""
    return (
        f"late policy: due {due}, {percent_text(late.percent_per_day)} % for each started day{grace}{end}; {count} late"
    )
