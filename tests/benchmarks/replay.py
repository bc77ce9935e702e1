"""A large class run without its gradings: `python -m tests.benchmarks replay [-n 1000 10000] [--graded DIR]`.

A small class is graded once. Its results are then replayed for a class of n: each submission is one of the small class
under another name, with a comment and with blanks between its tokens, so that no two files are equal. Everything but
the gradings is what `python -m grader class` does: reading, seeds, files, pages, search for look-alikes, resuming.
"""

import contextlib
import json
import random
import re
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from unittest import mock

import psutil

from data.commandline import Parser, path, whole
from grader.__main__ import main as grade
from grader.grading.jobs import Job, Outcome
from grader.instructor.class_runs import class_run, dask_judges
from grader.instructor.pages import class_pages
from tests.benchmarks.classrun import ROOT, hand_in
from tests.benchmarks.measure import machine
from tests.browser import Browser, program

MIB = 1 << 20
SORT = "document.querySelector('#all th:nth-child(2) button').click()"
DRAWN = "new Promise(done => requestAnimationFrame(() => setTimeout(done)))"


def graded_class(folder: Path, n: int) -> Path:
    """Grade a class of n submissions; return the folder that holds `submissions` and `out`."""
    hand_in(folder / "submissions", n)
    command = [sys.executable, "-m", "grader", "class", str(folder / "submissions"), "--out", str(folder / "out")]
    subprocess.run(command, cwd=ROOT, check=True)
    return folder


def multiplied(small: Path, folder: Path, n: int) -> None:
    """Write n submissions, each a submission of the small class with a comment and other blanks."""
    draw, texts = random.Random(0), [file.read_text() for file in sorted((small / "submissions").glob("*.py"))]
    folder.mkdir()
    for i in range(n):
        text = re.sub(r"(?<=,) (?=\w)", lambda _: " " * draw.randint(1, 2), texts[i % len(texts)])
        (folder / f"s{i:05}.py").write_text(f"{text}\n# {i}\n")


class Replay:
    """Outcomes of a class run, taken from a small class: the i-th submission gets the result of the (i mod m)-th."""

    def __init__(self, small: Path):
        self._results = [json.loads(p.read_text()) for p in sorted((small / "out").glob("*/results.json"))]
        self.rss: list[int] = []

    def outcomes(
        self, client: Any, names: list[str], job: Callable[[str], Job], apart: bool = True
    ) -> Iterator[tuple[str, Outcome]]:
        """Yield the outcome of each job, and look at the memory of the process."""
        for i, name in enumerate(names):
            results, asked = self._results[i % len(self._results)], job(name)
            extra = results["extra_data"] | {"seed": asked.seed, "sandbox": asked.sandbox}
            yield name, Outcome({**results, "extra_data": extra})
            self.rss.append(psutil.Process().memory_info().rss)

    @contextlib.contextmanager
    def installed(self) -> Iterator[None]:
        """Replace the cluster and its judges."""
        with (
            mock.patch.object(class_run, "local_cluster", return_value=contextlib.nullcontext()),
            mock.patch.object(dask_judges, "outcomes", self.outcomes),
        ):
            yield


def run(small: Path, submissions: Path, out: Path) -> None:
    """Run one class in this process, and print one line of JSON."""
    replay, spent = Replay(small), {"look_alikes_s": 0.0, "pages_s": 0.0}

    def timed(name: str, function: Callable[..., Any]) -> Callable[..., Any]:
        def call(*args: Any, **more: Any) -> Any:
            started = time.monotonic()
            try:
                return function(*args, **more)
            finally:
                spent[name] = round(time.monotonic() - started, 1)

        return call

    search, write = class_pages.find_look_alikes, class_run.write_pages
    started = time.monotonic()
    with (
        replay.installed(),
        mock.patch.object(class_pages, "find_look_alikes", timed("look_alikes_s", search)),
        mock.patch.object(class_run, "write_pages", timed("pages_s", write)),
    ):
        status = grade(["class", str(submissions), "--out", str(out), "--jobs=1"])
    found = {"exit": status, "wall_s": round(time.monotonic() - started, 1), **spent}
    found["peak_mib"] = round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024)
    if replay.rss:
        tenth = len(replay.rss) // 10
        growth = (replay.rss[-1] - replay.rss[tenth]) / (len(replay.rss) - tenth)
        found["growth_kib_a_submission"] = round(growth / 1024, 2)
    print(json.dumps(found), flush=True)


def opened(page: Path) -> tuple[float, float]:
    """Return the seconds in which Chromium opens a page and draws it, and sorts its table by name and draws it."""
    with tempfile.TemporaryDirectory() as profile, Browser(Path(profile)) as browser:
        started = time.monotonic()
        shown = browser.open(page)
        shown.evaluate(DRAWN)
        drawn = time.monotonic()
        shown.evaluate(f"{SORT}; {DRAWN}")
        return drawn - started, time.monotonic() - drawn


def main() -> None:
    """Measure, and print what was found, run by run."""
    parser = Parser(prog="python -m tests.benchmarks replay", description=__doc__)
    parser.add_argument("-n", type=whole(1), nargs="+", default=[1000, 10_000], help="submissions [1000 10000]")
    parser.add_argument("--real", type=whole(1), default=300, help="submissions that are graded [300]")
    parser.add_argument("--graded", type=path, help="folder of an earlier graded class: submissions/ and out/")
    parser.add_argument("--run", nargs=2, type=path, metavar=("SUBMISSIONS", "OUT"), help="one run in this process")
    options = parser.parse_args()
    if options.run:
        return run(options.graded, *options.run)
    print(machine(), flush=True)
    with tempfile.TemporaryDirectory() as name:
        small = options.graded or graded_class(Path(name) / "small", options.real)
        for n in options.n:
            folder = Path(name) / f"class-{n}"
            folder.mkdir()
            multiplied(small, folder / "in", n)
            command = [sys.executable, "-m", "tests.benchmarks", "replay", "--graded", str(small)]
            for what in ("first run", "resumed"):
                places = [str(folder / "in"), str(folder / "out")]
                done = subprocess.run(
                    [*command, "--run", *places], cwd=ROOT, stdout=subprocess.PIPE, text=True, check=True
                )
                print(f"{n} submissions, {what}: {done.stdout.strip().splitlines()[-1]}", flush=True)
            index = folder / "out" / "index.html"
            print(f"index.html: {index.stat().st_size / MIB:.1f} MiB", flush=True)
            if program():
                print("opened and drawn in {:.2f} s, sorted and drawn in {:.2f} s".format(*opened(index)), flush=True)
    return None


if __name__ == "__main__":
    main()
