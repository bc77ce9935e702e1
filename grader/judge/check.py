"""What a check is: a test function of one task, with a kind and a share of the task's points."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import NoReturn, TypeVar

import pytest

from .results import Kind

_Function = TypeVar("_Function", bound=Callable[..., None])


def check(kind: Kind, share: int) -> Callable[[_Function], _Function]:
    """Mark a test function as a check; its docstring is the title that the student reads.

    Args:
        kind: `shape` (dtypes too), `value`, `gradient` or `statistics`.
        share: Percent of the task's points. The shares of a task add up to 100; the task is the module's marker.
    """

    def mark(function: _Function) -> _Function:
        return pytest.mark.check(kind=kind, share=share)(function)

    return mark


@dataclass(frozen=True)
class Explanation:
    """What a student reads about a failed check.

    Attributes:
        expected: What the check asked for.
        actual: What came instead.
        deviation: The largest deviation and where it is.
        hint: What to look at, without the answer.
        diagnosis: Id of the misconception that matched, if any.
    """

    expected: str
    actual: str
    deviation: str = ""
    hint: str = ""
    diagnosis: str | None = None

    def text(self) -> str:
        """Return it as lines of "label  text"."""
        lines = [("expected", self.expected), ("got", self.actual), ("deviation", self.deviation), ("hint", self.hint)]
        return "\n".join(f"{label:<10}{text}" for label, text in lines if text)


class CheckFailed(Exception):  # noqa: N818
    """Raised by a check whose demand is not met."""

    def __init__(self, explanation: Explanation):
        super().__init__(explanation.text())
        self.explanation = explanation


def fail(expected: str, actual: str, *, deviation: str = "", hint: str = "", diagnosis: str | None = None) -> NoReturn:
    """Fail the running check.

    Raises:
        CheckFailed: Always.
    """
    raise CheckFailed(Explanation(expected, actual, deviation, hint, diagnosis))
