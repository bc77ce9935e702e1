"""The rows of a class run, and the results in the folders of the submissions.

Of the results, only what grades.csv needs is kept in memory, so that a run does not grow with the class. Everything
else is read from the folders again when it is needed.
"""

import contextlib
import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from grader.report.files import write_whole
from grader.report.text import one_line

from .entries import Submission
from .grades import FILE_NAME, GRADED, Entry, Grade, Row, read_entry, read_statuses
from .resume import REPORT, RESULTS

WAITING = "not graded yet"
_MADE = (RESULTS, REPORT)


class Ledger:
    """The rows of a class run. It also writes the results to the folders of the submissions.

    Args:
        out: Output folder.
        submissions: In the order of the rows.
    """

    def __init__(self, out: Path, submissions: Sequence[Submission]):
        self._out = out
        self._submissions = {s.name: s for s in submissions}
        self._status = {s.name: s.problem or WAITING for s in submissions}
        self._grades: dict[str, Grade] = {}
        self._digests: dict[str, bytes] = {}
        self._unwritten: dict[str, bytes] = {}
        for submission in submissions:
            if submission.problem:
                self._clear(submission.name)

    def keep(self, name: str, content: bytes) -> None:
        """Record the content of the results.json that is already in the submission's folder."""
        self._grades[name] = Grade.of(json.loads(content))
        self._digests[name] = _digest(content)
        self._status[name] = GRADED

    def enter(self, name: str, results: dict[str, Any]) -> str:
        """Record the results of a submission and write them to its folder; return its status."""
        return self.write(name, json.dumps(results, indent=1).encode())

    def write(self, name: str, content: bytes) -> str:
        """Write the content of a results.json to the submission's folder and record it; return the status."""
        try:
            write_whole(self._out / name / RESULTS, content)
        except OSError as error:
            self._unwritten[name] = content
            self._status[name] = f"the results cannot be written: {error.strerror or error}"
        else:
            self.keep(name, content)
        return self._status[name]

    def fail(self, name: str, reason: str) -> str:
        """Record why a submission was not graded, and delete its results of an earlier run; return the status."""
        self._status[name] = one_line(reason, width=300)
        self._clear(name)
        return self._status[name]

    def try_again(self) -> None:
        """Write results again that could not be written before: the disk may have space now."""
        waiting, self._unwritten = self._unwritten, {}
        for name, content in waiting.items():
            self.write(name, content)

    def rows(self) -> list[Row]:
        """Return the rows of grades.csv."""
        return [
            Row(name, status, self._grades.get(name) if status == GRADED else None)
            for name, status in self._status.items()
        ]

    def entries(self) -> "Entries":
        """Return the rows with their results and sources."""
        return Entries(self._out, dict(self._status), self._submissions)

    def digest(self) -> str:
        """Return a digest of all rows, results and sources."""
        rows = [
            (name, status, self._digests.get(name, b"").hex(), self._submissions[name].sha256)
            for name, status in self._status.items()
        ]
        return _digest(json.dumps(rows).encode()).hex()

    def settled(self) -> int:
        """Return how many submissions have an outcome, graded or not."""
        return sum(status != WAITING for status in self._status.values())

    def missing(self) -> list[str]:
        """Return the files in the output folder that are missing or do not agree with the rows.

        They are read in the same way as `export`, the pages and `--compare` will read them.
        """
        lacking, statuses = [], read_statuses(self._out / FILE_NAME)
        for name, status in self._status.items():
            if (statuses.get(name) == GRADED) != (status == GRADED):
                lacking.append(f"{FILE_NAME} (the row of {name})")
            if status == GRADED and _digest_of(self._out / name / RESULTS) != self._digests[name]:
                lacking.append(f"{name}/{RESULTS}")
            if not (self._out / name / REPORT).is_file():
                lacking.append(f"{name}/{REPORT}")
        return lacking

    def _clear(self, name: str) -> None:
        """Delete the results of an earlier run with their page. A page that shows no results is not out of date."""
        for file in _MADE if (self._out / name / RESULTS).exists() else ():
            with contextlib.suppress(OSError):
                (self._out / name / file).unlink(missing_ok=True)


@dataclass(frozen=True)
class Entries:
    """The rows of a class run with their results and sources, read from disk whenever they are iterated over."""

    out: Path
    status: Mapping[str, str]
    submissions: Mapping[str, Submission]

    def __iter__(self) -> Iterator[Entry]:
        """Read one entry after the other."""
        for name, status in self.status.items():
            source = (self.submissions[name].content or b"").decode("utf-8", errors="replace")
            yield replace(read_entry(self.out, name, status), source=source)


def _digest(content: bytes) -> bytes:
    return hashlib.sha256(content).digest()


def _digest_of(path: Path) -> bytes:
    try:
        return _digest(path.read_bytes())
    except OSError:
        return b""
