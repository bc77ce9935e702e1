"""The pages of a class run: what the reports need to know of the project and of its catalogue."""

from collections.abc import Sequence
from pathlib import Path

from grader.arguments import ROOT
from grader.judge.misconceptions import CATALOGUE
from grader.report import compare
from grader.report.class_reports import write_class_reports
from grader.report.entry import Entry
from grader.report.explain import Explained

NAMES = ("index.html", "index-anonymous.html", "compare.html")


def write_pages(out: Path, entries: Sequence[Entry], title: str, earlier: Path | None) -> list[str]:
    """Write every page of a class; return what there is to say about the comparison with an earlier run, by lines.

    Raises:
        OSError: A page cannot be written.
        ValueError: `earlier` holds no class run, or is the output folder itself.
    """
    written = write_class_reports(
        out,
        entries,
        title=title,
        catalogue={one.id: Explained(one.wrong, one.hint) for one in CATALOGUE},
        given=_given(),
        compare_with=earlier,
    )
    return compare.lines(written.comparison) if written.comparison else []


def _given() -> list[str]:
    """Return what every student received: code that comes from it is nobody's own."""
    return [path.read_text(encoding="utf-8") for path in sorted((ROOT / "assignment").glob("*.py"))]
