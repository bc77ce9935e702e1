"""setup.sh as Gradescope runs it, with stand-ins for apt, Python 3.11 and pip on the PATH: nothing is downloaded.

The stand-in for Python takes down what pip and the last look are asked for, and hands all else to the interpreter of
these tests; one test takes that last look for real.
"""

import stat
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from grader.instructor.release.contents import template
from tests.autograder import laid_out, run
from tests.releases import REFERENCE

_APT = """#!/bin/bash
echo "apt-get $*" >>"$TAKEN_DOWN"
"""
_PYTHON_311 = """#!/bin/bash
echo "python3.11 $*" >>"$TAKEN_DOWN"
mkdir -p "$3/bin"
cp "$(dirname "$0")/python" "$3/bin/python"
"""
_PYTHON = """#!/bin/bash
if [ "$1 $2" = "-m pip" ]; then
    echo "pip ${*:3}" >>"$TAKEN_DOWN"
    exit "${PIP_STATUS:-0}"
fi
if [ "$2" = -m ] || [ "$1" = -m ]; then
    echo "python $*" >>"$TAKEN_DOWN"
    exit 0
fi
exec "$REAL_PYTHON" "$@"
"""


@pytest.fixture
def autograder(tmp_path: Path) -> Callable[..., tuple[int, list[str], str]]:
    """Lay the autograder out and return a function that runs setup.sh: exit status, orders, and what it said."""
    stand_ins, taken_down = tmp_path / "bin", tmp_path / "taken-down"
    stand_ins.mkdir()
    taken_down.touch()
    for name, text in (("apt-get", _APT), ("python3.11", _PYTHON_311), ("python", _PYTHON)):
        (stand_ins / name).write_text(text)
        (stand_ins / name).chmod(0o755)
    root = laid_out(tmp_path / "autograder", {"VAE_Model.py": REFERENCE.read_bytes()})

    def set_up(**variables: str) -> tuple[int, list[str], str]:
        ours = {
            "PATH": f"{stand_ins}:/usr/bin:/bin",
            "TAKEN_DOWN": str(taken_down),
            "REAL_PYTHON": sys.executable,
            "VAE_GRADER_PYTHON": "",
            "VAE_GRADER_HOME": str(tmp_path / "home"),
        }
        done = run(root, "source/setup.sh", **{**ours, **variables})
        return done.returncode, taken_down.read_text().splitlines(), done.stdout + done.stderr

    return set_up


def offering(root: Path, old: str, new: str) -> None:
    file = root / "autograder" / "source" / "project" / "grader" / "offering.toml"
    text = file.read_text(encoding="utf-8")
    assert text.count(old) == 1
    file.write_text(text.replace(old, new), encoding="utf-8")


def test_it_installs_python_and_the_packages_and_looks_whether_all_is_there(
    autograder: Callable[..., tuple[int, list[str], str]], tmp_path: Path
) -> None:
    status, orders, said = autograder()
    assert status == 0, said
    assert orders == [
        "apt-get -o Acquire::Retries=3 update",
        "apt-get -o Acquire::Retries=3 install -y --no-install-recommends python3.11 python3.11-venv",
        f"python3.11 -m venv {tmp_path / 'home'}",
        f"pip install --no-cache-dir {tmp_path / 'autograder' / 'source' / 'project'}",
        f"python -m grader.platforms.gradescope_setup {tmp_path / 'autograder'}",
    ]


def test_pytorch_comes_from_the_index_that_the_offering_names(
    autograder: Callable[..., tuple[int, list[str], str]], tmp_path: Path
) -> None:
    offering(tmp_path, 'wheel_index = ""', 'wheel_index = "https://wheels.example.org/cpu"')
    status, orders, said = autograder()
    assert status == 0, said
    assert [order for order in orders if order.startswith("pip")] == [
        "pip install --no-cache-dir --index-url https://wheels.example.org/cpu torch torchvision",
        f"pip install --no-cache-dir {tmp_path / 'autograder' / 'source' / 'project'}",
    ]


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ("total = 100", "total = 101", "total is 101, but the points add up to 100"),
        ("[limits]", "[limit]", "[limit] is unknown"),
    ],
)
def test_an_offering_that_is_wrong_stops_it(
    autograder: Callable[..., tuple[int, list[str], str]], tmp_path: Path, old: str, new: str, words: str
) -> None:
    offering(tmp_path, old, new)
    status, _, said = autograder(VAE_GRADER_PYTHON=sys.executable)
    assert status != 0 and f"not ready: {tmp_path}" in said and words in said


def test_packages_that_cannot_be_installed_stop_it(autograder: Callable[..., tuple[int, list[str], str]]) -> None:
    status, orders, said = autograder(PIP_STATUS="1")
    assert status == 1 and orders[-1].startswith("pip install") and "ready" not in said


@pytest.mark.slow
def test_where_python_is_there_already_nothing_is_installed_and_only_root_may_look_inside(
    autograder: Callable[..., tuple[int, list[str], str]], tmp_path: Path
) -> None:
    status, orders, said = autograder(VAE_GRADER_PYTHON=sys.executable)
    assert (status, orders) == (0, []), said
    assert said.splitlines()[-1].startswith("ready: Python 3.")
    source = tmp_path / "autograder" / "source"
    open_to_others = [p for p in (source, *source.rglob("*")) if stat.S_IMODE(p.stat().st_mode) & 0o077]
    assert [path for path in open_to_others if "__pycache__" not in path.parts] == []


def test_a_missing_secret_stops_it(autograder: Callable[..., tuple[int, list[str], str]], tmp_path: Path) -> None:
    (tmp_path / "autograder" / "source" / "secret").unlink()
    status, _, said = autograder(VAE_GRADER_PYTHON=sys.executable)
    assert status == 1 and f" {tmp_path / 'autograder' / 'source' / 'secret'}:" in said


def test_python_lies_where_other_users_can_read_it() -> None:
    text = template("gradescope/setup.sh").content.decode()
    assert 'home="${VAE_GRADER_HOME:-/opt/vae-grader}"' in text
    assert "umask 022" in text
