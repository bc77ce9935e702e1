"""Grade many texts at once: `for graded in grade(jobs)`."""

import re
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from grader.grading.jobs import Job as WarmJob
from grader.grading.jobs import WarmJudge

WITHOUT_TRAINING = "not training"
# What a check expected, if it compared no numbers; it is empty after an exception, a result of another type, or none.
_BY_FORM = re.compile(r"^$| of shape \([^)]*\)(, for |$)| of dtype |changes neither|change the model's mode")


@dataclass(frozen=True)
class Job:
    """A submission to grade.

    Attributes:
        name: Unique among the jobs.
        source: The text of the file.
        tasks: What pytest's -m takes; empty: all tasks.
        seed: Of the grading.
        fork: Whether workers are forked; if not, one interpreter serves all tasks of the job, as on Windows and macOS.
        offering: Text of a file with tasks and points; empty: the grader's own.
    """

    name: str
    source: str
    tasks: str = WITHOUT_TRAINING
    seed: int = 0
    fork: bool = True
    offering: str = ""


@dataclass(frozen=True)
class Graded:
    """The verdict on a submission.

    Attributes:
        name: The job's.
        lost: Points lost, by task.
        diagnoses: Ids that the report names, by task.
        status: Status by task.
        output: Explanations of the failed checks, by (task, check).
        seconds: How long it took.
        reproduce: The lines of Python that show the first wrong answer; empty if the report has none.
        by_value: The tasks that fail by value: the first failed check compares numbers.
        computes: The formula that the report shows first, by task.
    """

    name: str
    lost: dict[str, float]
    diagnoses: dict[str, list[str]]
    status: dict[str, str]
    output: dict[tuple[str, str], str]
    seconds: float
    reproduce: str = ""
    by_value: frozenset[str] = frozenset()
    computes: Mapping[str, str] = field(default_factory=dict)

    @property
    def fell(self) -> frozenset[str]:
        """The tasks that lost points."""
        return frozenset(task for task, points in self.lost.items() if points > 0)


def grade(jobs: Sequence[Job], parallel: int = 2, limit_s: float = 180.0) -> Iterator[Graded]:
    """Yield a verdict per job, as they come.

    Raises:
        RuntimeError: The grader ended without results; the message says why.
    """
    judge = WarmJudge("sample", module="tests.zoo.warm")
    started: dict[int, float] = {}

    def send(number: int) -> None:
        if number < len(jobs):
            job, started[number] = jobs[number], time.monotonic()
            judge.send(
                WarmJob(
                    content=job.source.encode(),
                    seed=job.seed,
                    sandbox="process",
                    tasks=job.tasks,
                    offering=job.offering,
                    limit_s=limit_s,
                    fork=job.fork,
                    number=number,
                )
            )

    try:
        for number in range(parallel):
            send(number)
        for sent in range(parallel, parallel + len(jobs)):
            outcome = judge.receive()
            send(sent)
            job = jobs[outcome.number]
            if outcome.results is None:
                raise RuntimeError(f"{job.name}: {outcome.problem}")
            yield verdict(job.name, outcome.results, round(time.monotonic() - started[outcome.number], 2))
    finally:
        judge.close()


def verdict(name: str, results: dict[str, Any], seconds: float) -> Graded:
    """Return what a results.json says."""
    tasks = results["extra_data"]["tasks"]
    failed = [test for test in results["tests"] if test["score"] < test["max_score"]]
    wrong = [test for test in failed if test["extra_data"]["status"] != "passed"]
    first = {test["tags"][0]: test["extra_data"] for test in reversed(wrong)}
    formulas = {test["tags"][0]: found for test in reversed(wrong) if (found := test["extra_data"].get("computes"))}
    return Graded(
        name=name,
        lost={task: result["max_score"] - result["score"] for task, result in tasks.items()},
        diagnoses={task: result["diagnoses"] for task, result in tasks.items()},
        status={task: result["status"] for task, result in tasks.items()},
        output={(test["tags"][0], test["name"]): test["output"] for test in failed},
        seconds=seconds,
        reproduce=next((lines for test in failed if (lines := test["extra_data"].get("reproduce"))), ""),
        by_value=frozenset(task for task, check in first.items() if not _BY_FORM.search(check.get("expected", ""))),
        computes=formulas,
    )
