"""Which files of the repository go where: lists of what an artefact may hold, so that nothing else ever slips in.

Works in a checkout and in a plain copy alike: what runs and tools leave behind is known by its name. In a checkout,
what git does not know is refused, because nobody decided that it should go out.
"""

import fnmatch
import subprocess
from collections.abc import Iterator, Sequence
from pathlib import Path

from . import files
from .files import File

# Commands of instructors (class runs, exports, releases, the doctor) and their pages stay at home, and so do the tests:
# students and platforms get the checks, and whatever these import.
_ROOT = ("LICENSE", "pyproject.toml")
_DATA = ("data/*.py", "data/README.md", "data/sample.png", "data/sample/*.mat")
_GRADER = (
    *(f"grader/{name}.py" for name in ("__init__", "__main__", "arguments", "commandline", "conftest", "plugin")),
    *(f"grader/{name}.py" for name in ("options", "session", "grading", "probe", "short_runner", "junit")),
    *("grader/test_*.py", "grader/offering.toml", "grader/judge/*.py", "grader/sandbox/*.py", "grader/worker/*.py"),
    *(
        f"grader/report/{name}.py"
        for name in ("__init__", "cells", "explain", "files", "gradescope", "terminal", "text")
    ),
    *("grader/report/gradebooks/__init__.py", "grader/report/gradebooks/grade.py"),  # two decimals, for pytest's JUnit
)
# What grades in place of an instructor: one submission, with an official seed, where a platform asks for it.
_OFFICIAL = ("grader/seeds.py", *(f"grader/official/{name}.py" for name in ("__init__", "run", "verdict")))
_ON_GRADESCOPE = tuple(f"grader/official/{name}.py" for name in ("gradescope", "ready", "container"))
_ON_CLASSROOM = (
    "grader/official/classroom.py",
    *(f"grader/report/{name}.py" for name in ("classroom", "entry", "reading", "tables")),
)

STUDENT = (*_ROOT, *_DATA, *_GRADER, "assignment/*.py", "assignment/*.md", "assignment/*.ipynb")
GRADESCOPE = (*_ROOT, *_DATA, *_GRADER, *_OFFICIAL, *_ON_GRADESCOPE)
CLASSROOM = (*STUDENT, *_OFFICIAL, *_ON_CLASSROOM, ".gitignore")

_LEFT_BEHIND = ("__pycache__", "results", "results-*", "svhn", "downloads", "build", "dist", "venv", "*.egg-info")


class Missing(ValueError):  # noqa: N818
    """The repository lacks something, or holds what nobody decided about; the message says what to do."""


def chosen(root: Path, patterns: Sequence[str]) -> dict[str, File]:
    """Return the files of the repository that an artefact holds.

    Args:
        root: The repository, a checkout or a copy.
        patterns: Of paths, as above; a `*` reaches into folders too.

    Raises:
        Missing: A pattern has no file, or git does not know one that would go out.
    """
    paths = [path for path in _walk(root) if any(fnmatch.fnmatchcase(path, pattern) for pattern in patterns)]
    for pattern in patterns:
        if not fnmatch.filter(paths, pattern):
            raise Missing(f"{root} has no {pattern}: release from a complete copy of the repository")
    if strange := untracked(root, paths):
        raise Missing(f"git does not know {strange[0]}, which would go out: `git add` it, or move it away")
    return {path: files.of(path, (root / path).read_bytes()) for path in paths}


def template(name: str, program: bool = False) -> File:
    """Return a file that goes out as it lies in grader/release/templates."""
    return files.of(name, (Path(__file__).parent / "templates" / name).read_bytes(), program)


def _walk(root: Path) -> list[str]:
    """Return all files below the repository's rooms, in order, without what is hidden or left behind by runs."""
    return sorted(path.relative_to(root).as_posix() for path in _below(root) if path.is_file())


def _below(folder: Path, top: bool = True) -> Iterator[Path]:
    for path in folder.iterdir():
        hidden = path.name.startswith(".") and not (top and path.name == ".gitignore")
        if hidden or path.is_symlink() or any(fnmatch.fnmatchcase(path.name, pattern) for pattern in _LEFT_BEHIND):
            continue
        if path.is_dir():
            if not top or (path / "__init__.py").exists():
                yield from _below(path, top=False)
        else:
            yield path


def untracked(root: Path, paths: Sequence[str]) -> list[str]:
    """Return those of some files that git does not know; none where there is no git or no repository."""
    if not (root / ".git").exists():
        return []
    try:
        listed = subprocess.run(["git", "ls-files", "-z"], cwd=root, capture_output=True, check=False)
    except OSError:
        return []
    known = set(listed.stdout.decode().split("\0"))
    return [path for path in paths if path not in known] if listed.returncode == 0 else []
