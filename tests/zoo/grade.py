"""Grade many texts at once: `for graded in grade(jobs)`."""

import json
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
WITHOUT_TRAINING = "not training"


@dataclass(frozen=True)
class Job:
    """A submission to grade.

    Attributes:
        name: Unique among the jobs.
        source: The text of the file.
        tasks: What pytest's -m takes; empty: all tasks.
        seed: Of the grading.
        offering: File with tasks and points; empty: the grader's own.
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
        RuntimeError: The grader ended without results; the message shows what it printed.
    """
    with tempfile.TemporaryDirectory(prefix="zoo-") as folder:
        listed = []
        for i, job in enumerate(jobs):
            file = Path(folder) / f"{i}" / "VAE_Model.py"
            file.parent.mkdir()
            file.write_text(job.source, encoding="utf-8")
            listed.append({**asdict(job), "source": "", "file": str(file)})
        command = [sys.executable, "-m", "tests.zoo.warm"]
        with subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as server:
            assert server.stdin is not None and server.stdout is not None
            json.dump({"jobs": listed, "parallel": parallel, "limit_s": limit_s}, server.stdin)
            server.stdin.close()
            for line in server.stdout:
                yield _graded(json.loads(line))


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


def _graded(answer: dict[str, Any]) -> Graded:
    if answer["results"] is None:
        raise RuntimeError(f"{answer['name']}: no results.json; the grader said:\n{answer['log'][-3000:]}")
    return verdict(answer["name"], answer["results"], answer["seconds"])
