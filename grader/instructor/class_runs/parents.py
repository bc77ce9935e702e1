"""The parent zygote of a judge: started when it is first needed, replaced from time to time and when it misbehaves."""

import sys

from grader.sandbox.parent_zygote import NotForked, ParentLost, ParentZygote

MOST = 200
"""Submissions that one parent serves."""

_FAILURES = 3
"""After so many parents in a row that failed, every submission gets a sandbox that is started from scratch."""


class Parents:
    """Keeps the current parent zygote of a judge.

    Args:
        most: Number of submissions that one parent serves.
    """

    def __init__(self, most: int = MOST):
        self._most = most
        self._parent: ParentZygote | None = None
        self._served = 0
        self._failures = 0

    @property
    def process_id(self) -> int | None:
        """Id of the outermost process of the current parent's sandbox; None if there is no parent."""
        return self._parent.process_id if self._parent else None

    def next(self) -> ParentZygote | None:
        """Return the parent for the next submission; None if no parent works here."""
        if self._parent is not None and self._served >= self._most:
            self.close()
        if self._parent is None and self._failures < _FAILURES:
            self._parent, self._served = ParentZygote(), 0
            try:
                self._parent.await_ready()
            except ParentLost as problem:
                self._fail(problem)
            except NotForked as problem:
                self._fail(problem)
                self._failures = _FAILURES  # it would be refused again
        self._served += 1
        return self._parent

    def end_zygote(self) -> float:
        """End what the last submission left in the parent's sandbox; return the CPU seconds of its zygotes.

        Raises:
            ParentLost: The parent has died, and a zygote may have died with it. The next submission gets a new one.
        """
        if self._parent is None:
            return 0.0
        try:
            cpu_s = self._parent.end_zygote()
        except ParentLost as problem:
            self._fail(problem)
            raise
        self._failures = 0
        return cpu_s

    def close(self) -> None:
        """End the current parent, if there is one."""
        if self._parent is not None:
            self._parent.close()
            self._parent = None

    def _fail(self, problem: Exception) -> None:
        print(f"parent zygote: {problem}", file=sys.stderr)
        self._failures += 1
        self.close()
