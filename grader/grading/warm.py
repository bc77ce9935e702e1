"""The warm judge: a process that collects the checks once, and forks a child per submission to run them.

`python -m grader.grading.warm DATA [--ahead | --once]` reads one job per line of standard input, and writes outcomes as
lines of standard output. A line `{"cancel": N}` ends the grading of job N. Several jobs may run at the same time.

It runs `pytest grader/ --collect-only` with a plugin that forks where the test run would begin. The child sets the
options of its job and continues as pytest does, so the same checks run in the same way. Its zygote is a separate
program, started by the usual code and never forked from here, so a submission runs in the same environment as at home.
No data of the submission reaches this process, which only reads the results.json that the grader wrote. All processes
that a grading leaves behind are killed after it, and everything ends when the requesting process ends.

With `--ahead`, the child for the next job is forked before the job comes: its zygote imports torch in the meantime.
This zygote too serves one submission, the one that the job names. With `--once`, nothing is forked: the process itself
grades one job, and ends.
"""

import contextlib
import gc
import json
import math
import os
import select
import shutil
import signal
import socket
import sys
import tempfile
import time
import traceback
from dataclasses import dataclass, replace
from pathlib import Path
from typing import IO, NoReturn

import pytest

from grader.grading.children import (
    adopt_orphans,
    die_with_parent,
    end_descendants,
    offer_to_the_oom_killer,
    undisturbed,
)
from grader.grading.jobs import SANDBOX_CPU, Job, Outcome, lay_out, outcome
from grader.grading.one_job import RunsOneJob, Waiting
from grader.grading.options import GradingOptions, check_arguments

# Nothing is captured: the checks print nothing, and the output of pytest itself belongs in the log of a grading.
_COLLECT = ["--collect-only", "-qq", "--disable-warnings", "--capture=no"]
_AHEAD_S = 1.0  # a grading that takes longer than this does not delay the next zygote any more


class AskerGone(Exception):  # noqa: N818
    """The requesting process has ended, so nobody waits for the outcome."""


class _Forked(Exception):  # noqa: N818
    """Raised in a child, to leave the loop of its parent."""

    def __init__(self, folder: Path, options: GradingOptions):
        super().__init__()
        self.folder, self.options = folder, options


class _Lines:
    """The lines that come from a descriptor, read when there is something to read."""

    def __init__(self, descriptor: int):
        self.descriptor, self._rest = descriptor, b""

    def take(self) -> list[bytes] | None:
        """Return the lines that are complete now; None at the end of the stream."""
        data = os.read(self.descriptor, 1 << 16)
        *lines, self._rest = (self._rest + data).split(b"\n")
        return lines if data else None


@dataclass
class Running:
    """A child that grades a job, or waits for one.

    Attributes:
        template: The job that it was forked for, or one with the same options.
        job: Its job; None as long as it waits.
        folder: The folder of its grading.
        pid, ended: Its process, and a descriptor that is readable when the process has ended.
        channel, parts: Where its job goes to, and where the results of single tasks come from.
        deadline: When the grading has taken too long, on the monotonic clock.
    """

    template: Job
    job: Job | None
    folder: Path
    pid: int
    ended: int
    channel: socket.socket
    parts: _Lines
    deadline: float = math.inf

    def take(self, job: Job) -> None:
        """Give a waiting child its job."""
        self.job, self.deadline = job, time.monotonic() + job.limit_s
        with contextlib.suppress(OSError):  # the child has died, which `ended` shows
            self.channel.sendall(job.to_json())

    def fits(self, job: Job) -> bool:
        """Whether this waiting child has the options of a job."""
        return job == replace(self.template, tasks=job.tasks, first=job.first, in_parts=job.in_parts, number=job.number)


class Forking(RunsOneJob):
    """Runs the collected checks in child processes.

    Args:
        requests: Descriptor to read jobs from.
        answers: Stream to write outcomes to.
        ahead: Whether the next job's child is forked before the job comes.
    """

    def __init__(self, requests: int, answers: IO[bytes], ahead: bool = False):
        super().__init__()
        self._requests, self._answers, self._ahead = _Lines(requests), answers, ahead
        self._judge = os.getpid()
        self._running: list[Running] = []
        self._next: Job | None = None  # what the next job is like; None if that is not known
        self._next_at = 0.0
        self._channel: socket.socket | None = None  # in a child, to its parent

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtestloop(self, session: pytest.Session) -> object:
        """Serve jobs in the warm process; in a forked child, run the checks."""
        if session.testsfailed:  # the collection failed: pytest continues as usual
            return None
        if self.folder:  # in a child; Grading has sorted the checks
            self._sort(session.items)
            return None
        sys.stdout.flush()
        gc.collect()
        gc.freeze()  # a garbage collection in a child would write to, and so copy, every shared page
        signal.signal(signal.SIGTERM, _stop)
        try:
            self._serve()
        except _Forked as child:
            self._become_grader()
            return self._run(session, child.folder, child.options, self._receive)
        except (AskerGone, BrokenPipeError):
            self._end_all()
        return True

    # ## In the warm process
    def _serve(self) -> NoReturn:
        """Start, cancel and answer jobs until the requesting process ends.

        Raises:
            AskerGone: The requesting process has ended.
            _Forked: Raised in a child that has to run the checks.
        """
        adopt_orphans()
        while True:
            ready = self._wait()
            # Children first: a request may start one, with descriptors that another child had at the time of `_wait`.
            for child in list(self._running):
                if child.ended in ready or time.monotonic() > child.deadline:
                    self._answer(self._finish(child, in_time=child.ended in ready))
                elif child.parts.descriptor in ready:
                    self._pass_on(child)
            if self._requests.descriptor in ready:
                if (lines := self._requests.take()) is None:
                    raise AskerGone
                for line in lines:
                    self._obey(line)
            self._prepare()

    def _wait(self) -> set[int]:
        """Return the descriptors that are readable; wait for one, for a deadline, or until a child can be prepared."""
        poll = select.poll()
        for descriptor in [self._requests.descriptor, *(child.ended for child in self._running)]:
            poll.register(descriptor, select.POLLIN)
        for child in self._running:
            poll.register(child.parts.descriptor, select.POLLIN)
        until = [child.deadline for child in self._running if child.job]
        until += [self._prepares_at()] if self._next and not self._waiting() else []
        until = [moment for moment in until if moment < math.inf]
        patience = max(0.0, min(until) - time.monotonic()) * 1000 + 1 if until else None
        return {number for number, _ in poll.poll(patience)}

    def _obey(self, line: bytes) -> None:
        if line.startswith(b'{"cancel"'):
            number = json.loads(line)["cancel"]
            for child in [child for child in self._running if child.job and child.job.number == number]:
                self._finish(child, in_time=False)
            return
        job = Job.from_json(line)
        waiting = self._waiting()
        if waiting and waiting.fits(job):
            waiting.take(job)
        else:
            if waiting:
                self._finish(waiting, in_time=False)
            try:
                self._fork(job, job)
            except OSError as error:  # no space for the folder, or no more processes: the next job may succeed
                self._answer(Outcome(None, f"the grader could not start: {error}", again=True, number=job.number))
        if self._ahead:
            self._next, self._next_at = job, time.monotonic() + _AHEAD_S

    def _waiting(self) -> Running | None:
        return next((child for child in self._running if child.job is None), None)

    def _prepares_at(self) -> float:
        """Return when the next job's child may be forked: beside one grading after a while, beside two never."""
        return {0: 0.0, 1: self._next_at}.get(len(self._running), math.inf)

    def _prepare(self) -> None:
        """Fork the child for the next job, if there is none and the processors are free or were busy for a while."""
        if self._next is None or self._waiting() or time.monotonic() < self._prepares_at():
            return
        template, self._next = self._next, None
        with contextlib.suppress(OSError):  # the next job gets a new child then
            self._fork(template, None)

    def _fork(self, template: Job, job: Job | None) -> None:
        """Fork a child for a job, or for a job that will be like `template`.

        Raises:
            _Forked: This is the child.
            OSError: There is no space for a folder, or no process can be started.
        """
        folder = Path(tempfile.mkdtemp(prefix="vae-warm-"))
        try:
            options = lay_out(template, folder)
            ours, theirs = socket.socketpair()
            pid = os.fork()
        except OSError:
            shutil.rmtree(folder, ignore_errors=True)
            raise
        if pid == 0:
            ours.close()
            self._channel, self.job = theirs, job
            raise _Forked(folder, options)
        theirs.close()
        child = Running(template, job, folder, pid, os.pidfd_open(pid), ours, _Lines(ours.fileno()))
        child.deadline = time.monotonic() + job.limit_s if job else math.inf
        self._running.append(child)

    def _pass_on(self, child: Running) -> None:
        for line in child.parts.take() or ():
            if child.job:
                self._answers.write(line + b"\n")
        self._answers.flush()

    def _answer(self, answer: Outcome | None) -> None:
        if answer:
            self._answers.write(answer.to_json())
            self._answers.flush()

    def _finish(self, child: Running, in_time: bool) -> Outcome | None:
        """End a child and all processes that it left; return its outcome, or None if it had no job.

        Args:
            child: The child.
            in_time: Whether it has ended by itself.
        """
        with undisturbed():
            self._running.remove(child)
            os.kill(child.pid, signal.SIGKILL)  # no effect on a child that ended in time
            _, status, usage = os.wait4(child.pid, 0)
            if in_time:
                self._pass_on_rest(child)
            os.close(child.ended)
            child.channel.close()
            end_descendants(but=self._spared())
            cpu_s = usage.ru_utime + usage.ru_stime
            code = os.waitstatus_to_exitcode(status) if in_time else None
            answer = outcome(child.job, child.folder, code, cpu_s) if child.job else None
            shutil.rmtree(child.folder, ignore_errors=True)
        return answer

    def _spared(self) -> set[int]:
        """Return the ids of the children that are not ended together with another one."""
        return {other.pid for other in self._running}

    def _pass_on_rest(self, child: Running) -> None:
        """Pass on what a child wrote before it ended."""
        while (lines := child.parts.take()) is not None:
            self._answers.write(b"".join(line + b"\n" for line in lines))

    def _end_all(self) -> None:
        for child in list(self._running):
            self._finish(child, in_time=False)
        end_descendants()

    # ## In a child
    def _receive(self) -> Job | None:
        """Return the job, if this child was forked before it came."""
        if self.job:
            return None
        assert self._channel
        with self._channel.makefile("rb") as stream:
            return Job.from_json(stream.readline())

    def _send(self, outcome: Outcome) -> None:
        assert self._channel
        self._channel.sendall(outcome.to_json())

    def _become_grader(self) -> None:
        """Detach a child from the judge: a new session, and no access to requests, answers and other children."""
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        signal.signal(signal.SIGINT, signal.SIG_DFL)
        os.setsid()
        die_with_parent(self._judge)
        offer_to_the_oom_killer()
        os.close(self._requests.descriptor)
        self._answers.close()
        for other in self._running:
            os.close(other.ended)
            other.channel.close()


def warm_up(data: str) -> None:
    """Import and prepare everything that all gradings share and that collecting does not load. Must start no threads.

    Args:
        data: Images of the training task.

    Raises:
        DataError: The images cannot be loaded.
    """
    import torch
    from hypothesis import strategies

    from grader.grading.training_run import images
    from grader.judge.inputs import examples

    torch.set_num_threads(1)  # if more threads have run before the fork, the child hangs
    images(data)
    examples(strategies.integers(0, 9), 3, seed=0)


def main(forking: type[Forking] = Forking) -> None:
    """Serve jobs on standard input and output; all other output goes to standard error."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the requesting process handles Ctrl-C
    requests, answers = os.dup(0), os.fdopen(os.dup(1), "wb")
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    os.dup2(2, 1)
    data, *how = sys.argv[1:]
    warm_up(data)
    runs: Waiting | Forking
    if "--once" in how:
        runs = Waiting(os.fdopen(requests, "rb"), answers)
    else:
        runs = forking(requests, answers, ahead="--ahead" in how)
    status = 3
    try:
        status = int(pytest.main([*check_arguments(), *_COLLECT], plugins=[runs]))
        if isinstance(runs, Waiting):
            runs.finish(status)
        elif runs.folder:
            write_cpu_seconds(runs.folder)
        elif status != 0:
            print("the checks cannot be collected", file=sys.stderr)
    except BaseException:  # a child must never continue as the judge
        traceback.print_exc()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(status)  # nothing to clean up, and the requesting process may be waiting


def write_cpu_seconds(folder: Path) -> None:
    """Write how many CPU seconds the zygote and its workers used."""
    import resource  # Windows has no such module

    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    (folder / SANDBOX_CPU).write_text(str(used.ru_utime + used.ru_stime))


def _stop(*_: object) -> None:
    raise AskerGone


if __name__ == "__main__":
    main()
