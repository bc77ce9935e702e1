"""Workers: what a submission does to itself stays with it, and each end has its status and its words."""

import os
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest

from grader.sandbox.bubblewrap import Bubblewrap
from grader.sandbox.failure import COSTLY_IMPORT, COSTLY_TIME, WorkerFailed
from grader.sandbox.in_process import InProcess
from grader.sandbox.interpreter import can_fork
from grader.sandbox.process import PlainProcess
from grader.sandbox.submission import MAX_BYTES, NoSubmission, take
from grader.sandbox.unforked import UnforkedProcess
from grader.sandbox.worker import Worker, WorkerLimits
from tests.acts import KINDS, NUMBER, SMALL, ask, failure, in_use, is_gone, opened, start, submission
from tests.wording import numbers

needs_fork = pytest.mark.skipif(not can_fork(), reason="a zygote needs a safe fork")
posix = pytest.mark.skipif(os.name != "posix", reason="needs signals and process groups")


@pytest.fixture(scope="module")
def base() -> Iterator[Path]:
    """A folder that other users can pass through, as pytest's own is not."""
    with tempfile.TemporaryDirectory(prefix="sandbox-") as folder:
        Path(folder).chmod(0o711)
        yield Path(folder)


@pytest.fixture(scope="module", params=KINDS, ids=lambda kind: kind.__name__)
def sandbox(request: pytest.FixtureRequest, base: Path) -> Iterator[Any]:
    """Each way to run workers that works here."""
    folder = base / request.param.__name__
    folder.mkdir(mode=0o711)
    with opened(request.param, folder) as made:
        yield made


@pytest.fixture(scope="module", params=KINDS[:-1], ids=lambda kind: kind.__name__)
def zygote(request: pytest.FixtureRequest, base: Path) -> Iterator[Any]:
    """Each way that forks workers, in milliseconds each."""
    folder = base / f"forks-{request.param.__name__}"
    folder.mkdir(mode=0o711)
    with opened(request.param, folder) as made:
        yield made


# ## All ways to run workers
def test_an_answer_comes_and_then_another(sandbox: Any) -> None:
    worker = start(sandbox)
    try:
        first = ask(worker, "seed")
        assert ask(worker, "pid").isdigit()
        assert ask(worker, "seed") == first, "every probe seeds all generators"
        told = failure(lambda: ask(worker, "raise"))
        assert (told.status, told.fatal) == ("crashed", False)
        assert "ValueError" in told.message and told.message.endswith(": my own mistake")
        assert [line["function"] for line in told.traceback][:1] == ["kl"]
        assert ask(worker, "import project") == "", "nothing of the project can be imported"
        assert "hello σ² \\udce9" in (ask(worker, "print") or worker.printed())
        ask(worker, "program")
        assert {"and errors", "and programs"} <= set(worker.printed().splitlines())
        assert ask(worker, "nothing") == "", "and it still answers"
    finally:
        worker.close()


@pytest.mark.parametrize("program", ["options", "command line"])
def test_a_file_meets_the_command_line_of_a_file_without_options(sandbox: Any, program: str) -> None:
    """At its top level and later: `parse_args()` there is popular, and `if __name__ == "__main__":` stays off."""
    own = (["VAE_Model.py"], ["VAE_Model.py"], "VAE_Model", "VAE_Model.py")
    worker = start(sandbox, program)
    try:
        assert ask(worker, program) == {"options": "10", "command line": repr(own)}[program]
    finally:
        worker.close()


def test_in_process_too_and_the_judge_keeps_its_own(tmp_path: Path) -> None:
    before = sys.argv, sys.orig_argv
    made = InProcess(submission(tmp_path), tmp_path)
    worker = made.start(SMALL, {}, NUMBER["options"])
    assert ask(worker, "options") == "10"  # type: ignore[arg-type]
    made.close()
    assert (sys.argv, sys.orig_argv) == before


@posix
def test_an_endless_loop_ends_at_its_cpu_seconds(sandbox: Any) -> None:
    told = in_use(sandbox, "loop", WorkerLimits(cpu_s=1, wall_s=60))
    assert (told.status, told.fatal) == ("timed out", True)
    assert numbers(told.message) == ["1"] and "CPU" in told.message
    assert told.hint == COSTLY_TIME


def test_a_worker_that_is_closed_leaves_no_thread_with_the_judge(sandbox: Any) -> None:
    """A class takes thousands of workers."""
    start(sandbox).close()
    before = threading.active_count()
    worker = start(sandbox)
    ask(worker, "seed")
    worker.close()
    assert in_use(sandbox, "end").fatal
    until = time.monotonic() + 10
    while threading.active_count() > before and time.monotonic() < until:
        time.sleep(0.01)
    assert threading.active_count() <= before


def test_a_sleeper_ends_at_its_wall_clock_seconds(sandbox: Any) -> None:
    worker = start(sandbox, limits=WorkerLimits(wall_s=30))
    worker._wall_left = 1.0
    began = time.monotonic()
    told = failure(lambda: ask(worker, "sleep"))
    assert (told.status, told.fatal) == ("timed out", True)
    assert time.monotonic() - began < 8
    worker.close()


def test_what_ends_its_process_has_crashed(sandbox: Any) -> None:
    told = in_use(sandbox, "end")
    assert (told.status, told.fatal) == ("crashed", True)
    assert numbers(told.message) == ["0"], "the exit status"


def test_closing_leaves_no_process_and_no_folder(sandbox: Any) -> None:
    before = {process.pid for process in psutil.Process().children(recursive=True)}
    worker = start(sandbox)
    assert ask(worker, "child").isdigit()
    began = {process.pid for process in psutil.Process().children(recursive=True)} - before
    assert len(began) == 2 or isinstance(sandbox, UnforkedProcess), "the worker, and what it started"
    folder = Path(ask(worker, "folder").split("|")[0])
    assert folder.is_dir() or isinstance(sandbox, Bubblewrap), "whose folders exist inside only"
    worker.close()
    assert all(is_gone(pid) for pid in began)
    assert not folder.exists()
    worker.close()  # twice is no harm


# ## How a task can fail
def test_exiting_is_no_way_out(zygote: Any) -> None:
    told = in_use(zygote, "exit")
    assert told.status == "crashed" and "sys.exit()" in told.message
    assert [line["function"] for line in told.traceback] == ["kl", "act"], "the student's own lines, and no others"


def test_an_untouched_todo_is_not_attempted(zygote: Any) -> None:
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
def test_a_worker_that_is_lost_is_explained(zygote: Any, act: str, status: str, words: str) -> None:
    told = in_use(zygote, act)
    assert (told.status, told.fatal) == (status, True)
    assert words in told.message
    worker = start(zygote)
    assert ask(worker, "nothing") == "", "the next worker knows nothing of it"
    worker.close()


def test_code_that_shrugs_off_the_signal_ends_a_second_later(zygote: Any) -> None:
    told = in_use(zygote, "loop on", WorkerLimits(cpu_s=1, wall_s=60))
    assert (told.status, told.fatal) == ("timed out", True)


@pytest.mark.parametrize("act", ["big tensor", "big array", "big bytes"])
def test_a_memory_blow_up_is_called_so_and_costs_one_check(zygote: Any, act: str) -> None:
    worker = start(zygote)
    told = failure(lambda: ask(worker, act))
    assert (told.status, told.fatal) == ("out of memory", False)
    assert ask(worker, "nothing") == ""
    worker.close()


def test_large_files_cannot_be_written(zygote: Any) -> None:
    assert "File too large" in in_use(zygote, "big file").message


def test_a_flood_of_prints_is_cut_and_harms_nobody(zygote: Any) -> None:
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
def test_a_file_that_fails_on_import_says_why(zygote: Any, act: str, status: str, words: str) -> None:
    told = failure(lambda: start(zygote, act))
    assert (told.status, told.fatal) == (status, True)
    assert words in told.message


def test_an_import_that_never_ends_is_timed_out(zygote: Any) -> None:
    told = failure(lambda: start(zygote, "loop", WorkerLimits(cpu_s=1, wall_s=60)))
    assert (told.status, told.hint, numbers(told.message)) == ("timed out", COSTLY_IMPORT, ["1"])
    assert "CPU" in told.message
    told = failure(lambda: start(zygote, "sleep", WorkerLimits(cpu_s=5, wall_s=1)))
    assert (told.status, told.hint, numbers(told.message)) == ("timed out", COSTLY_IMPORT, ["1"])
    assert "CPU" not in told.message


def test_helpers_beside_the_file_are_named_but_not_other_modules(zygote: Any) -> None:
    assert "not `my_helper`" in failure(lambda: start(zygote, "missing helper")).message
    assert "handed in" not in failure(lambda: start(zygote, "missing module")).message


def test_a_printing_import_is_no_failure(zygote: Any) -> None:
    worker = start(zygote, "print")
    assert "hello" in worker.printed()
    worker.close()


BROKEN = {
    "x = (1,\n\ndef f(:\n": "SyntaxError while your file was imported",
    "def f():\n\treturn 1\n        return 2\n": "while your file was imported",
    "x = '\0'\n": "null bytes",
    "import torch\n" + "(" * 500: "while your file was imported",
}


@needs_fork
def test_a_syntax_error_names_its_line(tmp_path: Path) -> None:
    with opened(PlainProcess, tmp_path) as made:
        for source, words in BROKEN.items():
            (tmp_path / "copy" / "VAE_Model.py").write_text(source, encoding="utf-8")
            told = failure(lambda: start(made))
            assert (told.status, told.fatal) == ("crashed", True)
            assert words in told.message
            assert all(isinstance(line["line"], int) for line in told.traceback)


# ## What counts as a submission
def test_what_cannot_be_graded_is_refused_in_one_line(tmp_path: Path) -> None:
    (tmp_path / "copy").mkdir()
    (tmp_path / "large.py").write_bytes(b"#" * (MAX_BYTES + 1))
    (tmp_path / "full.py").write_bytes(b"#" * MAX_BYTES)
    (tmp_path / "link.py").symlink_to(tmp_path / "full.py")
    os.mkfifo(tmp_path / "pipe.py")
    refused = {"absent.py": "No such file", "copy": "folder, which is empty", "large.py": "larger than 1,048,576"}
    refused |= {"link.py": "symbolic link", "pipe.py": "not a regular file"}
    for name, words in refused.items():
        with pytest.raises(NoSubmission, match=words) as refusal:
            take(tmp_path / name, tmp_path / "copy")
        assert "\n" not in str(refusal.value)
    assert take(tmp_path / "full.py", tmp_path / "copy").copy.name == "VAE_Model.py"


def test_only_well_known_modules_that_the_text_names_are_imported_beforehand(tmp_path: Path) -> None:
    source = "import torch\nfrom tqdm import tqdm\n    import numpy as np\n# import scipy\nimport matplotlibrary\n"
    assert submission(tmp_path, source).preload() == ["numpy", "tqdm"]


def test_what_compiling_nothing_takes_is_imported_beforehand(tmp_path: Path) -> None:
    assert submission(tmp_path, "@torch.compile\ndef f(x): ...\n").preload() == ["torch._dynamo"]
