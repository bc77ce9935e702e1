"""Select what a student reads about the checks of a task: which are explained, and which depend on the value check."""

from dataclasses import dataclass

from grader.judge.result import CheckResult, Result, Status, TaskResult

BROKEN: tuple[Status, ...] = ("timed out", "out of memory", "crashed")  # in order of severity
WAITS = "counts once the value is right"


@dataclass(frozen=True)
class Explained:
    """A misconception, described for reports of a class: what is wrong, and the hint that students read."""

    wrong: str
    hint: str


@dataclass(frozen=True)
class Shown:
    """The checks of one task that lost points or have a note.

    Attributes:
        explained: Checks with an explanation; if several have the same text, as after the death of a worker, only the
            first is listed. Passed checks with a note follow.
        following: Failed checks that an explained check accounts for: the same hint, or another value of a wrong one.
        waiting: Checks that count only when the value is right, since their outcome follows from the wrong value.
        same: How many more checks failed for the same reason as a check in `explained`.
    """

    explained: tuple[CheckResult, ...]
    waiting: tuple[CheckResult, ...]
    same: int = 0
    following: tuple[CheckResult, ...] = ()


def shown(task: TaskResult) -> Shown:
    """Sort the checks of a task that lost points.

    For a task that was not attempted, a remaining TODO is explained. Checks that were not judged are left out.
    """
    if task.status == "not attempted":
        left = [check for check in task.checks if check.explanation.got]
        return Shown(tuple(left[:1]), (), len(left[1:]))
    # The second condition includes failed checks that are worth no points.
    short = [c for c in task.checks if c.score < c.max_score or c.status != "passed"]
    wrong_value = any(check.kind == "value" and check.status != "passed" for check in short)
    short = [check for check in short if check.status != "not judged"]
    waiting = tuple(c for c in short if wrong_value and (c.status == "passed" or c.kind in ("gradient", "statistics")))
    speaking = [check for check in short if check not in waiting]
    first = {check.output: check for check in reversed(speaking)}  # each text once, with the first check of that text
    distinct = [check for check in speaking if not check.output or first[check.output] is check]
    following = tuple(check for i, check in enumerate(distinct) if any(_follows(check, one) for one in distinct[:i]))
    explained = tuple(check for check in distinct if check not in following)
    noted = tuple(c for c in task.checks if c.status == "passed" and c.output and c not in short)
    return Shown(explained + noted, waiting, len(speaking) - len(distinct), following)


def _follows(check: CheckResult, earlier: CheckResult) -> bool:
    """Whether an earlier failure of the task accounts for this one, so that a second explanation would say no more."""
    if not (check.status == earlier.status == "failed") or check.diagnosis not in (None, earlier.diagnosis):
        return False
    said = check.explanation.hint
    return bool(said and said == earlier.explanation.hint) or check.kind == earlier.kind == "value"


def judged_part(of: TaskResult | Result) -> str:
    """Return how many points were judged, if not all: some checks were not selected, or the run was stopped."""
    return f"only {of.judged / 100:g} of {of.worth / 100:g} points judged" if of.judged < of.worth else ""
