"""What a catalogue of the zoo holds: the reference with one thing answered differently."""

from collections.abc import Mapping
from dataclasses import dataclass

Swap = tuple[str, str]


@dataclass(frozen=True)
class Wrong:
    """A submission with one misconception.

    Attributes:
        task: The task that it gets wrong.
        name: Unique within the task.
        answer: What stands in the task's region instead of the reference's answer; empty: the reference's.
        forward: The same for the second region of `encoder` and `decoder`.
        swaps: Texts of the file and what stands there instead, each found exactly once.
        diagnosis: The misconception that the report must name, and no other; empty: it must name none.
        also: Misconceptions that are no wrong trail either.
        computes: How the formula begins that the report shows; empty if it shows none, or if the diagnosis says it.
        falls: The tasks that must lose points; the default is `task`. All others must keep theirs, but `training` may
            do either, unless it is listed.
    """

    task: str
    name: str
    answer: str = ""
    forward: str = ""
    swaps: tuple[Swap, ...] = ()
    diagnosis: str = ""
    also: tuple[str, ...] = ()
    computes: str = ""
    falls: tuple[str, ...] = ()

    @property
    def title(self) -> str:
        """Task and name, as tables show it."""
        return f"{self.task}: {self.name}"

    @property
    def must_fall(self) -> frozenset[str]:
        """The tasks that must lose points."""
        return frozenset(self.falls or (self.task,))


@dataclass(frozen=True)
class Equivalent:
    """A right submission, written differently: it must lose no point, or exactly those of the task that it gets wrong.

    Attributes:
        name: What is different.
        answers: Region (a task id, or `encoder.forward`, `decoder.forward`) -> what stands there instead.
        swaps: Texts of the file and what stands there instead, each found exactly once.
        top: Lines put after the imports.
        bottom: Lines put at the end of the file.
        loses: Task id -> the points that it loses there by its own mistake. It must keep all the others.
    """

    name: str
    answers: tuple[Swap, ...] = ()
    swaps: tuple[Swap, ...] = ()
    top: str = ""
    bottom: str = ""
    loses: tuple[tuple[str, float], ...] = ()

    @property
    def title(self) -> str:
        """The name, as tables show it."""
        return self.name

    @property
    def must_fall(self) -> frozenset[str]:
        """The tasks that must lose points."""
        return frozenset(task for task, _ in self.loses)

    def unexpected(self, lost: Mapping[str, float]) -> frozenset[str]:
        """Return the judged tasks that lost more or fewer points than they must."""
        expected = dict(self.loses)
        return frozenset(task for task, points in lost.items() if abs(points - expected.get(task, 0.0)) > 1e-6)
