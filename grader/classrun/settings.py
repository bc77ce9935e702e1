"""What a class run is asked to do: its settings, and how they follow from the options of the command."""

import argparse
import os
from dataclasses import dataclass
from pathlib import Path

from grader import seeds
from grader.arguments import selected
from grader.judge import offering
from grader.judge.offering import Offering

from .roster import Listed, read_roster


class Unusable(ValueError):  # noqa: N818
    """Nothing can be graded in this way; the message says what to do."""


@dataclass(frozen=True)
class Settings:
    """What a class run is asked to do.

    Attributes:
        folder: Of the submissions.
        out: Where everything goes.
        secret: Of the offering.
        offering: Points and limits.
        offering_text: What they were read from; empty for the grader's own.
        tasks: Ids of those selected, in the order of the handout.
        expression: The same as in pytest's -m; None for all.
        jobs: Submissions at the same time, on this machine.
        scheduler: Address of a cluster to use instead; None for this machine.
        sandbox: As asked for.
        data: Images of the training task.
        roster: What the instructor's own list says, by submission.
        roster_name: What that list is called.
        title: Heading of the pages.
        earlier: Output folder of an earlier run to compare with.
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


def settings(options: argparse.Namespace) -> Settings:
    """Return the settings that the options of the command amount to; everything is looked at that can be wrong.

    Raises:
        Unusable, SecretError, OfferingError, TableError: An option is wrong, or names what cannot be used.
    """
    from .cluster import usable_cores

    if options.jobs is not None and options.scheduler:
        raise Unusable("--jobs is for this machine; with --scheduler, the cluster has as many as it has threads")
    if options.out.resolve() == options.folder.resolve():
        raise Unusable("--out must be another folder than that of the submissions")
    try:
        tasks = selected(options.tasks)
    except ValueError as error:
        raise Unusable(str(error)) from None
    secret = seeds.find(os.environ, options.secret_file, options.out)
    os.environ.pop(seeds.VARIABLE, None)  # nothing that is started from here on inherits it
    return Settings(
        folder=options.folder,
        out=options.out,
        secret=secret,
        offering=offering.load(options.offering or offering.OFFERING),
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
    )


def _earlier(folder: Path | None, out: Path) -> Path | None:
    """Return the folder of an earlier run, looked into before anything starts.

    Raises:
        Unusable: It holds no class run, or is that of this one.
    """
    from grader.report.reading import read_class

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
    """Return what names the images wherever the grader runs; look now whether they are there.

    Raises:
        Unusable: There are no such images.
    """
    if name == "sample":
        return name
    from data import DataError, load

    given = name if name == "svhn" else str(Path(name).resolve())
    try:
        load(given, "test")
    except DataError as error:
        raise Unusable(str(error)) from None
    return given
