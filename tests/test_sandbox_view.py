"""Workers: what a submission can see from within one, that nothing of it is left, and systems poorer than this one."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from grader.sandbox.limits import Limits
from grader.sandbox.process import FreshInterpreters, Zygote, can_fork
from tests.acts import ask, failure, is_gone, opened, start, submission

ROOT = Path(__file__).parents[1]
needs_fork = pytest.mark.skipif(not can_fork(), reason="a zygote needs a safe fork")
posix = pytest.mark.skipif(os.name != "posix", reason="needs signals and process groups")


@pytest.fixture(scope="module")
def zygote(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Zygote]:
    """The usual way to run workers, which takes milliseconds each."""
    if not can_fork():
        pytest.skip("a zygote needs a safe fork")
    os.environ["A_SECRET_OF_THE_USER"] = "hunter2"
    with opened(Zygote, tmp_path_factory.mktemp("zygote")) as made:
        del os.environ["A_SECRET_OF_THE_USER"]
        yield made


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
    on_path = [Path(entry) for entry in eval(ask(worker, "path"))]
    rooms = {ROOT / name for name in ("", "grader", "data", "solution", "assignment", "tests")}
    assert not rooms & set(on_path), "an environment within the project, .venv, is none of its rooms"
    assert Path() not in on_path, "nor the working directory"
    assert not {"grader", "data", "solution", "assignment", "tests"} & set(ask(worker, "modules").split())
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
from grader.sandbox.process import Zygote
from tests.acts import ask, start, submission
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
