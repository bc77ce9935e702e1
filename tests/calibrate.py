"""How often do the checks fail right work, and how close does right work come to the tolerances?

    python -m tests.calibrate               the random checks with many seeds: none may fail
    python -m tests.calibrate --headroom    all comparisons of numbers: right work may use a tenth of a tolerance

Every seed gives new inputs and new noise; `training` is left out. The bounds of the statistical checks guarantee less
than one false failure in 1e9. A thousand seeds cannot confirm that, but they reveal a bound that is wrong by orders of
magnitude, and an equivalent that is wrong. A tolerance guarantees nothing, so its headroom is measured: the largest
|got - expected| / tolerance of each check. It has no long tail, because tolerances are proportional to the sizes of the
numbers that were added up (judge/sizes.py).

One process judges and calls the checks as pytest would. The reference runs in the same process, which is faster; each
equivalent has its own zygote, because some need the handling of a worker's failure.
"""

import importlib
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field
from multiprocessing import get_context
from pathlib import Path
from unittest import mock

import torch
from torch import Tensor

from data.commandline import Parser, whole
from grader.grading.options import GradingOptions
from grader.grading.probe import Probe
from grader.grading.session import Session
from grader.judge import expect
from grader.judge.check import CheckFailed
from grader.judge.inputs import Draw
from grader.judge.offering import TASKS
from grader.judge.result import Kind
from grader.sandbox.failure import WorkerFailed
from tests.zoo.build import reference, source
from tests.zoo.equivalent import EQUIVALENT

LARGEST_USED = 0.1
_SEEDS_A_JOB = 50  # of one submission, in one zygote
_SEEDS_A_WORKER = 5


@dataclass(frozen=True)
class Check:
    """A check as a function of a probe caller and a source of inputs."""

    task: str
    name: str
    kind: Kind
    function: Callable[..., None]

    @property
    def title(self) -> str:
        """Task and name, as tables show it."""
        return f"{self.task} / {self.name.removeprefix('test_')}"


@dataclass(frozen=True)
class Job:
    """Some seeds of one submission."""

    title: str
    text: str
    seeds: range
    without: frozenset[str] = frozenset()  # tasks that it gets wrong
    sandbox: str = "process"


@dataclass
class Ran:
    """The results of some runs of checks.

    Attributes:
        runs: Number of runs.
        failed: (check, seed and submission, explanation) of each failure.
        used: For each check, the largest share of a tolerance that was used, and the submission and seed.
    """

    runs: int = 0
    failed: list[tuple[str, str, str]] = field(default_factory=list)
    used: dict[str, tuple[float, str]] = field(default_factory=dict)

    def add(self, other: "Ran") -> None:
        """Add the results of other runs."""
        self.runs += other.runs
        self.failed += other.failed
        for check, largest in other.used.items():
            self.used[check] = max(self.used.get(check, (0.0, "")), largest)


# Value checks with random answers, which are compared with a statistical bound.
RANDOM_VALUES = ("test_log_of_the_mean_weight", "test_one_weight")


def checks(everything: bool, only: str = "") -> list[Check]:
    """Return the random checks, or all checks, of all tasks except `training`, in the order of the handout."""
    found = []
    for task in TASKS[:-1]:
        module = importlib.import_module(f"grader.test_{task.id}")
        for name, function in vars(module).items():
            for mark in getattr(function, "pytestmark", []):
                random = mark.name == "check" and (mark.kwargs["kind"] == "statistics" or name in RANDOM_VALUES)
                if mark.name == "check" and (everything or random) and only in name:
                    found.append(Check(task.id, name, mark.kwargs["kind"], function))
    return found


def run(job: Job, of: Sequence[Check]) -> Ran:
    """Run checks on a submission, with each of its seeds."""
    ran = Ran()
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "VAE_Model.py"
        file.write_text(job.text, encoding="utf-8")
        session = Session(GradingOptions(file, sandbox=job.sandbox))
        try:
            for task in dict.fromkeys(check.task for check in of):
                for session.seed in job.seeds:
                    session.started = time.monotonic()
                    for check in of:
                        if check.task == task:
                            ran.add(_run_once(session, check, f"{job.title}, seed {session.seed}"))
                    # A worker has the CPU seconds of one grading, and an equivalent may need a quarter of them.
                    if session.seed % _SEEDS_A_WORKER == 0 or task == "log_likelihood":
                        session.finish_task(task)
                session.finish_task(task)
        finally:
            session.close()
    return ran


def _run_once(session: Session, check: Check, who: str) -> Ran:
    shares = [0.0]
    share_of = expect.used

    def listening(actual: Tensor, expected: Tensor, tolerance: Tensor) -> Tensor:
        found = share_of(actual, expected, tolerance)
        shares.append(float(found.max()) if found.numel() else 0.0)
        return found

    ran = Ran(runs=1)
    with mock.patch.object(expect, "used", listening):
        try:
            probe = Probe(session, check.task, check.name, check.kind)
            check.function(probe, Draw(session.seed, check.name))
        except (CheckFailed, WorkerFailed) as failure:
            ran.failed.append((check.title, who, str(failure)))
    ran.used[check.title] = (max(shares), who)
    return ran


def jobs(seeds: int, each: int, only: str = "") -> Iterator[Job]:
    """Return the jobs: the reference, and each equivalent whose title contains `only`."""
    for first in range(0, seeds, _SEEDS_A_JOB):
        yield Job("reference", reference(), range(first, min(seeds, first + _SEEDS_A_JOB)), sandbox="in-process")
    for entry in EQUIVALENT if each else ():
        if only in entry.title:
            yield Job(entry.title, source(entry), range(each), entry.must_fall)


def _work(job: Job, everything: bool, headroom: bool, only: str) -> Ran:
    torch.set_num_threads(1)
    chosen = [check for check in checks(everything, only) if check.task not in job.without]
    if headroom and job.sandbox != "in-process":  # checks of shapes compare no numbers; the reference runs them too
        chosen = [check for check in chosen if check.kind != "shape"]
    return run(job, chosen)


def main() -> int:
    """Run the checks, and print failures and tolerances of which too much was used; returns 1 if there are any."""
    parser = Parser(prog="python -m tests.calibrate", description=__doc__)
    parser.add_argument("--headroom", action="store_true", help="run all checks, and print a table of headroom")
    parser.add_argument("--seeds", type=whole(0), help="number of seeds for the reference [1000; with --headroom 2000]")
    parser.add_argument("--each", type=whole(0), help="number of seeds for each equivalent [50; with --headroom 20]")
    parser.add_argument("--all", action="store_true", help="run all checks, not only the random ones")
    parser.add_argument("--only", default="", metavar="TEXT", help="only checks whose name contains TEXT [all]")
    parser.add_argument(
        "--entries", default="", metavar="TEXT", help="only equivalents whose title contains TEXT [all]"
    )
    parser.add_argument("--jobs", type=whole(1), default=2, help="number of processes at the same time [2]")
    options = parser.parse_args()
    seeds = options.seeds if options.seeds is not None else 2000 if options.headroom else 1000
    each = options.each if options.each is not None else 20 if options.headroom else 50
    total, started = Ran(), time.monotonic()
    with ProcessPoolExecutor(options.jobs, mp_context=get_context("spawn")) as pool:
        chosen = (options.all or options.headroom, options.headroom, options.only)
        waiting = [(job, pool.submit(_work, job, *chosen)) for job in jobs(seeds, each, options.entries)]
        try:
            for job, future in waiting:
                ran = future.result()
                for check, who, why in ran.failed:
                    print(f"{who}: {check}\n{why}", flush=True)
                total.add(ran)
                print(f"{job.title}: seeds {job.seeds.start} to {job.seeds.stop - 1}, {ran.runs} runs", flush=True)
        except BaseException:  # an error of this program, or Ctrl-C: do not wait for the other jobs
            pool.shutdown(wait=False, cancel_futures=True)
            raise
    return report(total, time.monotonic() - started, options.headroom)


def report(total: Ran, seconds: float, headroom: bool) -> int:
    """Print the results; return 1 if a check failed, or used more of a tolerance than it may."""
    if headroom:
        print("\n| check | largest share of a tolerance | by |\n|---|---:|---|")
        for check, (share, who) in total.used.items():
            print(f"| {check} | {share:.4f} | {who if share else ''} |")
    print(f"\n{total.runs} runs of a check in {seconds:.0f} s, {len(total.failed)} failures")
    for what, times in Counter(check for check, _, _ in total.failed).most_common():
        print(f"{times:6} {what}")
    above = [check for check, (share, _) in total.used.items() if share > LARGEST_USED] if headroom else []
    if above:
        print(f"checks that used more than {LARGEST_USED} of a tolerance: {', '.join(above)}")
    return 1 if total.failed or above else 0


if __name__ == "__main__":
    sys.exit(main())
