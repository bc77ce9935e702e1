"""The judge's side of a zygote: start it, let it fork one worker after the other, and replace it when it is lost."""

import contextlib
import json
import os
import socket
import subprocess
import sys
import tempfile
import threading
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from .failure import Failure
from .interpreter import environment, packages, why_it_ended
from .submission import SubmittedFile
from .watchdog import Watchdog, end_family, remove_folder
from .worker import Ceilings, Channel, Ending, OutputLog, Worker, WorkerLimits, opened


@dataclass(frozen=True)
class View:
    """Where things lie as a worker sees them.

    Attributes:
        program: The worker's program.
        submission: The student's file.
        folder: Parent of the workers' own folders; writable for the zygote.
        readable: What a worker may read besides its own folder.
        writable: What it may write besides that; the zygote empties it after each worker.
    """

    program: str
    submission: str
    folder: str
    readable: list[str]
    writable: list[str] = field(default_factory=list)

    def header(self, folder: str) -> dict[str, Any]:
        """Return what a worker is told of it; `folder` is its own."""
        return {"path": self.submission, "folder": folder, "readable": self.readable, "writable": self.writable}


ANSWER_S = 60.0  # importing torch on a busy machine included


class SandboxError(Exception):
    """The sandbox cannot be started here; the message says why."""


def does_not_start(name: str, missing: str, complaint: str) -> str:
    """Return one line about a sandbox that does not start, and what to do.

    Args:
        name: Its name.
        missing: Which package is missing, and what to do; empty if that is not the reason.
        complaint: What it said itself.
    """
    instead = "" if name == "process" else "; try --sandbox=process, which protects nothing but the scores"
    return f"the sandbox `{name}` does not start: {missing or complaint + instead}"


class _ZygoteGone(Exception):  # noqa: N818
    """The zygote died or does not answer."""


class Zygote:
    """A process that has imported torch, and forks workers in milliseconds each; a class for each sandbox.

    It has one worker at a time: what one leaves, processes and files, is gone before the next begins. If it is lost
    with a worker, a new one takes its place.

    Args:
        file: The submission; a zygote serves one, never two.
        home: A folder of its own on the judge's side.
        ceilings: Limits of all its processes together.
    """

    name: str
    guard: str

    def __init__(self, file: SubmittedFile, home: Path, ceilings: Ceilings = Ceilings()):  # noqa: B008 - frozen
        self._file, self._home, self._ceilings = file, home, ceilings
        self._lock = threading.Lock()
        self._worker: Worker | None = None
        self._number = 0
        self._spawn()

    # What a sandbox is made of.
    @staticmethod
    def missing() -> str:
        """Return which package workers would not find, and what to do; empty if they find all that they need."""
        raise NotImplementedError

    def _view(self) -> View:
        """Return where things lie for a worker."""
        raise NotImplementedError

    def _command_line(self, program: Sequence[str]) -> list[str]:
        """Return the command that runs a program inside."""
        return list(program)

    def _settings(self) -> dict[str, Any]:
        """Return settings of the zygote beside those that all have."""
        return {}

    def _watched_folders(self) -> list[Path]:
        """Return the folders whose size the watchdog must mind."""
        return [self._home]

    def await_ready(self) -> None:
        """Wait until workers can be forked: torch is imported.

        Raises:
            SandboxError: It does not start; the message says why, and what to do.
        """
        self._insist({"do": "usage"})

    def start(self, limits: WorkerLimits, standins: dict[str, str], seed: int) -> Worker:
        """Fork a worker and let it import the file; the one before it is ended.

        Raises:
            WorkerFailed: The file cannot be imported.
            SandboxError: A lost zygote cannot be replaced.
        """
        if self._worker is not None:
            self._worker.close()
        view = self._view()
        self._number += 1
        folder = f"{view.folder}/{self._number}"
        ours, theirs = socket.socketpair()
        output_read, output_write = os.pipe()
        try:
            self._insist({"do": "fork", "folder": folder}, [theirs.fileno(), output_write])
        except SandboxError:
            ours.close()
            os.close(output_read)
            raise
        finally:
            theirs.close()
            os.close(output_write)
        streams = (ours.makefile("rb"), ours.makefile("wb"))

        def hang_up() -> None:
            with contextlib.suppress(OSError):
                ours.shutdown(socket.SHUT_RDWR)

        def give_up() -> None:
            with contextlib.suppress(_ZygoteGone):
                self._command({"do": "interrupt"})
            hang_up()

        channel = Channel(*streams, give_up)

        def end(grace_s: float) -> Ending:
            ending = self._end(grace_s)
            hang_up()
            channel.close()
            for stream in (*streams, ours):
                with contextlib.suppress(OSError):  # a writer flushes into a channel that may be gone
                    stream.close()
            return ending

        self._worker = Worker(
            channel=channel,
            output=OutputLog(os.fdopen(output_read, "rb")),
            limits=limits,
            file=self._file,
            standins=standins.keys(),
            end=end,
            waited_s=self._waited_s,
        )
        return opened(
            self._worker, view.header(folder) | {"limits": limits.header(), "standins": standins, "seed": seed}
        )

    @property
    def submission(self) -> str:
        """Path of the student's file as a worker sees it."""
        return self._view().submission

    @property
    def process_id(self) -> int:
        """The process outside; another one once a lost zygote was replaced."""
        return self._process.pid

    def close(self) -> None:
        """End the zygote and all that came of it."""
        if self._worker is not None:
            self._worker.close()
        self._discard()

    def _spawn(self) -> None:
        view = self._view()
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        described: dict[str, Any] = {
            "guard": self.guard,
            "packages": packages(),
            "preload": self._file.preload(),
            "writable": view.writable,
        }
        program = [sys.executable, "-I", view.program, "zygote", str(theirs.fileno())]
        self._complaints = tempfile.TemporaryFile()  # noqa: SIM115 - it lives as long as the process
        self._process = subprocess.Popen(
            self._command_line([*program, json.dumps(described | self._settings())]),
            env=environment(view.folder),
            pass_fds=[theirs.fileno()],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=self._complaints,
            start_new_session=True,
        )
        theirs.close()
        self._control = ours
        self._control.settimeout(ANSWER_S)
        self._lost, self._greeted = False, False
        self._watchdog = Watchdog(self._process.pid, self._ceilings, self._watched_folders(), self._kill)

    def _insist(self, command: dict[str, Any], descriptors: list[int] | None = None) -> None:
        """Have a command obeyed, by a new zygote if this one is lost.

        Raises:
            SandboxError: The new one is lost too.
        """
        for attempt in (1, 2):
            if self._lost:
                self._discard()
                self._spawn()
            try:
                self._command(command, descriptors)
                return
            except _ZygoteGone:
                if attempt == 2:
                    raise SandboxError(does_not_start(self.name, self.missing(), self._complaint())) from None

    def _end(self, grace_s: float) -> Ending:
        """End the worker and whatever it left; a zygote that cannot make sure of that is given up."""
        self._worker = None
        try:
            told = self._command({"do": "end", "grace_s": grace_s})
            self._end_strays()
            self._lost |= not self._command({"do": "clean"})["clean"]
        except _ZygoteGone:
            self._kill()
            return Ending(None, None, by_judge=False, breach=self._watchdog.breach or _LOST)
        if self._lost:
            self._kill()
        return Ending(told["exit"], told["cpu_s"], told["ended_by_judge"], trace=str(told["trace"]))

    def _end_strays(self) -> None:
        """End what a worker started and left; a zygote that is process 1 of a namespace does it itself."""

    def _waited_s(self) -> float:
        """Return how long the worker waited for a processor so far."""
        try:
            return float(self._command({"do": "usage"})["waited_s"])
        except _ZygoteGone:
            return 0.0

    def _command(self, command: dict[str, Any], descriptors: list[int] | None = None) -> dict[str, Any]:
        try:
            with self._lock:
                if not self._greeted:
                    self._receive()
                    self._greeted = True
                socket.send_fds(self._control, [json.dumps(command).encode()], descriptors or [])
                return self._receive()
        except (OSError, ValueError):
            self._lost = True
            raise _ZygoteGone from None

    def _receive(self) -> dict[str, Any]:
        data = self._control.recv(4096)
        if not data:
            raise OSError("the zygote hung up")
        return json.loads(data)

    def _kill(self) -> None:
        """Kill every process of the sandbox."""
        self._lost = True
        end_family(self._process.pid, itself=True)

    def _discard(self) -> None:
        """Close the control socket, upon which a zygote goes by itself, and make sure that it does."""
        self._watchdog.stop()
        self._control.close()
        try:
            self._process.wait(timeout=0.0 if self._lost else 5.0)
        except subprocess.TimeoutExpired:
            self._kill()
            self._process.wait()
        self._complaints.close()
        for left in self._home.iterdir():  # by a worker that was lost with its zygote
            remove_folder(left)

    def _complaint(self) -> str:
        self._complaints.seek(0)
        return why_it_ended(self._complaints.read())


_LOST = Failure("crashed", "your code ended the process that had started it", fatal=True)
