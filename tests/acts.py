"""A submission that does what it is told, and the means to tell it: what the tests of workers share.

On import the file does what the seed says, in kl() what the first mean says. So one zygote serves many tests, as it
serves the thirteen tasks of one submission.
"""

import os
import textwrap
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import torch

from grader.sandbox.bubblewrap import Bubblewrap
from grader.sandbox.failure import Failure, WorkerFailed
from grader.sandbox.interpreter import can_fork
from grader.sandbox.process import PlainProcess, UnprivilegedUser
from grader.sandbox.submission import SubmittedFile, take
from grader.sandbox.unforked import UnforkedProcess
from grader.sandbox.worker import Ceilings, Worker, WorkerLimits

SMALL = WorkerLimits(cpu_s=5, wall_s=30, memory_bytes=2 << 30, file_bytes=1 << 20)

# What the file can do, each a few lines that may set `said`.
ACTS = {
    "nothing": "pass",
    "raise": "raise ValueError('my own mistake')",
    "exit": "sys.exit(0)",
    "end": "os._exit(0)",
    "kill": "os.kill(os.getpid(), 9)",
    "fault": "os.kill(os.getpid(), 11)",
    "loop": "while True: pass",
    "loop on": "signal.signal(signal.SIGXCPU, signal.SIG_IGN)\nwhile True: pass",
    "sleep": "time.sleep(100)",
    "big tensor": "torch.ones(2 << 30)",
    "big array": "import numpy\nnumpy.ones(2 << 30)",
    "big bytes": "bytearray(8 << 30)",
    "big file": "open('big', 'wb').write(bytes(2 << 20))",
    "print": "print('hello', 'σ²', '\\udce9')\nprint('and errors', file=sys.stderr)",
    "program": "import subprocess\nsubprocess.run([sys.executable, '-ISc', 'print(\"and programs\")'])",
    "flood": "for _ in range(64): print('x' * 65536)",
    "todo": "raise NotImplementedError('TODO: kl')",
    "missing module": "import no_such_module_anywhere",
    "missing helper": "import my_helper",
    "missing package": "import my_package.part",
    "pid": "said = str(os.getpid())",
    "child": "import subprocess as s\nsaid = str(s.Popen([sys.executable, '-ISc', 'input()'], stdin=s.PIPE).pid)",
    "seed": "import random, numpy\nsaid = str([torch.rand(1).item(), random.random(), numpy.random.rand()])",
    "environment": "said = repr(dict(os.environ))",
    "stdin": "said = repr(sys.stdin.read())",
    "folder": "said = os.getcwd() + '|' + repr(os.listdir('.'))\nopen('mine', 'w').write('x')",
    "path": "said = repr(sys.path)",
    "command line": "said = repr((sys.argv, sys.orig_argv[1:], __name__, os.path.basename(__file__)))",
    "options": textwrap.dedent("""
        import argparse
        parser = argparse.ArgumentParser(description="VAE example")
        parser.add_argument("--epochs", type=int, default=10)
        said = str(parser.parse_args().epochs)
    """),
    "gpu": "said = repr((torch.cuda.is_available(), torch.get_num_threads()))",
    "modules": "said = ' '.join({m.split('.')[0] for m in sys.modules})",
    "import project": textwrap.dedent("""
        import importlib
        said = ''
        for name in ('solution', 'grader', 'grader.judge', 'data', 'assignment', 'tests', 'solution.VAE_Model'):
            try:
                importlib.import_module(name)
                said += name + ' '
            except ImportError:
                pass
    """),
    "forge": textwrap.dedent("""
        import json, struct, stat
        header = json.dumps({"id": "0123456789abcdef", "ready": True, "facts": {}}).encode()
        for fd in range(3, 64):
            try:
                if stat.S_ISSOCK(os.fstat(fd).st_mode) or stat.S_ISFIFO(os.fstat(fd).st_mode):
                    os.write(fd, struct.pack(">IQ", len(header), 0) + header)
            except OSError:
                pass
    """),
    "garbage": "for fd in range(3, 64):\n    try: os.write(fd, b'\\xff' * 4096)\n    except OSError: pass",
    "hang up": "os.closerange(3, 64)",
}
NUMBER = {name: number for number, name in enumerate(ACTS)}

SOURCE = f"""
import os, signal, sys, time
import torch
ACTS = {list(ACTS.values())!r}
said = ""

def act(number):
    global said
    exec(ACTS[number], globals())
    return said

act(torch.initial_seed())

class DiagonalGaussianDistribution:
    def __init__(self, mean, logvar=None):
        self.mean = mean

    def kl(self):
        return torch.tensor(list(act(int(self.mean[0, 0])).encode()), dtype=torch.uint8)
"""


def submission(folder: Path, source: str = SOURCE) -> SubmittedFile:
    """Return a submitted file made of source."""
    (folder / "home").mkdir(parents=True)
    (folder / "copy").mkdir()
    (folder / "home" / "VAE_Model.py").write_text(source, encoding="utf-8")
    (folder / "home" / "my_helper.py").write_text("x = 1\n", encoding="utf-8")
    (folder / "home" / "my_package").mkdir()
    (folder / "home" / "my_package" / "__init__.py").touch()
    return take(folder / "home" / "VAE_Model.py", folder / "copy")


def start(sandbox: Any, on_import: str = "nothing", limits: WorkerLimits = SMALL) -> Worker:
    """Start a worker whose file does `on_import` when it is imported."""
    return sandbox.start(limits, {}, seed=NUMBER[on_import])


def ask(worker: Worker, act: str) -> str:
    """Let the file do something in kl(), and return what it said."""
    tensors, _ = worker.ask("distribution", {"name": "kl"}, {"mean": torch.full((1, 1), float(NUMBER[act]))}, seed=7)
    return bytes(tensors["value_0"].tolist()).decode()


def failure(call: Callable[[], Any]) -> Failure:
    """Return the failure that a call must end in."""
    with pytest.raises(WorkerFailed) as failed:
        call()
    return failed.value.failure


def in_use(zygote: Any, act: str, limits: WorkerLimits = SMALL) -> Failure:
    """Return how a worker fails when kl() does something."""
    worker = start(zygote, limits=limits)
    try:
        return failure(lambda: ask(worker, act))
    finally:
        worker.close()


def is_gone(pid: int, seconds: float = 5.0) -> bool:
    """Whether a process ended, within some seconds; a zombie has."""
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        try:
            if Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z":
                return True
            os.kill(pid, 0)
        except (ProcessLookupError, FileNotFoundError):
            return True
        time.sleep(0.02)
    return False


@contextmanager
def opened(kind: Any, folder: Path, ceilings: Ceilings = Ceilings()) -> Iterator[Any]:  # noqa: B008 - frozen
    """Open a sandbox of some kind for the file, and close it; skip the test where it does not work."""
    if reason := why_not(kind):
        pytest.skip(f"no sandbox `{kind.name}` here: {reason}")
    (folder / "work").mkdir()
    made = kind(submission(folder), folder / "work", ceilings)
    yield made
    made.close()


def why_not(kind: Any) -> str:
    """Return why a kind of sandbox does not work here, or an empty text."""
    if kind is UnforkedProcess:
        return ""
    return kind.why_not() if can_fork() else "a zygote needs a safe fork"


KINDS = (Bubblewrap, UnprivilegedUser, PlainProcess, UnforkedProcess)
