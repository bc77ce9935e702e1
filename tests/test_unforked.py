"""Without fork, one interpreter serves task after task: what a task changes is put back, or a new one starts."""

import gc
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

from grader.grading.options import GradingOptions
from grader.grading.session import Session
from grader.sandbox.unforked import UnforkedProcess
from grader.worker.submission import MODULE_NAME, load_submission
from grader.worker.unforked import Before
from tests.acts import SOURCE, ask, failure, opened, start, submission

# ## What a task changes
HEAD = "import atexit, math, os, sys, threading, time, types, typing, warnings\nimport numpy as np\nimport torch\n"

PUT_BACK = [
    "torch.set_default_dtype(torch.float64)",
    "torch.set_default_device('meta')",
    "torch.set_grad_enabled(False)",
    "torch.autograd.set_detect_anomaly(True)",
    "torch.set_float32_matmul_precision('medium')",
    "torch.set_flush_denormal(True)",
    "np.seterr(all='raise')",
    "os.chdir('/')",
    "os.environ['SEED'] = '1'",
    "sys.path.insert(0, os.getcwd())",
    "sys.setrecursionlimit(5000)",
    "warnings.simplefilter('error')",
    "class Layer(torch.nn.Module): ...\nOptional = typing.Optional[Layer]",
]


LEFT = {
    "torch.exp = torch.sin": "torch.exp",
    "del torch.exp": "torch.exp",
    "torch.remembered = torch.ones(3)": "torch.remembered",
    "torch.nn.Linear.forward = torch.nn.Identity.forward": "torch.nn.modules.linear.Linear.forward",
    "torch.backends.mkldnn.VERBOSE_ON = None": "VERBOSE_ON",
    "math.pi = 3.0": "math.pi",
    "sys.modules['json'] = types.ModuleType('json')": "json",
    "sys.modules['this'] = types.ModuleType('this')": "this",
    "torch.nn.modules.module.register_module_forward_hook(lambda *_: None)": "student's code",
    "atexit.register(lambda: None)": "student's code",
    "threading.Thread(target=time.sleep, args=(0.5,)).start()": "threads of Python",
}


@pytest.fixture
def before(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Before]:
    """What this process is like; whatever a test changes in it is undone."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delitem(sys.modules, MODULE_NAME, raising=False)
    torch_names, linear, modules = dict(vars(torch)), torch.nn.Linear.forward, dict(sys.modules)
    pi, verbose = sys.modules["math"].pi, torch.backends.mkldnn.VERBOSE_ON
    hooks = dict(torch.nn.modules.module._global_forward_hooks)
    yield Before()
    gc.unfreeze()
    sys.modules.clear()
    sys.modules.update(modules)
    vars(torch).clear()
    vars(torch).update(torch_names)
    torch.nn.Linear.forward, torch.backends.mkldnn.VERBOSE_ON = linear, verbose  # type: ignore[method-assign]
    vars(sys.modules["math"])["pi"] = pi
    torch.nn.modules.module._global_forward_hooks.clear()
    torch.nn.modules.module._global_forward_hooks.update(hooks)


def left_by(before: Before, code: str, folder: Path) -> str:
    """Return what is left after a file that does something has been imported."""
    file = folder / "VAE_Model.py"
    file.write_text(HEAD + code, encoding="utf-8")
    load_submission(file)
    return before.put_back()


@pytest.mark.parametrize("code", PUT_BACK)
def test_what_can_be_put_back_is_put_back(before: Before, tmp_path: Path, code: str) -> None:
    assert left_by(before, code, tmp_path) == ""
    assert before.put_back() == "student's code", "there was no task in between"
    assert torch.exp(torch.tensor([0.0])).tolist() == [1.0] and torch.ones(1, requires_grad=True).exp().requires_grad


@pytest.mark.parametrize("code", LEFT)
def test_what_cannot_be_put_back_is_named(before: Before, tmp_path: Path, code: str) -> None:
    assert LEFT[code] in left_by(before, code, tmp_path)


def test_a_module_from_the_files_own_folder_is_not_kept(before: Before, tmp_path: Path) -> None:
    (tmp_path / "written_by_a_task.py").write_text("x = 1\n", encoding="utf-8")
    assert "written_by_a_task" in left_by(before, "sys.path.insert(0, os.getcwd())\nimport written_by_a_task", tmp_path)


# ## Which interpreter serves a task
@pytest.fixture(scope="module")
def sandbox(tmp_path_factory: pytest.TempPathFactory) -> Iterator[UnforkedProcess]:
    """A sandbox without fork for the file of acts.py."""
    with opened(UnforkedProcess, tmp_path_factory.mktemp("unforked")) as made:
        yield made


def served_by(sandbox: UnforkedProcess, act: str) -> str:
    """Return the id of the process in which a task does something."""
    worker = start(sandbox)
    pid = ask(worker, "pid")
    ask(worker, act)
    worker.close()
    return pid


def test_tasks_share_an_interpreter_and_nothing_else(sandbox: UnforkedProcess) -> None:
    first = served_by(sandbox, "folder")
    worker = start(sandbox)
    _, files = ask(worker, "folder").split("|")
    assert ask(worker, "pid") == first
    assert files == "[]", "the file that the first task wrote is gone"
    ask(worker, "print")
    assert "hello" in worker.printed()
    worker.close()
    worker = start(sandbox, "print")
    assert worker.printed().count("hello") == 1, "only what this task printed"
    worker.close()


def test_a_process_that_is_left_ends_with_the_interpreter(sandbox: UnforkedProcess) -> None:
    assert served_by(sandbox, "child") != served_by(sandbox, "nothing")


def test_a_crash_costs_one_task(sandbox: UnforkedProcess) -> None:
    before = served_by(sandbox, "nothing")
    worker = start(sandbox)
    assert failure(lambda: ask(worker, "end")).status == "crashed"
    worker.close()
    after = served_by(sandbox, "nothing")
    assert after != before
    assert served_by(sandbox, "nothing") == after


ONCE = """
import torch
if hasattr(torch, "imported_before"):
    raise RuntimeError("this file can be imported only once")
torch.imported_before = True
"""


def test_a_file_that_can_be_imported_only_once_is_imported_in_a_new_interpreter(tmp_path: Path) -> None:
    (tmp_path / "work").mkdir()
    made = UnforkedProcess(submission(tmp_path / "of", ONCE + SOURCE), tmp_path / "work")
    assert served_by(made, "nothing") != served_by(made, "nothing")
    made.close()


def test_the_worker_that_is_shown_held_out_images_is_in_another_process(tmp_path: Path) -> None:
    """Else a file could remember the images, and decode them in place of its codes."""
    file = submission(tmp_path, SOURCE.replace("act(torch.initial_seed())", ""))
    session = Session(GradingOptions(file.original, sandbox="process", fork=False))
    try:
        pids = []
        for apart in (False, True, False):
            worker = session.start_worker("training", apart)
            pids.append(ask(worker, "pid"))  # type: ignore[arg-type]
            worker.close()
        assert pids[0] == pids[2] != pids[1]
    finally:
        session.close()
