"""Run the short training run of a submission in parallel with its other checks, on a second core of the machine."""

import contextlib
import functools
import math
import queue
import threading
from collections.abc import Mapping
from typing import Any

from torch import Tensor

from data import HouseNumbers, load
from grader.grading.session import Session, probe_seed
from grader.judge import short_run
from grader.judge.check import CheckFailed
from grader.judge.pictures import png
from grader.judge.result import TrainingPictures
from grader.judge.short_run import LONGER, SMALL, Ask, Images, ShortRun
from grader.judge.short_run_causes import passes
from grader.sandbox.failure import WorkerFailed


@functools.lru_cache(maxsize=1)
def _splits(data: str) -> tuple[HouseNumbers, HouseNumbers]:
    return load(data, "train"), load(data, "test")


@functools.lru_cache(maxsize=1)
def images(data: str) -> Images:
    """Return the data that all short runs share; they are prepared once, even for many submissions.

    Raises:
        DataError: There are no such images.
    """
    return short_run.prepare(*_splits(data))


def judged(ask: Ask, images: Images, seed: int) -> ShortRun:
    """Return the short run that counts: a small one if it is enough, else the usual one, or a longer one if it is slow.

    The usual run and the longer one have the same initial weights, batches and noise.

    Raises:
        WorkerFailed, CheckFailed: The small run, or the usual one, has no outcome.
    """
    small = short_run.run(ask, images, seed, SMALL)
    if passes(small):
        return small
    usual = short_run.run(ask, images, seed)
    if usual.starts_slowly:
        # If the longer run fails, for example because it takes too much time, the usual run counts.
        with contextlib.suppress(WorkerFailed, CheckFailed):
            return short_run.run(ask, images, seed, LONGER)
    return usual


_SHOWN = 60  # losses that a page shows


def pictures(run: ShortRun) -> TrainingPictures:
    """Return what a page shows of a run; losses that are not finite are left out."""
    every = max(1, math.ceil(len(run.losses) / _SHOWN))
    shown = [(i + 1, loss) for i, loss in enumerate(run.losses) if i % every == 0 and math.isfinite(loss)]
    pairs = png(run.pairs) if run.pairs is not None else b""
    steps, losses = tuple(step for step, _ in shown), tuple(loss for _, loss in shown)
    return TrainingPictures(steps, losses, run.constant_mean, run.ppca, pairs)


class ShortRunner:
    """Start the run immediately, in a thread that mostly waits for workers.

    If the run has no separate sandbox, it starts only when its outcome is requested.

    Args:
        session: The session of the submission.
        data: Name or path of the images, as for `data.load`.

    Raises:
        DataError: There are no such images.
    """

    def __init__(self, session: Session, data: str):
        self._session = session
        _splits(data)
        self._data = data
        self._outcome: queue.SimpleQueue[ShortRun | BaseException] = queue.SimpleQueue()
        self.printed, self.answered = "", False
        self._thread = threading.Thread(target=self._run_and_tell, daemon=True)
        if session.trains_beside:
            self._thread.start()

    def outcome(self) -> ShortRun:
        """Return the outcome of the run, or raise the error that the run raised."""
        if self._session.sandbox == "in-process":
            return self._run()
        if not self._session.trains_beside and self._outcome.empty():
            self._run_and_tell()
        outcome = self._outcome.get()
        self._outcome.put(outcome)
        if isinstance(outcome, BaseException):
            raise outcome
        return outcome

    def pictures(self) -> TrainingPictures | None:
        """Return the pictures of the run; None if it has no outcome."""
        if self._outcome.empty():
            return None
        outcome = self._outcome.get()
        self._outcome.put(outcome)
        return pictures(outcome) if isinstance(outcome, ShortRun) else None

    def join(self) -> None:
        """Wait for the thread after its workers have ended; the interpreter would crash if it exited before it."""
        if self._thread.is_alive():
            self._thread.join()

    def _run_and_tell(self) -> None:
        try:
            self._outcome.put(self._run())
        except BaseException as error:  # raised again in the check that waits for the outcome
            self._outcome.put(error)

    def _run(self) -> ShortRun:
        return judged(self._ask, images(self._data), self._session.seed)

    def _ask(
        self, probe: str, arguments: Mapping[str, Any], tensors: Mapping[str, Tensor]
    ) -> tuple[dict[str, Tensor], dict[str, Any]]:
        """Run one probe in a new worker. The worker that is shown held-out images never decodes."""
        worker = self._session.start_worker("training", apart=probe == "posteriors")
        try:
            answer = worker.ask(probe, arguments, tensors, probe_seed(self._session.seed, probe, 0))
            self.answered = True
            return answer
        finally:
            self.printed += worker.printed()
            worker.close()
