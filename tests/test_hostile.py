"""The hostile zoo, graded as a class: points exactly as earned, a clear reason, nothing left, neighbours unharmed."""

import contextlib
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path

import psutil
import pytest

from grader.grading.children import adopt_orphans
from tests.acts import KINDS, why_not
from tests.zoo.hostile import HOSTILE, JUDGED, Hostile
from tests.zoo.hostile.neighbourhood import ROOT, grade, tree_hash

FULL = 22.0  # of kl, nll and mode
SHORT = HOSTILE[::6]  # of each kind some
A_DAEMON_LIVES_LONGER_S = 5.0

linux = pytest.mark.skipif(sys.platform != "linux", reason="hostile files need a sandbox, and that needs Linux")
WORKING = {kind.name: why_not(kind) for kind in KINDS[:-1]}


def test_there_are_enough_and_each_is_another() -> None:
    assert len(HOSTILE) >= 30
    assert len({hostile.name for hostile in HOSTILE}) == len({hostile.content for hostile in HOSTILE}) == len(HOSTILE)
    assert all(set(hostile.earned) <= set(JUDGED) for hostile in HOSTILE)


def check(files: Sequence[Hostile], sandbox: str) -> None:
    """Grade a class of hostile files and hold it to all that is expected."""
    files_before = tree_hash(ROOT)
    with tempfile.TemporaryDirectory(prefix="hostile-") as name, orphans() as left:
        Path(name).chmod(0o711)
        found = grade(files, sandbox, Path(name))
    print(found.log)
    assert {row.hostile.name: row.problems for row in found.rows if row.problems} == {}
    assert set(found.honest) == {FULL}, "neighbours lost points"
    assert not found.seen_outside
    assert not left, "processes are left"
    assert tree_hash(ROOT) == files_before, "files of the project were changed"


@contextlib.contextmanager
def orphans() -> Iterator[list[psutil.Process]]:
    """Adopt whatever outlives its parent meanwhile; the list holds in the end what is still alive then."""
    ourselves, left = psutil.Process(), list[psutil.Process]()
    before = set(ourselves.children(recursive=True))
    adopt_orphans()
    try:
        yield left
    finally:
        new = [child for child in ourselves.children(recursive=True) if child not in before]
        left += psutil.wait_procs(new, timeout=A_DAEMON_LIVES_LONGER_S)[1]
        adopt_orphans(False)
        for process in left:
            process.kill()


@linux
def test_an_orphan_is_found() -> None:
    """A daemon, as a hostile file would start it: its parents are gone."""
    daemon = "import os; os.setsid(); os.fork() and os._exit(0); os.execvp('sleep', ['sleep', '60'])"
    with orphans() as left:
        subprocess.run([sys.executable, "-c", daemon], check=True)
    assert len(left) == 1


@pytest.mark.slow
@linux
@pytest.mark.parametrize("sandbox", WORKING)
def test_some_hostile_files(sandbox: str) -> None:
    if WORKING[sandbox]:
        pytest.skip(f"no sandbox `{sandbox}` here: {WORKING[sandbox]}")
    check(SHORT, sandbox)


@linux
@pytest.mark.long
@pytest.mark.parametrize("sandbox", WORKING)
def test_all_hostile_files(sandbox: str) -> None:
    if WORKING[sandbox]:
        pytest.skip(f"no sandbox `{sandbox}` here: {WORKING[sandbox]}")
    check(HOSTILE, sandbox)
