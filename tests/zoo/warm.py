"""A warm grader: grades many friendly files from one process that has imported torch, pytest and the grader already.

    python -m tests.zoo.warm < jobs.json        a list of jobs in, one line of JSON per graded file out

Each file is graded by a forked child that calls pytest.main on grader/, just as `pytest grader/` would, and whose
zygote is forked too, so that a grading costs a second instead of six. What a worker sees is not as bare as from a
fresh interpreter: hostile files, and files that search sys.modules, need the real thing.
"""

import gc
import importlib
import json
import os
import resource
import signal
import sys
import tempfile
import time
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


def warm_up() -> None:
    """Import what every grading imports, with one thread: a fork after more threads have run hangs the child."""
    for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
        os.environ[name] = "1"
    os.environ["CUDA_VISIBLE_DEVICES"] = ""
    import torch

    torch.set_num_threads(1)
    for module in ("pytest", "numpy", "hypothesis", "safetensors.torch", "torch._dynamo", "torch.distributions"):
        importlib.import_module(module)
    for module in ("data", "grader.conftest", "grader.report.terminal", "grader.worker.serve", "grader.worker.probes"):
        importlib.import_module(module)
    vars(importlib.import_module("grader.sandbox.zygote"))["subprocess"] = _Subprocess
    gc.collect()
    gc.freeze()  # a collection in a child would touch, and so copy, every page of the parent's


class _Subprocess:
    """Stands for the module `subprocess` in grader.sandbox.zygote."""

    import subprocess as _real

    Popen = ForkedZygote
    DEVNULL, PIPE, TimeoutExpired = _real.DEVNULL, _real.PIPE, _real.TimeoutExpired


def grade(job: dict[str, Any], results: Path, log: Path) -> None:
    """Grade one file; runs in a child that ends with it."""
    import pytest

    os.setsid()
    output = os.open(log, os.O_WRONLY | os.O_CREAT, 0o600)
    os.dup2(output, 1)
    os.dup2(output, 2)
    options = ["-m", job["tasks"]] if job["tasks"] else []
    options += [f"--offering={job['offering']}"] if job["offering"] else []
    files = [f"--submission={job['file']}", f"--results={results}", f"--seed={job['seed']}"]
    fixed = [f"--rootdir={ROOT}", f"--config-file={ROOT / 'setup.cfg'}", "--sandbox=process"]
    fixed += ["-p", "no:cacheprovider", "-p", "no:unraisableexception"]
    pytest.main([str(ROOT / "grader"), *fixed, *files, *options])


def serve(jobs: list[dict[str, Any]], parallel: int, limit_s: float) -> None:
    """Grade all jobs, some at a time; print a line for each as it ends."""
    warm_up()
    running: dict[int, tuple[dict[str, Any], Path, float]] = {}
    waiting = list(reversed(jobs))
    with tempfile.TemporaryDirectory(prefix="zoo-") as folder:
        while waiting or running:
            while waiting and len(running) < parallel:
                job = waiting.pop()
                base = Path(folder) / str(len(waiting))
                sys.stdout.flush()
                pid = os.fork()
                if pid == 0:
                    try:
                        grade(job, base.with_suffix(".json"), base.with_suffix(".log"))
                    finally:
                        os._exit(0)
                running[pid] = (job, base, time.monotonic())
            pid, _ = os.waitpid(-1, os.WNOHANG)
            if pid:
                _tell(*running.pop(pid))
                continue
            for child, (_, _, started) in running.items():
                if time.monotonic() - started > limit_s:
                    os.killpg(child, signal.SIGKILL)
            time.sleep(0.01)


def _tell(job: dict[str, Any], base: Path, started: float) -> None:
    results, log = base.with_suffix(".json"), base.with_suffix(".log")
    answer = {
        "name": job["name"],
        "seconds": round(time.monotonic() - started, 2),
        "results": json.loads(results.read_text()) if results.exists() else None,
        "log": log.read_text(errors="replace") if log.exists() else "",
    }
    print(json.dumps(answer), flush=True)


if __name__ == "__main__":
    _request = json.load(sys.stdin)
    serve(_request["jobs"], _request["parallel"], _request["limit_s"])
    os._exit(0)  # torch's compiler, imported in vain, would complain about what it leaks
