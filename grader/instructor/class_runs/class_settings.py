"""The settings of a class run, and how they follow from the options of the command."""

import argparse
import os
from dataclasses import dataclass
from pathlib import Path

from grader.grading import seeds
from grader.grading.options import selected
from grader.judge import offering
from grader.judge.offering import Offering

from .roster import Listed, read_roster


class Unusable(ValueError):  # noqa: N818
    """The class run cannot start; the message says what to do."""


@dataclass(frozen=True)
class ClassSettings:
    """The settings of a class run.

    Attributes:
        folder: Folder of the submissions.
        out: Output folder.
        secret: Secret of the offering.
        offering: Tasks, points and limits.
        offering_text: Text of the offering file; empty for the grader's own.
        tasks: Ids of the selected tasks, in the order of the handout.
        expression: The selection as an expression for pytest's -m; None for all tasks.
        jobs: Number of submissions graded at the same time on this machine.
        scheduler: Address of a cluster to use instead of this machine; None for this machine.
        sandbox: Value of --sandbox.
        data: Images of the training task.
        roster: The lines of the instructor's roster, by submission.
        roster_name: File name of the roster.
        title: Heading of the pages.
        earlier: Output folder of an earlier run to compare with.
        fresh_sandboxes: Whether no sandbox is forked from a parent zygote.
    """

    folder: Path
    out: Path
    secret: bytes
    offering: Offering
    offering_text: str
    tasks: tuple[str, ...]
    expression: str | None
    jobs: int
    scheduler: str | None
    sandbox: str
    data: str
    roster: dict[str, Listed]
    roster_name: str = ""
    title: str = "Class run"
    earlier: Path | None = None
    fresh_sandboxes: bool = False


def settings(options: argparse.Namespace) -> ClassSettings:
    """Check all options and return the settings of the run.

    Raises:
        Unusable, SecretError, OfferingError, TableError: An option is wrong, or names something that cannot be used.
    """
    from .dask_judges import usable_cores

    if options.jobs is not None and options.scheduler:
        raise Unusable(
            "--jobs is for this machine; with --scheduler, the threads of the cluster set the number of jobs"
        )
    if options.out.resolve() == options.folder.resolve():
        raise Unusable("--out must be another folder than the submissions' folder")
    chosen = offering.load_offering(options.offering or offering.OFFERING)
    try:
        tasks = selected(options.tasks, chosen)
    except ValueError as error:
        raise Unusable(str(error)) from None
    secret = seeds.find_secret(os.environ, options.secret_file, options.out)
    os.environ.pop(seeds.VARIABLE, None)  # processes started from here on do not inherit it
    return ClassSettings(
        folder=options.folder,
        out=options.out,
        secret=secret,
        offering=chosen,
        offering_text=options.offering.read_text(encoding="utf-8") if options.offering else "",
        tasks=tasks,
        expression=options.tasks,
        jobs=options.jobs or usable_cores(),
        scheduler=options.scheduler,
        sandbox=options.sandbox,
        data=_data(options.data),
        roster=read_roster(options.roster) if options.roster else {},
        roster_name=options.roster.name if options.roster else "",
        title=options.title or options.folder.resolve().name,
        earlier=_earlier(options.compare, options.out),
        fresh_sandboxes=options.fresh_sandboxes,
    )


def _earlier(folder: Path | None, out: Path) -> Path | None:
    """Check the folder of the earlier run, before anything starts, and return it.

    Raises:
        Unusable: The folder holds no class run, or is the output folder of this run.
    """
    from .grades import read_class

    if folder is None:
        return None
    if folder.resolve() == out.resolve():
        raise Unusable("--compare must name the output folder of another run, not --out")
    try:
        read_class(folder)
    except ValueError as error:
        raise Unusable(f"--compare: {error}") from None
    return folder


def _data(name: str) -> str:
    """Check that the images exist, and return a name for them that is valid from any working directory.

    Raises:
        Unusable: The images cannot be loaded.
    """
    if name == "sample":
        return name
    from data import DataError, load

    source = name if name == "svhn" else str(Path(name).resolve())
    try:
        load(source, "test")
    except DataError as error:
        raise Unusable(str(error)) from None
    return source
