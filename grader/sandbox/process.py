"""Workers as plain processes: forked from a zygote where fork is safe, else a fresh interpreter each.

`Zygote` and `FreshInterpreters` have the same two methods, `start` and `close`, and the same kind of worker.
"""

import contextlib
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
from pathlib import Path
from typing import Any

from .channel import Channel, OutputLog
from .failure import WorkerFailed
from .limits import Limits
from .submission import SubmittedFile
from .worker import Ending, Worker

_PROGRAM = Path(__file__).resolve().parents[1] / "worker" / "__main__.py"


def can_fork() -> bool:
    """Whether forking a process that imported torch is safe here: not on Windows, which lacks it, nor on macOS."""
    return sys.platform.startswith("linux")


def environment(home: Path) -> dict[str, str]:
    """Return all that a worker sees of the environment: one thread, no GPU, nothing of the user's."""
    kept = {name: os.environ[name] for name in ("PATH", "SYSTEMROOT") if name in os.environ}
    threads = {f"{library}_NUM_THREADS": "1" for library in ("OMP", "OPENBLAS", "MKL")}
    folders = dict.fromkeys(("HOME", "TMPDIR", "TEMP", "TMP", "MPLCONFIGDIR"), str(home))
    return {**kept, **threads, **folders, "CUDA_VISIBLE_DEVICES": "", "MPLBACKEND": "Agg", "LC_ALL": "C.UTF-8"}


def _start_header(
    file: SubmittedFile, folder: Path, limits: Limits, standins: dict[str, str], seed: int
) -> dict[str, Any]:
    return {
        "path": str(file.copy),
        "folder": str(folder),
        "limits": limits.header(),
        "standins": standins,
        "seed": seed,
    }


class Zygote:
    """Forks workers from one process that has imported torch, in milliseconds each.

    Args:
        file: The submission; a zygote serves one, never two.
        home: A writable folder; each worker gets a fresh one in it.
    """

    name = "process"

    def __init__(self, file: SubmittedFile, home: Path):
        self._file, self._home = file, home
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        command = [sys.executable, "-I", str(_PROGRAM), "zygote", str(theirs.fileno()), *file.preload()]
        self._process = subprocess.Popen(
            command,
            env=environment(home),
            pass_fds=[theirs.fileno()],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
        theirs.close()
        self._control = ours
        self._control.settimeout(60.0)
        self._lock = threading.Lock()
        self._workers: list[Worker] = []

    def start(self, limits: Limits, standins: dict[str, str], seed: int) -> Worker:
        """Fork a worker and let it import the file.

        Raises:
            WorkerFailed: The file cannot be imported.
        """
        folder = Path(tempfile.mkdtemp(dir=self._home))
        ours, theirs = socket.socketpair()
        output_read, output_write = os.pipe()
        pid = self._command({"do": "fork"}, [theirs.fileno(), output_write])["pid"]
        theirs.close()
        os.close(output_write)

        reader, writer = ours.makefile("rb"), ours.makefile("wb")

        def hang_up() -> None:
            with contextlib.suppress(OSError):
                ours.shutdown(socket.SHUT_RDWR)

        def end(grace_s: float) -> Ending:
            told = self._command({"do": "end", "pid": pid, "grace_s": grace_s})
            hang_up()
            for stream in (reader, writer, ours):
                with contextlib.suppress(OSError):  # a writer flushes into a channel that may be gone
                    stream.close()
            shutil.rmtree(folder, ignore_errors=True)
            return Ending(told["exit"], told["cpu_s"], told["ended_by_judge"])

        channel = Channel(reader, writer, hang_up)
        worker = Worker(channel, OutputLog(os.fdopen(output_read, "rb")), limits, self._file.neighbours, end)
        self._workers.append(worker)
        return _opened(worker, _start_header(self._file, folder, limits, standins, seed))

    def close(self) -> None:
        """End the zygote and every worker of it."""
        for worker in self._workers:
            worker.close()
        self._control.close()
        try:
            self._process.wait(timeout=5.0)
        except subprocess.TimeoutExpired:
            _kill_group(self._process)
            self._process.wait()

    def _command(self, command: dict[str, Any], descriptors: list[int] | None = None) -> dict[str, Any]:
        with self._lock:
            socket.send_fds(self._control, [json.dumps(command).encode()], descriptors or [])
            answer = self._control.recv(4096)
        if not answer:
            raise RuntimeError("the grader's zygote died; run the grader again")
        return json.loads(answer)


class FreshInterpreters:
    """Starts an interpreter per worker, which takes a second or two each, and needs neither fork nor sockets.

    Args:
        file: The submission.
        home: A writable folder; each worker gets a fresh one in it.
    """

    name = "process"

    def __init__(self, file: SubmittedFile, home: Path):
        self._file, self._home = file, home
        self._workers: list[Worker] = []

    def start(self, limits: Limits, standins: dict[str, str], seed: int) -> Worker:
        """Start a worker and let it import the file.

        Raises:
            WorkerFailed: The file cannot be imported.
        """
        folder = Path(tempfile.mkdtemp(dir=self._home))
        pipe = subprocess.PIPE
        process = subprocess.Popen(
            [sys.executable, "-I", str(_PROGRAM), "once"],
            env=environment(self._home),
            stdin=pipe,
            stdout=pipe,
            stderr=pipe,
            start_new_session=True,
        )
        assert process.stdin is not None and process.stdout is not None and process.stderr is not None
        stdin, stdout = process.stdin, process.stdout

        def end(grace_s: float) -> Ending:
            ending = _end(process, grace_s)
            for stream in (stdin, stdout):
                with contextlib.suppress(OSError):
                    stream.close()
            shutil.rmtree(folder, ignore_errors=True)
            return ending

        channel = Channel(stdout, stdin, lambda: _kill_group(process))
        worker = Worker(channel, OutputLog(process.stderr), limits, self._file.neighbours, end)
        self._workers.append(worker)
        return _opened(worker, _start_header(self._file, folder, limits, standins, seed))

    def close(self) -> None:
        """End every worker that is still there."""
        for worker in self._workers:
            worker.close()


def _opened(worker: Worker, header: dict[str, Any]) -> Worker:
    try:
        worker.open(header)
    except WorkerFailed:
        worker.close()
        raise
    return worker


def _end(process: "subprocess.Popen[bytes]", grace_s: float) -> Ending:
    try:
        process.wait(timeout=grace_s)
        by_judge = False
    except subprocess.TimeoutExpired:
        by_judge = True
    _kill_group(process)
    return Ending(process.wait(), None, by_judge)


def _kill_group(process: "subprocess.Popen[bytes]") -> None:
    """Kill a process and, where there are process groups, all that it started and left in its group."""
    with contextlib.suppress(ProcessLookupError, PermissionError):
        if hasattr(os, "killpg"):
            os.killpg(process.pid, signal.SIGKILL)
        else:
            process.kill()
