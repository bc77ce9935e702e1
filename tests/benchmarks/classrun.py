"""How fast is a class run? `python -m tests.benchmarks.classrun [-n 200] [--jobs N] [--sandbox NAME] [--loop 5]`.

Makes a class from the zoo (wrong, equivalent and empty-handed submissions, told apart by a comment), grades it with
`python -m grader class`, and prints a table: throughput, the floor, and a loop of `pytest grader/` over some of the
files. The floor is cores / CPU seconds of one zygote and its tasks, as the kernel told the judges of the same run;
throughput is measured in wall time, so let nothing else run beside it.
"""

import json
import os
import random
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from data.commandline import Parser, whole
from tests.benchmarks.measure import machine
from tests.zoo.build import reference, source
from tests.zoo.equivalent import EQUIVALENT
from tests.zoo.wrong import WRONG

ROOT = Path(__file__).resolve().parents[2]
SKELETON = ROOT / "assignment" / "VAE_Model.py"


@dataclass(frozen=True)
class Measured:
    """One command: its wall time, and the CPU seconds of it and of all that it started."""

    wall_s: float
    cpu_s: float
    exit: int


def texts(n: int) -> list[str]:
    """Return n different submissions: half wrong, a third equivalent, the others the reference and the skeleton."""
    draw = random.Random(0)
    found = []
    for i in range(n):
        kind = i % 6
        if kind < 3:
            text = source(draw.choice(WRONG))
        elif kind < 5:
            text = source(draw.choice(EQUIVALENT))
        else:
            text = reference() if i % 12 == 5 else SKELETON.read_text(encoding="utf-8")
        found.append(f"{text}\n# submission {i}\n")
    return found


def hand_in(folder: Path, n: int) -> None:
    """Make a folder of n submissions."""
    folder.mkdir()
    for i, text in enumerate(texts(n)):
        (folder / f"s{i:04}.py").write_text(text, encoding="utf-8")


def measured(command: Sequence[str]) -> Measured:
    """Run a command in the project's folder."""
    before, started = resource.getrusage(resource.RUSAGE_CHILDREN), time.monotonic()
    done = subprocess.run(command, cwd=ROOT, stdout=subprocess.DEVNULL, check=False)
    wall_s, after = time.monotonic() - started, resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu_s = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return Measured(wall_s, cpu_s, done.returncode)


def main() -> None:
    """Measure, and print the table."""
    parser = Parser(description=__doc__)
    parser.add_argument("-n", type=whole(1), default=200, help="submissions [200]")
    parser.add_argument("--jobs", type=whole(1), default=len(os.sched_getaffinity(0)), help="at the same time [cores]")
    parser.add_argument("--sandbox", default="auto")
    parser.add_argument("--fresh-sandboxes", action="store_true", help="as in `python -m grader class`")
    parser.add_argument("--loop", type=whole(1), default=5, help="files for the loop of pytest grader/ [5]")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder, out = Path(name) / "submissions", Path(name) / "out"
        hand_in(folder, options.n)
        sandbox = f"--sandbox={options.sandbox}"
        command = [sys.executable, "-m", "grader", "class", str(folder), "--out", str(out), sandbox]
        fresh = ["--fresh-sandboxes"] if options.fresh_sandboxes else []
        run = measured([*command, f"--jobs={options.jobs}", *fresh])
        facts = [json.loads(path.read_text())["extra_data"]["class"] for path in sorted(out.glob("*/results.json"))]
        loop = [
            measured([sys.executable, "-m", "pytest", "grader/", f"--submission={file}", sandbox])
            for file in sorted(folder.iterdir())[: options.loop]
        ]
    _print(options.n, options.jobs, run, facts, loop)


def _print(n: int, jobs: int, run: Measured, facts: list[dict[str, float]], loop: list[Measured]) -> None:
    cores = len(os.sched_getaffinity(0))
    sandbox_s, grading_s = ([fact[key] for fact in facts] for key in ("sandbox_cpu_s", "cpu_s"))
    floor = cores / statistics.mean(sandbox_s)
    throughput = n / run.wall_s
    rows = {
        "hardware": machine(),
        "submissions": f"{n}, {len(facts)} graded, {jobs} at a time, exit status {run.exit}",
        "wall time": f"{run.wall_s:.1f} s, {60 * throughput:.1f} a minute",
        "floor": f"{60 * floor:.1f} a minute: {cores} cores / {statistics.mean(sandbox_s):.2f} CPU s "
        f"(median {statistics.median(sandbox_s):.2f})",
        "throughput / floor": f"{throughput / floor:.1%}",
        "CPU a submission": f"{run.cpu_s / n:.2f} s in all, {statistics.mean(grading_s):.2f} s in the grading, "
        f"{statistics.mean(sandbox_s):.2f} s in the sandbox",
        "CPU floor / CPU used": f"{sum(sandbox_s) / run.cpu_s:.1%}",
        "share of the cores used": f"{run.cpu_s / (cores * run.wall_s):.1%}",
    }
    if loop:
        wall, cpu = statistics.median(one.wall_s for one in loop), statistics.median(one.cpu_s for one in loop)
        rows["pytest grader/, a file"] = f"{wall:.1f} s, {cpu:.1f} CPU s (median of {len(loop)})"
        rows["class run / loop"] = f"{wall * throughput:.1f} times as fast, {cpu * n / run.cpu_s:.2f} times in CPU"
    print("\n".join(f"| {key} | {value} |" for key, value in rows.items()))


if __name__ == "__main__":
    main()
