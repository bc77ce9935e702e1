"""What a student reads about the checks of a task: which need words, and which only wait for the value."""

from dataclasses import dataclass

from grader.judge.result import CheckResult, Result, Status, TaskResult

BROKEN: tuple[Status, ...] = ("timed out", "out of memory", "crashed")  # the worst first
WAITS = "counts once the value is right"


@dataclass(frozen=True)
class Explained:
    """A misconception in words, for reports of a class: what is wrong, and the hint that students read."""

    wrong: str
    hint: str


@dataclass(frozen=True)
class Shown:
    """The checks of one task that missed points, or have something to say.

    Attributes:
        explained: Those that need words; checks with the same words (a worker died) appear once. Then those that passed
            and have a note all the same.
        waiting: Those that count once the value is right: what they say follows from the wrong value.
        same: How many more checks failed for the reason of an explained one.
    """

    explained: tuple[CheckResult, ...]
    waiting: tuple[CheckResult, ...]
    same: int = 0


def shown(task: TaskResult) -> Shown:
    """Sort the checks of a task that missed points.

    Of one that was not attempted, a TODO that is left is explained; a check that was not judged is not.
    """
    if task.status == "not attempted":
        left = [check for check in task.checks if check.explanation.got]
        return Shown(tuple(left[:1]), (), len(left[1:]))
    short = [c for c in task.checks if c.score < c.max_score or c.status != "passed"]  # worth nothing, and wrong
    wrong_value = any(check.kind == "value" and check.status != "passed" for check in short)
    short = [check for check in short if check.status != "not judged"]
    waiting = tuple(c for c in short if wrong_value and (c.status == "passed" or c.kind in ("gradient", "statistics")))
    speaking = [check for check in short if check not in waiting]
    first = {check.output: check for check in reversed(speaking)}  # each text once, with the first check that has it
    explained = tuple(check for check in speaking if first[check.output] is check)
    noted = tuple(c for c in task.checks if c.status == "passed" and c.output and c not in short)
    return Shown(explained + noted, waiting, len(speaking) - len(explained))


def judged_part(of: TaskResult | Result) -> str:
    """Say how much was judged, where that is not all: some checks were not selected, or the run was stopped."""
    return f"only {of.judged / 100:g} of {of.worth / 100:g} points judged" if of.judged < of.worth else ""
