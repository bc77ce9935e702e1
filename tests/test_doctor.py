"""`python -m grader doctor`: every sandbox that works here prevents every trial; and the trials can succeed."""

import shutil
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from grader.instructor.doctor import doctor as command
from grader.instructor.doctor.doctor import Finding, doctor, examine
from grader.instructor.doctor.trials import TRIALS
from grader.sandbox import process
from grader.sandbox.interpreter import WORKER
from grader.worker.confine import landlock_version
from tests.acts import KINDS, why_not

WORKING = [kind.name for kind in KINDS[:-1] if not why_not(kind)]
UNLOCKED = '''

def confine(folder, limited, readable, writable):
    """No locks at all: what a worker could do without them."""
    os.chdir(folder)
'''


@pytest.fixture(scope="module")
def findings() -> dict[tuple[str, str], Finding]:
    """Return all findings, by sandbox and trial; the sandboxes are examined at the same time."""
    if not WORKING:
        pytest.skip("no sandbox works here")
    with ThreadPoolExecutor() as pool:
        found = list(pool.map(lambda name: list(examine(name)), WORKING))
    return {(name, f.trial.id): f for name, of in zip(WORKING, found, strict=True) for f in of}


@pytest.mark.slow
@pytest.mark.parametrize("trial", TRIALS, ids=lambda trial: trial.id)
@pytest.mark.parametrize("sandbox", ["bubblewrap", "user", "process"])
def test_every_trial_is_prevented(findings: dict[tuple[str, str], Finding], sandbox: str, trial: object) -> None:
    if sandbox not in WORKING:
        pytest.skip(f"no sandbox `{sandbox}` here")
    if sandbox == "process" and landlock_version() < 6:
        pytest.skip("a plain process is guarded by Landlock 6 or newer only")
    finding = findings[sandbox, trial.id]  # type: ignore[attr-defined]
    assert finding.enforced, finding.outcome


# What nothing but limits and locks of the kernel's prevents, for a process of the judge's own user.
OPEN = ["read", "read-project", "import-project", "connect", "write", "leave", "kill"]


@pytest.mark.skipif("process" not in WORKING, reason="needs fork")
@pytest.mark.parametrize("trial", OPEN)
def test_without_its_locks_a_trial_succeeds(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, trial: str) -> None:
    """A trial that cannot succeed would show nothing."""
    shutil.copytree(WORKER, tmp_path / "worker")
    with (tmp_path / "worker" / "confine.py").open("a", encoding="utf-8") as file:
        file.write(UNLOCKED)
    monkeypatch.setattr(process, "PROGRAM", tmp_path / "worker" / "__main__.py")
    (finding,) = examine("process", only=trial)
    assert not finding.enforced, finding.outcome


def test_the_command_says_what_is_used_and_what_is_prevented(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    if not WORKING:
        pytest.skip("no sandbox works here")
    monkeypatch.setattr(command, "TRIALS", TRIALS[:1])
    assert doctor(WORKING[0]) == 0
    text = capsys.readouterr().out
    first = text.splitlines()[0]
    assert first.split()[0] == WORKING[0] and "used" in first and "no: " not in first
    assert "read a file outside" in text and "prevented" in text and "SUCCEEDED" not in text


def test_a_sandbox_that_does_not_work_here_is_named_with_the_reason(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("grader.sandbox.bubblewrap.shutil.which", lambda _: None)
    assert doctor("bubblewrap") == 2
    assert "install the package `bubblewrap`" in capsys.readouterr().err
