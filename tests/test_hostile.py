"""The hostile zoo, graded as a class: points exactly as earned, a clear reason, nothing left, neighbours unharmed."""

import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

import psutil
import pytest

from tests.acts import KINDS, why_not
from tests.zoo.hostile import HOSTILE, JUDGED, Hostile
from tests.zoo.hostile.neighbourhood import ROOT, grade, tree_hash

FULL = 22.0  # of kl, nll and mode
SHORT = HOSTILE[::6]  # of each kind some

WORKING = {kind.name: why_not(kind) for kind in KINDS[:-1]}


def test_there_are_enough_and_each_is_another() -> None:
    assert len(HOSTILE) >= 30
    assert len({hostile.name for hostile in HOSTILE}) == len({hostile.content for hostile in HOSTILE}) == len(HOSTILE)
    assert all(set(hostile.earned) <= set(JUDGED) for hostile in HOSTILE)


def check(files: Sequence[Hostile], sandbox: str) -> None:
    """Grade a class of hostile files and hold it to all that is expected."""
    before, files_before = _workers(), tree_hash(ROOT)
    with tempfile.TemporaryDirectory(prefix="hostile-") as name:
        Path(name).chmod(0o711)
        found = grade(files, sandbox, Path(name))
    print(found.log)
    assert {row.hostile.name: row.problems for row in found.rows if row.problems} == {}
    assert set(found.honest) == {FULL}, "neighbours lost points"
    assert not found.seen_outside
    assert _workers() <= before, "processes are left"
    assert tree_hash(ROOT) == files_before, "files of the project were changed"


def _workers() -> set[int]:
    """Return the processes that run the worker's program, those of other gradings on this machine included."""
    mark = str(ROOT / "grader" / "worker")
    return {p.pid for p in psutil.process_iter(["cmdline"]) if any(mark in word for word in p.info["cmdline"] or ())}


@pytest.mark.skipif(sys.platform != "linux", reason="hostile files need a sandbox, and that needs Linux")
@pytest.mark.parametrize("sandbox", WORKING)
def test_some_hostile_files(sandbox: str) -> None:
    if WORKING[sandbox]:
        pytest.skip(f"no sandbox `{sandbox}` here: {WORKING[sandbox]}")
    check(SHORT, sandbox)


@pytest.mark.slow
@pytest.mark.parametrize("sandbox", WORKING)
def test_all_hostile_files(sandbox: str) -> None:
    if WORKING[sandbox]:
        pytest.skip(f"no sandbox `{sandbox}` here: {WORKING[sandbox]}")
    check(HOSTILE, sandbox)
