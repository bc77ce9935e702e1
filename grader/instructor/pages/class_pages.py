"""Write all pages of a class run: report.html of each submission, index.html and compare.html."""

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from importlib.util import find_spec
from pathlib import Path

from grader.grading.options import ROOT
from grader.judge.misconceptions import CATALOGUE
from grader.judge.offering import Offering
from grader.report import html
from grader.report.explain import Explained
from grader.report.files import write_whole

from ..class_runs.grades import Entry, brief, read_class, record
from ..class_runs.resume import grader_version
from ..release.contents import SOLUTION
from ..release.release_checks import marked_answers
from . import compare, index
from .compare import Comparison
from .look_alikes import LookAlikes, find_look_alikes

MADE_FROM = ".pages"
"""The digest of what the pages of a finished run were made from, so that they are not made again."""
NAMES = ("index.html", "index-anonymous.html", "compare.html", MADE_FROM)


def write_pages(out: Path, entries: Iterable[Entry], title: str, earlier: Path | None, offering: Offering) -> list[str]:
    """Write every page of a class; return the comparison with an earlier run as lines of text.

    Args:
        out: The output folder.
        entries: All rows of the class; they are iterated over more than once.
        title: Heading of the pages.
        earlier: Output folder of an earlier run.
        offering: The offering of the class.

    Raises:
        OSError: A page cannot be written.
        ValueError: `earlier` holds no class run, or is the output folder itself.
    """
    written = write_class_reports(
        out,
        entries,
        title=title,
        catalogue={one.id: Explained(one.wrong, one.hint) for one in CATALOGUE},
        given=handed_out(offering),
        compare_with=earlier,
    )
    return compare.lines(written.comparison) if written.comparison else []


def made_from(rows: str, title: str, offering: Offering) -> str:
    """Return a digest of everything that the pages of a class show, and of all code that writes them.

    Args:
        rows: A digest of the rows, with their results and sources.
        title: Heading of the pages.
        offering: The offering of the class.
    """
    templates = [path.read_text(encoding="utf-8") for path in sorted((ROOT / "grader/report/templates").iterdir())]
    parts = [rows, title, grader_version(), str(find_spec("copydetect") is None), *handed_out(offering), *templates]
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()


def are_current(out: Path, made_from: str) -> bool:
    """Whether the pages of a class are there, and were made from the same."""
    try:
        return (out / MADE_FROM).read_text(encoding="utf-8") == made_from and all(
            (out / name).is_file() for name in ("index.html", "index-anonymous.html")
        )
    except OSError:
        return False


def handed_out(offering: Offering) -> list[str]:
    """Return the texts that every student received; code from them does not count as a student's own."""
    texts = [path.read_text(encoding="utf-8") for path in sorted((ROOT / "assignment").glob("*.py"))]
    reference = (ROOT / SOLUTION).read_text(encoding="utf-8") if (ROOT / SOLUTION).exists() else ""
    return texts + [code for task, code in marked_answers(reference) if task not in offering.graded]


@dataclass(frozen=True)
class Written:
    """The result of writing the pages.

    Attributes:
        index: Path of index.html.
        look_alikes: Result of the search for look-alikes; None if copydetect is not installed.
        comparison: Comparison with the earlier run; None if there is no earlier run.
    """

    index: Path
    look_alikes: LookAlikes | None
    comparison: Comparison | None


def write_class_reports(
    out: Path,
    entries: Iterable[Entry],
    *,
    title: str,
    catalogue: Mapping[str, Explained],
    given: Iterable[str],
    compare_with: Path | None = None,
) -> Written:
    """Write every page of a class run into its output folder, each atomically.

    The pages are `out/<submission>/report.html` for each entry, `out/index.html`, `out/index-anonymous.html` (which
    contains no names), and `out/compare.html` if there is a run to compare with.

    Args:
        out: The output folder.
        entries: All rows of the class, graded or not; they are iterated over more than once.
        title: Heading of the pages: course, assignment, term.
        catalogue: Explanation and hint of each misconception, by id.
        given: Texts that every student received (skeleton, training code); code from them is not a student's own.
        compare_with: Output folder of an earlier run.

    Raises:
        OSError: A page cannot be written.
        ValueError: `compare_with` holds no class run or is `out` itself, or a name cannot be a folder in `out`.
    """
    if compare_with and compare_with.resolve() == out.resolve():
        raise ValueError(f"{compare_with} is the output folder of this run: compare with the folder of another run")
    comparison = compared(entries, compare_with) if compare_with else None
    records, sources = [], []
    for entry in entries:
        if not _names_a_folder(entry.submission):
            raise ValueError(f"not the name of a folder: {entry.submission!r}")
        one = record(entry)
        html.write_report(out / entry.submission, one, title)
        records.append(replace(brief(one), made={}))
        if one.source:
            sources.append((one.submission, one.source))
    found = _look_alikes(sources, given)
    for name, anonymous in (("index.html", False), ("index-anonymous.html", True)):
        text = index.index_page(
            records, title=title, catalogue=catalogue, look_alikes=found, comparison=comparison, anonymous=anonymous
        )
        write_whole(out / name, text)
    if comparison:
        write_whole(out / "compare.html", compare.compare_page(comparison, title))
    return Written(out / "index.html", found, comparison)


def compared(entries: Iterable[Entry], old: Path) -> Comparison:
    """Return what changed since the class run in the folder `old`.

    Only the records of submissions that changed are in memory in full.

    Raises:
        ValueError: The folder holds no class run.
    """
    before = {entry.submission: brief(record(entry)) for entry in read_class(old)}
    now, changed = [], set()
    for entry in entries:
        name, one = entry.submission, record(entry)
        if name in before and compare.has_changed(before[name], one):
            changed.add(name)
        now.append(one if name in changed else brief(one))
    earlier = (record(one) if one.submission in changed else before[one.submission] for one in read_class(old))
    return compare.compare(earlier, now, old.resolve().name)


def _names_a_folder(name: str) -> bool:
    return name not in ("", ".", "..") and Path(name).name == name


def _look_alikes(sources: Sequence[tuple[str, str]], given: Iterable[str]) -> LookAlikes | None:
    try:
        return find_look_alikes(sources, given)
    except ImportError:  # copydetect is missing; it comes with the extra `class`
        return None
