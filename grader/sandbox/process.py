"""No namespaces and no other users: plain processes, with limits and with what locks the kernel offers to everyone."""

import contextlib
import json
import os
import signal
import subprocess
import sys
from pathlib import Path

from ..worker.wire import Message, WireError
from . import folders, trace, tree
from .channel import Channel, OutputLog
from .interpreter import PROGRAM, can_fork, environment, last_words, missing_packages, packages, readable
from .limits import Ceilings, Limits
from .submission import SubmittedFile
from .view import View
from .watchdog import Watchdog
from .worker import Ending, Worker, opened
from .zygote import ANSWER_S, SandboxError, Zygote, does_not_start

_TRACE_S = 0.3  # for a worker that is late to write down where it is


def _view(file: SubmittedFile, home: Path) -> View:
    return View(str(PROGRAM), str(file.copy), str(home), [*readable(), str(file.copy)])


class PlainProcess(Zygote):
    """A zygote and its workers beside all other processes of the user."""

    name = "process"
    guard = "group"

    @staticmethod
    def why_not() -> str:
        """Return why this sandbox cannot be used here; empty where a process may be forked."""
        return "" if can_fork() else "it needs Linux; elsewhere each worker is a fresh interpreter"

    @staticmethod
    def missing() -> str:
        """Return which package workers would not find, and what to do; empty if they find all that they need."""
        return missing_packages()

    def _view(self) -> View:
        return _view(self._file, self._home)

    def _end_strays(self) -> None:
        tree.end(self._process.pid, itself=False)


class FreshInterpreters:
    """An interpreter for each worker, which takes a second or two each, and needs neither fork nor local sockets.

    Args:
        file: The submission.
        home: A folder of its own on the judge's side.
        ceilings: Limits of all processes of a worker together.
    """

    name = "process"

    def __init__(self, file: SubmittedFile, home: Path, ceilings: Ceilings = Ceilings()):  # noqa: B008 - frozen
        self._file, self._home, self._ceilings = file, home, ceilings
        self._worker: Worker | None = None
        self._number = 0

    @staticmethod
    def why_not() -> str:
        """Return an empty text: this is possible everywhere."""
        return ""

    @staticmethod
    def missing() -> str:
        """Return which package workers would not find, and what to do; empty if they find all that they need."""
        return missing_packages()

    @property
    def submission(self) -> str:
        """Path of the student's file as a worker sees it."""
        return str(self._file.copy)

    def await_ready(self) -> None:
        """Start one worker, to see that it can import torch, and end it.

        Raises:
            SandboxError: It does not start; the message says why, and what to do.
        """
        self._start_interpreter(Limits(), {}, self._new_folder())
        self.close()

    def start(self, limits: Limits, standins: dict[str, str], seed: int) -> Worker:
        """Start a worker and let it import the file; the one before it is ended.

        Raises:
            WorkerFailed: The file cannot be imported.
            SandboxError: The interpreter does not start.
        """
        self.close()
        folder = self._new_folder()
        worker = self._start_interpreter(limits, standins, folder)
        told = {"limits": limits.header(), "standins": standins, "seed": seed}
        return opened(worker, _view(self._file, self._home).header(str(folder)) | told)

    def _new_folder(self) -> Path:
        self._number += 1
        folder = self._home / str(self._number)
        folder.mkdir(mode=0o700)
        return folder

    def _start_interpreter(self, limits: Limits, standins: dict[str, str], folder: Path) -> Worker:
        """Start a worker and wait until it has imported torch; it knows nothing of the file yet.

        Raises:
            SandboxError: It does not come so far.
        """
        written = trace.new()
        descriptors = [] if written is None else [written.fileno()]
        process = subprocess.Popen(
            [sys.executable, "-I", str(PROGRAM), "once", json.dumps(packages()), *map(str, descriptors)],
            pass_fds=descriptors,
            env=environment(str(folder)),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            start_new_session=True,
        )
        stdin, stdout, stderr = process.stdin, process.stdout, process.stderr
        assert stdin is not None and stdout is not None and stderr is not None

        def kill() -> None:
            tree.end(process.pid, itself=True)
            if hasattr(os, "killpg"):  # what outlived its parent is no descendant any more, but still of the group
                with contextlib.suppress(ProcessLookupError, PermissionError):
                    os.killpg(process.pid, signal.SIGKILL)

        watchdog = Watchdog(process.pid, self._ceilings, [folder], kill)

        def give_up() -> None:
            if hasattr(signal, "SIGXCPU"):
                process.send_signal(signal.SIGSTOP)
                tree.end(process.pid, itself=False)  # what it started is found only while it lives
                process.send_signal(signal.SIGXCPU)
                process.send_signal(signal.SIGCONT)
                with contextlib.suppress(subprocess.TimeoutExpired):
                    process.wait(_TRACE_S)
            kill()

        channel = Channel(stdout, stdin, give_up)

        def end(grace_s: float) -> Ending:
            try:
                process.wait(timeout=grace_s)
                by_judge = False
            except subprocess.TimeoutExpired:
                by_judge = True
            watchdog.stop()
            kill()
            channel.close()
            for stream in (stdin, stdout):
                with contextlib.suppress(OSError):
                    stream.close()
            folders.remove(folder)
            return Ending(process.wait(), None, by_judge, watchdog.breach, trace.taken(written))

        self._worker = Worker(
            channel=channel,
            output=OutputLog(stderr),
            limits=limits,
            file=self._file,
            standins=standins.keys(),
            end=end,
        )
        try:
            channel.exchange(Message({}), ANSWER_S)
        except (EOFError, OSError, WireError):
            complaint = self._worker.printed()
            self._worker.close()
            raise SandboxError(does_not_start(self.name, self.missing(), last_words(complaint.encode()))) from None
        return self._worker

    def close(self) -> None:
        """End the worker that is still there."""
        if self._worker is not None:
            self._worker.close()
