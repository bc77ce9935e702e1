"""The zygote: a process with torch imported, but no student code, which forks a worker per task and cleans up after it.

A worker that exceeds a time limit receives SIGXCPU, writes its stack trace and ends. The kernel sends this signal at
the limit of CPU seconds, the zygote at the limit of wall-clock seconds. The limits do not rely on the trace: a
submission can write anything there, or ignore the signal and be killed.

The zygote receives commands from the judge on one socket, one command at a time, and has one worker at a time:

* `fork` creates the worker and its folder, which must not exist yet. It comes with two descriptors, the worker's ends
  of the channel and of the output pipe. The answer contains the worker's pid.
* `interrupt` makes a worker that takes too long write its stack trace and end.
* `usage` returns how many seconds the worker computed, and how many it waited for a processor.
* `end` kills the worker and returns how it ended, and its stack trace.
* `clean` ends all processes that the worker left behind, removes all files, and returns whether that succeeded.

When the judge closes the socket, the zygote ends the worker, cleans up and exits.
"""

import contextlib
import faulthandler
import gc
import importlib
import json
import os
import shutil
import signal
import socket
import stat
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from .confine import PR_SET_CHILD_SUBREAPER, PR_SET_DUMPABLE, PR_SET_PDEATHSIG, is_linux, prctl

PATIENCE_S = 0.3
"""How long a worker may take to write its trace and die after it has been interrupted."""

_BYTES = 16 << 10
_LINES, _WIDTH = 8, 160  # small enough for a control message, even if every character is escaped


def new_trace() -> int | None:
    """Return the descriptor of an in-memory file of fixed size; None if the system does not support it."""
    try:
        import fcntl

        descriptor = os.memfd_create("trace", os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING)
        os.ftruncate(descriptor, _BYTES)
        fcntl.fcntl(descriptor, fcntl.F_ADD_SEALS, fcntl.F_SEAL_GROW | fcntl.F_SEAL_SHRINK | fcntl.F_SEAL_SEAL)
        return descriptor
    except (ImportError, AttributeError, OSError):  # not Linux, or an old version
        return None


def trace_on_signal(descriptor: int | None) -> None:
    """On SIGXCPU, write the stack trace of the main thread to a descriptor before the process ends."""
    if descriptor is not None:
        with contextlib.suppress(AttributeError, OSError, RuntimeError, ValueError):  # Windows has neither
            faulthandler.register(signal.SIGXCPU, file=descriptor, all_threads=False, chain=True)


def taken_trace(descriptor: int | None) -> str:
    """Return the lines of a trace that are about the submission, and close the file of the trace."""
    if descriptor is None:
        return ""
    try:
        text = os.pread(descriptor, _BYTES, 0).partition(b"\0")[0].decode("ascii", errors="ignore")
    except OSError:
        return ""
    finally:
        with contextlib.suppress(OSError):
            os.close(descriptor)
    about = [line for line in text.splitlines() if 'VAE_Model.py"' in line and line.isprintable()]
    return "\n".join(line[-_WIDTH:] for line in about[:_LINES])


def reopen_streams() -> None:
    """Create new sys.stdin, stdout and stderr from descriptors 0, 1 and 2."""
    sys.stdin = open(0, encoding="utf-8", closefd=False)  # noqa: SIM115 - stays open as long as the process runs
    sys.stdout = open(1, "w", encoding="utf-8", errors="backslashreplace", buffering=1, closefd=False)  # noqa: SIM115
    sys.stderr = open(2, "w", encoding="utf-8", errors="backslashreplace", buffering=1, closefd=False)  # noqa: SIM115


def redirect_streams(output: int) -> None:
    """Redirect descriptor 0 to the null device and 1 and 2 to `output`, and reopen the streams."""
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, 0)
    os.dup2(output, 1)
    os.dup2(output, 2)
    os.close(nothing)
    reopen_streams()


def end_all_as_init() -> bool:
    """Kill every other process of this namespace, as its process 1; none can escape by forking.

    Returns:
        Whether all of them have ended.

    Raises:
        RuntimeError: This is not process 1, so kill(-1) would affect the whole machine.
    """
    if os.getpid() != 1:
        raise RuntimeError("only process 1 of a namespace may kill all")
    with contextlib.suppress(ProcessLookupError):
        os.kill(-1, signal.SIGKILL)
    return reap_all()


def end_all_of_user(uid: int) -> bool:
    """Kill every process of a user, from a helper process of that user, which cannot signal other users' processes.

    Returns:
        Whether all of them have ended.
    """
    helper = os.fork()
    if helper == 0:
        try:
            become_user(uid)
            if os.getuid() == uid != 0:
                os.kill(-1, signal.SIGKILL)
        finally:
            os._exit(0)
    return reap_all()


def reap_all(patience_s: float = 5.0) -> bool:
    """Wait for all children, including adopted processes whose parent has died; return whether none is left."""
    until = time.monotonic() + patience_s
    while True:
        try:
            ended, _ = os.waitpid(-1, os.WNOHANG)
        except ChildProcessError:
            return True
        if not ended:
            if time.monotonic() > until:
                return False
            time.sleep(0.002)


def become_user(uid: int) -> None:
    """Permanently change from root to an unprivileged user with a separate group."""
    os.setgroups([])
    os.setresgid(uid, uid, uid)
    os.setresuid(uid, uid, uid)


def make_empty(folders: Sequence[str]) -> bool:
    """Remove the content of folders, with any permissions; return whether the folders are empty afterwards."""
    for folder in folders:
        for path in Path(folder).iterdir():
            remove_folder(path)
    return not any(any(Path(folder).iterdir()) for folder in folders)


def remove_folder(path: Path) -> None:
    """Remove a file or a folder with its content, as far as possible.

    Raises:
        ValueError: The path is relative. It is refused so that nothing in the working directory is ever deleted.
    """
    if not path.is_absolute():
        raise ValueError(f"{str(path)!r} depends on the working directory")
    if path.is_symlink() or not path.is_dir():
        with contextlib.suppress(OSError):
            path.unlink()
        return
    with contextlib.suppress(OSError):
        path.chmod(stat.S_IRWXU)
    for folder, inner, _ in os.walk(path):  # top-down: a folder must be made readable before it is listed
        for name in inner:
            if not os.path.islink(below := os.path.join(folder, name)):  # noqa: PTH114, PTH118
                with contextlib.suppress(OSError):
                    os.chmod(below, stat.S_IRWXU)  # noqa: PTH101
    with contextlib.suppress(OSError, RecursionError):
        shutil.rmtree(path, ignore_errors=True)


_MAX_COMMAND = 4096


@dataclass(frozen=True)
class ZygoteSettings:
    """How this zygote isolates its workers.

    Attributes:
        guard: `namespace`: the zygote is process 1 of a namespace; `user`: each worker runs as a different user;
            `group`: neither.
        packages: Folders of packages, in addition to those that Python searches by itself.
        preload: Well-known packages that the submission imports. They are imported once, since each worker would
            need seconds for them.
        writable: Folders that a worker can write to in addition to its own; they are emptied after each worker.
        first_user: The user id of the first worker, for `user`.
        processes: Maximum number of processes and threads of such a user.
    """

    guard: str
    packages: list[str]
    preload: list[str]
    writable: list[str]
    first_user: int = 0
    processes: int = 0


def run_zygote(control_fd: int, described: str) -> None:
    """Import the packages that workers share, then execute commands until the judge closes the socket.

    Args:
        control_fd: The zygote's end of a socket that keeps message boundaries (SOCK_SEQPACKET).
        described: The settings, as JSON.
    """
    settings = ZygoteSettings(**json.loads(described))
    os.chdir("/")  # the inherited working directory may contain files of the person who grades
    # Process 1 is protected from signals of processes in its namespace only if it has no handler for them.
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    if is_linux():
        prctl(PR_SET_DUMPABLE, 0)  # no worker may inspect this process
        if settings.guard != "namespace":
            prctl(PR_SET_CHILD_SUBREAPER, 1)  # adopt the processes that a worker leaves behind
    sys.path += [folder for folder in settings.packages if folder not in sys.path]
    warm_up(settings.preload)
    control = socket.socket(fileno=control_fd)
    control.send(json.dumps({"ready": True}).encode())
    zygote = _Zygote(settings, control)
    while True:
        data, descriptors, _, _ = socket.recv_fds(control, _MAX_COMMAND, 2)
        if not data:
            break
        command = json.loads(data)
        answer = zygote.obey(command, descriptors)
        for descriptor in descriptors:
            os.close(descriptor)
        control.send(json.dumps(answer).encode())
    zygote.obey({"do": "end", "grace_s": 0.0}, [])
    zygote.obey({"do": "clean"}, [])
    os._exit(0)  # a normal exit takes half a second after torch has been imported


class _Zygote:
    """Manage the current worker and execute the judge's commands."""

    def __init__(self, settings: ZygoteSettings, control: socket.socket):
        self._settings, self._control = settings, control
        self._worker = 0
        self._folder: Path | None = None
        self._trace: int | None = None
        self._interrupted = False
        self._user = settings.first_user

    def obey(self, command: dict[str, Any], descriptors: list[int]) -> dict[str, Any]:
        if command["do"] == "fork":
            return {"pid": self._fork(Path(command["folder"]), descriptors)}
        if command["do"] == "interrupt":
            return self._interrupt()
        if command["do"] == "usage":
            return _usage(self._worker)
        if command["do"] == "clean":
            return {"clean": self._clean()}
        return self._end(command["grace_s"])

    def _fork(self, folder: Path, descriptors: list[int]) -> int:
        folder.mkdir(mode=0o700)
        if self._settings.guard == "user":
            os.chown(folder, self._user, self._user)
        self._trace, self._interrupted = new_trace(), False
        pid = os.fork()
        if pid == 0:
            self._control.close()
            channel, output = descriptors
            _become_worker(channel, output, self._trace, drop_privileges=self._drop_to_user)
        self._worker, self._folder = pid, folder
        return pid

    def _interrupt(self) -> dict[str, Any]:
        """Send SIGXCPU, so that the worker writes its trace and dies, and wait a moment; `end` kills it otherwise."""
        if self._worker:
            self._interrupted = True
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.kill(self._worker, signal.SIGXCPU)
            patience = time.monotonic() + PATIENCE_S
            # The worker stays a zombie until `end` reaps it.
            while not os.waitid(os.P_PID, self._worker, os.WEXITED | os.WNOHANG | os.WNOWAIT):
                if time.monotonic() > patience:
                    break
                time.sleep(0.005)
        return {}

    def _drop_to_user(self) -> None:
        if self._settings.guard == "user":
            import resource

            resource.setrlimit(resource.RLIMIT_NPROC, (self._settings.processes,) * 2)
            become_user(self._user)

    def _end(self, grace_s: float) -> dict[str, Any]:
        """Kill the worker; return how it ended and how much CPU time it used.

        Args:
            grace_s: How long the worker may take to end by itself. This is needed because a dying process closes its
                channel before it can be reaped.
        """
        if not self._worker:
            return {"exit": None, "ended_by_judge": True, "cpu_s": None, "trace": ""}
        patience = time.monotonic() + grace_s
        ended, status, usage = os.wait4(self._worker, os.WNOHANG)
        while not ended and time.monotonic() < patience:
            time.sleep(0.005)
            ended, status, usage = os.wait4(self._worker, os.WNOHANG)
        killed = ended == 0
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self._worker, signal.SIGKILL)
        if killed:
            with contextlib.suppress(ProcessLookupError):
                os.kill(self._worker, signal.SIGKILL)  # it may not have made its own group yet
            _, status, usage = os.wait4(self._worker, 0)
        self._worker = 0
        return {
            "exit": os.waitstatus_to_exitcode(status),
            "ended_by_judge": killed or self._interrupted,
            "cpu_s": usage.ru_utime + usage.ru_stime,
            "trace": taken_trace(self._trace),
        }

    def _clean(self) -> bool:
        """End all processes that the worker left behind and remove all files; return whether that succeeded."""
        if self._settings.guard == "namespace":
            gone = end_all_as_init()
        elif self._settings.guard == "user":
            gone = end_all_of_user(self._user)
            self._user += 1
        else:
            gone = reap_all()  # the judge has already killed the processes that it could find
        folder, self._folder = self._folder, None
        if folder is not None:  # None: there was no worker
            remove_folder(folder)
        return make_empty(self._settings.writable) and gone and not (folder and folder.exists())


def warm_up(preload: list[str]) -> None:
    """Import what all workers need, and well-known packages that the submission imports; start no thread."""
    gc.disable()  # imports create a million objects, and none of them is garbage
    import numpy  # noqa: F401
    import safetensors.torch  # noqa: F401
    import torch

    torch.set_num_threads(1)  # a forked child hangs if torch has used more threads before
    from . import serve  # noqa: F401

    for name in preload:
        with contextlib.suppress(Exception):  # the student's own import will raise the same error
            importlib.import_module(name)
    gc.freeze()  # a collection in a worker would look at all of them, and so copy their pages
    gc.enable()


def _become_worker(
    channel_fd: int, output_fd: int, trace_fd: int | None, *, drop_privileges: Callable[[], None]
) -> None:
    """Serve one task and exit; this function never returns to the zygote's loop."""
    from .serve import serve

    status = 1
    try:
        os.setsid()
        signal.signal(signal.SIGINT, signal.SIG_IGN)  # the judge handles Ctrl-C
        redirect_streams(output_fd)
        os.close(output_fd)
        drop_privileges()
        if is_linux():
            prctl(PR_SET_PDEATHSIG, signal.SIGKILL)  # after the change of user, which would reset it
            prctl(PR_SET_DUMPABLE, 1)  # the worker may read its own /proc/self
        trace_on_signal(trace_fd)
        with os.fdopen(os.dup(channel_fd), "rb") as reader, os.fdopen(channel_fd, "wb") as writer:
            serve(reader, writer)
        status = 0
    finally:
        os._exit(status)


def _usage(pid: int) -> dict[str, Any]:
    """Return for how many seconds a process computed, and for how many it waited for a busy processor."""
    try:
        computed, waited, _ = Path(f"/proc/{pid}/schedstat").read_text().split()
    except (OSError, ValueError):  # the process has ended, or the kernel has no such statistics
        return {"cpu_s": None, "waited_s": 0.0}
    return {"cpu_s": int(computed) / 1e9, "waited_s": int(waited) / 1e9}
