"""`--checks DIR`: run a command in a copy of the project that also has an instructor's own checks.

The copy grades like any other one: class runs, releases and their proof need to know nothing of it. The files of DIR
are named test_<id>.py, and a check in them looks like those of the grader (see CONTRIBUTING.md).
"""

import argparse
import ast
import re
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from data.commandline import folder
from grader.grading.options import FOLDER, ROOT, refuse
from grader.judge.offering import OWN

PACKAGES = ("assignment", "data", "grader", "solution")
_FILES = ("setup.cfg", "pyproject.toml", "LICENSE", ".gitignore")
_LEFT_OUT = shutil.ignore_patterns("results", "results-*", "svhn", "downloads", "*.egg-info")
_ID = re.compile(r"[a-z][a-z0-9_]*")
_SHAPES_AT_MOST = 40
_KINDS = ("shape", "value", "gradient", "statistics")


class NoChecks(ValueError):  # noqa: N818
    """A folder of checks cannot be used; the message names the file, and says what to do."""


def add_to(commands: Sequence[argparse.ArgumentParser]) -> None:
    """Add the option to the parsers of some commands."""
    text = "folder with your own checks, test_<id>.py; the offering has their points [none]"
    for command in commands:
        command.add_argument("--checks", type=folder, metavar="DIR", help=text)


def run_in_copy(options: argparse.Namespace, arguments: Sequence[str]) -> int | None:
    """Run a command in a copy of the project that has the checks of --checks.

    Args:
        options: The options of the command.
        arguments: The command line that they were read from.

    Returns:
        The exit status; None if there is nothing to copy: there is no such option, or this is the copy.
    """
    checks: Path | None = getattr(options, "checks", None)
    if checks is None or are_here(checks):
        return None
    try:
        files = own_files(checks)
        with tempfile.TemporaryDirectory(prefix="vae-grader-checks-") as made:
            copy = Path(made) / ROOT.name
            copy_project(copy, files, options.offering)
            if options.command == "release":
                make_skeleton(copy)
            return _run(copy, arguments)
    except (NoChecks, OSError) as error:
        return refuse(options.command, f"--checks: {error}")


def are_here(checks: Path) -> bool:
    """Whether this is the copy of the project that has the checks of a folder."""
    ids = {file.stem.removeprefix("test_") for file in checks.glob("test_*.py")}
    return bool(ids) and ids <= OWN


def _run(copy: Path, arguments: Sequence[str]) -> int:
    """Run `python -m grader` of a copy in the current folder; returns its exit status."""
    start = copy / FOLDER.name / "entry" / "grader" / "__main__.py"
    # A session of its own, so that Ctrl-C reaches it once: from here.
    process = subprocess.Popen([sys.executable, str(start), *arguments], start_new_session=True)
    while True:
        try:
            return process.wait()
        except KeyboardInterrupt:
            process.send_signal(signal.SIGINT)


def copy_project(target: Path, files: Sequence[Path], offering: Path | None) -> None:
    """Copy the project, and put files of checks beside those of the grader.

    Args:
        target: The new folder.
        files: The files of checks.
        offering: The offering that the copy has; None for that of the project.
    """
    for package in PACKAGES:
        if (ROOT / package).is_dir():
            shutil.copytree(ROOT / package, target / package, ignore=_LEFT_OUT)
    for name in _FILES:
        if (ROOT / name).is_file():
            shutil.copy(ROOT / name, target / name)
    if (ROOT / "data" / "svhn").is_dir():
        (target / "data" / "svhn").symlink_to(ROOT / "data" / "svhn", target_is_directory=True)
    for file in files:
        shutil.copy(file, target / FOLDER.name / file.name)
    if offering:
        shutil.copy(offering, target / FOLDER.name / "offering.toml")


def make_skeleton(copy: Path) -> None:
    """Make the skeleton of a copy, for its offering.

    Raises:
        NoChecks: It cannot be made.
    """
    command = [sys.executable, "-B", "-m", "solution.skeleton"]
    done = subprocess.run(command, cwd=copy, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise NoChecks(f"no skeleton can be made: {(done.stderr.strip().splitlines() or ['no reason given'])[-1]}")


def own_files(checks: Path) -> list[Path]:
    """Return the files of checks in a folder.

    Raises:
        NoChecks: There are none, or one of them cannot be graded.
    """
    files = sorted(checks.glob("test_*.py"))
    if not files:
        raise NoChecks(f"{checks} has no file test_<id>.py with checks")
    for file in files:
        task = file.stem.removeprefix("test_")
        if not _ID.fullmatch(task):
            raise NoChecks(f"{file}: {task!r} cannot be the id of a task: use small letters, digits and underscores")
        if (FOLDER / file.name).exists():
            raise NoChecks(f"{file}: the grader has a task {task!r} already: choose another name")
        try:
            tree = ast.parse(file.read_bytes())
        except (SyntaxError, ValueError) as error:
            raise NoChecks(f"{file}: Python cannot read it: {error}") from None
        _check_form(file, task, tree)
    return files


def _check_form(file: Path, task: str, tree: ast.Module) -> None:
    """Check what would otherwise give wrong points: the marker, and the shares of the checks."""
    if f"pytestmark = pytest.mark.{task}" not in (ast.unparse(node) for node in tree.body):
        raise NoChecks(f"{file}: write `pytestmark = pytest.mark.{task}` below the imports")
    shares = list(_shares(file, tree))
    total = sum(share for _, share in shares)
    form = sum(share for kind, share in shares if kind == "shape")
    if total != 100:
        raise NoChecks(f"{file}: the shares of its checks add up to {total}: they must add up to 100")
    if form > _SHAPES_AT_MOST or all(kind != "value" for kind, _ in shares):
        raise NoChecks(
            f"{file}: at least one check must be of kind value, and shapes may have {_SHAPES_AT_MOST} at most"
        )


def _shares(file: Path, tree: ast.Module) -> Iterator[tuple[str, int]]:
    for node in tree.body:
        if isinstance(node, ast.FunctionDef) and node.name.startswith("test_"):
            marks = [_mark(mark) for mark in node.decorator_list if ast.unparse(mark).startswith("check(")]
            if len(marks) != 1 or marks[0] is None:
                how = '@check("value", 60)'
                raise NoChecks(f"{file}, line {node.lineno}: {node.name} needs its kind and share, as in {how}")
            yield marks[0]


def _mark(mark: ast.expr) -> tuple[str, int] | None:
    """Return kind and share of a check; None if they are not written as two values."""
    values: list[Any] = [a.value for a in getattr(mark, "args", []) if isinstance(a, ast.Constant)]
    if len(values) == 2 and values[0] in _KINDS and type(values[1]) is int and values[1] > 0:
        return values[0], values[1]
    return None
