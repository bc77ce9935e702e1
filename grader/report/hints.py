"""Limit what a report tells a student, as the offering says. Reports for instructors are never limited.

`full` is everything. With `short`, the first failed check of a task that has a hint shows it and its name; with `none`,
failed checks have only their titles. Both leave out what was expected, returned and computed, and pictures. What
remains is about the student's own code: exceptions with their lines, exceeded limits, printed text, and notes.
"""

from dataclasses import replace

from grader.judge.result import CheckResult, Explanation, Hints, Result, TaskResult


def limited(result: Result, hints: Hints) -> Result:
    """Return a result with no more in its explanations than a student may read."""
    if hints == "full":
        return result
    return replace(result, tasks=tuple(_limited(task, hints) for task in result.tasks))


def _limited(task: TaskResult, hints: Hints) -> TaskResult:
    checks: list[CheckResult] = []
    for check in task.checks:
        level: Hints = "none" if any(earlier.explanation.hint for earlier in checks) else hints
        checks.append(replace(check, explanation=told(check.explanation, level), picture=None))
    return replace(task, checks=tuple(checks))


def told(explanation: Explanation, hints: Hints) -> Explanation:
    """Return the part of an explanation that a student may read."""
    if hints == "full":
        return explanation
    # Where nothing was expected, nothing was compared: `got` is the student's own exception, or a name that is missing.
    own = replace(explanation, got="" if explanation.expected else explanation.got, expected="", deviation="")
    own = replace(own, computes="", smallest="", reproduce="")
    return own if hints == "short" else replace(own, hint="", diagnosis=None)
