"""The judge's interface to one worker: its limits, the channel to it, and its answers, or the reason for a failure."""

import contextlib
import queue
import secrets
import sys
import threading
import time
from collections.abc import Callable, Mapping, Set
from dataclasses import dataclass, replace
from typing import IO, TYPE_CHECKING, Any, Protocol

from grader.worker import wire
from grader.worker.wire import Message, WireError

from .failure import COSTLY_IMPORT, COSTLY_MEMORY, COSTLY_TIME, Failure, WorkerFailed, from_error, trace_lines
from .submission import SubmittedFile

if TYPE_CHECKING:
    from torch import Tensor

DISTURBED = "your code disturbed the grader's channel"
_MIB = 1 << 20


@dataclass(frozen=True)
class WorkerLimits:
    """Limits of one worker, which the worker sets for itself.

    The main limit is in CPU seconds, so that nobody fails because the machine is busy.

    Attributes:
        cpu_s: CPU seconds of a worker, including the import of the file.
        wall_s: Seconds that the judge waits for all answers of a worker together. Time in which the worker waits for
            a processor does not count.
        memory_bytes: Size of a worker's data (RLIMIT_DATA).
        file_bytes: Size of the largest file that a worker may write.
    """

    cpu_s: float = 20.0
    wall_s: float = 40.0
    memory_bytes: int = 3072 * _MIB
    file_bytes: int = 256 * _MIB

    def header(self) -> dict[str, Any]:
        """Return the limits that are sent to the worker."""
        return {"cpu_s": self.cpu_s, "memory_bytes": self.memory_bytes, "file_bytes": self.file_bytes}


@dataclass(frozen=True)
class Ceilings:
    """Limits for all processes of a sandbox together, which the judge watches.

    Attributes:
        memory_bytes: Memory of all processes; shared memory counts once.
        threads: Number of processes and threads.
        folder_bytes: Size of the content of all writable folders.
    """

    memory_bytes: int = 4096 * _MIB
    threads: int = 256
    folder_bytes: int = 256 * _MIB


class Asks(Protocol):
    """A worker of any sandbox, which can be asked to run probes."""

    def ask(
        self, probe: str, arguments: Mapping[str, Any], tensors: Mapping[str, Any], seed: int
    ) -> tuple[dict[str, Any], dict[str, Any]]:
        """Run a probe and return its tensors and facts."""

    def printed(self) -> str:
        """Return what the submission printed."""

    def close(self) -> None:
        """End the worker."""


OUTPUT_KEPT = 64 << 10
_WORTH_WAITING_S = 0.2
_SETTLE_S, _MOMENT_S = 0.1, 0.005


class Channel:
    """The judge's end of the channel to one worker.

    A separate thread reads and writes. So a worker that does not read, or does not answer, cannot block the judge
    beyond the deadline. This works for sockets and for pipes.

    Args:
        reader, writer: Binary streams from and to the worker.
        hang_up: Called when a deadline has passed; it must make blocked reads and writes end.

    Attributes:
        intact: Whether every request so far has been answered.
    """

    def __init__(self, reader: IO[bytes], writer: IO[bytes], hang_up: Callable[[], None]):
        self._reader, self._writer, self._hang_up = reader, writer, hang_up
        self.intact = True
        self._requests: queue.SimpleQueue[Message | None] = queue.SimpleQueue()
        self._answers: queue.SimpleQueue[Message | BaseException] = queue.SimpleQueue()
        threading.Thread(target=self._converse, daemon=True).start()

    def exchange(self, message: Message, seconds: float, more: Callable[[], float] = lambda: 0.0) -> Message:
        """Send a request and return its answer.

        Args:
            message: The request.
            seconds: How long to wait.
            more: Called when this time is over; returns for how many more seconds to wait.

        Raises:
            TimeoutError: There was no answer in time; the channel cannot be used any more.
            EOFError, OSError: The worker has ended.
            WireError: The received data is not an answer to this request.
        """
        self.intact = False
        number = secrets.token_hex(8)  # random, so that no answer can be written before its request
        self._requests.put(Message({**message.header, "id": number}, message.tensors))
        answer = self._wait(seconds, more)
        if isinstance(answer, BaseException):
            raise answer
        if answer.header.get("id") != number:
            raise wire.WireError("a frame that answers no request")
        self.intact = True
        return answer

    def close(self) -> None:
        """End the thread. The streams must be closed on one side, so that the thread is not blocked."""
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
            except BaseException as error:  # passed to the waiting thread, which handles it
                self._answers.put(error)


class OutputLog:
    """The text that a submission printed: the first 64 KiB are kept, the rest is read and discarded.

    If the pipe were closed instead, a correct solution that prints in a loop would fail. The limit on CPU seconds also
    limits how much a submission can print.
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

    def forget(self) -> None:
        """Forget the text printed so far, because a new task begins in the same process."""
        self.text()  # wait until all of it has been read
        self._kept.clear()

    def text(self) -> str:
        """Return the text printed so far.

        A worker flushes its output before it answers, so the pipe already has all of it. The thread that reads the
        pipe may be a little behind, so this method waits for it.
        """
        until = time.monotonic() + _SETTLE_S
        while self._thread.is_alive() and time.monotonic() < until and _waiting_bytes(self._stream) != 0:
            time.sleep(_MOMENT_S)
        time.sleep(_MOMENT_S)  # the thread may still be storing the last part
        return self._kept.decode("utf-8", errors="replace")


def _waiting_bytes(stream: IO[bytes]) -> int | None:
    """Return the number of unread bytes in a pipe; None if the system does not provide it."""
    try:
        import fcntl
        import termios

        count = fcntl.ioctl(stream.fileno(), termios.FIONREAD, bytes(4))
        return int.from_bytes(count, sys.byteorder)
    except (ImportError, OSError, ValueError):  # on Windows, or if the stream is closed
        return None


_SIGXCPU = 24  # the module `signal` does not define it on Windows


@dataclass(frozen=True)
class Ending:
    """How a worker's process ended, as the kernel reported it to the parent process.

    Attributes:
        exit: Exit status, or minus the number of the signal; None if unknown.
        cpu_s: CPU seconds that the process used; None if unknown.
        by_judge: Whether the judge had to kill it.
        breach: The failure, if the process was ended because the sandbox exceeded a ceiling; else None.
        trace: The stack trace that the process wrote when its time was over; the content is not trusted.
    """

    exit: int | None
    cpu_s: float | None
    by_judge: bool
    breach: Failure | None = None
    trace: str = ""


class Worker:
    """A worker that serves one task.

    Args:
        channel: The channel to the worker.
        output: The text that the worker prints.
        limits: The limits of the worker.
        file: The submission, used to describe failures.
        standins: Ids of the stand-ins that the worker has.
        end: Ends the process after a grace period in seconds, and returns how it ended; called once.
        waited_s: Returns how long the worker has waited for a processor so far. This time is not counted, so that
            nobody fails because the machine is busy.
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
            WorkerFailed: The file cannot be imported, or the worker died during the import.
        """
        self._exchange(Message(header), importing=True)

    def ask(
        self, probe: str, arguments: Mapping[str, Any], tensors: "Mapping[str, Tensor]", seed: int
    ) -> "tuple[dict[str, Tensor], dict[str, Any]]":
        """Run a probe and return its tensors and facts; both are untrusted.

        Raises:
            WorkerFailed: The student's code raised an error, the worker died, or it exceeded a limit.
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
        """Return how long the worker has waited for a processor since the last call, and add it to the time left."""
        more = self._waited_s() - self._credited
        self._credited += more
        self._wall_left += more
        return more

    def _autopsy(self, error: Exception, importing: bool) -> Failure:
        """End the worker; return why there was no answer, based on how the process ended."""
        self._ended = True
        timed_out = isinstance(error, TimeoutError)
        ending = self._end(0.0 if timed_out else 1.0)
        where = "while your file was imported" if importing else "in this task"
        if ending.breach:
            return replace(ending.breach, message=f"{ending.breach.message} {where}")
        cpu_limit = self._limits.cpu_s
        if timed_out:
            return self._late(f"your code took more than {self._limits.wall_s:.0f} s {where}", ending, importing)
        # If the CPU seconds are unknown, use the wall-clock time: one thread cannot use more CPU time than that.
        used = self._limits.wall_s - self._wall_left if ending.cpu_s is None else ending.cpu_s
        killed_for_cpu = ending.exit == -9 and not ending.by_judge and used >= 0.95 * cpu_limit
        if ending.exit == -_SIGXCPU or killed_for_cpu:
            return self._late(f"your code used more than {cpu_limit:.0f} CPU seconds {where}", ending, importing)
        if ending.exit == -9 and not ending.by_judge:
            what = f"the system killed your code {where}, most likely for its memory"
            return Failure("out of memory", what, fatal=True, hint=COSTLY_MEMORY)
        if isinstance(error, WireError):
            return Failure("crashed", f"{DISTURBED} {where}", fatal=True)
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
        WorkerFailed: The file cannot be imported; the worker has been ended.
    """
    try:
        worker.open(header)
    except WorkerFailed:
        worker.close()
        raise
    return worker
