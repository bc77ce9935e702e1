"""The warm judge: a process that has imported the grader once, and forks a child per submission that grades it.

    python -m grader.classrun.warm DATA    a job per line of standard input, its outcome on standard output

The child is `pytest grader/` in all but its start: pytest.main with the same arguments and the same tests. Its zygote
is a program of its own, started by the ordinary code and never forked from here, so that what a submission meets is the
same as at home. Nothing of the submission comes near this process: it reads a results.json that the grader wrote.
Whatever a grading leaves behind is ended with it, and all of it ends when whoever asked goes away.
"""

import contextlib
import gc
import io
import os
import resource
import select
import shutil
import signal
import sys
import tempfile
from pathlib import Path
from typing import IO

from grader import arguments

from . import processes
from .folder import SANDBOX_CPU, outcome, prepare
from .job import Job, Outcome


class AskerGone(Exception):  # noqa: N818
    """Whoever asked is gone, so nobody waits for the outcome."""


def warm_up(data: str) -> None:
    """Import all that a grading imports, and prepare what is the same for all; nothing may run in another thread.

    Args:
        data: Images of the training task.

    Raises:
        RuntimeError: The checks cannot be collected.
        DataError: There are no such images.
    """
    import pytest
    import torch
    from hypothesis import strategies

    from grader.judge.examples import examples
    from grader.short_runner import images

    torch.set_num_threads(1)  # a fork after more threads have run hangs the child
    with contextlib.redirect_stdout(io.StringIO()) as printed:
        status = pytest.main([*arguments.checks(), "--collect-only", "-q"])
    if status != 0:
        raise RuntimeError(f"the checks cannot be collected: {printed.getvalue()[-2000:]}")
    images(data)
    examples(strategies.integers(0, 9), 3, seed=0)
    gc.collect()
    gc.freeze()  # a collection in a child would touch, and so copy, every page of ours


def serve(requests: IO[bytes], answers: IO[bytes]) -> None:
    """Grade one job after the other until there are no more, or nobody is there to ask.

    Raises:
        AskerGone: In the midst of a grading, which has been ended.
    """
    processes.adopt_orphans()
    while line := requests.readline():
        try:
            answer = grade(Job.from_json(line), requests.fileno())
        except OSError as error:  # no space for its folder, no process to be had: the next one may fare better
            answer = Outcome(None, f"the grader could not start: {error}", again=True)
        answers.write(answer.to_json())
        answers.flush()


def grade(job: Job, asker: int) -> Outcome:
    """Grade one submission in a child.

    Args:
        job: The submission.
        asker: Descriptor that becomes readable when whoever asked goes away.

    Raises:
        AskerGone: It went away; the child is ended.
        OSError: There is no room for a folder, or no process to be had.
    """
    folder = Path(tempfile.mkdtemp(prefix="vae-class-"))
    try:
        options = prepare(job, folder)
        judge, child = os.getpid(), os.fork()
        if child == 0:
            _become_grader(options, folder, judge)
        return outcome(job, folder, *_wait(child, job.limit_s, asker))
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _become_grader(options: list[str], folder: Path, judge: int) -> None:
    """Run pytest on the submission, and never return into the judge's loop."""
    status = 3
    try:
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        signal.signal(signal.SIGINT, signal.SIG_DFL)
        os.setsid()
        processes.die_with_parent(judge)
        processes.offer_to_the_oom_killer()
        log = os.open(folder / "log", os.O_WRONLY | os.O_CREAT, 0o600)
        os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
        os.dup2(log, 1)
        os.dup2(log, 2)
        # The judge's conversation is none of a grading's business.
        os.closerange(3, 1 << 20)
        sys.stdin, sys.stdout, sys.stderr = (os.fdopen(os.dup(n), mode) for n, mode in ((0, "r"), (1, "w"), (2, "w")))
        os.environ["TMPDIR"] = tempfile.tempdir = str(folder / "tmp")
        import pytest

        status = int(pytest.main(options))
        used = resource.getrusage(resource.RUSAGE_CHILDREN)
        (folder / SANDBOX_CPU).write_text(str(used.ru_utime + used.ru_stime))
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(status)


def _wait(child: int, limit_s: float, asker: int) -> tuple[int | None, float]:
    """Wait for a child, then end all that is left of it.

    Returns:
        Its exit status, None if it took too long, and the CPU seconds of it and of all that it waited for.

    Raises:
        AskerGone: Nobody is there to ask.
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
        os.close(descriptor)
        os.kill(child, signal.SIGKILL)  # in time it is a zombie by now, and feels nothing
        _, status, usage = os.wait4(child, 0)
        processes.end_descendants()
    return os.waitstatus_to_exitcode(status) if ready else None, usage.ru_utime + usage.ru_stime


def main() -> None:
    """Serve on standard input and output; whatever else is printed goes to standard error."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the business of whoever asks
    requests, answers = os.fdopen(os.dup(0), "rb"), os.fdopen(os.dup(1), "wb")
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    os.dup2(2, 1)
    warm_up(sys.argv[1])
    signal.signal(signal.SIGTERM, _stop)
    with contextlib.suppress(AskerGone, BrokenPipeError):
        serve(requests, answers)


def _stop(*_: object) -> None:
    raise AskerGone


if __name__ == "__main__":
    main()
    sys.stderr.flush()
    os._exit(0)  # nothing to tidy up, and the asker may be waiting
