"""The parent zygote: imports torch once for many submissions, and forks a zygote for each. It never runs student code.

It is process 1 of a sandbox of its own. Each zygote is shut off from it and from all others (see seclusion.py) before
it runs the submission, so one submission cannot reach another one, and nothing remains when its zygote ends. This
process reads no submission, and it knows no seed and no expected value. What zygotes share with it are pages of memory
that are copied when they are written. Therefore they have equal addresses and hash seeds, which are no secrets here.

The parent receives commands from the judge on one socket, which no zygote inherits, and has one zygote at a time. Each
answer contains the number of its command, `cpu_s` (CPU seconds of the zygotes that have ended since the last `end`),
and `refused` (why the command failed, or an empty string):

* `open` ends the previous zygote and forks a new one. It comes with three descriptors: the zygote's end of its control
  socket, a file for its complaints, and the submission. The answer comes with a descriptor of the new process.
* `end` ends the zygote and everything in its namespaces.

When the judge closes the socket, the parent exits. Then the kernel ends everything in its sandbox.
"""

import contextlib
import gc
import importlib
import json
import os
import signal
import socket
import sys
import time
from pathlib import Path
from typing import Any, NoReturn

from .confine import PR_SET_DUMPABLE, prctl
from .seclusion import Refused, close_others, enter_namespaces, replace_folders, seal
from .zygote import run_zygote, warm_up

# Modules that torch imports when they are first needed, in most cases by the first optimizer: 1.3 CPU seconds.
_LATER = ("torch._dynamo", "torch.distributions", "torch.func")
_MAX_COMMAND = 16 << 10
_PATIENCE_S = 10.0
_OOM_SCORE = "950"  # above the parent's, so that the kernel kills a zygote first


def run_parent(control_fd: int, described: str) -> None:
    """Import torch, then execute commands until the judge closes the socket.

    Args:
        control_fd: The parent's end of a socket that keeps message boundaries (SOCK_SEQPACKET).
        described: JSON: `packages`, folders that Python does not search by itself; `hidden`, see seclusion.py.
    """
    settings = json.loads(described)
    os.chdir("/")
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    prctl(PR_SET_DUMPABLE, 0)
    sys.path += [folder for folder in settings["packages"] if folder not in sys.path]
    warm_up([])
    for name in _LATER:
        with contextlib.suppress(ImportError):
            importlib.import_module(name)
    gc.collect()
    gc.freeze()  # a garbage collection in a worker would write to, and so copy, every shared page
    control = socket.socket(fileno=control_fd)
    control.send(json.dumps({"number": "", "refused": unsafe_to_fork(), "cpu_s": 0.0}).encode())
    parent = _Parent(settings["hidden"])
    while True:
        data, descriptors, _, _ = socket.recv_fds(control, _MAX_COMMAND, 3)
        if not data:
            os._exit(0)
        command = json.loads(data)
        answer, process = parent.obey(command, descriptors)
        for descriptor in descriptors:
            os.close(descriptor)
        socket.send_fds(control, [json.dumps({"number": command["number"], **answer}).encode()], process)
        for descriptor in process:
            os.close(descriptor)


def unsafe_to_fork() -> str:
    """Return why children of this process would share more than copied memory, or would hang; empty if they would not.

    Threads do not survive a fork. A writable page that is mapped as shared would connect all zygotes.
    """
    if len(list(Path("/proc/self/task").iterdir())) > 1:
        return "importing torch has started threads"
    for line in Path("/proc/self/maps").read_text().splitlines():
        access = line.split()[1]
        if "w" in access and "s" in access:
            return f"importing torch has mapped shared memory: {line}"
    return ""


class _Parent:
    """Manages the current zygote and executes the judge's commands."""

    def __init__(self, hidden: str):
        self._hidden = hidden
        self._cpu_s = 0.0

    def obey(self, command: dict[str, Any], descriptors: list[int]) -> tuple[dict[str, Any], list[int]]:
        """Execute a command; return the answer and the descriptors that belong to it."""
        process: list[int] = []
        refused = self._end_zygote()
        if command["do"] == "open" and not refused:
            try:
                process = [self._open(command, *descriptors)]
            except (Refused, OSError) as error:
                refused = str(error)
        answer = {"refused": refused, "cpu_s": self._cpu_s}
        if command["do"] == "end":
            self._cpu_s = 0.0
        return answer, process

    def _open(self, command: dict[str, Any], control: int, complaints: int, submission: int) -> int:
        """Fork a zygote, wait until it is shut off, and return a descriptor of its process.

        Raises:
            Refused: The system does not allow that.
            OSError: There are too many processes or descriptors.
        """
        news, told = os.pipe()
        with os.fdopen(news, "rb") as stream:
            first = os.fork()
            if first == 0:
                _become_zygote(command, self._hidden, control, complaints, submission, told)
            os.close(told)
            facts: dict[str, Any] = {}
            for line in stream:
                facts |= json.loads(line)
        os.waitpid(first, 0)
        if "shut_off" not in facts:
            raise Refused(facts.get("refused", "the zygote ended before it was shut off"))
        return os.pidfd_open(facts["pid"])

    def _end_zygote(self) -> str:
        """Kill and reap every other process of this sandbox; return why that failed, or an empty string."""
        if os.getpid() != 1:
            return "the parent zygote is not process 1, so it cannot end its zygotes"
        with contextlib.suppress(ProcessLookupError):
            os.kill(-1, signal.SIGKILL)
        until = time.monotonic() + _PATIENCE_S
        while time.monotonic() < until:
            try:
                ended, _, usage = os.wait4(-1, os.WNOHANG)
            except ChildProcessError:
                return ""
            if ended:
                self._cpu_s += usage.ru_utime + usage.ru_stime
            else:
                time.sleep(0.002)
        return "a zygote does not end"


def _become_zygote(
    command: dict[str, Any], hidden: str, control: int, complaints: int, submission: int, told: int
) -> NoReturn:
    """Fork once more, shut the second child off, and let it serve the judge.

    Args:
        command: `zygote`, its settings; `path` of the submission; `sizes` of the folders for writing.
        hidden: See `replace_folders`.
        control: The zygote's end of its control socket.
        complaints: File for standard error.
        submission: File to read the submission from.
        told: Pipe to the parent: `pid` of the zygote; `shut_off`, or `refused` with the reason.
    """
    try:
        os.dup2(complaints, 2)
        with os.fdopen(submission, "rb") as file:
            content = file.read()
        enter_namespaces()
        with contextlib.suppress(OSError):
            Path("/proc/self/oom_score_adj").write_text(_OOM_SCORE, encoding="ascii")
        if (zygote := os.fork()) != 0:
            _tell(told, {"pid": zygote})
            os._exit(0)
        os.setsid()
        replace_folders(hidden, command["sizes"], Path(command["path"]), content)
        seal()
        _tell(told, {"shut_off": True})
        close_others(control)
        run_zygote(control, json.dumps(command["zygote"]))
    except (Refused, OSError) as error:
        with contextlib.suppress(OSError):
            _tell(told, {"refused": str(error)})
    finally:
        os._exit(1)


def _tell(told: int, fact: dict[str, Any]) -> None:
    os.write(told, json.dumps(fact).encode() + b"\n")
