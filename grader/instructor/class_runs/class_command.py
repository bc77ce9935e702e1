"""`python -m grader class`: the options, and the messages at the end."""

import argparse
import contextlib
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from data.commandline import file, folder, path, quoted, whole, words
from grader.grading import seeds
from grader.grading.options import add_shared_options, refuse
from grader.judge.offering import OfferingError
from grader.report.text import some
from grader.sandbox import SANDBOXES

from ..csv_tables import TableError
from .class_settings import Unusable, settings
from .grades import GRADED
from .ledger import WAITING
from .resume import LOCK

if TYPE_CHECKING:
    from .class_run import RunSummary

_SANDBOXES = tuple(name for name in SANDBOXES if name != "in-process")  # its scores do not count
_EXAMPLES = """examples:
  python -m grader class submissions/ --out class-results/
  python -m grader class canvas-export/ --out class-results/ --roster roster.csv --jobs 8
  python -m grader class submissions/ --out class-results/ --scheduler tcp://10.0.0.1:8786

SUBMISSIONS_DIR contains one entry per submission: a .py file, or a folder, .zip or .tar.gz with one VAE_Model.py in it.
If the only Python file has another name, it is graded, and the run reports this. Output folders of class runs are
skipped. Exports of Gradescope (with submission_metadata.yml), Canvas and Moodle are recognised. Their rows are named by
the student's id, in Moodle's case by name and number.

A roster is a CSV file with the columns `submission` (name of an entry, or the id or mail address in an export) and `id`
(the name of the student's row). `python -m grader export` also reads the columns `name`, `email`, `submitted`, `due`
(both like 2026-12-01T23:59+01:00) and `attempt`. Several lines with the same `id` are attempts of one student. Lines
that match no entry, and entries without a line, are counted on the terminal and listed in DIR/unmatched.csv.

Run the same command again to resume. A result is reused as long as submission, grader, seed, sandbox, images and tasks
are the same. Removed submissions keep their folders but lose their rows. Use a separate DIR for each class: a DIR with
the results of another class is refused.

The seed of a submission is computed from the secret of the offering and the content of the file. The secret comes from
$VAE_GRADER_SECRET or --secret-file; without either, one is created in the output folder. Keep it, and do not show it to
students.

On a cluster, start workers in a copy of this project: `python -m dask worker ADDRESS --nthreads 1`. Anyone who
can connect to the scheduler can control it. Make sure that no submission can (bubblewrap has no network), or use
dask's TLS.

exit status: 0 all submissions are graded; 1 some are not, see the column `status`; 2 an option is wrong, and nothing is
graded; 3 the run ended early: run it again; 130 interrupted
"""


def add_to(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add the subcommand to the parser of `python -m grader`."""
    parser = commands.add_parser(
        "class",
        help="grade a folder of submissions",
        description="Grade a folder of submissions, on all cores or on a dask cluster.",
        epilog=_EXAMPLES,
    )
    parser.add_argument("folder", type=folder, metavar="SUBMISSIONS_DIR", help="folder of the submissions")
    parser.add_argument(
        "--out", type=path, required=True, metavar="DIR", help="output folder for grades.csv, index.html and reports"
    )
    parser.add_argument(
        "--jobs",
        type=whole(1),
        metavar="N",
        help="number of submissions graded at the same time [one per core and per 2 GiB of memory]",
    )
    parser.add_argument(
        "--scheduler",
        type=words,
        metavar="ADDRESS",
        help="address of a dask cluster to use [a new one on this machine]",
    )
    add_shared_options(parser)
    parser.add_argument(
        "--roster", type=file, metavar="FILE", help="CSV file with the columns submission and id, see below [none]"
    )
    parser.add_argument("--title", type=words, metavar="TEXT", help="heading of the pages [name of SUBMISSIONS_DIR]")
    parser.add_argument(
        "--compare",
        type=path,
        metavar="OLD_DIR",
        help="output folder of another class run: list what changed since then, and why [none]",
    )
    parser.add_argument(
        "--secret-file", type=file, metavar="FILE", help="file with the secret of the offering [see below]"
    )
    parser.add_argument(
        "--sandbox",
        choices=_SANDBOXES,
        default="auto",
        help="isolation method for the students' code; `process`, which protects only the scores, is never chosen by "
        "default [auto]",
    )
    parser.add_argument(
        "--fresh-sandboxes",
        action="store_true",
        help="start each bubblewrap sandbox from scratch: slower, with the same isolation and points "
        "[fork them from a process that has imported torch]",
    )


def main(options: argparse.Namespace) -> int:
    """Run the subcommand; returns the exit status."""
    try:
        from . import class_run
        from .dask_judges import ClusterLost
        from .entries import ExportError
    except ModuleNotFoundError as error:
        return refuse("class", f"the class run needs {error.name}: pip install -e '.[class]'")
    try:
        with _locked(options.out), _interruptible(options.again):
            return _tell(class_run.grade_class(settings(options)), options.out, options.again)
    except (Unusable, ExportError, TableError, ClusterLost, seeds.SecretError, OfferingError) as error:
        return refuse("class", error)
    except OSError as error:  # e.g. no space for the cluster's files or no more processes; no submission causes this
        return refuse("class", f"{error}; to resume, run the same command again: {options.again}")


def _tell(summary: "RunSummary", out: Path, again: str) -> int:
    """Print how a run ended and, if it ended early, the command that resumes it; return the exit status."""
    print(*summary.changes, sep="\n", end="\n" if summary.changes else "")
    every = len(summary.rows)
    graded = sum(row.status == GRADED for row in summary.rows)
    waiting = sum(row.status == WAITING for row in summary.rows)
    failed = every - graded - waiting
    say = f"{graded} of {every} graded"
    say += f", {failed} not (see the column `status`)" if failed else ""
    say += f", {waiting} not yet" if waiting else ""
    say += f": {out / 'grades.csv'}, {out / 'index.html'}"
    if summary.stopped:
        print(f"{summary.stopped}; {say}\nto resume, run the same command again: {again}", file=sys.stderr)
        return 130 if summary.stopped == "interrupted" else 3
    if summary.vanished:
        say += f"\nresults of removed submissions are kept: {some(summary.vanished)}"
    print(say, file=sys.stderr)
    return 1 if graded < every else 0


@contextlib.contextmanager
def _locked(out: Path) -> Iterator[None]:
    """Create the output folder, and keep a second run from writing to it at the same time.

    Raises:
        Unusable: The folder cannot be created, or another run is writing to it.
    """
    try:
        out.mkdir(parents=True, exist_ok=True)
        lock = (out / LOCK).open("w")
    except OSError as error:
        raise Unusable(f"{quoted(out)}: {error.strerror}; choose a folder for the results with --out") from None
    with lock:
        with contextlib.suppress(ImportError):  # Windows
            import fcntl

            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError:
                raise Unusable(f"another class run is writing to {quoted(out)}") from None
        yield


@contextlib.contextmanager
def _interruptible(again: str) -> Iterator[None]:
    """After Ctrl-C, print the command that resumes the run."""
    try:
        yield
    except KeyboardInterrupt:
        print(f"interrupted; to resume, run the same command again: {again}", file=sys.stderr)
        raise SystemExit(130) from None
