"""The grader's warm judge for many friendly files: its zygotes are forked too, so a grading costs a second.

    python -m tests.zoo.warm DATA        what `python -m grader.grading.warm` reads and writes

What a worker sees is not as bare as from a fresh interpreter: hostile files, and files that search sys.modules, need
the real thing.
"""

import importlib
import json
import os
import resource
import subprocess
import sys
import time
from pathlib import Path
from types import SimpleNamespace
from typing import IO, Any

ROOT = Path(__file__).resolve().parents[2]


class ForkedZygote:
    """What subprocess.Popen is for the grader's Zygote, but forked from this warm process."""

    def __init__(self, command: list[str], *, env: dict[str, str], pass_fds: list[int], **_: Any):
        control, described = int(command[4]), command[5]
        assert command[3] == "zygote"
        assert pass_fds == [control]
        self.pid = os.fork()
        if self.pid == 0:
            try:
                _become_zygote(control, described, env)
            finally:
                os._exit(0)

    def wait(self, timeout: float | None = None) -> int:
        """Reap the zygote; it goes when the judge hangs up."""
        return os.waitpid(self.pid, 0)[1]


def _become_zygote(control: int, described: str, env: dict[str, str]) -> None:
    nothing = os.open(os.devnull, os.O_RDWR)
    _become_program((nothing, nothing, nothing), control, env)
    importlib.import_module("grader.worker.zygote").run_zygote(control, described)


def _become_program(streams: tuple[int, int, int], kept: int, env: dict[str, str]) -> None:
    """Make of a forked child what a program is that was started anew, with three streams and one more descriptor."""
    os.setsid()
    for number, stream in enumerate(streams):
        os.dup2(stream, number)
    # A copy of the judge's end of a channel would keep the worker waiting for ever.
    os.closerange(3, kept)
    os.closerange(kept + 1, resource.getrlimit(resource.RLIMIT_NOFILE)[0])
    os.environ.clear()
    os.environ.update(env)
    sys.path[:] = [p for p in sys.path if Path(p or ".").resolve() != ROOT]


class ForkedInterpreter:
    """What subprocess.Popen is for the grader's UnforkedProcess, but forked from this warm process."""

    def __init__(self, command: list[str], *, env: dict[str, str], pass_fds: list[int], **_: Any):
        assert command[3] == "unforked"
        (trace,) = pass_fds
        (to_read, to_write), (from_read, from_write), (log_read, log_write) = os.pipe(), os.pipe(), os.pipe()
        self.returncode: int | None = None
        self.pid = os.fork()
        if self.pid == 0:
            try:
                _become_program((to_read, from_write, log_write), trace, env)
                described = json.loads(command[4])
                run = importlib.import_module("grader.worker.unforked").run_unforked
                run(described["preload"], described["trace"])
            finally:
                os._exit(1)
        for descriptor in (to_read, from_write, log_write):
            os.close(descriptor)
        self.stdin: IO[bytes] = os.fdopen(to_write, "wb")
        self.stdout: IO[bytes] = os.fdopen(from_read, "rb")
        self.stderr: IO[bytes] = os.fdopen(log_read, "rb")

    def wait(self, timeout: float = 60.0) -> int:
        """Reap the process and return its exit status.

        Raises:
            subprocess.TimeoutExpired: It has not ended.
        """
        until = time.monotonic() + timeout
        while self.returncode is None:
            ended, status = os.waitpid(self.pid, os.WNOHANG)
            if ended:
                self.returncode = os.waitstatus_to_exitcode(status)
            elif time.monotonic() > until:
                raise subprocess.TimeoutExpired("interpreter", timeout)
            else:
                time.sleep(0.005)
        return self.returncode

    def send_signal(self, number: int) -> None:
        """Send a signal to a process that has not been reaped."""
        if self.returncode is None:
            os.kill(self.pid, number)


def _subprocess_with(popen: type) -> SimpleNamespace:
    """Return what stands for the module `subprocess` in a module that starts programs with Popen."""
    return SimpleNamespace(**{**vars(subprocess), "Popen": popen})


def main() -> None:
    """Import what zygotes import, and serve."""
    for module in ("safetensors.torch", "torch._dynamo", "torch.distributions", "grader.worker.zygote"):
        importlib.import_module(module)
    for module in ("grader.worker.serve", "grader.worker.unforked", "grader.worker.probes"):
        importlib.import_module(module)
    vars(importlib.import_module("grader.sandbox.zygote"))["subprocess"] = _subprocess_with(ForkedZygote)
    vars(importlib.import_module("grader.sandbox.unforked"))["subprocess"] = _subprocess_with(ForkedInterpreter)
    importlib.import_module("grader.grading.warm").main()


if __name__ == "__main__":
    main()
