"""`python -m grader export`: the options, the checks before anything is written, and the messages at the end."""

import argparse
import sys
from dataclasses import replace
from pathlib import Path
from zoneinfo import ZoneInfo

from data.commandline import file, path, quoted, words
from grader.grading.options import refuse
from grader.judge import offering
from grader.judge.offering import Late, moment
from grader.report.files import write_whole

from . import FILE_NAMES
from .export import Exported, Request, export
from .gradebook import percent_text, shown_time

_DESCRIPTION = "Write the grades of a class run as a gradebook of another system, with what lateness takes."
_EPILOG = """examples:
  python -m grader export class-results/ --format csv
  python -m grader export class-results/ --format canvas --roster canvas-export.csv --assignment "VAE"
  python -m grader export class-results/ --format moodle --roster worksheet.csv --feedback feedback.zip

DIR is the output folder of `python -m grader class`. ROSTER says who is in the course; only these students are written.
  canvas  the gradebook as Canvas exports it (Grades > Export). The file goes back by Grades > Import.
  moodle  the grading worksheet, which goes back by Upload grading worksheet, or the gradebook as Moodle exports it
          (Grades > Export), whose file goes back by Grades > Import. Grade and feedback are always together.
  csv     either of these, or a list of your own with the column `id`; without one, all students of the class run.

Lateness and attempts are set in grader/offering.toml, [late] and [attempts]. Times come from Gradescope's export, from
the column `submitted` of a roster, the class run's or this one, or from Moodle's worksheet (with --timezone, as its
times have none); a column `due` gives a student another due date. Times are ISO 8601 with a zone:
2026-12-01T23:59+01:00.

ROSTER may be separated by commas, semicolons or tabs, and be UTF-8, UTF-16 or Windows-1252, as spreadsheets write it.
Of Moodle in another language, columns are known by what stands in them; --id-column and --grade-column name others.

A student without a submission keeps what the roster has (usually nothing), or gets 0.00 with --missing=zero. What
could not be graded because of the submission has 0.00 points and its reason; where the grader itself failed, there is
no grade. Reports without the penalty are in DIR/<submission>/report.html; --feedback writes those with it.

exit status: 0 all is written and everyone of ROSTER has a grade; 1 all is written, and some lines say what to look at
(students without a partner, a verdict, or a time); 2 nothing is written: an option, DIR or ROSTER cannot be used
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
    parser.add_argument("--format", choices=tuple(FILE_NAMES), required=True, help="of the gradebook")
    parser.add_argument("--roster", type=file, metavar="ROSTER", help="CSV file of the course, see below [none]")
    parser.add_argument("--out", type=path, metavar="FILE", help="the gradebook [DIR/gradebook-FORMAT.csv]")
    parser.add_argument("--feedback", type=path, metavar="ZIP", help="write reports too, for bulk return [none]")
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
        help="column of ids in ROSTER [mail addresses, and English headings]",
    )
    parser.add_argument(
        "--grade-column",
        type=words,
        metavar="NAME",
        help="column of grades in Moodle's worksheet [beside the maximum]",
    )
    parser.add_argument(
        "--timezone",
        type=words,
        metavar="ZONE",
        help="of the times in Moodle's worksheet, as Europe/Berlin [they do not count]",
    )
    parser.add_argument(
        "--missing", choices=("keep", "zero"), default="keep", help="what students without a submission get [keep]"
    )
    parser.add_argument("--due", type=words, metavar="TIME", help="when submissions were due [as in the offering]")
    parser.add_argument("--offering", type=file, metavar="FILE", help="lateness and attempts [grader/offering.toml]")


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
        raise ValueError("--id-column and --missing are about a roster: give one with --roster")
    if options.assignment and options.format != "canvas":
        raise ValueError("--assignment is for --format canvas: in other files the assignment has no name")
    if options.id_column and options.format == "canvas":
        raise ValueError("--id-column is for other rosters: an export of Canvas always has the same columns")
    if options.grade_column and options.format != "moodle":
        raise ValueError("--grade-column is for --format moodle: other files have no such column")
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
    )


def _zone(name: str) -> ZoneInfo:
    try:
        return ZoneInfo(name)
    except (ValueError, OSError, KeyError):  # KeyError: the zone is unknown
        raise ValueError(f"--timezone: {quoted(name)} is not a time zone; write it as Europe/Berlin") from None


def _check_targets(options: argparse.Namespace, out: Path) -> None:
    """Check that the output would not overwrite something else.

    Raises:
        ValueError: It would.
    """
    for option, target in (("--out", out), ("--feedback", options.feedback)):
        if target is not None and target.exists() and not target.is_file():
            raise ValueError(f"{option} {quoted(target)} is a folder or a device: give the name of a file")
        if target is not None and options.roster is not None and target.resolve() == options.roster.resolve():
            raise ValueError(f"{option} {quoted(target)} is the roster itself: give another name")
    if options.feedback is not None and options.feedback.resolve() == out.resolve():
        raise ValueError("--feedback and --out are the same file: give two names")


def _tell(request: Request, made: Exported, paths: list[Path]) -> None:
    """Print what was written, and what to check."""
    grades = f"{made.students} grade{'' if made.students == 1 else 's'}"
    print(f"{grades}: {', '.join(map(str, paths))}", _policy(request.late, made.late), sep="\n", file=sys.stderr)
    if made.new_assignment:
        print(f"the import makes a new assignment: {made.new_assignment}", file=sys.stderr)
    print(*made.findings.lines, sep="\n", end="\n" if made.findings.lines else "", file=sys.stderr)


def _policy(late: Late, count: int) -> str:
    """Return the late policy in words, with the number of late students."""
    if late.due is None and not count:
        return "late policy: no due date, so no penalty"
    due = shown_time(late.due) if late.due else "by student"
    grace = f" after {late.grace.total_seconds() / 3600:g} h" if late.grace else ""
    end = f", no points after {late.most_days} days" if late.most_days else ""
    return (
        f"late policy: due {due}, {percent_text(late.percent_per_day)} % for each day begun{grace}{end}; {count} late"
    )
