"""One row of a class run, as the reports take it."""

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Entry:
    """One row of a class run.

    Attributes:
        submission: Its name: harmless and unique; the name of its folder below the output folder.
        status: `graded`, or the reason why nothing was.
        results: What its results.json holds; None if nothing was graded.
        source: Text of the submitted file, for the search of look-alikes; empty if there is none.
    """

    submission: str
    status: str
    results: dict[str, Any] | None = None
    source: str = ""
