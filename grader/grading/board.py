"""The state of `python -m grader watch`: the file as it is now, which results are still valid, and what is shown."""

import time
from dataclasses import dataclass, field, replace
from pathlib import Path

from grader.grading import changes
from grader.judge.result import Result
from grader.report.screen import View, failure_of, hints_of, names_lines
from grader.sandbox.archives import NoSubmission
from grader.sandbox.submission import read_submission

_SETTLE_S = 1.0  # as long as this, a file may change without a new time stamp
_GONE_S = 1.0  # editors replace files: for a moment, there is none


@dataclass
class Board:
    """The state of a watch: which results are known and valid, and what the user wants to see.

    Attributes:
        view: What is shown.
        fresh: Tasks that were graded since the last report.
    """

    view: View
    fresh: set[str] = field(default_factory=set)

    def save(self, before: bytes | None, after: bytes) -> frozenset[str]:
        """Note a new version of the file; return the tasks that were changed themselves, which are graded first."""
        everything = frozenset(self.view.points)
        change = changes.Touched(all=everything) if before is None else changes.touched(before, after)
        again = change.all
        if before is not None and not changes.same_lines(before, after):
            again |= {task for task, result in self.view.results.items() if names_lines(result)}
        self._show(due=self.view.due | (again & everything), notice="")
        if change.directly & everything and self.view.current not in change.directly:
            self._go_to(next(task for task in self.view.points if task in change.directly))
        self._go_to(self.view.current or next(iter(self.view.points)))
        return change.directly & everything

    def graded(self, result: Result) -> None:
        """Note the results of some tasks."""
        new = {task.id: task for task in result.tasks}
        old = self.view.results.get(self.view.current)
        self._show(results={**self.view.results, **new}, due=self.view.due - new.keys())
        self.fresh |= new.keys()
        shown = self.view.results.get(self.view.current)
        if shown and old and failure_of(shown) != failure_of(old):
            self._show(hints=1)
        if shown and not old and shown.status == "passed":
            self.next_task()

    def next_task(self) -> None:
        """Go to the next task, in the order of the handout, that has no full points."""
        order = list(self.view.points)
        start = order.index(self.view.current) + 1
        following = [*order[start:], *order[:start]]
        open_ = [t for t in following if t not in self.view.results or self.view.results[t].status != "passed"]
        self._go_to(next(iter(open_), self.view.current))

    def one_more_hint(self) -> None:
        """Show one more hint on the current task, if there is one."""
        result = self.view.results.get(self.view.current)
        check = failure_of(result) if result else None
        self._show(hints=min(self.view.hints + 1, len(hints_of(check))) if check else 1, listed=False)

    def press(self, key: str) -> None:
        """React to a key that only changes what is shown."""
        if key == "h":
            self.one_more_hint()
        elif key == "n":
            self.next_task()
        elif key == "l":
            self._show(listed=not self.view.listed)
        elif key == "t" and "training" in self.view.points:
            self._go_to("training")

    def again(self, tasks: frozenset[str]) -> None:
        """Mark results as due."""
        self._show(due=self.view.due | (tasks & self.view.points.keys()), notice="")

    def note(self, notice: str) -> None:
        """Show a line about the file or the grader."""
        self._show(notice=notice)

    def about(self, text: str) -> None:
        """Show seed, sandbox and seconds of the last grading."""
        self._show(about=text)

    def _go_to(self, task: str) -> None:
        if task != self.view.current:
            self._show(current=task, hints=1)
        self._show(listed=False)

    def _show(self, **shown: object) -> None:
        self.view = replace(self.view, **shown)  # type: ignore[arg-type]


class WatchedFile:
    """The file, read again when it may have changed.

    Attributes:
        content: Its content; None if there is none that can be graded.
    """

    def __init__(self, path: Path):
        self._path = path
        self._stamp: tuple[int, ...] | None = None
        self._changed_at = time.monotonic()
        self.content: bytes | None = None

    def look(self) -> bytes | None:
        """Return the new content; None if it is not new.

        Raises:
            NoSubmission: There is a file, but it cannot be graded, or there has been none for a while.
        """
        try:
            status = self._path.lstat()
            stamp = (status.st_mtime_ns, status.st_size, status.st_ino)
        except OSError:
            stamp = None
        now = time.monotonic()
        if stamp != self._stamp:
            self._stamp, self._changed_at = stamp, now
        elapsed = now - self._changed_at
        try:
            if stamp is None and elapsed > _GONE_S:
                raise NoSubmission("there is no such file any more; save it again")
            if stamp is None or elapsed > _SETTLE_S:
                return None
            content, _ = read_submission(self._path)
        except NoSubmission:
            self.content = None
            raise
        if content == self.content:
            return None
        self.content = content
        return content
