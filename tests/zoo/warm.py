"""The grader's warm judge for many friendly files: its zygotes are forked too, so a grading costs a second.

    python -m tests.zoo.warm DATA        what `python -m grader.grading.warm` reads and writes

What a worker sees is not as bare as from a fresh interpreter: hostile files, and files that search sys.modules, need
the real thing.
"""

import importlib
import os
import resource
import sys
from pathlib import Path
from typing import Any

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
    os.setsid()
    # A copy of the judge's end of the socket would keep the zygote waiting for ever.
    os.closerange(3, control)
    os.closerange(control + 1, resource.getrlimit(resource.RLIMIT_NOFILE)[0])
    nothing = os.open(os.devnull, os.O_RDWR)
    for stream in (0, 1, 2):
        os.dup2(nothing, stream)
    os.environ.clear()
    os.environ.update(env)
    sys.path[:] = [p for p in sys.path if Path(p or ".").resolve() != ROOT]
    importlib.import_module("grader.worker.zygote").run_zygote(control, described)


class _Subprocess:
    """Stands for the module `subprocess` in grader.sandbox.zygote."""

    import subprocess as _real

    Popen = ForkedZygote
    DEVNULL, PIPE, TimeoutExpired = _real.DEVNULL, _real.PIPE, _real.TimeoutExpired


def main() -> None:
    """Import what zygotes import, and serve."""
    for module in ("safetensors.torch", "torch._dynamo", "torch.distributions", "grader.worker.zygote"):
        importlib.import_module(module)
    for module in ("grader.worker.serve", "grader.worker.probes"):
        importlib.import_module(module)
    vars(importlib.import_module("grader.sandbox.zygote"))["subprocess"] = _Subprocess
    importlib.import_module("grader.grading.warm").main()


if __name__ == "__main__":
    main()
