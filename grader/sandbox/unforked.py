"""The sandbox where no process can be forked (Windows, macOS): one interpreter serves task after task.

It imports torch once, and the student's file again for each task. After a task it puts back what the task has changed
(see grader/worker/unforked.py). It is replaced by a new one, which takes a second or two, when the task ended it, or
when something is left: a thread, a process, a file, much memory, or anything that could change a later verdict.
"""

import contextlib
import json
import os
import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import IO

import psutil

from grader.worker.wire import Message, WireError

from .failure import WorkerFailed, new_trace, taken_trace
from .interpreter import PROGRAM, environment, missing_packages, packages, readable, why_it_ended
from .submission import SubmittedFile
from .watchdog import Watchdog, end_family, family_of, remove_folder
from .worker import Ceilings, Channel, Ending, OutputLog, Worker, WorkerLimits, opened
from .zygote import ANSWER_S, SandboxError, View, does_not_start

_TRACE_S = 0.3  # how long a worker that exceeded its time limit may take to write its trace
_PUT_BACK_S = 5.0  # how long an interpreter may take to put back what a task has changed
_GROWN_BYTES = 512 << 20  # memory that tasks may leave behind, a small part of what one may use; usual is half of it


class UnforkedProcess:
    """Run one task after another in the same interpreter, without fork or local sockets.

    Args:
        file: The submission.
        home: A folder of the judge that only this sandbox uses.
        ceilings: Limits for all processes together.
    """

    name = "process"

    def __init__(self, file: SubmittedFile, home: Path, ceilings: Ceilings = Ceilings()):  # noqa: B008 - frozen
        self._file, self._home, self._ceilings = file, home, ceilings
        self._worker: Worker | None = None
        self._number = 0
        self._interpreter: _Interpreter | None = self._new_interpreter()

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
        """Wait until the interpreter has imported torch.

        Raises:
            SandboxError: It does not start; the message says why, and what to do.
        """
        self._ready(WorkerLimits())

    def start(self, limits: WorkerLimits, standins: dict[str, str], seed: int) -> Worker:
        """End the previous task and import the file for a new one.

        A file that cannot be imported a second time, for example because it registers a name, is imported again in a
        new interpreter, and only that counts.

        Raises:
            WorkerFailed: The file cannot be imported.
            SandboxError: The interpreter does not start.
        """
        if self._worker is not None:
            self._worker.close()
        interpreter = self._ready(limits)
        try:
            return self._open(interpreter, limits, standins, seed)
        except WorkerFailed:
            if interpreter.tasks == 1:
                raise
        self._discard()
        return self._open(self._ready(limits), limits, standins, seed)

    def close(self) -> None:
        """End the interpreter."""
        if self._worker is not None:
            self._worker.close()
        self._discard()

    def _new_interpreter(self) -> "_Interpreter":
        self._number += 1
        folder = self._home / str(self._number)
        folder.mkdir(mode=0o700)
        return _Interpreter(folder, self._file.preload(), self._ceilings)

    def _ready(self, limits: WorkerLimits) -> "_Interpreter":
        """Return an interpreter that has imported torch and can run a task with these limits.

        Raises:
            SandboxError: It ends before that, or does not answer.
        """
        if self._interpreter is not None and not self._interpreter.fits(limits):
            self._discard()
        if self._interpreter is None:
            self._interpreter = self._new_interpreter()
        complaint = self._interpreter.await_ready()
        if complaint is not None:
            self._discard()
            raise SandboxError(does_not_start(self.name, self.missing(), why_it_ended(complaint.encode())))
        return self._interpreter

    def _open(self, interpreter: "_Interpreter", limits: WorkerLimits, standins: dict[str, str], seed: int) -> Worker:
        def end(grace_s: float) -> Ending:
            self._worker = None
            if interpreter.finish_task():
                return Ending(None, None, by_judge=True)
            if self._interpreter is interpreter:
                self._interpreter = None
            return interpreter.end(grace_s)

        interpreter.begin_task(limits)
        self._worker = Worker(
            channel=interpreter.channel,
            output=interpreter.output,
            limits=limits,
            file=self._file,
            standins=standins.keys(),
            end=end,
        )
        view = View(str(PROGRAM), str(self._file.copy), str(self._home), [*readable(), str(self._file.copy)])
        options = {"limits": limits.header(), "standins": standins, "seed": seed}
        return opened(self._worker, view.header(str(interpreter.folder)) | options)

    def _discard(self) -> None:
        if self._interpreter is not None:
            self._interpreter.end(0.0)
            self._interpreter = None


class _Interpreter:
    """A process that serves tasks.

    Args:
        folder: The empty folder of its tasks.
        preload: Well-known packages that the submission imports.
        ceilings: Limits for the process and its descendants together.

    Attributes:
        tasks: Number of tasks that have begun in it.
    """

    def __init__(self, folder: Path, preload: list[str], ceilings: Ceilings):
        self.folder, self.tasks = folder, 0
        self._limits: WorkerLimits | None = None
        self._size: int | None = None  # in bytes, before the first task
        self._trace = new_trace()
        descriptors = [] if self._trace is None else [self._trace.fileno()]
        settings = {"packages": packages(), "preload": preload, "trace": next(iter(descriptors), None)}
        self._process = subprocess.Popen(
            [sys.executable, "-I", str(PROGRAM), "unforked", json.dumps(settings)],
            pass_fds=descriptors,
            env=environment(str(folder)),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            start_new_session=True,
        )
        stdin, stdout, stderr = self._process.stdin, self._process.stdout, self._process.stderr
        assert stdin is not None and stdout is not None and stderr is not None
        self._streams: tuple[IO[bytes], IO[bytes]] = (stdin, stdout)
        self.channel = Channel(stdout, stdin, self._give_up)
        self.output = OutputLog(stderr)
        self._watchdog = Watchdog(self._process.pid, ceilings, [folder], self._kill)

    def await_ready(self) -> str | None:
        """Wait until it has imported torch; if it ends before that, return what it printed."""
        if self._size is None:
            try:
                self.channel.exchange(Message({}), ANSWER_S)
            except (EOFError, OSError, WireError):
                return self.output.text()
            self._size = self._size_now()
        return None

    def fits(self, limits: WorkerLimits) -> bool:
        """Whether a task with these limits can run here: only the limits of time can be set again."""
        return self._limits is None or self._limits == replace(limits, cpu_s=0.0, wall_s=0.0)

    def begin_task(self, limits: WorkerLimits) -> None:
        """Count a task, and forget what earlier ones printed."""
        self.tasks += 1
        self._limits = replace(limits, cpu_s=0.0, wall_s=0.0)
        self.output.forget()

    def finish_task(self) -> bool:
        """Let the interpreter put back what a task has changed; return whether it can serve another task."""
        if not self.channel.intact:
            return False
        try:
            left = self.channel.exchange(Message({}), _PUT_BACK_S).header.get("left")
        except (EOFError, OSError, WireError):
            return False
        return left == "" and len(family_of(self._process.pid)) == 1 and self._is_small() and self._is_emptied()

    def end(self, grace_s: float) -> Ending:
        """End it; return how it ended, if it did so by itself within a grace period in seconds."""
        try:
            self._process.wait(timeout=grace_s)
            by_judge = False
        except subprocess.TimeoutExpired:
            by_judge = True
        self._watchdog.stop()
        self._kill()
        self.channel.close()
        for stream in self._streams:
            with contextlib.suppress(OSError):
                stream.close()
        remove_folder(self.folder)
        return Ending(self._process.wait(), None, by_judge, self._watchdog.breach, taken_trace(self._trace))

    def _kill(self) -> None:
        end_family(self._process.pid, itself=True)
        # A process that outlived its parent is no longer a descendant, but is still in the process group.
        if hasattr(os, "killpg"):
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(self._process.pid, signal.SIGKILL)

    def _give_up(self) -> None:
        """End a worker that has exceeded its time; it may write its stack trace first."""
        if hasattr(signal, "SIGXCPU"):
            self._process.send_signal(signal.SIGSTOP)
            end_family(self._process.pid, itself=False)  # its descendants can be found only while it is alive
            self._process.send_signal(signal.SIGXCPU)
            self._process.send_signal(signal.SIGCONT)
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._process.wait(_TRACE_S)
        self._kill()

    def _size_now(self) -> int:
        """Return the memory of the process in bytes; not the resident size, which also grows as code is first used."""
        info = psutil.Process(self._process.pid).memory_info()
        return int(getattr(info, "data", 0) or getattr(info, "private", 0) or info.rss)

    def _is_small(self) -> bool:
        with contextlib.suppress(psutil.Error):
            return self._size_now() - (self._size or 0) < _GROWN_BYTES
        return False

    def _is_emptied(self) -> bool:
        """Remove the files of the task; return whether none is left."""
        for path in self.folder.iterdir():
            if path.is_symlink() or not path.is_dir():
                with contextlib.suppress(OSError):
                    path.unlink()
            else:
                remove_folder(path)
        return not any(self.folder.iterdir())
