"""Grade many texts at once: `for graded in grade(jobs)`."""

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

from grader.grading.jobs import Job as WarmJob
from grader.grading.jobs import WarmJudge

WITHOUT_TRAINING = "not training"


@dataclass(frozen=True)
class Job:
    """A submission to grade.

    Attributes:
        name: Unique among the jobs.
        source: The text of the file.
        tasks: What pytest's -m takes; empty: all tasks.
        seed: Of the grading.
        offering: Text of a file with tasks and points; empty: the grader's own.
    """

    name: str
    source: str
    tasks: str = WITHOUT_TRAINING
    seed: int = 0
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
    """

    name: str
    lost: dict[str, float]
    diagnoses: dict[str, list[str]]
    status: dict[str, str]
    output: dict[tuple[str, str], str]
    seconds: float
    reproduce: str = ""

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
            content = job.source.encode()
            sent = WarmJob(content, job.seed, "process", tasks=job.tasks, limit_s=limit_s, number=number)
            judge.send(replace(sent, offering=job.offering))

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
    return Graded(
        name=name,
        lost={task: result["max_score"] - result["score"] for task, result in tasks.items()},
        diagnoses={task: result["diagnoses"] for task, result in tasks.items()},
        status={task: result["status"] for task, result in tasks.items()},
        output={(test["tags"][0], test["name"]): test["output"] for test in failed},
        seconds=seconds,
        reproduce=next((lines for test in failed if (lines := test["extra_data"].get("reproduce"))), ""),
    )
