"""Resume a class run: find the results of an earlier run that are still valid.

A result is valid if its stamp equals the stamp of a new grading: the same content, grader, seed, threads, sandbox,
images and tasks. Results are looked up by stamp, not by folder: a submission that was renamed, or has the same content
as another one, takes over the result, which is then also written to its own folder.
Folders of submissions that no longer exist are left unchanged, and have no row.
"""

import hashlib
import json
import platform
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from grader.grading import seeds
from grader.grading.options import ROOT
from grader.judge import offering

from . import submissions as listing_file
from .entries import Submission
from .grades import FILE_NAME
from .submissions import HandedIn

_LIBRARIES = ("torch", "numpy", "scipy", "hypothesis", "pytest")
THREADS = 1
"""Threads used by the judge and the workers; results are bit-identical only for the same number of threads."""


def grader_version(root: Path = ROOT) -> str:
    """Return 16 characters that change whenever verdicts may change: with the code of grader/ and data/, or a library.

    The images of data/sample and setup.cfg are included.

    Of offering.toml, only tasks, points and limits count, as the rest does not influence a verdict.

    Args:
        root: Root folder of the project.

    Raises:
        OfferingError: The project's own offering is invalid.
    """
    digest = hashlib.sha256()
    for path in sorted(_files(root), key=lambda p: p.relative_to(root).as_posix()):
        content = path.read_bytes()
        digest.update(f"{path.relative_to(root).as_posix()} {len(content)}\n".encode() + content)
    digest.update(offering.load_offering(root / "grader" / "offering.toml").decisive().encode())
    digest.update("".join(f"{name} {number}\n" for name, number in versions().items()).encode())
    return digest.hexdigest()[:16]


def versions() -> dict[str, str]:
    """Return the versions of Python and of the libraries that the grader uses."""
    return {**{library: _version(library) for library in _LIBRARIES}, "python": platform.python_version()}


def _files(root: Path) -> Iterator[Path]:
    for package in ("grader", "data"):
        yield from (root / package).rglob("*.py")
    yield from (root / "grader" / "judge").glob("*.json")
    yield from (path for path in (root / "data" / "sample").rglob("*") if path.is_file())
    yield root / "setup.cfg"


def _version(library: str) -> str:
    try:
        return version(library)
    except PackageNotFoundError:
        return "none"


RESULTS, REPORT = "results.json", "report.html"
LOCK = ".lock"


@dataclass(frozen=True)
class Stamp:
    """Everything that a verdict depends on.

    Attributes:
        sha256: Hash of the submission.
        grader: Version of the grader.
        seed: Official seed.
        threads: Number of threads used by the judge and the workers.
        sandbox: Name of the sandbox.
        data: Images of the training task.
        tasks: Selected tasks, as in pytest's -m; empty for all.
        offering: Points and limits of an offering given with --offering; empty for the grader's own offering, which
            is part of its version.
    """

    sha256: str
    grader: str
    seed: int
    threads: int
    sandbox: str
    data: str
    tasks: str
    offering: str = ""


def stamped(results: Mapping[str, Any], stamp: Stamp, facts: Mapping[str, Any]) -> dict[str, Any]:
    """Return the results with the stamp and further facts added in `extra_data["class"]`."""
    return {**results, "extra_data": {**results["extra_data"], "class": {**asdict(stamp), **facts}}}


def stamp_of(results: Any) -> Stamp | None:
    """Return the stamp of results; None if there is none, or if it contradicts the results."""
    try:
        extra = results["extra_data"]
        stamp = Stamp(**{name: extra["class"][name] for name in Stamp.__dataclass_fields__})
        stated = extra["seed"], extra["sandbox"], extra["environment"]["threads"]
        complete = {"score", "max_score", "seconds", "tasks"} <= set(extra)
    except (KeyError, TypeError):
        return None
    return stamp if complete and stated == (stamp.seed, stamp.sandbox, stamp.threads) else None


def kept_results(out: Path) -> dict[Stamp, list[str]]:
    """Return the names of the folders with results in an output folder, by stamp.

    Files that cannot be read are skipped; their submissions are graded again.
    """
    found: dict[Stamp, list[str]] = {}
    for path in sorted(out.glob(f"*/{RESULTS}")):
        if stamp := stamp_of(_content(path)):
            found.setdefault(stamp, []).append(path.parent.name)
    return found


def is_output(folder: Path) -> bool:
    """Return whether a class run, complete or not, wrote this folder.

    Such a folder holds at least two of the run's own files, or only the lock file.
    """
    try:
        names = {path.name for path in folder.iterdir()} if folder.is_dir() and not folder.is_symlink() else set()
    except OSError:
        return False
    return names == {LOCK} or len(names & {LOCK, seeds.FILE_NAME, listing_file.FILE_NAME, FILE_NAME}) > 1


def strangers(out: Path, names: set[str]) -> list[str]:
    """Return the names of folders with results that are not in `names`: their submissions no longer exist."""
    return sorted(path.parent.name for path in out.glob(f"*/{RESULTS}") if path.parent.name not in names)


def another_class(out: Path, folder: Path, submissions: Sequence[Submission]) -> str:
    """Return the submissions folder of the earlier run in this output folder if that was another class; else "".

    It is the same class if at least half of the earlier submissions are found again: by content, or by the student's
    number in Canvas, Gradescope or Moodle; in the same submissions folder also by name. So a class may grow, be
    downloaded again or hand in again, but another class never overwrites it silently.
    """
    try:
        before = listing_file.read_listing(out)
    except ValueError:  # no listing, or one of an older grader, which did not record this
        return ""
    here = str(folder.resolve())
    now = set().union(*(_marks(replace(s.handed_in, sha256=s.sha256), here) for s in submissions if s.handed_in))
    counted = [one for one in before.submissions if one.sha256 or before.folder == here]
    again = [one for one in counted if _marks(one, before.folder) & now]
    return before.folder if 2 * len(again) < len(counted) else ""


def _marks(one: HandedIn, folder: str) -> set[tuple[str, str]]:
    """Return the properties by which a submission is recognised in the next run."""
    contents = {("content", one.sha256)} if one.sha256 else set()
    numbers = {(student.system, student.number) for student in one.students if student.number}
    return contents | numbers | {(folder, name) for name in (one.entry, *(student.id for student in one.students))}


def content_of(out: Path, name: str) -> bytes:
    """Return the content of a submission's results.json; empty if it has disappeared."""
    try:
        return (out / name / RESULTS).read_bytes()
    except OSError:
        return b""


def _content(path: Path) -> Any:
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
