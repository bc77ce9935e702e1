"""The judge's side of a parent zygote: one sandbox that has imported torch, and forks a shut-off zygote per submission.

This saves class runs the time to import torch for each submission. A submission is isolated from the parent and from
all others in the same way as by bubblewrap (see `grader/worker/seclusion.py`). Where the system refuses that, or the
parent is lost, the submission gets a sandbox that is started from scratch.
"""

import contextlib
import json
import os
import secrets
import select
import signal
import socket
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import IO, Any

from .bubblewrap import FOLDER, INSIDE, SUBMISSION, Bubblewrap, inside, worker_mounts, writable_sizes
from .interpreter import packages, why_it_ended
from .submission import FILE_NAME, SubmittedFile
from .worker import Ceilings
from .zygote import ANSWER_S, Process, start_program

_HIDDEN = "/vae-sandbox/kernel"  # the kernel allows a new /proc only where an unrestricted one is visible
_OWN_BYTES = 16 << 20  # the parent itself writes almost nothing


class ParentLost(Exception):  # noqa: N818
    """The parent has died, does not answer, or cannot end its zygotes: it must be closed. The message says why."""


class NotForked(Exception):  # noqa: N818
    """The parent cannot fork a zygote that is shut off; the message says why."""


class ParentZygote:
    """A process that forks zygotes, one at a time, for one judge.

    The socket may also be used by a child process of the one that created this object, but not by both at a time.

    Attributes:
        process_id: Id of the outermost process of its sandbox.
    """

    def __init__(self) -> None:
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self._complaints = tempfile.TemporaryFile()  # noqa: SIM115 - stays open as long as the process runs
        settings = json.dumps({"packages": packages(), "hidden": _HIDDEN})
        with theirs:
            program = [sys.executable, "-I", INSIDE, "parent", str(theirs.fileno()), settings]
            self._process = start_program([*_command(), "--", *program], FOLDER, theirs, self._complaints)
        self._control = ours
        self._control.settimeout(ANSWER_S)
        self.process_id = self._process.pid

    def sandbox(self, file: SubmittedFile, home: Path, ceilings: Ceilings) -> Bubblewrap:
        """Return a sandbox whose zygote is forked from this parent where possible.

        Args:
            file: The submission.
            home: An empty folder for the sandbox.
            ceilings: Limits for all its processes together.
        """
        return _Forked(self, file, home, ceilings)

    def await_ready(self) -> None:
        """Wait until torch has been imported, and fork a zygote to see whether it can be shut off.

        Raises:
            ParentLost: The parent does not start.
            NotForked: It has started, but zygotes cannot be shut off here.
        """
        answer, _ = self._receive("")
        if answer["refused"]:
            raise NotForked(answer["refused"])
        settings = {"guard": Bubblewrap.guard, "packages": [], "preload": [], "writable": []}
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with ours, theirs, tempfile.TemporaryFile() as empty:
            descriptors = [theirs.fileno(), empty.fileno(), empty.fileno()]
            self.fork(settings, f"{SUBMISSION}/{FILE_NAME}", {FOLDER: _OWN_BYTES}, descriptors)
            self.end_zygote()

    def fork(self, zygote: dict[str, Any], path: str, sizes: dict[str, int], descriptors: list[int]) -> Process:
        """End the previous zygote and return the process of a new one.

        Args:
            zygote: The fields of the worker's ZygoteSettings.
            path: Path of the submission in the sandbox.
            sizes: Sizes in bytes of the folders for writing.
            descriptors: The zygote's end of its control socket, a file for its complaints, and the submission.

        Raises:
            ParentLost: There was no answer; the parent has been killed.
            NotForked: The parent cannot fork a zygote that is shut off.
        """
        try:
            answer, received = self._command(
                {"do": "open", "zygote": zygote, "path": path, "sizes": sizes}, descriptors
            )
        except ParentLost:
            with contextlib.suppress(ProcessLookupError):  # a late zygote must not serve on the same socket
                os.kill(self.process_id, signal.SIGKILL)
            raise
        if answer["refused"] or not received:
            raise NotForked(answer["refused"] or "no process was returned")
        return _ForkedProcess(received[0])

    def end_zygote(self) -> float:
        """End the current zygote and all that it started; return the CPU seconds of all zygotes since the last call.

        Raises:
            ParentLost: There was no answer, or a process did not end.
        """
        answer, _ = self._command({"do": "end"})
        if answer["refused"]:
            raise ParentLost(answer["refused"])
        return float(answer["cpu_s"])

    def close(self) -> None:
        """End the parent and everything in its sandbox."""
        self._control.close()
        try:
            self._process.wait(timeout=5.0)
        except subprocess.TimeoutExpired:
            self._process.kill()  # process 1 inside dies with it, and then the kernel ends the whole namespace
            self._process.wait()
        self._complaints.close()

    def _command(self, command: dict[str, Any], sent: list[int] | None = None) -> tuple[dict[str, Any], list[int]]:
        number = secrets.token_hex(8)
        try:
            socket.send_fds(self._control, [json.dumps({**command, "number": number}).encode()], sent or [])
        except OSError as error:
            raise ParentLost(f"the parent zygote has ended: {self._complaint() or error}") from None
        return self._receive(number)

    def _receive(self, number: str) -> tuple[dict[str, Any], list[int]]:
        """Return the answer to a command. Answers to earlier commands, which nobody waited for, are discarded."""
        while True:
            try:
                data, received, _, _ = socket.recv_fds(self._control, 1 << 16, 1)
                answer = json.loads(data)
            except (OSError, ValueError):
                raise ParentLost(f"the parent zygote does not answer: {self._complaint()}") from None
            if answer["number"] == number:
                return answer, received
            for descriptor in received:
                os.close(descriptor)

    def _complaint(self) -> str:
        self._complaints.seek(0)
        return why_it_ended(self._complaints.read())


def _command() -> list[str]:
    empty = ["--dir", SUBMISSION, "--ro-bind", "/proc", _HIDDEN]
    return inside([*empty, *worker_mounts()], _OWN_BYTES)


class _ForkedProcess:
    """A process in the sandbox of a parent, which is not a child of this process.

    Args:
        descriptor: A process descriptor; it stays valid when the process id is used again.
    """

    def __init__(self, descriptor: int):
        self._descriptor = descriptor
        lines = Path(f"/proc/self/fdinfo/{descriptor}").read_text(encoding="ascii").splitlines()
        self.pid = next(int(line.split()[1]) for line in lines if line.startswith("Pid:"))

    def wait(self, timeout: float | None = None) -> int:
        """Wait until the process has ended, and return 0.

        Raises:
            subprocess.TimeoutExpired: It has not ended in time.
        """
        poll = select.poll()
        poll.register(self._descriptor, select.POLLIN)
        if not poll.poll(None if timeout is None else timeout * 1000):
            raise subprocess.TimeoutExpired("zygote", timeout or 0.0)
        return 0

    def kill(self) -> None:
        """Kill the process."""
        with contextlib.suppress(ProcessLookupError):
            signal.pidfd_send_signal(self._descriptor, signal.SIGKILL)

    def __del__(self) -> None:
        os.close(self._descriptor)


class _Forked(Bubblewrap):
    """A sandbox whose zygote is forked from a parent; if that fails, the zygote is started by bubblewrap."""

    def __init__(self, parent: ParentZygote, file: SubmittedFile, home: Path, ceilings: Ceilings):
        self._parent = parent
        super().__init__(file, home, ceilings)

    def _launch(self, settings: dict[str, Any], control: socket.socket, complaints: IO[bytes]) -> Process:
        sizes = writable_sizes(self._ceilings.folder_bytes)
        try:
            with self._file.copy.open("rb") as submission:
                descriptors = [control.fileno(), complaints.fileno(), submission.fileno()]
                return self._parent.fork(settings, self._view().submission, sizes, descriptors)
        except (ParentLost, NotForked):
            return super()._launch(settings, control, complaints)
