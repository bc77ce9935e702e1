"""From a folder of submissions to a list of them: a name each, and the content or the reason why there is none."""

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from grader.report.submissions import HandedIn
from grader.report.text import shortened
from grader.sandbox.archives import NoSubmission, is_clutter
from grader.sandbox.submission import read

from . import exports, names


@dataclass(frozen=True)
class Submission:
    """One entry of a folder of submissions.

    Attributes:
        name: Harmless and unique.
        content: The file; None if there is nothing to grade.
        problem: Why there is nothing, in one line; empty if there is.
        sha256: Hash of the content.
        handed_in: Who handed it in, and when; None where nobody asks.
    """

    name: str
    content: bytes | None = field(repr=False)
    problem: str = ""
    sha256: str = ""
    handed_in: HandedIn | None = None


def listing(folder: Path, out: Path) -> list[Path]:
    """Return the entries of a folder in the order of their names.

    Left out are what systems put beside files, the list in a Gradescope export, and the output folder if it lies here.

    Raises:
        OSError: The folder cannot be read.
    """
    beside = [e for e in folder.iterdir() if not is_clutter(e.name) and e.name != exports.GRADESCOPE]
    return sorted(e for e in beside if e.is_symlink() or e.resolve() != out.resolve())


def collect(entries: Sequence[Path], owners: Sequence[HandedIn], reserved: Iterable[str]) -> list[Submission]:
    """Return a submission per entry, in the same order.

    Args:
        entries: Of `listing`.
        owners: Who handed them in.
        reserved: Names that no submission may have.
    """
    given = names.unique([owner.submission for owner in owners], reserved)
    return [_submission(name, entry, owner) for name, entry, owner in zip(given, entries, owners, strict=True)]


def _submission(name: str, entry: Path, owner: HandedIn) -> Submission:
    try:
        content, took = read(entry)
    except NoSubmission as refused:
        problem = shortened(str(refused), lines=1, width=300)
        return Submission(name, None, problem, handed_in=replace(owner, submission=name, problem=problem))
    sha256 = hashlib.sha256(content).hexdigest()
    return Submission(name, content, sha256=sha256, handed_in=replace(owner, submission=name, took=took))
