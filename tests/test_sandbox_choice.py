"""Which sandbox is used: the one that was asked for or none, called what it is; with its packages, or one line why."""

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch

from grader.conftest import begin
from grader.grading.options import GradingOptions
from grader.grading.session import Session
from grader.instructor.doctor.doctor import doctor
from grader.platforms.official_grading import judge
from grader.sandbox import choose, interpreter
from grader.sandbox.bubblewrap import Bubblewrap
from grader.sandbox.interpreter import can_fork
from grader.sandbox.process import PlainProcess, UnprivilegedUser
from grader.sandbox.unforked import UnforkedProcess
from grader.sandbox.zygote import SandboxError
from tests.acts import KINDS, start, submission, why_not

ROOT = Path(__file__).parents[1]
PYTHON = sys.executable
pytestmark = pytest.mark.skipif(not can_fork(), reason="sandboxes need Linux")

# What a submission can tell about where it runs: its user, its parent, and how many processes it sees.
SEES = """
import os, torch
class DiagonalGaussianDistribution:
    def __init__(self, mean, logvar=None):
        self.mean = mean
    def kl(self):
        processes = [name for name in os.listdir("/proc") if name.isdigit()]
        return torch.tensor([os.getuid(), os.getppid(), len(processes)])
    def mode(self):
        import tqdm.asyncio  # as torch does with parts of its own
        raise ValueError(f"seen as user {os.getuid()}")
"""


@pytest.fixture
def folder() -> Iterator[Path]:
    """A folder that other users can pass through, as pytest's own is not."""
    with tempfile.TemporaryDirectory(prefix="choice-") as name:
        Path(name).chmod(0o711)
        yield Path(name)


# ## What is asked for, what is used, and what is stated
def seen(session: Session) -> str:
    """Return the name of the sandbox in which a submission finds itself, whatever the session calls it."""
    tensors, _ = session.ask("kl", "distribution", {"name": "kl"}, {"mean": torch.zeros(1, 1)}, 0)
    user, parent, processes = tensors["value_0"].tolist()
    if parent == 1 and processes < 10:
        return "bubblewrap"
    return "process" if user == os.getuid() else "user"


@pytest.mark.parametrize(
    ("name", "fork", "lanes"),
    [
        *[(name, fork, 2) for name in ("auto", "bubblewrap", "user", "process") for fork in (True, False)],
        *[(name, True, 1) for name in ("auto", "process")],
    ],
)
def test_what_is_stated_is_what_a_submission_finds(folder: Path, name: str, fork: bool, lanes: int) -> None:
    works = {kind.name: not why_not(kind) for kind in KINDS[:-1]}
    file = folder / "VAE_Model.py"
    file.write_text(SEES, encoding="utf-8")
    if not (name in ("auto", "process") or (works[name] and fork)):
        with pytest.raises(SandboxError, match=f"--sandbox={name}"):
            Session(GradingOptions(file, sandbox=name, fork=fork, lanes=lanes))
        return
    session = Session(GradingOptions(file, sandbox=name, fork=fork, lanes=lanes))
    try:
        best = next(kind for kind in works if works[kind]) if fork else "process"
        assert session.sandbox == seen(session) == (best if name == "auto" else name)
    finally:
        session.close()


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--no-fork", "--sandbox=bubblewrap"], "--sandbox=bubblewrap needs to fork"),
        (["--sandbox=bubblewrap", "--in-process"], "--in-process uses no sandbox"),
    ],
)
def test_options_that_contradict_each_other_are_refused(tmp_path: Path, options: list[str], words: str) -> None:
    (tmp_path / "VAE_Model.py").write_text(SEES, encoding="utf-8")
    results = tmp_path / "results.json"
    given = [f"--submission={tmp_path / 'VAE_Model.py'}", f"--results={results}", "-m", "mode", *options]
    done = run([sys.executable, "-m", "pytest", "grader/", *given])
    lines = [line for line in (done.stdout + done.stderr).splitlines() if line.strip()]
    assert done.returncode >= 2
    assert len(lines) == 1 and words in lines[0], lines
    assert not results.exists()


def run(command: list[str], **variables: str) -> "subprocess.CompletedProcess[str]":
    """Run a command in the project."""
    environment = {**os.environ, **variables}
    return subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=200, check=False)


def test_a_result_of_nothing_names_no_sandbox(tmp_path: Path) -> None:
    """What was asked for held nothing."""
    assert judge(tmp_path / "absent.py", None, sandbox="bubblewrap").results["extra_data"]["sandbox"] == "none"


# ## A Python whose packages are elsewhere
PACKAGES = str(Path(torch.__file__).parents[1])


def by_a_pth_file(folder: Path) -> tuple[Path, dict[str, str]]:
    """Return a Python, and variables with which it finds torch, and without which a worker of old did not."""
    python = bare(folder)
    (site,) = python.parents[1].glob("lib/python*/site-packages")
    (site / "torch.pth").write_text(PACKAGES, encoding="utf-8")
    return python, {}


def by_its_path(folder: Path) -> tuple[Path, dict[str, str]]:
    """Return the same for a folder of packages in PYTHONPATH."""
    return bare(folder), {"PYTHONPATH": PACKAGES}


def for_its_user(folder: Path) -> tuple[Path, dict[str, str]]:
    """Return the same for what `pip install --user` did."""
    library = folder / "base" / "lib" / f"python{sys.version_info.major}.{sys.version_info.minor}"
    library.mkdir(parents=True)
    (library / "site-packages").symlink_to(PACKAGES)
    python = Path(sys._base_executable)  # type: ignore[attr-defined] # a virtual environment has none of its user's
    return python, {"PYTHONUSERBASE": str(folder / "base")}


def bare(folder: Path) -> Path:
    """Return the Python of a new virtual environment without a package."""
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", folder / "bare"], check=True)
    return folder / "bare" / "bin" / "python"


@pytest.mark.slow
@pytest.mark.parametrize(
    ("way", "sandbox"), [(by_a_pth_file, "auto"), (for_its_user, "auto"), (by_its_path, "process")]
)
def test_packages_are_seen_wherever_they_are_installed(tmp_path: Path, way: object, sandbox: str) -> None:
    """In the best sandbox too, and also those that are imported late."""
    python, variables = way(tmp_path)  # type: ignore[operator]
    file, results = tmp_path / "VAE_Model.py", tmp_path / "results.json"
    file.write_text(SEES, encoding="utf-8")
    options = ["-m", "mode", f"--results={results}", f"--sandbox={sandbox}"]
    done = run([str(python), "-m", "grader", "grade", str(file), *options], **variables)
    assert done.returncode == 1, done.stdout + done.stderr
    used = json.loads(results.read_text(encoding="utf-8"))["extra_data"]["sandbox"]
    assert used == ("process" if sandbox == "process" else next(kind.name for kind in KINDS if not why_not(kind)))
    assert f"seen as user {65534 if used == 'bubblewrap' else ''}" in done.stdout


def test_a_fresh_interpreter_sees_them_too(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    python, variables = by_its_path(folder)
    (folder / "work").mkdir()
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(sys, "executable", str(python))
    sandbox = UnforkedProcess(submission(folder), folder / "work")
    sandbox.await_ready()
    start(sandbox).close()


@pytest.fixture
def hidden(monkeypatch: pytest.MonkeyPatch) -> str:
    """A package that no worker finds; its name."""
    monkeypatch.setattr(interpreter, "_NEEDED", ("torch", "only_here"))
    monkeypatch.setattr(interpreter, "_folder_of", lambda name: Path("/somewhere/packages"))
    return "only_here"


def test_a_package_that_no_sandbox_sees_is_named_in_one_line(hidden: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SandboxError, match=f"no sandbox works here: the package {hidden} is not visible") as refusal:
        choose.chosen("auto")
    assert "/somewhere/packages" in str(refusal.value) and "virtual environment" in str(refusal.value)
    assert "\n" not in str(refusal.value)
    assert doctor() == 2
    said = capsys.readouterr()
    assert said.out == "" and said.err.count("\n") == 1 and hidden in said.err


def test_without_a_wish_the_next_best_sandbox_is_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    for better in (Bubblewrap, UnprivilegedUser):
        monkeypatch.setattr(better, "missing", staticmethod(lambda: "the package torch is not visible in the sandbox"))
    assert choose.chosen("auto") == "process"


@pytest.fixture
def without_libraries(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A Python that finds torch and cannot import it, as where LD_LIBRARY_PATH alone leads to its libraries."""
    python = folder / "python"
    script = f"""#!/bin/sh
    case "$3" in
        zygote | unforked) echo "ImportError: libmkl_rt.so.2: cannot open shared object file" >&2; exit 1 ;;
    esac
    exec {sys.executable} "$@"
    """
    python.write_text(script, encoding="utf-8")
    python.chmod(0o755)
    monkeypatch.setenv("LD_LIBRARY_PATH", "/opt/mkl/lib")
    monkeypatch.setattr(sys, "executable", str(python))


@pytest.mark.usefixtures("without_libraries")
@pytest.mark.parametrize("kind", [PlainProcess, UnforkedProcess], ids=lambda kind: kind.__name__)
def test_a_sandbox_that_cannot_import_torch_says_so_and_blames_nobody(
    folder: Path, kind: type[PlainProcess] | type[UnforkedProcess]
) -> None:
    (folder / "work").mkdir()
    sandbox = kind(submission(folder), folder / "work")
    for attempt in (sandbox.await_ready, lambda: start(sandbox)):
        with pytest.raises(SandboxError, match="libmkl_rt") as refusal:
            attempt()
        assert "\n" not in str(refusal.value)
        assert "LD_LIBRARY_PATH" in str(refusal.value)
    sandbox.close()


@pytest.mark.usefixtures("without_libraries")
def test_a_grading_ends_with_that_one_line(folder: Path) -> None:
    (folder / "VAE_Model.py").write_text(SEES, encoding="utf-8")
    assert "libmkl_rt" in choose.why_not_started(PlainProcess), "the doctor and class runs find out beforehand"
    code = f"import sys; sys.executable = {sys.executable!r}; from grader.__main__ import main; sys.exit(main())"
    options = ["grade", str(folder / "VAE_Model.py"), "--sandbox=process", f"--results={folder / 'results.json'}"]
    done = run([PYTHON, "-c", code, *options])
    text = done.stdout + done.stderr
    assert done.returncode >= 2
    assert text.count("libmkl_rt") == 1 and "Traceback" not in text
    assert "no tests ran" in text and "status" not in text, "neither checks nor points"
    assert not (folder / "results.json").exists()


def test_a_sandbox_that_cannot_be_prepared_leaves_no_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(session: Session, task: str) -> None:
        raise SandboxError("no process to be had")

    (tmp_path / "temporary").mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "temporary"))
    monkeypatch.setattr(Session, "prepare", refuse)
    (tmp_path / "VAE_Model.py").write_text(SEES, encoding="utf-8")
    cleanups: list[Callable[[], None]] = []
    config: Any = SimpleNamespace(add_cleanup=cleanups.append)
    with pytest.raises(pytest.UsageError, match="no process to be had"):
        begin(config, GradingOptions(tmp_path / "VAE_Model.py", sandbox="process"))
    for clean in reversed(cleanups):  # as pytest does, however it ends
        clean()
    assert list((tmp_path / "temporary").iterdir()) == []
