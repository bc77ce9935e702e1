"""Judges for systems where a process that imported torch must not be forked: each one grades one job and ends.

The next one is started in advance: it has collected the checks and waits for its job.
"""

import contextlib
import queue
import subprocess
import threading
from collections.abc import Iterator
from typing import IO

import psutil

from grader.grading.jobs import Job, JudgeDied, Judges, Outcome, WarmJudge, start_warm
from grader.sandbox.interpreter import can_fork


class SpareJudges:
    """Grade each job in a process of its own, and keep one process in reserve.

    Args:
        data: Images of the training task.
    """

    def __init__(self, data: str):
        self._data = data
        self._outcomes: queue.SimpleQueue[Outcome | JudgeDied] = queue.SimpleQueue()
        self._grading: dict[int, subprocess.Popen[bytes]] = {}
        self._lock = threading.Lock()
        self._closed = False
        self._spare: subprocess.Popen[bytes] | None = start_warm(data, "--once")

    def send(self, job: Job) -> None:
        """Begin to grade a job."""
        with self._lock:
            process, self._spare = self._spare or start_warm(self._data, "--once"), None
            self._grading[job.number] = process
        threading.Thread(target=self._listen, args=(job, process), daemon=True).start()

    def cancel(self, number: int) -> None:
        """End the grading of a job; its outcome never comes."""
        with self._lock:
            process = self._grading.pop(number, None)
        if process:
            _end(process)

    def receive(self) -> Outcome:
        """Wait for the next outcome.

        Raises:
            JudgeDied: A judge ended without an outcome.
        """
        outcome = self._outcomes.get()
        if isinstance(outcome, JudgeDied):
            raise outcome
        return outcome

    def close(self) -> None:
        """End all judges."""
        with self._lock:
            self._closed = True
            processes = [*self._grading.values(), *([self._spare] if self._spare else [])]
            self._grading, self._spare = {}, None
        for process in processes:
            _end(process)

    def _listen(self, job: Job, process: subprocess.Popen[bytes]) -> None:
        """Send a job to a process, and pass on what it answers."""
        assert process.stdin and process.stdout
        with contextlib.suppress(OSError):  # the process has ended, which the loop below finds out
            process.stdin.write(job.to_json())
            process.stdin.flush()
        complete = False
        for line in _lines(process.stdout):
            outcome = Outcome.from_json(line)
            complete |= not outcome.part
            if job.number in self._grading:
                self._outcomes.put(outcome)
        _end(process)
        with self._lock:
            wanted = self._grading.pop(job.number, None)
            if not (self._spare or self._closed):
                self._spare = start_warm(self._data, "--once")
        if wanted and not complete:
            self._outcomes.put(JudgeDied("the judge ended without an outcome"))


def suitable_judge(data: str, fork: bool = True) -> Judges:
    """Start the kind of judge that suits this system; it prepares each job in advance.

    Args:
        data: Images of the training task.
        fork: Whether a process that has imported torch may be forked, where that is safe.
    """
    return WarmJudge(data, ahead=True) if fork and can_fork() else SpareJudges(data)


def _lines(stream: IO[bytes]) -> Iterator[bytes]:
    """Yield the lines of a stream, which another thread may close."""
    with contextlib.suppress(OSError, ValueError):
        yield from stream


def _end(process: subprocess.Popen[bytes]) -> None:
    """End a process and its descendants."""
    with contextlib.suppress(psutil.Error):
        for one in [*psutil.Process(process.pid).children(recursive=True), psutil.Process(process.pid)]:
            with contextlib.suppress(psutil.Error):
                one.kill()
    process.wait()
    for stream in (process.stdin, process.stdout):
        with contextlib.suppress(OSError, ValueError):  # unwritten data has no reader any more
            stream.close()  # type: ignore[union-attr]
