"""The zygote: a process that has imported torch, and nothing of the student's, and forks a worker per task.

It obeys the judge on one socket. `fork` comes with two descriptors, the worker's end of its channel and of its
output pipe, and is answered with the worker's pid; `end` kills and reaps a worker and is answered with how it ended.
When the judge goes away, so does every worker.
"""

import contextlib
import importlib
import json
import os
import signal
import socket
import time
from typing import Any

_MAX_COMMAND = 4096


def run(control_fd: int, preload: list[str]) -> None:
    """Import what workers share, then obey until the judge hangs up.

    Args:
        control_fd: The zygote's end of a socket of message boundaries (SOCK_SEQPACKET).
        preload: Well-known packages that the file's text imports; a worker would pay seconds for them.
    """
    _warm_up(preload)
    control = socket.socket(fileno=control_fd)
    alive: set[int] = set()
    while True:
        data, descriptors, _, _ = socket.recv_fds(control, _MAX_COMMAND, 2)
        if not data:
            break
        command = json.loads(data)
        if command["do"] == "fork":
            pid = os.fork()
            if pid == 0:
                control.close()
                _become_worker(*descriptors)
            alive.add(pid)
            for descriptor in descriptors:
                os.close(descriptor)
            control.send(json.dumps({"pid": pid}).encode())
        else:
            alive.discard(command["pid"])
            control.send(json.dumps(_end(command["pid"], command["grace_s"])).encode())
    for pid in alive:
        _end(pid, grace_s=0.0)


def _warm_up(preload: list[str]) -> None:
    import numpy  # noqa: F401
    import safetensors.torch  # noqa: F401
    import torch

    torch.set_num_threads(1)  # a fork after more threads have run hangs the child
    from . import serve  # noqa: F401
    from .probes import PROBES  # noqa: F401

    for name in preload:
        with contextlib.suppress(Exception):  # the student's own import will tell
            importlib.import_module(name)


def _become_worker(channel_fd: int, output_fd: int) -> None:
    """Serve one task, and never return into the zygote's loop."""
    from . import streams
    from .serve import serve

    status = 1
    try:
        os.setsid()
        signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the judge's business
        streams.redirect(output_fd)
        os.close(output_fd)
        with os.fdopen(os.dup(channel_fd), "rb") as reader, os.fdopen(channel_fd, "wb") as writer:
            serve(reader, writer)
        status = 0
    finally:
        os._exit(status)


def _end(pid: int, grace_s: float) -> dict[str, Any]:
    """Kill a worker and its process group; return how it ended and what it used.

    Args:
        pid: The worker.
        grace_s: How long it may take to end by itself: a dying process closes its channel before it can be reaped.
    """
    patience = time.monotonic() + grace_s
    ended, status, usage = os.wait4(pid, os.WNOHANG)
    while not ended and time.monotonic() < patience:
        time.sleep(0.005)
        ended, status, usage = os.wait4(pid, os.WNOHANG)
    killed = ended == 0
    with contextlib.suppress(ProcessLookupError):
        os.killpg(pid, signal.SIGKILL)
    if killed:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)  # the worker may not have made its own group yet
        _, status, usage = os.wait4(pid, 0)
    return {
        "exit": os.waitstatus_to_exitcode(status),
        "ended_by_judge": killed,
        "cpu_s": usage.ru_utime + usage.ru_stime,
        "peak_bytes": usage.ru_maxrss * 1024,
    }
