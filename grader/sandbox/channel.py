"""Requests to a worker and its answers, with a deadline; and the log of what a submission prints."""

import contextlib
import queue
import secrets
import sys
import threading
import time
from collections.abc import Callable
from typing import IO

from ..worker import wire
from ..worker.wire import Message

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
