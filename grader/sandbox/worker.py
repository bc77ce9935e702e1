"""One worker as the judge sees it: its limits, the channel to it, and tensors or the reason why there are none."""

import contextlib
import queue
import secrets
import sys
import threading
import time
from collections.abc import Callable, Mapping, Set
from dataclasses import dataclass, replace
from typing import IO, Any, Protocol

from torch import Tensor

from grader.worker import wire
from grader.worker.wire import Message, WireError

from .failure import COSTLY_IMPORT, COSTLY_MEMORY, COSTLY_TIME, Failure, WorkerFailed, from_error, trace_lines
from .submission import SubmittedFile

_MIB = 1 << 20


@dataclass(frozen=True)
class WorkerLimits:
    """Limits of one worker, which it puts on itself. CPU seconds come first: a loaded machine must not fail anyone.

    Attributes:
        cpu_s: CPU seconds of a worker, its import of the file included.
        wall_s: Seconds that the judge waits for a worker, all its answers together; those in which the worker waits
            for a processor do not count.
        memory_bytes: Data of a worker (RLIMIT_DATA).
        file_bytes: Largest file that it may write.
    """

    cpu_s: float = 20.0
    wall_s: float = 40.0
    memory_bytes: int = 3072 * _MIB
    file_bytes: int = 256 * _MIB

    def header(self) -> dict[str, Any]:
        """Return what travels to the worker."""
        return {"cpu_s": self.cpu_s, "memory_bytes": self.memory_bytes, "file_bytes": self.file_bytes}


@dataclass(frozen=True)
class Ceilings:
    """Limits of a sandbox, all its processes together, which the judge watches.

    Attributes:
        memory_bytes: Memory of all processes, what they share counted once.
        threads: Processes and threads.
        folder_bytes: What lies in all writable folders.
    """

    memory_bytes: int = 4096 * _MIB
    threads: int = 256
    folder_bytes: int = 256 * _MIB


class Asks(Protocol):
    """A worker, of whatever sandbox: who may be asked for probes."""

    def ask(
        self, probe: str, arguments: Mapping[str, Any], tensors: Mapping[str, Any], seed: int
    ) -> tuple[dict[str, Any], dict[str, Any]]:
        """Run a probe; returns its tensors and facts."""

    def printed(self) -> str:
        """Return what the submission printed."""

    def close(self) -> None:
        """End the worker."""


OUTPUT_KEPT = 64 << 10
_WORTH_WAITING_S = 0.2
_SETTLE_S, _MOMENT_S = 0.1, 0.005


class Channel:
    """The judge's end of a conversation with one worker.

    A thread of its own writes and reads, so that neither a worker that does not read nor one that does not answer can
    hold the judge longer than the deadline, on sockets and on pipes alike.

    Args:
        reader, writer: Binary streams from and to the worker.
        hang_up: Called when a deadline passed; must make blocked reads and writes end.
    """

    def __init__(self, reader: IO[bytes], writer: IO[bytes], hang_up: Callable[[], None]):
        self._reader, self._writer, self._hang_up = reader, writer, hang_up
        self._requests: queue.SimpleQueue[Message | None] = queue.SimpleQueue()
        self._answers: queue.SimpleQueue[Message | BaseException] = queue.SimpleQueue()
        threading.Thread(target=self._converse, daemon=True).start()

    def exchange(self, message: Message, seconds: float, more: Callable[[], float] = lambda: 0.0) -> Message:
        """Send a request and return its answer.

        Args:
            message: The request.
            seconds: How long to wait.
            more: Asked when they are over; returns by how many seconds to go on waiting.

        Raises:
            TimeoutError: No answer in time; the channel is of no use any more.
            EOFError, OSError: The worker is gone.
            WireError: What came was no answer to this request.
        """
        number = secrets.token_hex(8)  # a frame written ahead of its request can not carry it
        self._requests.put(Message({**message.header, "id": number}, message.tensors))
        answer = self._wait(seconds, more)
        if isinstance(answer, BaseException):
            raise answer
        if answer.header.get("id") != number:
            raise wire.WireError("a frame that answers no request")
        return answer

    def close(self) -> None:
        """Let the thread go; the streams are closed, or their other end is, so that nothing holds it."""
        self._requests.put(None)

    def _wait(self, seconds: float, more: Callable[[], float]) -> Message | BaseException:
        while True:
            with contextlib.suppress(queue.Empty):
                return self._answers.get(timeout=max(0.0, seconds))
            seconds = more()
            if seconds < _WORTH_WAITING_S:
                self._hang_up()
                raise TimeoutError("no answer in time")

    def _converse(self) -> None:
        while (request := self._requests.get()) is not None:
            try:
                wire.write(self._writer, request)
                self._answers.put(wire.read(self._reader))
            except BaseException as error:  # handed to the waiting thread, which decides
                self._answers.put(error)


class OutputLog:
    """What a submission printed: the first 64 KiB are kept, the rest is read and thrown away.

    Closing the pipe instead would end a right solution that prints in a loop; its CPU seconds bound what it can write.
    """

    def __init__(self, stream: IO[bytes]):
        self._kept = bytearray()
        self._stream = stream
        self._thread = threading.Thread(target=self._drain, daemon=True)
        self._thread.start()

    def _drain(self) -> None:
        with self._stream:
            while part := self._stream.read1(1 << 16):  # type: ignore[attr-defined]
                self._kept += part[: OUTPUT_KEPT - len(self._kept)]

    def text(self) -> str:
        """Return what was printed so far.

        A worker flushes what it prints before it answers, so all of it is in the pipe by now; the thread that reads it
        may lag behind.
        """
        until = time.monotonic() + _SETTLE_S
        while self._thread.is_alive() and time.monotonic() < until and _waiting_bytes(self._stream) != 0:
            time.sleep(_MOMENT_S)
        time.sleep(_MOMENT_S)  # what was read last is being put away
        return self._kept.decode("utf-8", errors="replace")


def _waiting_bytes(stream: IO[bytes]) -> int | None:
    """Return how many bytes a pipe holds that nobody has read; None where the system does not tell."""
    try:
        import fcntl
        import termios

        told = fcntl.ioctl(stream.fileno(), termios.FIONREAD, bytes(4))
        return int.from_bytes(told, sys.byteorder)
    except (ImportError, OSError, ValueError):  # Windows; or the stream is closed
        return None


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
        limits: WorkerLimits,
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
        lines = trace_lines(ending.trace, self._file.copy)
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
