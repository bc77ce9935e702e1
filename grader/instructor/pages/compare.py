"""Compare two runs of one class: which scores changed, in which tasks, and why."""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from grader.judge.result import CheckResult, Result, TaskResult
from grader.report.html import number, render_page
from grader.report.results_json import Record
from grader.report.text import harmless, shortened


@dataclass(frozen=True)
class CheckChange:
    """A check whose score or status changed; `before` or `after` is None if that run has no such check."""

    task: str
    title: str
    before: CheckResult | None
    after: CheckResult | None

    @property
    def points(self) -> int:
        """Hundredths of points gained, or lost if negative."""
        return _score(self.after) - _score(self.before)


@dataclass(frozen=True)
class TaskChange:
    """A task whose score changed.

    Attributes:
        task: Id of the task.
        before, after: Score in hundredths of points; None if that run has no such task.
        found_before, found_after: Misconceptions found, separated by commas.
        checks: The checks that changed.
    """

    task: str
    before: int | None
    after: int | None
    found_before: str
    found_after: str
    checks: tuple[CheckChange, ...]


@dataclass(frozen=True)
class Change:
    """A submission whose verdict changed.

    Attributes:
        submission: Name of the submission.
        before, after: Score in hundredths of points; None if it was not graded.
        status_before, status_after: `graded`, or why it was not graded.
        reasons: Recorded properties that differ between the runs: the file, the grader, the seed, ...
        tasks: The tasks whose score changed.
    """

    submission: str
    before: int | None
    after: int | None
    status_before: str
    status_after: str
    reasons: tuple[str, ...]
    tasks: tuple[TaskChange, ...]


@dataclass(frozen=True)
class Mended:
    """A check over the whole class: the number of submissions to which it now gives more points, or fewer."""

    task: str
    title: str
    up: int
    down: int


@dataclass(frozen=True)
class Comparison:
    """Two class runs compared.

    Attributes:
        old: Name of the earlier run.
        both: Number of submissions in both runs.
        settings: Settings that differ between the runs, such as `task_cpu_s: 20 → 10`, even if no score changed.
        changes: Submissions whose score, or the score of a task, changed; the largest change first.
        mended: The checks that caused the changes, the most frequent first.
        new, gone: Submissions in the later run only, and in the earlier run only.
    """

    old: str
    both: int
    settings: tuple[str, ...]
    changes: tuple[Change, ...]
    mended: tuple[Mended, ...]
    new: tuple[str, ...]
    gone: tuple[str, ...]


def compare(old: Iterable[Record], new: Iterable[Record], name: str) -> Comparison:
    """Return what changed from an earlier run, with the given name, to a later one."""
    before, after = ({record.submission: record for record in records} for records in (old, new))
    both = [(before[name], after[name]) for name in after if name in before]
    changes = [change for pair in both if (change := _change(*pair))]
    return Comparison(
        old=name,
        both=len(both),
        settings=_settings(both),
        changes=tuple(sorted(changes, key=lambda c: (-abs((c.after or 0) - (c.before or 0)), c.submission))),
        mended=_mended(changes),
        new=tuple(name for name in after if name not in before),
        gone=tuple(name for name in before if name not in after),
    )


def has_changed(old: Record, new: Record) -> bool:
    """Return whether the score of a submission, or of one of its tasks, changed between two runs."""
    return _change(old, new) is not None


def _change(old: Record, new: Record) -> Change | None:
    tasks = tuple(_task_changes(_tasks(old.result), _tasks(new.result)))
    if not tasks and (old.result is None) == (new.result is None):
        return None
    return Change(
        submission=new.submission,
        before=old.result.score if old.result else None,
        after=new.result.score if new.result else None,
        status_before=old.status,
        status_after=new.status,
        reasons=reasons(old, new),
        tasks=tasks,
    )


def _tasks(result: Result | None) -> dict[str, TaskResult]:
    return {task.id: task for task in result.tasks} if result else {}


def _task_changes(before: Mapping[str, TaskResult], after: Mapping[str, TaskResult]) -> Iterator[TaskChange]:
    for task in {**before, **after} if before and after else {}:
        old, new = before.get(task), after.get(task)
        if old is None or new is None or (old.score, old.max_score) != (new.score, new.max_score):
            checks = tuple(_check_changes(task, old, new))
            scores = (old.score if old else None, new.score if new else None)
            yield TaskChange(task, *scores, _found(old), _found(new), checks)


def _found(task: TaskResult | None) -> str:
    return ", ".join(task.diagnoses) if task else ""


def _check_changes(task: str, old: TaskResult | None, new: TaskResult | None) -> Iterator[CheckChange]:
    before, after = ({check.name: check for check in one.checks} if one else {} for one in (old, new))
    for name in {**before, **after}:
        was, now = before.get(name), after.get(name)
        if _what_counts(was) != _what_counts(now):
            yield CheckChange(task, now.title if now else before[name].title, was, now)


def _what_counts(check: CheckResult | None) -> Any:
    return check and (check.score, check.max_score, check.status)


def reasons(old: Record, new: Record) -> tuple[str, ...]:
    """Return the recorded differences of two runs as short phrases; if there are none, one phrase that says so."""
    if (old.result is None) != (new.result is None):
        return (f"not graded before: {old.status}",) if old.result is None else (f"not graded now: {new.status}",)
    file = ("the file is different",) if _file_differs(old, new) else ()
    return (*file, *_differences(old, new)) or ("no recorded difference: due to chance, timing or the machine",)


def _settings(pairs: Sequence[tuple[Record, Record]]) -> tuple[str, ...]:
    """Return the differences of the runs, with the number of submissions if it is not all that both runs graded."""
    found = [_differences(old, new) for old, new in pairs if old.result and new.result]
    counts = Counter(difference for differences in found for difference in differences)
    return tuple(one if n == len(found) else f"{one} ({n} of {len(found)})" for one, n in counts.items())


def _file_differs(old: Record, new: Record) -> bool:
    hashes = old.made.get("sha256"), new.made.get("sha256")
    return None not in hashes and hashes[0] != hashes[1]


def _differences(old: Record, new: Record) -> tuple[str, ...]:
    """Return the settings that differ between two gradings of a submission.

    The seed is left out if the file or the secret explains its change.
    """
    before, after = _recorded(old), _recorded(new)
    if _file_differs(old, new) or "secret" in before.keys() & after.keys():
        before.pop("seed", None)
    for group in ("limits", "versions"):
        theirs, ours = old.made.get(group), new.made.get(group)
        if isinstance(theirs, Mapping) and isinstance(ours, Mapping):
            names = dict.fromkeys((*theirs, *ours))
            before |= {name: theirs.get(name, "none") for name in names}
            after |= {name: ours.get(name, "none") for name in names}
            before.pop("offering", None)  # it repeats the limits and the points
    return tuple(
        f"{_short(key)}: {_short(before[key])} → {_short(after[key])}"
        for key in before
        if key in after and str(before[key]) != str(after[key])
    )


def _recorded(record: Record) -> dict[str, Any]:
    made, result = record.made, record.result
    found = {key: made.get(key) for key in ("grader", "secret", "data", "offering")}
    found |= {"tasks": made["tasks"] or "all"} if "tasks" in made else {}
    if result:
        found |= {"seed": result.seed, "sandbox": result.sandbox, **result.environment}
        found |= {f"points of {task.id}": number(task.max_score / 100) for task in result.tasks}
    return {key: value for key, value in found.items() if value is not None}


def _short(value: Any) -> str:
    text = shortened(harmless(f"{value:.10g}" if isinstance(value, float) else str(value)), lines=1, width=60)
    return text[:12] if len(text) in (40, 64) and all(c in "0123456789abcdef" for c in text) else text


def _mended(changes: Sequence[Change]) -> tuple[Mended, ...]:
    points: dict[tuple[str, str], list[int]] = {}
    for change in changes:
        for check in (check for task in change.tasks for check in task.checks if check.points):
            points.setdefault((check.task, check.title), []).append(check.points)
    found = [Mended(*key, sum(p > 0 for p in won), sum(p < 0 for p in won)) for key, won in points.items()]
    return tuple(sorted(found, key=lambda m: (-m.up - m.down, m.task, m.title)))


def _score(check: CheckResult | None) -> int:
    return check.score if check else 0


def lines(comparison: Comparison) -> list[str]:
    """Return the comparison as lines for a terminal. Names and statuses are safe, as they were escaped when read."""
    found = [f"{len(comparison.changes)} of {comparison.both} scores changed since {comparison.old}"]
    if not comparison.both:
        found = [f"no submission is in both this run and {comparison.old}"]
    found += [f"    differs  {setting}" for setting in comparison.settings]
    for change in comparison.changes:
        found.append(f"{change.submission}: {_points(change.before)} -> {_points(change.after)}")
        found += [f"    because  {reason}" for reason in change.reasons]
        for task in change.tasks:
            words = f"; {task.found_before or 'none'} -> {task.found_after or 'none'}" if _named_other(task) else ""
            found.append(f"    {task.task}: {_points(task.before)} -> {_points(task.after)}{words}")
            found += [f"        {status(c.before)} -> {status(c.after)}: {c.title}" for c in task.checks]
    found += [f"new: {name}" for name in comparison.new]
    return found + [f"gone: {name}" for name in comparison.gone]


def _points(score: int | None) -> str:
    return "not graded" if score is None else number(score / 100)


def status(check: CheckResult | None) -> str:
    """Return the status of a check."""
    return check.status if check else "no such check"


def _named_other(task: TaskChange) -> bool:
    return task.found_before != task.found_after


def compare_page(comparison: Comparison, title: str) -> str:
    """Return compare.html."""
    return render_page("compare.html", title=title, comparison=comparison, status=status)
