"""`from grader import check`: the report on a task, in a notebook cell. A warm judge waits between the calls."""

import contextlib
import functools
import time
from dataclasses import replace
from pathlib import Path

from grader.grading.jobs import Job, JudgeDied, Judges, Outcome
from grader.grading.options import ROOT, selected
from grader.grading.spare import suitable_judge
from grader.judge.offering import load_offering
from grader.report import results_json, terminal
from grader.report.text import one_line

_DEFAULT = "assignment/VAE_Model.py"


class Cells:
    """Grade a file for one cell after the other. The judge starts with the first cell, and ends with this process."""

    def __init__(self) -> None:
        self._judge: Judges | None = None
        self._number = 0

    def report(self, tasks: str, file: str, seed: int) -> str:
        """Return the report of `pytest grader/ -m TASKS`, or one line that says why there is none."""
        try:
            selected(tasks, load_offering())
        except ValueError as error:
            return str(error)
        path, began = Path(file) if file else ROOT / _DEFAULT, time.monotonic()
        self._number += 1
        shown = file or _DEFAULT
        outcome = self._outcome(
            Job(b"", seed, "auto", tasks=tasks, path=str(path.absolute()), shown=shown, number=self._number)
        )
        if outcome.results is None:
            return one_line(outcome.problem.rpartition("ERROR: ")[2])
        result = results_json.result(outcome.results, shown)
        return terminal.render(replace(result, seconds=time.monotonic() - began))

    def close(self) -> None:
        """End the judge."""
        if self._judge:
            self._judge.close()
        self._judge = None

    def _outcome(self, job: Job) -> Outcome:
        """Return the outcome of a job; a judge that has died since the last cell is started again."""
        fresh = self._judge is None
        if self._judge is None:
            self._judge = suitable_judge(job.data)
        try:
            with contextlib.suppress(OSError, ValueError):  # `receive` says that the judge has died
                self._judge.send(job)
            while (outcome := self._judge.receive()).number != job.number:
                pass  # of a cell that was interrupted
            return outcome
        except JudgeDied as error:
            self.close()
            return Outcome(None, f"the grader does not start: {error}") if fresh else self._outcome(job)
        except KeyboardInterrupt:
            with contextlib.suppress(OSError, ValueError):
                self._judge.cancel(job.number)
            raise


@functools.lru_cache(maxsize=1)
def cells() -> Cells:
    """Return the one object that all cells of a notebook share."""
    return Cells()
