"""What became of each submission so far, on disk from the moment that it is known."""

import contextlib
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from grader.report.entry import Entry
from grader.report.files import write_whole
from grader.report.text import one_line

from .entries import Submission
from .gradebook import GRADED
from .resume import REPORT, RESULTS

WAITING = "not graded yet"
_MADE = (RESULTS, REPORT)


class Ledger:
    """Rows of a class run, and the folders of its submissions.

    Args:
        out: The output folder.
        submissions: In the order of the rows.
    """

    def __init__(self, out: Path, submissions: Sequence[Submission]):
        self._out = out
        self._sources = {s.name: (s.content or b"").decode("utf-8", errors="replace") for s in submissions}
        self._status = {s.name: s.problem or WAITING for s in submissions}
        self._results: dict[str, dict[str, Any]] = {}
        self._unwritten: dict[str, dict[str, Any]] = {}
        for submission in submissions:
            if submission.problem:
                self._clear(submission.name)

    def keep(self, name: str, results: dict[str, Any]) -> None:
        """Enter results that lie in their folder already."""
        self._results[name], self._status[name] = results, GRADED

    def enter(self, name: str, results: dict[str, Any]) -> str:
        """Write the results of a submission to its folder; returns its status."""
        try:
            write_whole(self._out / name / RESULTS, json.dumps(results, indent=1))
        except OSError as error:
            self._unwritten[name] = results
            self._status[name] = f"its results cannot be written: {error.strerror or error}"
        else:
            self.keep(name, results)
        return self._status[name]

    def fail(self, name: str, reason: str) -> str:
        """Enter the reason why nothing was graded, and remove what an earlier run had found; returns the status."""
        self._status[name] = one_line(reason, width=300)
        self._clear(name)
        return self._status[name]

    def try_again(self) -> None:
        """Write what could not be written before: the disk may have room by now."""
        waiting, self._unwritten = self._unwritten, {}
        for name, results in waiting.items():
            self.enter(name, results)

    def entries(self) -> list[Entry]:
        """Return the rows."""
        return [
            Entry(name, status, self._results.get(name) if status == GRADED else None, self._sources[name])
            for name, status in self._status.items()
        ]

    def settled(self) -> int:
        """Return how many rows say what became of a submission, be it graded or not."""
        return sum(status != WAITING for status in self._status.values())

    def _clear(self, name: str) -> None:
        for file in _MADE:
            with contextlib.suppress(OSError):
                (self._out / name / file).unlink(missing_ok=True)
