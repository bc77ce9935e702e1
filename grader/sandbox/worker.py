"""One worker as the judge sees it: ask it for a probe, get tensors or the reason why there are none."""

import time
from collections.abc import Callable, Mapping, Set
from dataclasses import dataclass, replace
from typing import Any

from torch import Tensor

from ..worker.wire import Message, WireError
from . import trace
from .channel import Channel, OutputLog
from .failure import COSTLY_IMPORT, COSTLY_MEMORY, COSTLY_TIME, Failure, WorkerFailed, from_error
from .limits import Limits
from .submission import SubmittedFile

_SIGXCPU = 24  # not in `signal` on Windows


@dataclass(frozen=True)
class Ending:
    """How a worker's process ended, as the kernel told its parent.

    Attributes:
        exit: Exit status, or minus the number of the signal; None when unknown.
        cpu_s: CPU seconds it used.
        by_judge: Whether it had to be killed.
        breach: The ceiling of the whole sandbox for which it was ended, if that was so.
        trace: Where it says that it was when its time was up.
    """

    exit: int | None
    cpu_s: float | None
    by_judge: bool
    breach: Failure | None = None
    trace: str = ""


class Worker:
    """A worker that serves one task.

    Args:
        channel: The conversation with it.
        output: What it prints.
        limits: Its limits.
        file: The submission, for the words about a failure.
        standins: Ids of the stand-ins that it has.
        end: Ends the process, with a grace in seconds, and tells how it ended; called once.
        waited_s: Tells how long it waited for a processor so far: a loaded machine must not fail anyone.
    """

    def __init__(
        self,
        channel: Channel,
        output: OutputLog,
        limits: Limits,
        file: SubmittedFile,
        standins: Set[str],
        end: Callable[[float], Ending],
        waited_s: Callable[[], float] = lambda: 0.0,
    ):
        self._channel, self._output, self._limits = channel, output, limits
        self._file, self._standins = file, frozenset(standins)
        self._end, self._waited_s = end, waited_s
        self._wall_left, self._credited = limits.wall_s, 0.0
        self._ended = False

    def open(self, header: dict[str, Any]) -> None:
        """Let the worker import the file.

        Raises:
            WorkerFailed: The file cannot be imported, or the worker died trying.
        """
        self._exchange(Message(header), importing=True)

    def ask(
        self, probe: str, arguments: Mapping[str, Any], tensors: Mapping[str, Tensor], seed: int
    ) -> tuple[dict[str, Tensor], dict[str, Any]]:
        """Run a probe and return its tensors and facts; both are untrusted.

        Raises:
            WorkerFailed: The student's code raised, the worker died, or it ran out of a limit.
        """
        request = Message({"probe": probe, "arguments": dict(arguments), "seed": seed}, dict(tensors))
        answer = self._exchange(request, importing=False)
        facts = answer.header.get("facts")
        return answer.tensors, facts if isinstance(facts, dict) else {}

    def printed(self) -> str:
        """Return what the submission printed in this worker."""
        return self._output.text()

    def close(self) -> None:
        """End the worker; safe to call twice."""
        if not self._ended:
            self._ended = True
            self._end(0.0)

    def _exchange(self, message: Message, importing: bool) -> Message:
        started = time.monotonic()
        try:
            answer = self._channel.exchange(message, self._wall_left, self._credit)
        except (TimeoutError, EOFError, OSError, WireError) as error:
            self._wall_left -= time.monotonic() - started
            raise WorkerFailed(self._autopsy(error, importing)) from None
        self._wall_left -= time.monotonic() - started
        described = answer.header.get("error")
        if isinstance(described, dict):
            raise WorkerFailed(from_error(described, self._file.neighbours, importing, self._standins))
        return answer

    def _credit(self) -> float:
        """Return for how long the worker waited for a processor since it was last credited for that."""
        more = self._waited_s() - self._credited
        self._credited += more
        self._wall_left += more
        return more

    def _autopsy(self, error: Exception, importing: bool) -> Failure:
        """Return why no answer came, from how the process ended."""
        self._ended = True
        timed_out = isinstance(error, TimeoutError)
        ending = self._end(0.0 if timed_out else 1.0)
        where = "while your file was imported" if importing else "in this task"
        if ending.breach:
            return replace(ending.breach, message=f"{ending.breach.message} {where}")
        cpu_limit = self._limits.cpu_s
        if timed_out:
            return self._late(f"your code took more than {self._limits.wall_s:.0f} s {where}", ending, importing)
        # Where CPU seconds are not known, the wall time is the best guess: one thread uses no more than that.
        used = self._limits.wall_s - self._wall_left if ending.cpu_s is None else ending.cpu_s
        killed_for_cpu = ending.exit == -9 and not ending.by_judge and used >= 0.95 * cpu_limit
        if ending.exit == -_SIGXCPU or killed_for_cpu:
            return self._late(f"your code used more than {cpu_limit:.0f} CPU seconds {where}", ending, importing)
        if ending.exit == -9 and not ending.by_judge:
            what = f"the system killed your code {where}, most likely for its memory"
            return Failure("out of memory", what, fatal=True, hint=COSTLY_MEMORY)
        if isinstance(error, WireError):
            return Failure("crashed", f"your code disturbed the grader's channel {where}", fatal=True)
        if ending.by_judge:
            return Failure("crashed", f"your code closed the grader's channel {where}", fatal=True)
        status = ending.exit or 0
        how = f"by signal {-status}" if status < 0 else f"with exit status {status}"
        return Failure("crashed", f"your code ended its process {where}, {how}", fatal=True)

    def _late(self, message: str, ending: Ending, importing: bool) -> Failure:
        lines = trace.lines(ending.trace, self._file.copy)
        return Failure("timed out", message, lines, fatal=True, hint=COSTLY_IMPORT if importing else COSTLY_TIME)


def opened(worker: Worker, header: dict[str, Any]) -> Worker:
    """Let a worker import the file, and return it.

    Raises:
        WorkerFailed: The file cannot be imported; the worker is ended.
    """
    try:
        worker.open(header)
    except WorkerFailed:
        worker.close()
        raise
    return worker
