"""How long from saving to the verdict? `python -m tests.benchmarks watching [-n 20] [--pause 4]`.

Saves the reference with a right and a wrong `kl` in turn, while `watch` runs as it does in a terminal, and measures the
time from the start of the save until the screen has the verdict: of `kl`, and, after a change of an import, of all
tasks but `training`. In the pause between two saves the next zygote starts, as it does while a student thinks.
"""

import os
import statistics
import tempfile
import threading
import time
from collections.abc import Callable
from pathlib import Path

from data.commandline import Parser, above_zero, whole
from grader.grading.console import Console
from grader.grading.options import GradingOptions
from grader.grading.watch import Watch
from grader.judge.offering import load_offering
from grader.report.screen import View
from tests.benchmarks.measure import machine
from tests.gradings import RIGHT_KL
from tests.zoo.build import reference

_PATIENCE_S = 600.0


class Stopwatch(Console):
    """A console that notes when a task, or all tasks but `training`, have a new verdict."""

    def __init__(self) -> None:
        super().__init__(interactive=False)
        self._tasks: frozenset[str] = frozenset()
        self._begun, self._done = False, threading.Event()
        self.press: Callable[[str], None] = lambda key: None

    def listen(self, pressed: Callable[[str], None]) -> None:
        """Keep the function with which keys are pressed."""
        self.press = pressed

    def say(self, text: str) -> None:
        """Print nothing."""

    def draw(self, view: View) -> None:
        """Look whether the tasks are due, and then no more."""
        self._begun |= bool(self._tasks & view.due)
        if self._begun and not self._tasks & view.due:
            self._done.set()

    def seconds(self, tasks: frozenset[str], save: Callable[[], object]) -> float:
        """Save, and return the seconds until the verdict of some tasks."""
        self._done.clear()
        self._begun, self._tasks, started = False, tasks, time.perf_counter()
        save()
        if not self._done.wait(_PATIENCE_S):
            raise TimeoutError("no verdict")
        return time.perf_counter() - started


def rounds(n: int, pause_s: float) -> dict[str, list[float]]:
    """Save n times with another `kl`, and n times with another import; return the seconds."""
    points, console = load_offering().points, Stopwatch()
    kl, most = frozenset({"kl"}), frozenset(points) - {"training"}
    wrong = reference().replace(RIGHT_KL, RIGHT_KL.replace("0.5 * ", ""))
    found: dict[str, list[float]] = {"one task": [], "all tasks but training": []}
    with tempfile.TemporaryDirectory() as name:
        file = Path(name) / "VAE_Model.py"
        file.write_text(reference(), encoding="utf-8")
        watch = Watch(GradingOptions(file), View("VAE_Model.py", points), console)
        try:
            console.seconds(most, threading.Thread(target=watch.run, daemon=True).start)
            for i in range(n):
                text = (reference(), wrong)[i % 2 == 0]
                time.sleep(pause_s)
                found["one task"].append(console.seconds(kl, lambda text=text: file.write_text(text)))  # type: ignore
            for i in range(n):
                text = f"import {('os', 'sys')[i % 2]}\n{reference()}"
                time.sleep(pause_s)
                found["all tasks but training"].append(
                    console.seconds(most, lambda text=text: file.write_text(text))  # type: ignore
                )
        finally:
            console.press("q")
            watch.close()
    return found


def main() -> None:
    """Measure, and print the table."""
    parser = Parser(description=__doc__)
    parser.add_argument("-n", type=whole(1), default=20, help="saves of each kind [20]")
    parser.add_argument("--pause", type=above_zero, default=4.0, metavar="S", help="seconds between two saves [4]")
    options = parser.parse_args()
    found = rounds(options.n, options.pause)
    print(f"| from saving to the verdict: {machine()}, load {os.getloadavg()[0]:.1f} | n | median | least | most |")
    print("|---|---:|---:|---:|---:|")
    for name, times in found.items():
        print(f"| {name} | {len(times)} | {statistics.median(times):.2f} s | {min(times):.2f} s | {max(times):.2f} s |")


if __name__ == "__main__":
    main()
