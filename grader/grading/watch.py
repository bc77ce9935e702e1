"""`python -m grader watch`: grades the file each time it is saved.

The file is polled: a `stat` each 50 ms costs little, needs no package, and also works on network folders and in WSL,
where notifications get lost. This process imports neither torch nor pytest. A warm judge does the
work, and this process may cancel it at any time, so the next save always gets its answer.
"""

import argparse
import contextlib
import os
import queue
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, replace

from data.commandline import file, whole
from grader.grading.board import Board, WatchedFile
from grader.grading.console import Console, open_console
from grader.grading.jobs import Job, JudgeDied, Judges, Outcome
from grader.grading.options import ROOT, GradingOptions, add_shared_options, of_command_line, refuse, selected
from grader.grading.spare import suitable_judge
from grader.judge.offering import OFFERING, OfferingError, load_offering
from grader.judge.result import Result
from grader.report import results_json
from grader.report.screen import View, plain_report
from grader.report.text import one_line
from grader.sandbox import SANDBOXES
from grader.sandbox.archives import NoSubmission

_DEFAULT = "assignment/VAE_Model.py"
_POLL_S = 0.05
_MANY = 6
"""With so many tasks, a second core grades some of them, although its sandbox first needs a second to import torch."""
_EXAMPLES = """examples:
  python -m grader watch                 grade assignment/VAE_Model.py each time it is saved
  python -m grader watch -m kl           only this task
  python -m grader watch | tee log.txt   without a terminal: a plain report after each save, and no keys

exit status: 0 after q; 130 after Ctrl-C; 2 if an option is wrong or the grader does not start
"""


def add_to(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add the command to the parser."""
    watch = commands.add_parser(
        "watch",
        help="grade a file each time it is saved",
        description="Grade a file each time it is saved, as `pytest grader/` does. Only tasks that the change can\n"
        "have touched are graded again. The short training run follows in the background.",
        epilog=_EXAMPLES,
    )
    watch.add_argument("file", nargs="?", type=file, metavar="FILE", help=f"file to watch [{_DEFAULT}]")
    add_shared_options(watch)
    watch.add_argument("--seed", type=whole(), default=0, metavar="N", help="random seed for the test inputs [0]")
    watch.add_argument(
        "--sandbox", default="auto", choices=SANDBOXES[:-1], help="isolation method for the student's code [auto]"
    )
    watch.add_argument(
        "--no-fork",
        action="store_true",
        help="start a new Python interpreter for each grading (slower) [only where fork is unsafe]",
    )


def main(options: argparse.Namespace) -> int:
    """Watch a file until the user quits; returns the exit status."""
    path = options.file or ROOT / _DEFAULT
    try:
        offering = load_offering(options.offering or OFFERING)
        tasks, points = selected(options.tasks, offering), offering.points
    except (ValueError, OfferingError) as error:
        return refuse("watch", error)
    if not path.exists():
        return refuse("watch", f"{path} does not exist; name the file that you want to watch")
    grading = replace(of_command_line(options, path), shown=str(options.file or _DEFAULT))
    view = View(grading.shown, {task: points[task] for task in tasks}, told=offering.hints != "none")
    with open_console() as console:
        watch = Watch(grading, view, console)
        try:
            return watch.run()
        except JudgeDied as error:
            problem = str(error)
        finally:
            watch.close()
    return refuse("watch", problem)


# ## The loop
@dataclass(frozen=True)
class _Key:
    name: str


@dataclass(frozen=True)
class _Died:
    message: str


class Watch:
    """Wait for saves, keys and outcomes, and react to each.

    Args:
        options: What is graded, and how.
        view: The first view, which names the selected tasks.
        console: Where reports go to, and where keys come from.
        start: Starts a judge, also after one has died; None for the kind that suits this system.
        cores: Number of processor cores.
    """

    def __init__(
        self,
        options: GradingOptions,
        view: View,
        console: Console,
        start: Callable[[], Judges] | None = None,
        cores: int = os.cpu_count() or 1,
    ):
        self._options, self._console, self.board = options, console, Board(view)
        self._start = start or (lambda: suitable_judge(options.data, options.fork))
        self._cores = cores
        self._file = WatchedFile(options.submission)
        self._offering = options.offering.read_text(encoding="utf-8") if options.offering else ""
        self._events: queue.SimpleQueue[_Key | _Died | Outcome] = queue.SimpleQueue()
        self._judge: Judges | None = None
        self._answered = False  # whether the judge has worked so far: then it is worth another start
        self._jobs: dict[int, frozenset[str]] = {}  # the tasks of each job in progress, by the number of the job
        self._number, self._saved_at, self._first = 0, time.monotonic(), frozenset[str]()
        self._last: Result | None = None

    def run(self) -> int:
        """Return the exit status when the user quits.

        Raises:
            JudgeDied: The judge does not start.
        """
        self._start_judge()
        self._console.listen(lambda key: self._events.put(_Key(key)))
        self._draw()
        while True:
            self._look()
            try:
                event = self._events.get(timeout=_POLL_S)
            except queue.Empty:
                continue
            if isinstance(event, _Key):
                if event.name == "q":
                    return 0
                self._press(event.name)
            elif isinstance(event, _Died):
                self._restart(event.message)
            elif event.number in self._jobs:
                self._answered = True
                self._take(event)
            self._draw()

    def close(self) -> None:
        """End the judge and everything that it started."""
        if self._judge:
            self._judge.close()

    def _look(self) -> None:
        """Grade the file if it has changed."""
        before = self._file.content
        try:
            content = self._file.look()
        except NoSubmission as error:
            problem = one_line(f"{self.board.view.file}: {error}")
            if problem != self.board.view.notice:
                self._cancel()
                self.board.note(problem)
                self._console.say(problem)
                self._draw()
            return
        if content is not None:
            self._first, self._saved_at = self.board.save(before, content), time.monotonic()
            self._grade()
            self._draw()

    def _press(self, key: str) -> None:
        if key == "r":
            self._first = frozenset({self.board.view.current})
            self.board.again(frozenset(self.board.view.points))
        elif key == "t":
            self.board.again(frozenset({"training"}))
        self.board.press(key)
        if key == "r" or (key == "t" and not self._jobs):
            self._saved_at = time.monotonic()
            self._grade()

    def _grade(self) -> None:
        """Cancel what is in progress and grade what is due: first the checks, then the training run."""
        self._cancel()
        if self._file.content is None:
            return
        checks = self.board.view.due - {"training"}
        if tasks := checks or self.board.view.due:
            for part in self._parts(tasks):
                self._number += 1
                self._jobs[self._number] = part
                self._send(self._job(part))
        else:
            self._report()

    def _parts(self, tasks: frozenset[str]) -> list[frozenset[str]]:
        """Return the tasks of each job: the last sixth of many tasks has a job of its own, on another core."""
        order = [task for task in self.board.view.points if task in tasks]
        later = frozenset(order[5 * len(order) // 6 :]) - self._first - {self.board.view.current}
        if len(order) < _MANY or self._cores == 1 or not later:
            return [tasks]
        return [tasks - later, later]

    def _job(self, tasks: frozenset[str]) -> Job:
        return Job(
            content=b"",
            seed=self._options.seed,
            sandbox=self._options.sandbox,
            data=self._options.data,
            offering=self._offering,
            tasks=" or ".join(task for task in self.board.view.points if task in tasks),
            path=str(self._options.submission),
            shown=self.board.view.file,
            fork=self._options.fork,
            first=tuple(self._first or {self.board.view.current}),
            in_parts=True,
            number=self._number,
        )

    def _send(self, job: Job) -> None:
        assert self._judge
        with contextlib.suppress(OSError, ValueError):  # the judge has died, which is an event
            self._judge.send(job)

    def _cancel(self) -> None:
        assert self._judge
        for number in self._jobs:
            with contextlib.suppress(OSError, ValueError):
                self._judge.cancel(number)
        self._jobs.clear()

    def _take(self, outcome: Outcome) -> None:
        """React to the results of one task, or to the end of a job."""
        if outcome.results:
            self._last = results_json.result(outcome.results, self.board.view.file)
            self.board.graded(self._last)
        if outcome.part:
            return
        training = self._jobs.pop(outcome.number) == {"training"}
        if outcome.problem:
            self.board.note(one_line(outcome.problem))
            self._console.say(self.board.view.notice)
            return
        if self._jobs:
            return
        self._report()
        if not training and "training" in self.board.view.due:
            self._grade()

    def _report(self) -> None:
        """Print the report, where there is no screen."""
        view = self.board.view
        known = tuple(view.results[task] for task in view.points if task in view.results)
        seed, sandbox = self._options.seed, self._last.sandbox if self._last else self._options.sandbox
        seconds = time.monotonic() - self._saved_at
        fresh, self.board.fresh = frozenset(self.board.fresh), set()
        self._console.say(plain_report(Result(view.file, known, seconds, sandbox, seed), fresh))
        self.board.about(f"seed {seed}, sandbox {sandbox}, {seconds:.1f} s")

    def _draw(self) -> None:
        training = {"training"} in self._jobs.values()
        self._console.draw(replace(self.board.view, training=training, grading=bool(self._jobs) and not training))

    def _start_judge(self) -> None:
        judge = self._judge = self._start()

        def listen() -> None:
            try:
                while True:
                    self._events.put(judge.receive())
            except JudgeDied as error:
                self._events.put(_Died(str(error)))

        threading.Thread(target=listen, daemon=True).start()

    def _restart(self, problem: str) -> None:
        """Replace a judge that has died, if it had worked before.

        Raises:
            JudgeDied: It had not.
        """
        if not self._answered:
            raise JudgeDied(problem)
        self.close()
        self._jobs.clear()
        self._answered = False
        self._start_judge()
        self._grade()
