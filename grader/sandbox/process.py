"""Sandboxes without namespaces: plain processes, and, where we are root, an unprivileged user for each worker."""

import contextlib
import json
import os
import secrets
import signal
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any

import psutil

from grader.worker.wire import Message, WireError

from .failure import new_trace, taken_trace
from .interpreter import PROGRAM, can_fork, environment, missing_packages, packages, readable, why_it_ended
from .submission import SubmittedFile
from .watchdog import Watchdog, end_family, remove_folder
from .worker import Ceilings, Channel, Ending, OutputLog, Worker, WorkerLimits, opened
from .zygote import ANSWER_S, SandboxError, View, Zygote, does_not_start

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
        end_family(self._process.pid, itself=False)


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
        self._start_interpreter(WorkerLimits(), {}, self._new_folder())
        self.close()

    def start(self, limits: WorkerLimits, standins: dict[str, str], seed: int) -> Worker:
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

    def _start_interpreter(self, limits: WorkerLimits, standins: dict[str, str], folder: Path) -> Worker:
        """Start a worker and wait until it has imported torch; it knows nothing of the file yet.

        Raises:
            SandboxError: It does not come so far.
        """
        written = new_trace()
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
            end_family(process.pid, itself=True)
            if hasattr(os, "killpg"):  # what outlived its parent is no descendant any more, but still of the group
                with contextlib.suppress(ProcessLookupError, PermissionError):
                    os.killpg(process.pid, signal.SIGKILL)

        watchdog = Watchdog(process.pid, self._ceilings, [folder], kill)

        def give_up() -> None:
            if hasattr(signal, "SIGXCPU"):
                process.send_signal(signal.SIGSTOP)
                end_family(process.pid, itself=False)  # what it started is found only while it lives
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
            remove_folder(folder)
            return Ending(process.wait(), None, by_judge, watchdog.breach, taken_trace(written))

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
            raise SandboxError(does_not_start(self.name, self.missing(), why_it_ended(complaint.encode()))) from None
        return self._worker

    def close(self) -> None:
        """End the worker that is still there."""
        if self._worker is not None:
            self._worker.close()


_USERS = range(20_000, 60_000)  # above people and services, below what containers map
_AT_ONCE = 64  # workers of one zygote
_PROJECT = Path(__file__).resolve().parents[2]
_TRY = """
import ctypes, os, sys
project, *needed = sys.argv[1:]
landlock = ctypes.CDLL(None).syscall(444, None, 0, 1)
for path in needed:
    if not os.access(path, os.R_OK):
        sys.exit(f"other users cannot read {path}: install Python and its packages where they can")
if landlock < 1 and os.access(project, os.R_OK | os.X_OK):
    sys.exit(f"other users can read {project}: `chmod o-rx {project}` first (this kernel has no Landlock)")
"""


class UnprivilegedUser(Zygote):
    """A zygote that is root, and whose workers are users of their own."""

    name = "user"
    guard = "user"

    @staticmethod
    def why_not() -> str:
        """Return why this sandbox cannot be used here, found out by using it; empty if it can."""
        if not can_fork() or os.geteuid() != 0:
            return "another user for each worker needs Linux, and root"
        command = [sys.executable, "-I", "-S", "-c", _TRY, str(_PROJECT), *readable()]
        try:
            tried = subprocess.run(
                command, env=environment("/"), cwd="/", capture_output=True, check=False, **_as_user()
            )
        except SandboxError as error:
            return str(error)
        except OSError as error:  # the interpreter itself is out of reach, or users cannot be changed
            return f"no program can be started as another user: {error.strerror} ({sys.executable})"
        return why_it_ended(tried.stderr) if tried.returncode else ""

    @staticmethod
    def missing() -> str:
        """Return which package workers would not find, and what to do; empty if they find all that they need."""
        return missing_packages(**_as_user())

    def _view(self) -> View:
        for folder in (self._home.parent, self._home, self._file.copy.parent):
            folder.chmod(0o711)  # to be passed through, not to be looked into
        self._file.copy.chmod(0o444)
        return View(str(PROGRAM), str(self._file.copy), str(self._home), [*readable(), str(self._file.copy)])

    def _settings(self) -> dict[str, Any]:
        first, self._reserved = reserve_users()
        return {"first_user": first, "processes": self._ceilings.threads}

    def _discard(self) -> None:
        super()._discard()
        self._reserved.close()


def _as_user() -> dict[str, Any]:
    """Return the options of `subprocess.run` that make a program that of a user who has no process."""
    user, lock = reserve_users()
    lock.close()
    return {"user": user, "group": user, "extra_groups": []}


def reserve_users() -> tuple[int, socket.socket]:
    """Return the first of some users in a row who have no process, and the lock that keeps others off them.

    The workers of one zygote take one after the other; whoever starts a sandbox at the same time takes other users.

    Raises:
        SandboxError: All have processes, or are taken.
    """
    busy = {uid for p in psutil.process_iter(["uids"]) if p.info["uids"] for uid in p.info["uids"]}
    for _ in range(1000):
        first = secrets.choice(_USERS[::_AT_ONCE])
        if busy & set(range(first, first + _AT_ONCE)):
            continue
        lock = socket.socket(socket.AF_UNIX)
        try:
            lock.bind(f"\0vae-grader-user-{first}")  # a name without a file: one process has it, and it goes with it
            return first, lock
        except OSError:
            lock.close()
    raise SandboxError("all users that workers could be are busy; are workers left of an earlier run?")
