"""Workers: what a submission can see from within one, that nothing of it is left, and systems poorer than this one."""

import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from grader.sandbox.bubblewrap import Bubblewrap
from grader.sandbox.unforked import UnforkedProcess
from grader.sandbox.worker import DISTURBED, WorkerLimits
from grader.worker.zygote import remove_folder
from tests.acts import KINDS, ask, failure, is_gone, opened, start, submission, why_not

ROOT = Path(__file__).parents[1]
posix = pytest.mark.skipif(os.name != "posix", reason="needs signals and process groups")


@pytest.fixture(scope="module", params=KINDS[:-1], ids=lambda kind: kind.__name__)
def zygote(request: pytest.FixtureRequest) -> Iterator[Any]:
    """Each way that forks workers, in milliseconds each."""
    with tempfile.TemporaryDirectory(prefix="sandbox-") as folder, pytest.MonkeyPatch.context() as patched:
        Path(folder).chmod(0o711)  # other users must pass through, as they may not through pytest's own
        patched.setenv("A_SECRET_OF_THE_USER", "hunter2")
        with opened(request.param, Path(folder)) as made:
            patched.undo()
            yield made


# ## What a worker sees
def test_a_worker_sees_no_environment_no_input_and_no_gpu(zygote: Any) -> None:
    worker = start(zygote)
    seen = ask(worker, "environment")
    assert "hunter2" not in seen
    variables = eval(seen)
    assert set(variables) - {"PATH", "LC_ALL", "LC_CTYPE"} <= {
        *(f"{library}_NUM_THREADS" for library in ("OMP", "OPENBLAS", "MKL")),
        *("HOME", "TMPDIR", "TEMP", "TMP", "MPLCONFIGDIR", "MPLBACKEND", "CUDA_VISIBLE_DEVICES", "USER", "PWD"),
        *(name for name in variables if name.startswith(("TORCH", "KMP", "PYTORCH"))),  # what torch sets itself
    }
    assert variables["CUDA_VISIBLE_DEVICES"] == ""
    assert ask(worker, "gpu") == "(False, 1)"
    assert ask(worker, "stdin") == "''"
    worker.close()


def test_nothing_of_the_project_is_in_reach_of_an_import(zygote: Any) -> None:
    worker = start(zygote)
    on_path = [Path(entry) for entry in eval(ask(worker, "path"))]
    rooms = {ROOT / name for name in ("", "grader", "data", "solution", "assignment", "tests")}
    assert not rooms & set(on_path), "an environment within the project, .venv, is none of its rooms"
    assert Path() not in on_path, "nor the working directory"
    assert not {"grader", "data", "solution", "assignment", "tests"} & set(ask(worker, "modules").split())
    assert ask(worker, "import project") == ""
    worker.close()


def test_each_worker_has_an_empty_folder_of_its_own(zygote: Any) -> None:
    seen = []
    for _ in range(2):
        worker = start(zygote)
        seen.append(ask(worker, "folder").split("|"))
        assert ask(worker, "folder").endswith("['mine']"), "it can write there"
        worker.close()
    assert [content for _, content in seen] == ["[]", "[]"]
    assert seen[0][0] != seen[1][0]


def test_a_frame_forged_in_advance_does_not_count(zygote: Any) -> None:
    worker = start(zygote)
    told = failure(lambda: ask(worker, "forge"))
    assert told.status == "crashed" and told.message.startswith(DISTURBED)
    worker.close()


# ## Nothing is left behind
JUDGE = """
import sys
from pathlib import Path
sys.path.insert(0, sys.argv[1])
import psutil
from tests.acts import KINDS, ask, start, submission
folder = Path(sys.argv[2])
(folder / "work").mkdir(mode=0o711)
kind = next(kind for kind in KINDS if kind.__name__ == sys.argv[4])
sandbox = kind(submission(folder), folder / "work")
worker = start(sandbox)
ask(worker, "child")
print(*(process.pid for process in psutil.Process().children(recursive=True)), flush=True)
if sys.argv[3] == "close":
    sandbox.close()
    sys.stdin.read()
ask(worker, "sleep")
"""


@pytest.mark.parametrize("end", ["close", "kill"])
@pytest.mark.parametrize("kind", KINDS[:-1], ids=lambda kind: kind.__name__)
def test_when_the_sandbox_is_closed_or_the_judge_killed_all_workers_die(kind: Any, end: str) -> None:
    if reason := why_not(kind):
        pytest.skip(reason)
    with tempfile.TemporaryDirectory(prefix="sandbox-") as folder:
        Path(folder).chmod(0o711)
        pipe, command = subprocess.PIPE, [sys.executable, "-c", JUDGE, str(ROOT), folder, end, kind.__name__]
        judge = subprocess.Popen(command, stdin=pipe, stdout=pipe)
        assert judge.stdin is not None and judge.stdout is not None
        pids = [int(pid) for pid in judge.stdout.readline().split()]
        assert len(pids) == (4 if kind is Bubblewrap else 3), "(bubblewrap,) zygote, worker, and what that started"
        if end == "kill":
            judge.send_signal(signal.SIGKILL)
        assert all(is_gone(pid) for pid in pids)
        judge.kill()
        judge.wait()
        judge.stdin.close()
        judge.stdout.close()


@pytest.mark.parametrize("kind", KINDS[:-1], ids=lambda kind: kind.__name__)
def test_a_sandbox_that_never_had_a_worker_removes_nothing_of_the_users(
    kind: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As where a selection leaves no check, or the grading is stopped before the first: `-k typo`, Ctrl-C."""
    with tempfile.TemporaryDirectory(prefix="sandbox-") as folder:
        Path(folder).chmod(0o711)
        (Path(folder) / "cwd").mkdir()
        (Path(folder) / "cwd" / "VAE_Model.py").write_text("weeks of work", encoding="utf-8")
        monkeypatch.chdir(Path(folder) / "cwd")
        with opened(kind, Path(folder)) as made:
            made._command({"do": "usage"})  # it has started
        assert [path.name for path in (Path(folder) / "cwd").iterdir()] == ["VAE_Model.py"]


@pytest.mark.parametrize("path", [Path(), Path("relative")])
def test_what_is_removed_has_an_absolute_path(path: Path) -> None:
    with pytest.raises(ValueError, match="working directory"):
        remove_folder(path)


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
    monkeypatch.setattr(sys, "executable", str(poor))
    made = UnforkedProcess(submission(tmp_path / "of"), tmp_path / "work")
    worker = start(made, limits=WorkerLimits(wall_s=60))
    assert ask(worker, "pid").isdigit()
    ask(worker, "print")
    assert "hello σ² \\udce9" in worker.printed()
    assert failure(lambda: ask(worker, "raise")).status == "crashed"
    worker._wall_left = 1.0
    assert failure(lambda: ask(worker, "loop")).status == "timed out"
    made.close()
