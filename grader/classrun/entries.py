"""From a folder of submissions to a list of them: a name each, and the content or the reason why there is none."""

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from grader.report.text import harmless, shortened

from . import exports, names
from .archives import Refused, is_clutter
from .reading import read


@dataclass(frozen=True)
class Submission:
    """One entry of a folder of submissions.

    Attributes:
        name: Harmless and unique.
        content: The file; None if there is nothing to grade.
        problem: Why there is nothing, in one line; empty if there is.
        sha256: Hash of the content.
    """

    name: str
    content: bytes | None = field(repr=False)
    problem: str = ""
    sha256: str = ""


def listing(folder: Path, out: Path) -> list[Path]:
    """Return the entries of a folder in the order of their names.

    Left out are what systems put beside files, the list in a Gradescope export, and the output folder if it lies here.

    Raises:
        OSError: The folder cannot be read.
    """
    beside = [e for e in folder.iterdir() if not is_clutter(e.name) and e.name != exports.GRADESCOPE]
    return sorted(e for e in beside if e.is_symlink() or e.resolve() != out.resolve())


def collect(
    entries: Sequence[Path],
    roster: Mapping[str, str],
    metadata: Mapping[str, list[str]],
    reserved: Iterable[str],
) -> list[Submission]:
    """Return a submission per entry, in the same order.

    Args:
        entries: Of `listing`.
        roster: Ids by submission.
        metadata: Submitters by folder, of a Gradescope export.
        reserved: Names that no submission may have.
    """
    owners = exports.students(entries, roster, metadata)
    given = names.unique(owners, reserved)
    return [_submission(name, entry) for name, entry in zip(given, entries, strict=True)]


def _submission(name: str, entry: Path) -> Submission:
    try:
        content = read(entry)
    except Refused as refused:
        return Submission(name, None, shortened(harmless(" ".join(str(refused).split())), lines=1))
    return Submission(name, content, sha256=hashlib.sha256(content).hexdigest())
