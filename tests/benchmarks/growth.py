"""How does a class run grow? `python -m tests.benchmarks.growth [-n 10 100 1000] [--jobs 1 2] [--tasks kl]`.

Grades classes of growing size, with one job and with two, and prints a line for each: wall and CPU time, what a
submission costs beyond the start of the run, and the most memory that the class run, its dask workers and its judges
held together (PSS, looked at every five seconds; workers of submissions come and go and have limits of their own).
By default only one quick task is judged: what grows is the class, not the checks.
"""

import contextlib
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

import psutil

from data.commandline import Parser, whole
from tests.benchmarks.classrun import ROOT, hand_in

LOOK_S = 5.0


@dataclass(frozen=True)
class Run:
    """One class run: submissions, jobs, wall and CPU seconds, the most memory in MiB, exit status."""

    n: int
    jobs: int
    wall_s: float
    cpu_s: float
    memory_mib: float
    exit: int


def grade(submissions: Path, out: Path, n: int, jobs: int, tasks: str) -> Run:
    """Grade a folder, and look at the memory of the run now and then."""
    command = [sys.executable, "-m", "grader", "class", str(submissions), "--out", str(out), f"--jobs={jobs}"]
    started = time.monotonic()
    before = psutil.Process().cpu_times()
    process = psutil.Popen([*command, "-m", tasks], cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    most, status = 0.0, None
    while status is None:
        most = max(most, _memory_mib(process))
        with contextlib.suppress(psutil.TimeoutExpired):
            status = process.wait(timeout=LOOK_S)
    after = psutil.Process().cpu_times()
    cpu_s = after.children_user + after.children_system - before.children_user - before.children_system
    return Run(n, jobs, time.monotonic() - started, cpu_s, most, status)


def _memory_mib(process: psutil.Process) -> float:
    """Return what a class run and its judges hold: sandboxes of submissions are no part of it."""
    total = 0
    with contextlib.suppress(psutil.Error):
        for one in [process, *process.children(recursive=True)]:
            with contextlib.suppress(psutil.Error):
                if not any("zygote" in word or "bwrap" in word for word in one.cmdline()):
                    total += one.memory_full_info().pss
    return total / 2**20


def main() -> None:
    """Measure, and print the table."""
    parser = Parser(description=__doc__)
    parser.add_argument("-n", type=whole(1), nargs="+", default=[10, 100, 1000], help="submissions [10 100 1000]")
    parser.add_argument("--jobs", type=whole(1), nargs="+", default=[1, 2], help="at the same time [1 2]")
    parser.add_argument("--tasks", default="kl", metavar="TASK", help="what is judged, as in pytest -m [kl]")
    options = parser.parse_args()
    print("| submissions | jobs | wall s | CPU s | CPU s each, beyond the first size | most memory, MiB | exit |")
    print("|---:|---:|---:|---:|---:|---:|---:|")
    for jobs in options.jobs:
        first: Run | None = None
        for n in options.n:
            with tempfile.TemporaryDirectory() as name:
                folder = Path(name) / "submissions"
                hand_in(folder, n)
                run = grade(folder, Path(name) / "out", n, jobs, options.tasks)
            first = first or run
            each = f"{(run.cpu_s - first.cpu_s) / (n - first.n):.2f}" if n > first.n else ""
            print(
                f"| {n} | {jobs} | {run.wall_s:.1f} | {run.cpu_s:.1f} | {each} | {run.memory_mib:.0f} | {run.exit} |",
                flush=True,
            )


if __name__ == "__main__":
    main()
