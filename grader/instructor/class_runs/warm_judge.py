"""The warm judge: a process that collects the checks once, and forks a child per submission to run them.

`python -m grader.instructor.class_runs.warm_judge DATA` reads one job per line of standard input, and writes its
outcome as a line of standard output.

It runs `pytest grader/ --collect-only` with a plugin that forks where the test run would begin. The child sets the
options of its job and continues as pytest does, so the same checks run in the same way. Its zygote is a separate
program, started by the usual code and never forked from here, so a submission runs in the same environment as at home.
No data of the submission reaches this process, which only reads the results.json that the grader wrote. All processes
that a grading leaves behind are killed after it, and everything ends when the requesting process ends.
"""

import contextlib
import ctypes
import gc
import os
import resource
import select
import shutil
import signal
import sys
import tempfile
import time
import traceback
from collections.abc import Iterator
from pathlib import Path
from typing import IO

import psutil
import pytest

from grader.grading.options import GradingOptions, check_arguments, selected

from .judging import SANDBOX_CPU, Job, Outcome, lay_out, outcome

_PR_SET_PDEATHSIG = 1
_PR_SET_CHILD_SUBREAPER = 36


def adopt_orphans(yes: bool = True) -> None:
    """Become the parent of descendants whose own parent ends, so that all can be found; with `yes=False`, stop that."""
    _prctl(_PR_SET_CHILD_SUBREAPER, int(yes))


def die_with_parent(parent: int) -> None:
    """Let the kernel kill this process when its parent dies for any reason."""
    _prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:  # the parent died before the call
        os._exit(1)


def offer_to_the_oom_killer() -> None:
    """Let the kernel kill this process and its children first if the machine runs out of memory."""
    with contextlib.suppress(OSError):
        Path("/proc/self/oom_score_adj").write_text("500", encoding="ascii")


def end_descendants(patience_s: float = 10.0) -> None:
    """Kill and reap all descendants of this process; repeat while new ones appear, for `patience_s` seconds at most."""
    ourselves, deadline = psutil.Process(), time.monotonic() + patience_s
    while time.monotonic() < deadline:
        _reap()
        left = ourselves.children(recursive=True)
        if not left:
            return
        for process in left:
            with contextlib.suppress(psutil.Error):
                process.kill()
        time.sleep(0.005)


def _reap() -> None:
    with contextlib.suppress(ChildProcessError):
        while os.waitpid(-1, os.WNOHANG)[0]:
            pass


def _prctl(option: int, value: int) -> None:
    if sys.platform == "linux":
        ctypes.CDLL(None, use_errno=True).prctl(option, value, 0, 0, 0)


# Nothing is captured: the checks print nothing, and the output of pytest itself belongs in the log of a grading.
_COLLECT = ["--collect-only", "-qq", "--disable-warnings", "--capture=no"]


class AskerGone(Exception):  # noqa: N818
    """The requesting process has ended, so nobody waits for the outcome."""


class Forking:
    """A pytest plugin that runs the collected checks in child processes, one job after the other.

    Args:
        requests: Stream to read jobs from.
        answers: Stream to write outcomes to.

    Attributes:
        folder: In a child, the folder of its grading; None in the warm process.
    """

    def __init__(self, requests: IO[bytes], answers: IO[bytes]):
        self._requests, self._answers = requests, answers
        self._judge = os.getpid()
        self._options: GradingOptions | None = None
        self.folder: Path | None = None

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtestloop(self, session: pytest.Session) -> object:
        """Serve jobs in the warm process; in a forked child, run the checks."""
        if self.folder or session.testsfailed:  # in a child, or if the collection failed: pytest continues as usual
            return None
        sys.stdout.flush()
        gc.collect()
        gc.freeze()  # a garbage collection in a child would write to, and so copy, every shared page
        signal.signal(signal.SIGTERM, _stop)
        with contextlib.suppress(AskerGone, BrokenPipeError):
            self._serve()
        if self.folder is None or self._options is None:
            return True
        self._become_grader(self.folder)
        _begin(session, self._options)
        return session.config.hook.pytest_runtestloop(session=session)

    def _serve(self) -> None:
        """Grade one job after the other until there are no more; in a child, return at once.

        Raises:
            AskerGone: The requesting process ended during a grading; the grading was killed.
        """
        adopt_orphans()
        while line := self._requests.readline():
            try:
                answer = self._grade(Job.from_json(line))
            except OSError as error:  # no space for the folder, or no more processes: the next job may succeed
                answer = Outcome(None, f"the grader could not start: {error}", again=True)
            if answer is None:
                return
            self._answers.write(answer.to_json())
            self._answers.flush()

    def _grade(self, job: Job) -> Outcome | None:
        """Grade one submission in a child and return the outcome; in the child, return None.

        Raises:
            AskerGone: The requesting process ended; the child was killed.
            OSError: There is no space for a folder, or no process can be started.
        """
        folder, child = Path(tempfile.mkdtemp(prefix="vae-class-")), -1
        try:
            self._options = lay_out(job, folder)
            child = os.fork()
            if child == 0:
                self.folder = folder
                return None
            return outcome(job, folder, *_wait(child, job.limit_s, self._requests.fileno()))
        finally:
            if child != 0:  # only the parent removes the folder
                with _undisturbed():
                    shutil.rmtree(folder, ignore_errors=True)

    def _become_grader(self, folder: Path) -> None:
        """Detach a child from the judge: new session, no access to requests and answers, and its own log."""
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        signal.signal(signal.SIGINT, signal.SIG_DFL)
        os.setsid()
        die_with_parent(self._judge)
        offer_to_the_oom_killer()
        self._requests.close()
        self._answers.close()
        log = os.open(folder / "log", os.O_WRONLY | os.O_CREAT, 0o600)
        os.dup2(log, 1)
        os.dup2(log, 2)
        os.close(log)
        os.environ["TMPDIR"] = tempfile.tempdir = str(folder / "tmp")


def _begin(session: pytest.Session, options: GradingOptions) -> None:
    """Apply the options of a job as pytest applies those of a command line: prepare the grading and select checks.

    Args:
        session: The session, with all checks collected.
        options: Options of the job.

    Raises:
        pytest.UsageError: The job cannot be graded with these options.
    """
    from grader.conftest import begin
    from grader.grading.verdicts import task_of

    try:
        tasks = selected(options.tasks, options.read_offering())
    except ValueError as error:
        raise pytest.UsageError(str(error)) from None
    session.config.option.collectonly = False
    begin(session.config, options)
    session.items[:] = [item for item in session.items if task_of(item) in tasks]
    session.testscollected = len(session.items)


def _wait(child: int, limit_s: float, asker: int) -> tuple[int | None, float]:
    """Wait for a child, then kill all processes that it left.

    Returns:
        The exit status, None if the child took too long; and the CPU seconds of it and of all processes it waited for.

    Raises:
        AskerGone: The requesting process ended: the descriptor `asker` became readable.
    """
    descriptor = os.pidfd_open(child)
    try:
        poll = select.poll()
        poll.register(descriptor, select.POLLIN)
        poll.register(asker, select.POLLIN | select.POLLHUP)
        ready = [number for number, _ in poll.poll(limit_s * 1000)]
        if ready == [asker]:
            raise AskerGone
    finally:
        with _undisturbed():
            os.close(descriptor)
            os.kill(child, signal.SIGKILL)  # no effect on a child that ended in time
            _, status, usage = os.wait4(child, 0)
            end_descendants()
    return os.waitstatus_to_exitcode(status) if ready else None, usage.ru_utime + usage.ru_stime


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


def main() -> None:
    """Serve jobs on standard input and output; all other output goes to standard error."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the requesting process handles Ctrl-C
    requests, answers = os.fdopen(os.dup(0), "rb"), os.fdopen(os.dup(1), "wb")
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    os.dup2(2, 1)
    warm_up(sys.argv[1])
    forking, status = Forking(requests, answers), 3
    try:
        status = int(pytest.main([*check_arguments(), *_COLLECT], plugins=[forking]))
        if forking.folder:
            used = resource.getrusage(resource.RUSAGE_CHILDREN)
            (forking.folder / SANDBOX_CPU).write_text(str(used.ru_utime + used.ru_stime))
        elif status != 0:
            print("the checks cannot be collected", file=sys.stderr)
    except BaseException:  # a child must never continue as the judge
        traceback.print_exc()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(status)  # nothing to clean up, and the requesting process may be waiting


@contextlib.contextmanager
def _undisturbed() -> Iterator[None]:
    """Block SIGTERM during a clean-up, so that it is completed."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _stop(*_: object) -> None:
    raise AskerGone


if __name__ == "__main__":
    main()
