"""Runs the short training run of a submission beside its other checks, on the machine's other core."""

import contextlib
import functools
import queue
import threading
from collections.abc import Mapping
from typing import Any

from torch import Tensor

from data import HouseNumbers, load
from grader.grading.session import Session, probe_seed
from grader.judge import short_run
from grader.judge.check import CheckFailed
from grader.judge.short_run import LONGER, Ask, Images, ShortRun
from grader.sandbox.failure import WorkerFailed


@functools.lru_cache(maxsize=1)
def _splits(data: str) -> tuple[HouseNumbers, HouseNumbers]:
    return load(data, "train"), load(data, "test")


@functools.lru_cache(maxsize=1)
def images(data: str) -> Images:
    """Return what every short run on these data shares: a judge of many submissions prepares it once.

    Raises:
        DataError: There are no such images.
    """
    return short_run.prepare(*_splits(data))


def judged(ask: Ask, images: Images, seed: int) -> ShortRun:
    """Return the short run that counts: a longer one, from the same weights on, where the first one starts slowly.

    Raises:
        WorkerFailed, CheckFailed: The first one has no outcome.
    """
    first = short_run.run(ask, images, seed)
    if first.starts_slowly:
        with contextlib.suppress(
            WorkerFailed, CheckFailed
        ):  # as where twice the steps take too long: then the first one counts
            return short_run.run(ask, images, seed, LONGER)
    return first


class ShortRunner:
    """Starts the run at once, in a thread that mostly waits for workers; without a sandbox of its own, when asked for.

    Args:
        session: The submission's.
        data: What `data.load` takes.

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
        """Return what came of it; raises what the run raised."""
        if self._session.sandbox == "in-process":
            return self._run()
        if not self._session.trains_beside and self._outcome.empty():
            self._run_and_tell()
        outcome = self._outcome.get()
        self._outcome.put(outcome)
        if isinstance(outcome, BaseException):
            raise outcome
        return outcome

    def join(self) -> None:
        """Wait for the thread, whose workers are gone: an interpreter that ends under it would crash."""
        if self._thread.is_alive():
            self._thread.join()

    def _run_and_tell(self) -> None:
        try:
            self._outcome.put(self._run())
        except BaseException as error:  # told to the check that waits
            self._outcome.put(error)

    def _run(self) -> ShortRun:
        return judged(self._ask, images(self._data), self._session.seed)

    def _ask(
        self, probe: str, arguments: Mapping[str, Any], tensors: Mapping[str, Tensor]
    ) -> tuple[dict[str, Tensor], dict[str, Any]]:
        """Run one probe in a fresh worker."""
        worker = self._session.start_worker("training")
        try:
            answer = worker.ask(probe, arguments, tensors, probe_seed(self._session.seed, probe, 0))
            self.answered = True
            return answer
        finally:
            self.printed += worker.printed()
            worker.close()
