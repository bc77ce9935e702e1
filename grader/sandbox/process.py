"""Sandboxes without namespaces: plain processes, or, if the grader runs as root, an unprivileged user per worker."""

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

_TRACE_S = 0.3  # how long a worker that exceeded its time limit may take to write its trace


def _view(file: SubmittedFile, home: Path) -> View:
    return View(str(PROGRAM), str(file.copy), str(home), [*readable(), str(file.copy)])


class PlainProcess(Zygote):
    """A zygote and its workers, running as the same user as all other processes of the user."""

    name = "process"
    guard = "group"

    @staticmethod
    def why_not() -> str:
        """Return why this sandbox cannot be used here; empty if a process may be forked."""
        return "" if can_fork() else "forking workers needs Linux; on other systems each worker is a new interpreter"

    @staticmethod
    def missing() -> str:
        """Return which package workers cannot import, and what to do; empty if they can import all of them."""
        return missing_packages()

    def _view(self) -> View:
        return _view(self._file, self._home)

    def _end_strays(self) -> None:
        end_family(self._process.pid, itself=False)


class FreshInterpreters:
    """Start a new interpreter for each worker: slower (one or two seconds each), but without fork or local sockets.

    Args:
        file: The submission.
        home: A folder of the judge that only this sandbox uses.
        ceilings: Limits for all processes of a worker together.
    """

    name = "process"

    def __init__(self, file: SubmittedFile, home: Path, ceilings: Ceilings = Ceilings()):  # noqa: B008 - frozen
        self._file, self._home, self._ceilings = file, home, ceilings
        self._worker: Worker | None = None
        self._number = 0

    @staticmethod
    def why_not() -> str:
        """Return an empty string: this sandbox works on every system."""
        return ""

    @staticmethod
    def missing() -> str:
        """Return which package workers cannot import, and what to do; empty if they can import all of them."""
        return missing_packages()

    @property
    def submission(self) -> str:
        """Path of the student's file as a worker sees it."""
        return str(self._file.copy)

    def await_ready(self) -> None:
        """Start one worker, check that it can import torch, and end it.

        Raises:
            SandboxError: The worker does not start; the message says why, and what to do.
        """
        self._start_interpreter(WorkerLimits(), {}, self._new_folder())
        self.close()

    def start(self, limits: WorkerLimits, standins: dict[str, str], seed: int) -> Worker:
        """End the previous worker, start a new one and let it import the file.

        Raises:
            WorkerFailed: The file cannot be imported.
            SandboxError: The interpreter does not start.
        """
        self.close()
        folder = self._new_folder()
        worker = self._start_interpreter(limits, standins, folder)
        options = {"limits": limits.header(), "standins": standins, "seed": seed}
        return opened(worker, _view(self._file, self._home).header(str(folder)) | options)

    def _new_folder(self) -> Path:
        self._number += 1
        folder = self._home / str(self._number)
        folder.mkdir(mode=0o700)
        return folder

    def _start_interpreter(self, limits: WorkerLimits, standins: dict[str, str], folder: Path) -> Worker:
        """Start a worker and wait until it has imported torch; it does not know the student's file yet.

        Raises:
            SandboxError: The worker ends before that, or does not answer.
        """
        trace = new_trace()
        descriptors = [] if trace is None else [trace.fileno()]
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
            # A process that outlived its parent is no longer a descendant, but is still in the process group.
            if hasattr(os, "killpg"):
                with contextlib.suppress(ProcessLookupError, PermissionError):
                    os.killpg(process.pid, signal.SIGKILL)

        watchdog = Watchdog(process.pid, self._ceilings, [folder], kill)

        def give_up() -> None:
            if hasattr(signal, "SIGXCPU"):
                process.send_signal(signal.SIGSTOP)
                end_family(process.pid, itself=False)  # its descendants can be found only while it is alive
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
            return Ending(process.wait(), None, by_judge, watchdog.breach, taken_trace(trace))

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
        """End the current worker, if there is one."""
        if self._worker is not None:
            self._worker.close()


_USERS = range(20_000, 60_000)  # above the ids of people and services, below those that containers map
_AT_ONCE = 64  # user ids that one zygote reserves for its workers
_PROJECT = Path(__file__).resolve().parents[2]
_TRY = """
import ctypes, os, sys
project, *needed = sys.argv[1:]
landlock = ctypes.CDLL(None).syscall(444, None, 0, 1)
for path in needed:
    if not os.access(path, os.R_OK):
        sys.exit(f"other users cannot read {path}: install Python and its packages where other users can read them")
if landlock < 1 and os.access(project, os.R_OK | os.X_OK):
    sys.exit(f"other users can read {project}, and this kernel has no Landlock: run `chmod o-rx {project}` first")
"""


class UnprivilegedUser(Zygote):
    """A zygote that runs as root; each of its workers runs as a different unprivileged user."""

    name = "user"
    guard = "user"

    @staticmethod
    def why_not() -> str:
        """Try to run a program as another user; return why this sandbox cannot be used here, or an empty string."""
        if not can_fork() or os.geteuid() != 0:
            return "running each worker as a different user needs Linux and root"
        command = [sys.executable, "-I", "-S", "-c", _TRY, str(_PROJECT), *readable()]
        try:
            tried = subprocess.run(
                command, env=environment("/"), cwd="/", capture_output=True, check=False, **_as_user()
            )
        except SandboxError as error:
            return str(error)
        except OSError as error:  # other users cannot run the interpreter, or the user cannot be changed
            return f"{sys.executable} cannot be started as another user: {error.strerror}"
        return why_it_ended(tried.stderr) if tried.returncode else ""

    @staticmethod
    def missing() -> str:
        """Return which package workers cannot import, and what to do; empty if they can import all of them."""
        return missing_packages(**_as_user())

    def _view(self) -> View:
        for folder in (self._home.parent, self._home, self._file.copy.parent):
            folder.chmod(0o711)  # workers may pass through the folder, but not list it
        self._file.copy.chmod(0o444)
        return View(str(PROGRAM), str(self._file.copy), str(self._home), [*readable(), str(self._file.copy)])

    def _settings(self) -> dict[str, Any]:
        first, self._reserved = reserve_users()
        return {"first_user": first, "processes": self._ceilings.threads}

    def _discard(self) -> None:
        super()._discard()
        self._reserved.close()


def _as_user() -> dict[str, Any]:
    """Return the options with which `subprocess.run` starts a program as a user who has no other process."""
    user, lock = reserve_users()
    lock.close()
    return {"user": user, "group": user, "extra_groups": []}


def reserve_users() -> tuple[int, socket.socket]:
    """Reserve a range of consecutive user ids without processes; return the first id and the lock on the range.

    Each new worker of a zygote takes the next id of its range. The lock makes sandboxes that start at the same time
    choose different ranges.

    Raises:
        SandboxError: No free range was found: every range has processes or is locked.
    """
    busy = {uid for p in psutil.process_iter(["uids"]) if p.info["uids"] for uid in p.info["uids"]}
    for _ in range(1000):
        first = secrets.choice(_USERS[::_AT_ONCE])
        if busy & set(range(first, first + _AT_ONCE)):
            continue
        lock = socket.socket(socket.AF_UNIX)
        try:
            # An abstract socket name: only one process can have it, and it is freed when that process ends.
            lock.bind(f"\0vae-grader-user-{first}")
            return first, lock
        except OSError:
            lock.close()
    raise SandboxError(
        f"no free user ids for workers between {_USERS[0]} and {_USERS[-1]}: end workers left behind by an earlier run"
    )
