"""Workers: what a submission does to itself stays with it, each end has its status and its words, and nothing is left.

One file does it all: on import it does what the seed says, in kl() what the first mean says. So one zygote serves most
of these tests, as it serves the thirteen tasks of one submission.
"""

import os
import signal
import subprocess
import sys
import textwrap
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import torch

from grader.sandbox.failure import Failure, WorkerFailed
from grader.sandbox.limits import Limits
from grader.sandbox.process import FreshInterpreters, Zygote, can_fork
from grader.sandbox.submission import MAX_BYTES, NoSubmission, take
from grader.sandbox.worker import Worker

ROOT = Path(__file__).parents[1]
SMALL = Limits(cpu_s=5, wall_s=30, memory_bytes=2 << 30, file_bytes=1 << 20)

needs_fork = pytest.mark.skipif(not can_fork(), reason="a zygote needs a safe fork")
posix = pytest.mark.skipif(os.name != "posix", reason="needs signals and process groups")

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
    "print": "print('hello', 'σ²', '\\udce9')\nprint('and errors', file=sys.stderr)\nos.system('echo and programs')",
    "flood": "for _ in range(64): print('x' * 65536)",
    "todo": "raise NotImplementedError('TODO: kl')",
    "missing module": "import no_such_module_anywhere",
    "missing helper": "import my_helper",
    "missing package": "import my_package.part",
    "pid": "said = str(os.getpid())",
    "child": "import subprocess\nsaid = str(subprocess.Popen(['sleep', '300']).pid)",
    "seed": "import random, numpy\nsaid = str([torch.rand(1).item(), random.random(), numpy.random.rand()])",
    "environment": "said = repr(dict(os.environ))",
    "stdin": "said = repr(sys.stdin.read())",
    "folder": "said = os.getcwd() + '|' + repr(os.listdir('.'))\nopen('mine', 'w').write('x')",
    "path": "said = repr(sys.path)",
    "gpu": "said = repr((torch.cuda.is_available(), torch.get_num_threads()))",
    "modules": "said = repr([m for m in sys.modules if m.split('.')[0] in ('grader', 'data', 'solution', 'assignment')])",
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


def submission(folder: Path, source: str = SOURCE) -> Any:
    """Return a submitted file made of source."""
    (folder / "home").mkdir(parents=True)
    (folder / "copy").mkdir()
    (folder / "home" / "VAE_Model.py").write_text(source, encoding="utf-8")
    (folder / "home" / "my_helper.py").write_text("x = 1\n", encoding="utf-8")
    (folder / "home" / "my_package").mkdir()
    (folder / "home" / "my_package" / "__init__.py").touch()
    return take(folder / "home" / "VAE_Model.py", folder / "copy")


Start = Callable[..., Worker]


@pytest.fixture(scope="module", params=[pytest.param(Zygote, marks=needs_fork), FreshInterpreters])
def sandbox(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """Each way to run workers."""
    folder = tmp_path_factory.mktemp("sandbox")
    (folder / "work").mkdir()
    made = request.param(submission(folder), folder / "work")
    yield made
    made.close()


@pytest.fixture(scope="module")
def zygote(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Zygote]:
    """The usual way, where a worker takes milliseconds."""
    if not can_fork():
        pytest.skip("a zygote needs a safe fork")
    folder = tmp_path_factory.mktemp("zygote")
    (folder / "work").mkdir()
    os.environ["A_SECRET_OF_THE_USER"] = "hunter2"
    made = Zygote(submission(folder), folder / "work")
    del os.environ["A_SECRET_OF_THE_USER"]
    yield made
    made.close()


def start(sandbox: Any, on_import: str = "nothing", limits: Limits = SMALL) -> Worker:
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


def in_use(zygote: Any, act: str, limits: Limits = SMALL) -> Failure:
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


# ## Both ways to run workers
def test_an_answer_comes_and_then_another(sandbox: Any) -> None:
    worker = start(sandbox)
    try:
        first = ask(worker, "seed")
        assert ask(worker, "pid").isdigit()
        assert ask(worker, "seed") == first, "every probe seeds all generators"
        told = failure(lambda: ask(worker, "raise"))
        assert (told.status, told.fatal) == ("crashed", False)
        assert told.message == "ValueError in your code: my own mistake"
        assert [line["function"] for line in told.traceback][:1] == ["kl"]
        assert ask(worker, "import project") == "", "nothing of the project can be imported"
        assert "hello σ² \\udce9" in (ask(worker, "print") or worker.printed())
        assert {"and errors", "and programs"} <= set(worker.printed().splitlines())
        assert ask(worker, "nothing") == "", "and it still answers"
    finally:
        worker.close()


@posix
def test_an_endless_loop_ends_at_its_cpu_seconds(sandbox: Any) -> None:
    cpu_s = 1 if isinstance(sandbox, Zygote) else 6  # a fresh interpreter has imported torch before
    told = in_use(sandbox, "loop", Limits(cpu_s=cpu_s, wall_s=60))
    assert (told.status, told.fatal) == ("timed out", True)
    assert told.message == f"your code used more than {cpu_s} CPU seconds in this task"


def test_a_sleeper_ends_at_its_wall_clock_seconds(sandbox: Any) -> None:
    worker = start(sandbox, limits=Limits(wall_s=30))
    worker._wall_left = 1.0
    began = time.monotonic()
    told = failure(lambda: ask(worker, "sleep"))
    assert (told.status, told.fatal) == ("timed out", True)
    assert time.monotonic() - began < 8
    worker.close()


def test_what_ends_its_process_has_crashed(sandbox: Any) -> None:
    told = in_use(sandbox, "end")
    assert (told.status, told.fatal) == ("crashed", True)
    assert told.message == "your code ended its process in this task, with exit status 0"


def test_closing_leaves_no_process_and_no_folder(sandbox: Any) -> None:
    worker = start(sandbox)
    pids = [int(ask(worker, act)) for act in ("pid", "child")]
    folder = Path(ask(worker, "folder").split("|")[0])
    assert folder.is_dir()
    worker.close()
    assert all(is_gone(pid) for pid in pids)
    assert not folder.exists()
    worker.close()  # twice is no harm


# ## How a task can fail
def test_exiting_is_no_way_out(zygote: Zygote) -> None:
    assert in_use(zygote, "exit") == Failure("crashed", "sys.exit() was called in your code", lines_of("kl", "act"))


def lines_of(*functions: str) -> Any:
    """Equal to tracebacks that lead through these functions of the student's, and to nothing else."""

    class Lines(list[Any]):
        def __eq__(self, other: object) -> bool:
            names = [line["function"] for line in other] if isinstance(other, list) else None
            return names is not None and names[: len(functions)] == list(functions)

        __hash__ = None  # type: ignore[assignment]

    return Lines()


def test_an_untouched_todo_is_not_attempted(zygote: Zygote) -> None:
    told = in_use(zygote, "todo")
    assert (told.status, told.fatal) == ("not attempted", False)


@pytest.mark.parametrize(
    ("act", "status", "words"),
    [
        ("kill", "out of memory", "the system killed your code"),
        ("fault", "crashed", "by signal 11"),
        ("hang up", "crashed", "your code"),
        ("garbage", "crashed", "your code disturbed the grader's channel"),
    ],
)
def test_a_worker_that_is_lost_is_explained(zygote: Zygote, act: str, status: str, words: str) -> None:
    told = in_use(zygote, act)
    assert (told.status, told.fatal) == (status, True)
    assert words in told.message
    worker = start(zygote)
    assert ask(worker, "nothing") == "", "the next worker knows nothing of it"
    worker.close()


def test_code_that_shrugs_off_the_signal_ends_a_second_later(zygote: Zygote) -> None:
    told = in_use(zygote, "loop on", Limits(cpu_s=1, wall_s=60))
    assert (told.status, told.fatal) == ("timed out", True)


@pytest.mark.parametrize("act", ["big tensor", "big array", "big bytes"])
def test_a_memory_blow_up_is_called_so_and_costs_one_check(zygote: Zygote, act: str) -> None:
    worker = start(zygote)
    told = failure(lambda: ask(worker, act))
    assert (told.status, told.fatal) == ("out of memory", False)
    assert ask(worker, "nothing") == ""
    worker.close()


def test_large_files_cannot_be_written(zygote: Zygote) -> None:
    assert "File too large" in in_use(zygote, "big file").message


def test_a_flood_of_prints_is_cut_and_harms_nobody(zygote: Zygote) -> None:
    worker = start(zygote)
    with_flood = failure(lambda: ask(worker, "flood")) if _is_refused(worker, "flood") else None
    assert 1000 < len(worker.printed()) <= 64 << 10
    assert with_flood is None or "print" in with_flood.message, "the message names the cause"
    worker.close()


def _is_refused(worker: Worker, act: str) -> bool:
    try:
        ask(worker, act)
    except WorkerFailed:
        return True
    return False


# ## How an import can fail
@pytest.mark.parametrize(
    ("act", "status", "words"),
    [
        ("raise", "crashed", "ValueError while your file was imported: my own mistake"),
        ("exit", "crashed", "sys.exit() was called while your file was imported"),
        ("end", "crashed", "your code ended its process while your file was imported, with exit status 0"),
        ("missing module", "crashed", "No module named 'no_such_module_anywhere'"),
        ("missing helper", "crashed", "only VAE_Model.py is handed in"),
        ("missing package", "crashed", "only VAE_Model.py is handed in"),
        ("big tensor", "out of memory", "more memory than a task may use"),
        ("forge", "crashed", "channel"),
    ],
)
def test_a_file_that_fails_on_import_says_why(zygote: Zygote, act: str, status: str, words: str) -> None:
    told = failure(lambda: start(zygote, act))
    assert (told.status, told.fatal) == (status, True)
    assert words in told.message


def test_an_import_that_never_ends_is_timed_out(zygote: Zygote) -> None:
    told = failure(lambda: start(zygote, "loop", Limits(cpu_s=1, wall_s=60)))
    assert (told.status, told.message) == (
        "timed out",
        "your code used more than 1 CPU seconds while your file was imported",
    )
    told = failure(lambda: start(zygote, "sleep", Limits(cpu_s=5, wall_s=1)))
    assert (told.status, told.message) == ("timed out", "your code took more than 1 s while your file was imported")


def test_helpers_beside_the_file_are_named_but_not_other_modules(zygote: Zygote) -> None:
    assert "my_helper lies beside your file" in failure(lambda: start(zygote, "missing helper")).message
    assert "beside" not in failure(lambda: start(zygote, "missing module")).message


def test_a_printing_import_is_no_failure(zygote: Zygote) -> None:
    worker = start(zygote, "print")
    assert "hello" in worker.printed()
    worker.close()


@pytest.mark.parametrize(
    ("source", "words"),
    [
        ("x = (1,\n\ndef f(:\n", "SyntaxError while your file was imported"),
        ("def f():\n\treturn 1\n        return 2\n", "while your file was imported"),
        ("x = '\0'\n", "null bytes"),
        ("import torch\n" + "(" * 500, "while your file was imported"),
    ],
)
def test_a_syntax_error_names_its_line(tmp_path: Path, source: str, words: str) -> None:
    (tmp_path / "work").mkdir()
    made = FreshInterpreters(submission(tmp_path, source), tmp_path / "work")
    told = failure(lambda: start(made))
    made.close()
    assert (told.status, told.fatal) == ("crashed", True)
    assert words in told.message
    assert all(isinstance(line["line"], int) for line in told.traceback)


# ## What a worker sees
def test_a_worker_sees_no_environment_no_input_and_no_gpu(zygote: Zygote) -> None:
    worker = start(zygote)
    seen = ask(worker, "environment")
    assert "hunter2" not in seen
    variables = eval(seen)
    assert set(variables) - {"PATH", "LC_ALL", "LC_CTYPE"} <= {
        *(f"{library}_NUM_THREADS" for library in ("OMP", "OPENBLAS", "MKL")),
        *("HOME", "TMPDIR", "TEMP", "TMP", "MPLCONFIGDIR", "MPLBACKEND", "CUDA_VISIBLE_DEVICES"),
        *(name for name in variables if name.startswith(("TORCH", "KMP", "PYTORCH"))),  # what torch sets itself
    }
    assert variables["CUDA_VISIBLE_DEVICES"] == ""
    assert ask(worker, "gpu") == "(False, 1)"
    assert ask(worker, "stdin") == "''"
    worker.close()


def test_nothing_of_the_project_is_in_reach_of_an_import(zygote: Zygote) -> None:
    worker = start(zygote)
    assert str(ROOT) not in ask(worker, "path")
    assert "''" not in ask(worker, "path"), "nor the working directory"
    assert ask(worker, "modules") == "[]"
    assert ask(worker, "import project") == ""
    worker.close()


def test_each_worker_has_an_empty_folder_of_its_own(zygote: Zygote) -> None:
    workers = [start(zygote) for _ in range(2)]
    seen = [ask(worker, "folder").split("|") for worker in workers]
    assert [content for _, content in seen] == ["[]", "[]"]
    assert seen[0][0] != seen[1][0]
    assert ask(workers[0], "folder").endswith("['mine']"), "it can write there"
    for worker in workers:
        worker.close()


def test_a_frame_forged_in_advance_does_not_count(zygote: Zygote) -> None:
    worker = start(zygote)
    told = failure(lambda: ask(worker, "forge"))
    assert (told.status, told.message) == ("crashed", "your code disturbed the grader's channel in this task")
    worker.close()


# ## Nothing is left behind
JUDGE = """
import sys
from pathlib import Path
sys.path.insert(0, sys.argv[1])
from tests.test_sandbox import Zygote, ask, start, submission
folder = Path(sys.argv[2])
(folder / "work").mkdir()
zygote = Zygote(submission(folder), folder / "work")
workers = [start(zygote), start(zygote)]
print(zygote._process.pid, ask(workers[0], "pid"), ask(workers[1], "pid"), ask(workers[1], "child"), flush=True)
if sys.argv[3] == "close":
    zygote.close()
    sys.stdin.read()
ask(workers[0], "sleep")
"""


@needs_fork
@pytest.mark.parametrize("end", ["close", "kill"])
def test_when_the_sandbox_is_closed_or_the_judge_killed_all_workers_die(tmp_path: Path, end: str) -> None:
    pipe = subprocess.PIPE
    judge = subprocess.Popen([sys.executable, "-c", JUDGE, str(ROOT), str(tmp_path), end], stdin=pipe, stdout=pipe)
    assert judge.stdin is not None and judge.stdout is not None
    pids = [int(pid) for pid in judge.stdout.readline().split()]
    assert len(pids) == 4
    if end == "kill":
        judge.send_signal(signal.SIGKILL)
    assert all(is_gone(pid) for pid in pids)
    judge.kill()
    judge.wait()
    judge.stdin.close()
    judge.stdout.close()


# ## Poorer systems: no resource module, no fork, a console that is not UTF-8
POOR = """#!/bin/sh
exec env -u LC_ALL LC_ALL=C "{python}" -X utf8=0 -I -c '
import locale, os, runpy, sys
sys.modules["resource"] = None
del os.fork, os.setsid, os.wait4
assert locale.getencoding().upper() in ("US-ASCII", "ANSI_X3.4-1968"), locale.getencoding()
sys.argv = sys.argv[2:]
runpy.run_path(sys.argv[0], run_name="__main__")
' "$@"
"""


@posix
def test_fresh_interpreters_need_neither_fork_nor_resource_nor_utf8(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    poor = tmp_path / "python"
    poor.write_text(POOR.format(python=sys.executable))
    poor.chmod(0o755)
    (tmp_path / "work").mkdir()
    made = FreshInterpreters(submission(tmp_path / "of"), tmp_path / "work")
    monkeypatch.setattr(sys, "executable", str(poor))
    worker = start(made, limits=Limits(wall_s=60))
    assert ask(worker, "pid").isdigit()
    ask(worker, "print")
    assert "hello σ² \\udce9" in worker.printed()
    assert failure(lambda: ask(worker, "raise")).status == "crashed"
    worker._wall_left = 1.0
    assert failure(lambda: ask(worker, "loop")).status == "timed out"
    made.close()


# ## What counts as a submission
def test_what_is_no_regular_file_is_refused_in_one_line(tmp_path: Path) -> None:
    (tmp_path / "copy").mkdir()
    (tmp_path / "large.py").write_bytes(b"#" * (MAX_BYTES + 1))
    (tmp_path / "full.py").write_bytes(b"#" * MAX_BYTES)
    refused = {"absent.py": "No such file", "copy": "no regular file", "large.py": "at most 1,048,576"}
    for name, words in refused.items():
        with pytest.raises(NoSubmission, match=words) as refusal:
            take(tmp_path / name, tmp_path / "copy")
        assert "\n" not in str(refusal.value)
    assert take(tmp_path / "full.py", tmp_path / "copy").copy.name == "VAE_Model.py"


def test_only_well_known_modules_that_the_text_names_are_imported_beforehand(tmp_path: Path) -> None:
    source = "import torch\nfrom tqdm import tqdm\n    import numpy as np\n# import scipy\nimport matplotlibrary\n"
    assert submission(tmp_path, source).preload() == ["numpy", "tqdm"]
