"""A class run: read the submissions, grade those without a valid result, write each result as soon as it exists."""

import contextlib
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import IO, Any, NoReturn

from distributed import Client
from tqdm import tqdm

from grader.grading import seeds
from grader.grading.jobs import Job
from grader.report.files import write_whole
from grader.report.text import some

from .. import gradebooks
from ..pages.class_pages import MADE_FROM, NAMES, are_current, made_from, write_pages
from . import dask_judges, resume
from . import submissions as listing_file
from .class_settings import ClassSettings, Unusable
from .dask_judges import ClusterLost, cluster_at, local_cluster
from .entries import GRADESCOPE, Stored, Submission, Told, collect, listing, read_gradescope
from .grades import FILE_NAME, GRADED, Row, grades_text
from .ledger import Ledger
from .resume import THREADS, Stamp, grader_version, versions
from .roster import UNMATCHED, Unmatched, owners, unmatched, unmatched_text
from .sandbox_here import NoSuchSandbox, chosen_here
from .submissions import Listing

RESERVED = (
    FILE_NAME,
    listing_file.FILE_NAME,
    *NAMES,
    *gradebooks.FILE_NAMES.values(),
    seeds.FILE_NAME,
    UNMATCHED,
)
_MARGIN_S = 60.0  # added to the grader's own limit for a submission: time to start, to compute the oracles and to end
_BETWEEN_SAVES_S = 5.0
_ANOTHER_CLASS = (
    "{out} holds the results of another class ({other}): fewer than half of its submissions are in {folder}. Give "
    "another folder with --out; if it is the same class, delete {out}/submissions.json and run the command again"
)
_UNPROTECTED = (
    "only the sandbox `process` works here, and it does not protect this machine from a hostile file: "
    "install bubblewrap, or accept the risk with --sandbox=process"
)


@dataclass(frozen=True)
class RunSummary:
    """How a class run ended.

    Attributes:
        rows: The rows.
        stopped: Why the run ended early; empty if it is complete.
        vanished: Folders with results of submissions that no longer exist.
        changes: What changed since the earlier run, one line each.
    """

    rows: list[Row]
    stopped: str
    vanished: list[str]
    changes: list[str]


def grade_class(settings: ClassSettings) -> RunSummary:
    """Grade a class.

    Raises:
        Unusable: The folder cannot be read or is empty, or the sandbox cannot be used.
        ExportError: The export's own list cannot be read.
        ClusterLost: The cluster cannot be reached or cannot grade.
    """
    with tempfile.TemporaryFile() as contents:
        return _grade_class(settings, contents)


def _grade_class(settings: ClassSettings, contents: IO[bytes]) -> RunSummary:
    submissions, found = read_entries(settings, contents)
    if other := resume.another_class(settings.out, settings.folder, submissions):
        raise Unusable(_ANOTHER_CLASS.format(out=settings.out, other=other, folder=settings.folder))
    _tell(settings, found)
    with contextlib.ExitStack() as stack:
        client = stack.enter_context(cluster_at(settings.scheduler)) if settings.scheduler else None
        sandbox = dask_judges.agree(client, settings.sandbox) if client else _chosen(settings.sandbox)
        if sandbox == "process" and settings.sandbox != "process":
            raise Unusable(_UNPROTECTED)
        # Files of an earlier run are not changed before this run is able to start.
        ledger = Ledger(settings.out, submissions)
        waiting = _without_kept(settings, submissions, sandbox, ledger)
        write_listing(settings, submissions)
        write_grades(settings, ledger.rows())
        stopped = _grade(settings, client, waiting, ledger)
    return _finished(settings, submissions, ledger, stopped)


def _finished(settings: ClassSettings, submissions: Sequence[Submission], ledger: Ledger, stopped: str) -> RunSummary:
    """Write the final files of a run, and check that they are complete."""
    ledger.try_again()
    rows = ledger.rows()
    unwritten = write_grades(settings, rows) or write_listing(settings, submissions)
    changes: list[str] = []
    try:
        changes = _write_pages(settings, ledger)
    except OSError as error:
        unwritten = unwritten or f"the pages cannot be written: {error.strerror or error}"
    unwritten = unwritten or _incomplete(settings.out, ledger.missing())
    vanished = resume.strangers(settings.out, {s.name for s in submissions})
    return RunSummary(rows, stopped or unwritten, vanished, changes)


def _write_pages(settings: ClassSettings, ledger: Ledger) -> list[str]:
    """Write the pages, unless all of them are there and nothing has changed; return what changed since an earlier run.

    Raises:
        OSError: A page cannot be written.
    """
    made = made_from(ledger.digest(), settings.title, settings.offering)
    if not settings.earlier and are_current(settings.out, made) and not ledger.missing():
        return []
    (settings.out / MADE_FROM).unlink(missing_ok=True)
    changes = write_pages(settings.out, ledger.entries(), settings.title, settings.earlier, settings.offering)
    if not settings.earlier:
        write_whole(settings.out / MADE_FROM, made)
    return changes


def _incomplete(out: Path, lacking: Sequence[str]) -> str:
    """Return a message about files that are missing or do not agree with grades.csv; empty if there are none."""
    return f"files in {out} are missing or do not agree with grades.csv: {some(lacking)}" if lacking else ""


def read_entries(settings: ClassSettings, contents: IO[bytes]) -> tuple[list[Submission], list[Unmatched]]:
    """Return the submissions of a folder, each with its content or the reason why it has none, and the unmatched lines.

    The contents are written to the file `contents`, from which they can be read while it is open.

    Raises:
        Unusable: The folder cannot be read or is empty.
        ExportError: The export's own list cannot be read.
    """
    try:
        entries = listing(settings.folder, settings.out)
    except OSError as error:
        raise Unusable(f"{settings.folder}: {error.strerror}; give the folder of the submissions") from None
    outputs = [entry for entry in entries if resume.is_output(entry)]
    entries = [entry for entry in entries if entry not in outputs]
    if not entries:
        raise Unusable(f"{settings.folder} holds no submissions")
    metadata = read_gradescope(settings.folder)
    submissions = collect(entries, owners(entries, settings.roster, metadata), RESERVED, contents)
    took = [f"{s.name}: graded the file {s.handed_in.took}" for s in submissions if s.handed_in and s.handed_in.took]
    left_out = [f"{entry}: skipped, it is the output folder of a class run" for entry in outputs]
    print(*left_out, *took, sep="\n", end="\n" if left_out or took else "", file=sys.stderr)
    return submissions, _unmatched(settings, entries, metadata)


def _unmatched(settings: ClassSettings, entries: Sequence[Path], metadata: Mapping[str, Told]) -> list[Unmatched]:
    """Return the lines and entries without a match, for the roster and for the export's own list, if there are any."""
    found = []
    if settings.roster_name:
        found.append(unmatched(settings.roster_name, settings.roster, owners(entries, {}, metadata)))
    if metadata:
        there = {entry.name for entry in entries}
        gone, unlisted = (tuple(sorted(names)) for names in (set(metadata) - there, there - set(metadata)))
        found.append(Unmatched(GRADESCOPE, gone, len(metadata), unlisted, len(there)))
    return [one for one in found if one.lines or one.entries]


def _tell(settings: ClassSettings, found: Sequence[Unmatched]) -> None:
    """Print and write which lines have no entry and which entries have no line."""
    path = settings.out / UNMATCHED
    if not found:
        path.unlink(missing_ok=True)
        return
    unwritten = _write(settings, UNMATCHED, unmatched_text(found))
    print(*found, unwritten or f"all of them are in {path}", sep="\n", file=sys.stderr)


def write_listing(settings: ClassSettings, submissions: Sequence[Submission]) -> str:
    """Write who handed in what, for gradebooks; return an error message, or an empty string."""
    points = settings.offering.points
    handed_in = tuple(replace(s.handed_in, sha256=s.sha256) for s in submissions if s.handed_in)
    most = round(100 * sum(points[task] for task in settings.tasks))
    listing = Listing(settings.title, most, handed_in, str(settings.folder.resolve()))
    return _write(settings, listing_file.FILE_NAME, listing_file.listing_text(listing))


def write_grades(settings: ClassSettings, rows: Sequence[Row]) -> str:
    """Write grades.csv; return an error message (for example on a full disk), or an empty string."""
    return _write(settings, FILE_NAME, grades_text(rows, settings.tasks, settings.offering.points))


def _write(settings: ClassSettings, name: str, text: str) -> str:
    try:
        write_whole(settings.out / name, text)
    except OSError as error:
        return f"{settings.out / name} cannot be written: {error.strerror}"
    return ""


def _grade(
    settings: ClassSettings, client: Client | None, waiting: Mapping[Stamp, Sequence[Submission]], ledger: Ledger
) -> str:
    """Grade every waiting submission and record its outcome; return why this ended early, or an empty string.

    Raises:
        ClusterLost: The cluster was lost before anything was graded.
    """
    try:
        with contextlib.ExitStack() as stack:
            bar = stack.enter_context(tqdm(total=len(ledger.rows()), initial=ledger.settled(), unit="submission"))
            # Even after an error, the progress bar agrees with the rows.
            stack.callback(lambda: bar.update(ledger.settled() - bar.n))
            if waiting:
                client = client or stack.enter_context(local_cluster(min(settings.jobs, len(waiting))))
                _enter_outcomes(settings, client, waiting, ledger, bar)
    except KeyboardInterrupt:
        return "interrupted"
    except ClusterLost as error:
        if all(row.status != GRADED for row in ledger.rows()):
            raise
        return str(error)
    return ""


def compared_settings(settings: ClassSettings) -> dict[str, Any]:
    """Return the facts about a run that each result records for comparisons; its stamp holds the others."""
    secret = seeds.secret_fingerprint(settings.secret)
    return {"secret": secret, "limits": asdict(settings.offering.limits), "versions": versions()}


def _chosen(sandbox: str) -> str:
    try:
        return chosen_here(sandbox)
    except NoSuchSandbox as error:
        raise Unusable(str(error)) from None


def _without_kept(
    settings: ClassSettings, submissions: Sequence[Submission], sandbox: str, ledger: Ledger
) -> dict[Stamp, list[Submission]]:
    """Record the valid results of an earlier run; return the other submissions, grouped by content."""
    kept, waiting = resume.kept_results(settings.out), defaultdict(list)
    any_stamp = Stamp(
        sha256="",
        grader=grader_version(),
        seed=0,
        threads=THREADS,
        sandbox=sandbox,
        data=settings.data,
        tasks=settings.expression or "",
        offering=settings.offering.decisive() if settings.offering_text else "",
    )
    taken_over: list[tuple[str, Stored]] = []
    with tempfile.TemporaryFile() as file:
        for submission in submissions:
            if submission.stored is None:
                continue
            seed = seeds.official_seed(settings.secret, submission.stored.read())
            stamp = replace(any_stamp, sha256=submission.sha256, seed=seed)
            folders, name = kept.get(stamp, []), submission.name
            content = resume.content_of(settings.out, name if name in folders else folders[0]) if folders else b""
            if not content:
                waiting[stamp].append(submission)
            elif name in folders:
                ledger.keep(name, content)
            else:
                taken_over.append((name, Stored.append(file, content)))
        # Two submissions may exchange their names, so nothing is written before everything has been read.
        for name, stored in taken_over:
            ledger.write(name, stored.read())
    return waiting


def _enter_outcomes(
    settings: ClassSettings,
    client: Client,
    waiting: Mapping[Stamp, Sequence[Submission]],
    ledger: Ledger,
    bar: "tqdm[NoReturn]",
) -> None:
    """Grade, and record each outcome as soon as it exists."""
    by_name = {stamp.sha256: stamp for stamp in waiting}
    limit_s = settings.offering.limits.submission_wall_s + _MARGIN_S

    def job(name: str) -> Job:
        stamp = by_name[name]
        return Job(
            content=waiting[stamp][0].content or b"",
            seed=stamp.seed,
            sandbox=stamp.sandbox,
            data=stamp.data,
            tasks=settings.expression,
            offering=settings.offering_text,
            hints="full",  # these reports are for instructors; students get them after the deadline
            limit_s=limit_s,
            fresh_sandbox=settings.fresh_sandboxes,
        )

    saved = time.monotonic()
    for name, outcome in dask_judges.outcomes(client, list(by_name), job, apart=settings.scheduler is not None):
        stamp = by_name[name]
        for submission in waiting[stamp]:
            if outcome.results is None:
                status = ledger.fail(submission.name, outcome.problem)
            else:
                used = {"cpu_s": round(outcome.cpu_s, 2), "sandbox_cpu_s": round(outcome.sandbox_cpu_s, 2)}
                facts = {**used, **compared_settings(settings)}
                status = ledger.enter(submission.name, resume.stamped(outcome.results, stamp, facts))
            if status != GRADED:
                bar.write(f"{submission.name}: {status}", file=sys.stderr)
            bar.update(ledger.settled() - bar.n)
        if time.monotonic() - saved > _BETWEEN_SAVES_S:
            write_grades(settings, ledger.rows())
            saved = time.monotonic()
