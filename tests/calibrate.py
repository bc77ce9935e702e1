"""How often do the checks fail right work? `python -m tests.calibrate` runs them with many seeds, without training.

Every seed draws all inputs and all noise anew. The bounds behind the statistical checks promise less than one false
failure in 1e9; a thousand seeds can not show that, but they show a bound that is wrong by orders of magnitude, a
tolerance that is too tight, and an equivalent that is no longer one.

One process judges, calling the checks as pytest would, and keeps one zygote for each submission.
"""

import argparse
import importlib
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from grader.grading import Probe
from grader.judge import offering
from grader.judge.check import CheckFailed
from grader.judge.draw import Draw
from grader.judge.tasks import TASKS
from grader.sandbox.failure import WorkerFailed
from grader.session import Session
from tests.zoo.build import reference, source
from tests.zoo.equivalent import EQUIVALENT


@dataclass(frozen=True)
class Check:
    """A check as a function of a probe caller and a source of inputs."""

    task: str
    name: str
    kind: str
    function: Callable[..., None]


# Value checks whose answers are random, so that a bound decides.
RANDOM_VALUES = ("test_log_of_the_mean_weight", "test_one_weight")


def checks(everything: bool, only: str = "") -> list[Check]:
    """Return the random checks, or all, of all tasks but `training`, in the order of the handout."""
    found = []
    for task in TASKS[:-1]:
        module = importlib.import_module(f"grader.test_{task.id}")
        for name, function in vars(module).items():
            for mark in getattr(function, "pytestmark", []):
                random = mark.name == "check" and (mark.kwargs["kind"] == "statistics" or name in RANDOM_VALUES)
                if mark.name == "check" and (everything or random) and only in name:
                    found.append(Check(task.id, name, mark.kwargs["kind"], function))
    return found


def failures(text: str, seeds: Iterable[int], of: list[Check]) -> Iterator[tuple[int, Check, str]]:
    """Yield (seed, check, explanation) for each check that fails a submission."""
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "VAE_Model.py"
        file.write_text(text, encoding="utf-8")
        session = Session(file, offering.load(), seed=0)
        try:
            for session.seed in seeds:
                session.started = time.monotonic()
                for check in of:
                    try:
                        check.function(Probe(session, check.task, check.name), Draw(session.seed, check.name))
                    except (CheckFailed, WorkerFailed) as failure:
                        yield session.seed, check, str(failure)
                for task in {check.task for check in of}:
                    session.finish_task(task)
        finally:
            session.close()


def main() -> int:
    """Run, and print what failed; returns 1 if anything did."""
    parser = argparse.ArgumentParser(prog="python -m tests.calibrate", description=__doc__)
    parser.add_argument("--seeds", type=int, default=1000, help="of the reference [1000]")
    parser.add_argument("--each", type=int, default=50, help="seeds of each equivalent [50]")
    parser.add_argument("--all", action="store_true", help="every check, not only the random ones")
    parser.add_argument("--only", default="", metavar="TEXT", help="checks whose name holds TEXT")
    options = parser.parse_args()
    of = checks(options.all, options.only)
    jobs = [("reference", reference(), options.seeds)]
    jobs += [(e.title, source(e), options.each) for e in EQUIVALENT] if options.each else []
    failed, runs = Counter[str](), 0
    for title, text, seeds in jobs:
        start = time.monotonic()
        for seed, check, why in failures(text, range(seeds), of):
            failed[f"{title}: {check.task} / {check.name}"] += 1
            print(f"{title}, seed {seed}: {check.task} / {check.name}\n{why}", flush=True)
        runs += seeds * len(of)
        print(f"{title}: {seeds} seeds, {len(of)} checks, {time.monotonic() - start:.0f} s", flush=True)
    print(f"{runs} runs of a check, {sum(failed.values())} failures")
    for what, times in failed.most_common():
        print(f"{times:6} {what}")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
