"""The judge's side of a zygote: start it, let it fork workers one after another, and replace it when it is lost."""

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
from typing import IO, Any, Protocol

from .failure import Failure
from .interpreter import environment, packages, why_it_ended
from .submission import SubmittedFile
from .watchdog import Watchdog, end_family, remove_folder
from .worker import Ceilings, Channel, Ending, OutputLog, Worker, WorkerLimits, opened


@dataclass(frozen=True)
class View:
    """The paths that a worker uses, as they are inside the sandbox.

    Attributes:
        program: The worker's program.
        submission: The student's file.
        folder: Parent of the workers' own folders; the zygote can write to it.
        readable: Paths that a worker may read, in addition to its own folder.
        writable: Paths that it may write to, in addition to its own folder; the zygote empties them after each worker.
    """

    program: str
    submission: str
    folder: str
    readable: list[str]
    writable: list[str] = field(default_factory=list)

    def header(self, folder: str) -> dict[str, Any]:
        """Return the paths that are sent to a worker; `folder` is the worker's own folder."""
        return {"path": self.submission, "folder": folder, "readable": self.readable, "writable": self.writable}


ANSWER_S = 60.0  # includes the import of torch on a busy machine


class SandboxError(Exception):
    """The sandbox cannot be started on this machine; the message says why."""


def does_not_start(name: str, missing: str, complaint: str) -> str:
    """Return one line that says why a sandbox does not start, and what to do.

    Args:
        name: The name of the sandbox.
        missing: Which package is missing, and what to do; empty if that is not the reason.
        complaint: The error message of the sandbox itself.
    """
    instead = "" if name == "process" else "; try --sandbox=process, which protects only the scores, not this machine"
    return f"the sandbox `{name}` does not start: {missing or complaint + instead}"


class _ZygoteGone(Exception):  # noqa: N818
    """The zygote has died or does not answer."""


class Process(Protocol):
    """The part of `subprocess.Popen` that is needed here."""

    pid: int

    def wait(self, timeout: float | None = None) -> int:
        """Wait until the process has ended; raises subprocess.TimeoutExpired if it does not."""

    def kill(self) -> None:
        """Kill the process."""


def start_program(
    command: Sequence[str], folder: str, control: socket.socket, complaints: IO[bytes]
) -> "subprocess.Popen[bytes]":
    """Start a program that inherits one end of a socket and writes its complaints to a file."""
    return subprocess.Popen(
        command,
        env=environment(folder),
        pass_fds=[control.fileno()],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=complaints,
        start_new_session=True,
    )


class Zygote:
    """A process that has imported torch and can fork a worker within milliseconds; each sandbox is a subclass.

    There is one worker at a time: all processes and files that it leaves behind are removed before the next one
    starts. If the zygote is lost together with a worker, a new zygote replaces it.

    Args:
        file: The submission; a zygote serves only one.
        home: A folder of the judge that only this zygote uses.
        ceilings: Limits for all its processes together.
    """

    name: str
    guard: str

    def __init__(self, file: SubmittedFile, home: Path, ceilings: Ceilings = Ceilings()):  # noqa: B008 - frozen
        self._file, self._home, self._ceilings = file, home, ceilings
        self._lock = threading.Lock()
        self._worker: Worker | None = None
        self._number = 0
        self._spawn()

    # Subclasses define these methods.
    @staticmethod
    def missing() -> str:
        """Return which package workers cannot import, and what to do; empty if they can import all of them."""
        raise NotImplementedError

    def _view(self) -> View:
        """Return the paths that a worker uses."""
        raise NotImplementedError

    def _command_line(self, program: Sequence[str]) -> list[str]:
        """Return the command that runs a program in the sandbox."""
        return list(program)

    def _settings(self) -> dict[str, Any]:
        """Return the settings of the zygote that only this kind of sandbox needs."""
        return {}

    def _watched_folders(self) -> list[Path]:
        """Return the folders whose size the watchdog checks."""
        return [self._home]

    def await_ready(self) -> None:
        """Wait until workers can be forked, that is, until torch has been imported.

        Raises:
            SandboxError: The sandbox does not start; the message says why, and what to do.
        """
        self._insist({"do": "usage"})

    def start(self, limits: WorkerLimits, standins: dict[str, str], seed: int) -> Worker:
        """End the previous worker, fork a new one and let it import the file.

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
                with contextlib.suppress(OSError):  # closing a writer flushes it, and the channel may be closed
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
        """Id of the zygote's process outside the sandbox; it changes when a lost zygote is replaced."""
        return self._process.pid

    def close(self) -> None:
        """End the zygote and all its descendants."""
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
        self._complaints = tempfile.TemporaryFile()  # noqa: SIM115 - stays open as long as the process runs
        with theirs:
            self._process = self._launch(described | self._settings(), theirs, self._complaints)
        self._control = ours
        self._control.settimeout(ANSWER_S)
        self._lost, self._greeted = False, False
        self._watchdog = Watchdog(self._process.pid, self._ceilings, self._watched_folders(), self._kill)

    def _launch(self, settings: dict[str, Any], control: socket.socket, complaints: IO[bytes]) -> Process:
        """Start the zygote's process.

        Args:
            settings: The fields of the worker's ZygoteSettings.
            control: The zygote's end of its control socket.
            complaints: File for its standard error.
        """
        view = self._view()
        program = [sys.executable, "-I", view.program, "zygote", str(control.fileno()), json.dumps(settings)]
        return start_program(self._command_line(program), view.folder, control, complaints)

    def _insist(self, command: dict[str, Any], descriptors: list[int] | None = None) -> None:
        """Send a command to the zygote; if it is lost, replace it and send the command again.

        Raises:
            SandboxError: The new zygote is lost too.
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
        """End the worker and remove everything it left behind; a zygote that cannot do this is replaced later."""
        self._worker = None
        try:
            answer = self._command({"do": "end", "grace_s": grace_s})
            self._end_strays()
            self._lost |= not self._command({"do": "clean"})["clean"]
        except _ZygoteGone:
            self._kill()
            return Ending(None, None, by_judge=False, breach=self._watchdog.breach or _LOST)
        if self._lost:
            self._kill()
        return Ending(answer["exit"], answer["cpu_s"], answer["ended_by_judge"], trace=str(answer["trace"]))

    def _end_strays(self) -> None:
        """End processes that a worker left behind; only needed if the zygote cannot find and end them itself."""

    def _waited_s(self) -> float:
        """Return how long the worker has waited for a processor so far."""
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
        """Close the control socket, so that the zygote ends by itself, and kill it if it does not."""
        self._watchdog.stop()
        self._control.close()
        try:
            self._process.wait(timeout=0.0 if self._lost else 5.0)
        except subprocess.TimeoutExpired:
            self._kill()
            self._process.wait()
        self._complaints.close()
        for left in self._home.iterdir():  # left behind by a worker that was lost together with its zygote
            remove_folder(left)

    def _complaint(self) -> str:
        self._complaints.seek(0)
        return why_it_ended(self._complaints.read())


_LOST = Failure("crashed", "your code ended the process that had started it", fatal=True)
