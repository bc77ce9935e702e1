"""The zygote: a process that has imported torch, and nothing of the student's, forks a worker per task and tidies up.

The kernel sends the signal at the limit of CPU seconds, the zygote at that of wall-clock seconds. Neither depends on
what is written: a submission can write there what it likes, or ignore the signal and be killed.

It obeys the judge on one socket, one command at a time, and has one worker at a time:

* `fork` comes with two descriptors, the worker's end of its channel and of its output pipe, and is answered with the
  worker's pid. Its folder is made new.
* `interrupt` makes a worker that takes too long write down where it is, and end.
* `usage` is answered with the seconds that the worker computed and that it waited for a processor.
* `end` kills the worker and is answered with how it ended, and what it wrote down about where it was.
* `clean` ends every process that the worker left and removes every file, and is answered with whether that succeeded.

When the judge goes away, so does everything else.
"""

import contextlib
import faulthandler
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
"""How long a worker may take to write and die, once it is interrupted."""

_BYTES = 16 << 10
_LINES, _WIDTH = 8, 160  # what is handed on fits a control message, with every character escaped


def new_trace() -> int | None:
    """Return a descriptor of an empty file in memory that cannot grow; None where there is no such thing."""
    try:
        import fcntl

        descriptor = os.memfd_create("trace", os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING)
        os.ftruncate(descriptor, _BYTES)
        fcntl.fcntl(descriptor, fcntl.F_ADD_SEALS, fcntl.F_SEAL_GROW | fcntl.F_SEAL_SHRINK | fcntl.F_SEAL_SEAL)
        return descriptor
    except (ImportError, AttributeError, OSError):  # no Linux, or an old one
        return None


def trace_on_signal(descriptor: int | None) -> None:
    """Let SIGXCPU write the stack of the main thread to a descriptor before it ends this process."""
    if descriptor is not None:
        with contextlib.suppress(AttributeError, OSError, RuntimeError, ValueError):  # Windows has neither
            faulthandler.register(signal.SIGXCPU, file=descriptor, all_threads=False, chain=True)


def taken_trace(descriptor: int | None) -> str:
    """Return those lines of a trace that are about the submission, and close its file."""
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
    """Make sys.stdin, stdout and stderr anew from descriptors 0, 1 and 2."""
    sys.stdin = open(0, encoding="utf-8", closefd=False)  # noqa: SIM115 - they live as long as the process
    sys.stdout = open(1, "w", encoding="utf-8", errors="backslashreplace", buffering=1, closefd=False)  # noqa: SIM115
    sys.stderr = open(2, "w", encoding="utf-8", errors="backslashreplace", buffering=1, closefd=False)  # noqa: SIM115


def redirect_streams(output: int) -> None:
    """Point descriptor 0 at nothing, 1 and 2 at `output`, and reopen the streams."""
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, 0)
    os.dup2(output, 1)
    os.dup2(output, 2)
    os.close(nothing)
    reopen_streams()


def end_all_as_init() -> bool:
    """Kill every process of this namespace but its first, which we are; none can escape by forking.

    Returns whether all are gone.

    Raises:
        RuntimeError: We are not process 1: kill(-1) would then reach the whole machine.
    """
    if os.getpid() != 1:
        raise RuntimeError("only process 1 of a namespace may kill all")
    with contextlib.suppress(ProcessLookupError):
        os.kill(-1, signal.SIGKILL)
    return reap_all()


def end_all_of_user(uid: int) -> bool:
    """Kill every process of a user, from a process of that user: the kernel lets it reach no other.

    Returns whether all are gone.
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
    """Wait for every child, and for all that was left to us when its own parent died; return whether none is left."""
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
    """Turn from root into an unprivileged user, in a group of its own, for good."""
    os.setgroups([])
    os.setresgid(uid, uid, uid)
    os.setresuid(uid, uid, uid)


def make_empty(folders: Sequence[str]) -> bool:
    """Remove all that lies in folders, whatever its permissions; return whether they are empty then."""
    for folder in folders:
        for path in Path(folder).iterdir():
            remove_folder(path)
    return not any(any(Path(folder).iterdir()) for folder in folders)


def remove_folder(path: Path) -> None:
    """Remove a file or a tree, as far as that is possible.

    Raises:
        ValueError: The path is relative: the working directory is nobody's remains.
    """
    if not path.is_absolute():
        raise ValueError(f"{str(path)!r} depends on the working directory")
    if path.is_symlink() or not path.is_dir():
        with contextlib.suppress(OSError):
            path.unlink()
        return
    with contextlib.suppress(OSError):
        path.chmod(stat.S_IRWXU)
    for folder, inner, _ in os.walk(path):  # from the top: a folder must be readable before it is looked into
        for name in inner:
            if not os.path.islink(below := os.path.join(folder, name)):  # noqa: PTH114, PTH118
                with contextlib.suppress(OSError):
                    os.chmod(below, stat.S_IRWXU)  # noqa: PTH101
    with contextlib.suppress(OSError, RecursionError):
        shutil.rmtree(path, ignore_errors=True)


_MAX_COMMAND = 4096


@dataclass(frozen=True)
class ZygoteSettings:
    """How this zygote keeps its workers apart.

    Attributes:
        guard: `namespace`: we are process 1 of one; `user`: each worker gets a user of its own; `group`: neither.
        packages: Folders that hold packages, besides those that Python looks into by itself.
        preload: Well-known packages that the file's text imports; a worker would pay seconds for them.
        writable: Folders besides a worker's own that it can write, and that are emptied after each.
        first_user: The user of the first worker, for `user`.
        processes: Most processes and threads of such a user.
    """

    guard: str
    packages: list[str]
    preload: list[str]
    writable: list[str]
    first_user: int = 0
    processes: int = 0


def run_zygote(control_fd: int, described: str) -> None:
    """Import what workers share, then obey until the judge hangs up.

    Args:
        control_fd: The zygote's end of a socket of message boundaries (SOCK_SEQPACKET).
        described: The settings, as JSON.
    """
    settings = ZygoteSettings(**json.loads(described))
    os.chdir("/")  # whoever grades has files in the working directory that he gave us
    signal.signal(signal.SIGINT, signal.SIG_DFL)  # process 1 is deaf to signals from within only without a handler
    if is_linux():
        prctl(PR_SET_DUMPABLE, 0)  # no worker may look into us
        if settings.guard != "namespace":
            prctl(PR_SET_CHILD_SUBREAPER, 1)  # what a worker leaves is left to us
    sys.path += [folder for folder in settings.packages if folder not in sys.path]
    _warm_up(settings.preload)
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
    os._exit(0)  # tearing an interpreter down that has imported torch takes half a second


class _Zygote:
    """The one worker of the moment, and what is done with it."""

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
        """Send the worker SIGXCPU, on which it writes its trace and dies, and wait a moment; `end` makes sure."""
        if self._worker:
            self._interrupted = True
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.kill(self._worker, signal.SIGXCPU)
            patience = time.monotonic() + PATIENCE_S
            # It stays a zombie, for `end` to reap.
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
        """Kill the worker; return how it ended and what it used.

        Args:
            grace_s: How long it may take to end by itself: a dying process closes its channel before it can be reaped.
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
        """End every process that the worker left, remove every file; return whether that succeeded."""
        if self._settings.guard == "namespace":
            gone = end_all_as_init()
        elif self._settings.guard == "user":
            gone = end_all_of_user(self._user)
            self._user += 1
        else:
            gone = reap_all()  # the judge has ended what it could find
        folder, self._folder = self._folder, None
        if folder is not None:  # there was a worker
            remove_folder(folder)
        return make_empty(self._settings.writable) and gone and not (folder and folder.exists())


def _warm_up(preload: list[str]) -> None:
    import numpy  # noqa: F401
    import safetensors.torch  # noqa: F401
    import torch

    torch.set_num_threads(1)  # a fork after more threads have run hangs the child
    from . import serve  # noqa: F401

    for name in preload:
        with contextlib.suppress(Exception):  # the student's own import will tell
            importlib.import_module(name)


def _become_worker(
    channel_fd: int, output_fd: int, trace_fd: int | None, *, drop_privileges: Callable[[], None]
) -> None:
    """Serve one task, and never return into the zygote's loop."""
    pass
    from .serve import serve

    status = 1
    try:
        os.setsid()
        signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the judge's business
        redirect_streams(output_fd)
        os.close(output_fd)
        drop_privileges()
        if is_linux():
            prctl(PR_SET_PDEATHSIG, signal.SIGKILL)  # after the change of user, which would clear it
            prctl(PR_SET_DUMPABLE, 1)  # its own /proc/self is its own
        trace_on_signal(trace_fd)
        with os.fdopen(os.dup(channel_fd), "rb") as reader, os.fdopen(channel_fd, "wb") as writer:
            serve(reader, writer)
        status = 0
    finally:
        os._exit(status)


def _usage(pid: int) -> dict[str, Any]:
    """Return how long a process computed, and how long it waited for a processor that others used, in seconds."""
    try:
        computed, waited, _ = Path(f"/proc/{pid}/schedstat").read_text().split()
    except (OSError, ValueError):  # gone, or a kernel without such statistics
        return {"cpu_s": None, "waited_s": 0.0}
    return {"cpu_s": int(computed) / 1e9, "waited_s": int(waited) / 1e9}
