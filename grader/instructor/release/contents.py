"""Which files of the repository go where: an artefact holds what its folders hold, and nothing else.

Works in a checkout and in a plain copy alike: what runs and tools leave behind is known by its name. In a checkout,
what git does not know is refused, because nobody decided that it should go out.
"""

import configparser
import fnmatch
import io
import os
import re
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from grader.grading.seeds import FILE_NAME as SECRET

_TEXT = (".cfg", ".ipynb", ".md", ".py", ".sh", ".toml", ".yml", "")  # what has no suffix is LICENSE, or a script


@dataclass(frozen=True)
class File:
    """A file of an artefact.

    Attributes:
        content: Its bytes.
        mode: Its permissions, chosen here: those of the repository depend on who copied it.
    """

    content: bytes
    mode: int = 0o644


def file_of(path: str, content: bytes, program: bool = False) -> File:
    """Return a file; lines of a text end as on Linux, also where the repository was checked out on Windows.

    Args:
        path: Where it will lie; decides whether it is a text.
        content: Its bytes.
        program: Whether it is to be executable.
    """
    text = PurePosixPath(path).suffix in _TEXT
    return File(content.replace(b"\r\n", b"\n") if text else content, 0o755 if program else 0o644)


# A folder says who receives it: `grader/instructor/`, `solution/` and `tests/` stay at home.
_CHECKS = (
    *("LICENSE", "pyproject.toml", "data/", "grader/*.py", "grader/offering.toml", "grader/grading/", "grader/judge/"),
    *("grader/report/", "grader/sandbox/", "grader/worker/"),
)
STUDENT = (*_CHECKS, "assignment/*.py", "assignment/*.md", "assignment/*.ipynb")
GRADESCOPE = (*_CHECKS, "grader/platforms/")
CLASSROOM = (*STUDENT, "grader/platforms/", ".gitignore")

_LEFT_BEHIND = ("__pycache__", "results", "results-*", "svhn", "downloads", "build", "dist", "venv", "*.egg-info")


class Missing(ValueError):  # noqa: N818
    """The repository lacks something, or holds what nobody decided about; the message says what to do."""


def chosen_files(root: Path, places: Sequence[str]) -> dict[str, File]:
    """Return the files of the repository that an artefact holds.

    Args:
        root: The repository, a checkout or a copy.
        places: As above: a folder with all below it, or a pattern of files in one folder.

    Raises:
        Missing: A place has no file, or git does not know one that would go out.
    """
    paths = [path for path in _walk(root) if any(_lies_in(path, place) for place in places)]
    for place in places:
        if not any(_lies_in(path, place) for path in paths):
            raise Missing(f"{root} has no {place}: release from a complete copy of the repository")
    if strange := untracked(root, paths):
        raise Missing(f"git does not know {strange[0]}, which would go out: `git add` it, or move it away")
    return {path: file_of(path, (root / path).read_bytes()) for path in paths}


def _lies_in(path: str, place: str) -> bool:
    if place.endswith("/"):
        return path.startswith(place)
    return path.count("/") == place.count("/") and fnmatch.fnmatchcase(path, place)


def template(name: str, program: bool = False) -> File:
    """Return a file that goes out as it lies in templates/."""
    return file_of(name, (Path(__file__).parent / "templates" / name).read_bytes(), program)


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


NAME = "setup.cfg"
_HEADER = (
    "# Installing brings the dependencies, and puts nothing on the import path: run everything from this folder.\n\n"
)
_KEPT = {
    "metadata": ("name", "version", "license", "license_files"),
    "options": ("packages", "py_modules", "python_requires", "install_requires"),
    "tool:pytest": ("minversion", "addopts", "pythonpath"),
}
_TEST_PATHS = "grader"  # what `pytest` alone runs


def settings_of_part(settings: str) -> File:
    """Return setup.cfg for a part of the repository: without what it lacks (tests, extras, settings of developers).

    Args:
        settings: Text of the repository's own.

    Raises:
        Missing: It lacks what is needed.
    """
    whole = configparser.ConfigParser(interpolation=None)
    part = configparser.ConfigParser(interpolation=None)
    try:
        whole.read_string(settings)
        for section, keys in _KEPT.items():
            part[section] = {key: whole[section][key] for key in keys}
    except (configparser.Error, KeyError) as error:
        raise Missing(f"{NAME} cannot be taken apart: {' '.join(str(error).split())} is missing or wrong") from None
    part["tool:pytest"]["testpaths"] = _TEST_PATHS
    stream = io.StringIO()
    part.write(stream)
    lines = [line.rstrip() for line in stream.getvalue().strip().splitlines()]
    return file_of(NAME, (_HEADER + "\n".join(lines) + "\n").encode())


SOLUTION = "solution/VAE_Model.py"
SKELETON = "assignment/VAE_Model.py"
WORKFLOW = ".github/workflows/classroom.yml"
PROJECT = "project"
"""Where the grader lies in gradescope.zip: its root holds what Gradescope looks for, and the secret."""


def student_files(root: Path) -> dict[str, File]:
    """Return what a student unpacks: assignment, data, grader, and how to begin.

    Raises:
        Missing: The repository is incomplete, or holds what nobody decided about.
        OSError: It cannot be read.
    """
    return {
        **chosen_files(root, STUDENT),
        NAME: _settings(root),
        "README.md": template("student/README.md"),
    }


def gradescope_files(root: Path, secret: bytes) -> dict[str, File]:
    """Return what Gradescope's container gets: its two scripts, the grader, and the secret of the offering.

    Raises:
        Missing, OSError: As above.
    """
    project = {**chosen_files(root, GRADESCOPE), NAME: _settings(root)}
    return {
        "setup.sh": template("gradescope/setup.sh", program=True),
        "run_autograder": template("gradescope/run_autograder", program=True),
        SECRET: File(secret + b"\n", 0o600),
        **{f"{PROJECT}/{path}": file for path, file in project.items()},
    }


def classroom_files(root: Path) -> dict[str, File]:
    """Return the template repository of GitHub Classroom: what a student gets, and a workflow that grades it.

    Raises:
        Missing, OSError: As above.
    """
    return {
        **chosen_files(root, CLASSROOM),
        NAME: _settings(root),
        "README.md": _replaced(template("student/README.md"), template("classroom/hand_in.md")),
        WORKFLOW: template("classroom/classroom.yml"),
    }


def write_artefact(path: Path, content: bytes, mode: int = 0o644) -> None:
    """Write a file atomically, with a mode that no umask changes.

    Raises:
        OSError: It cannot be written; what was there before is still there.
    """
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "wb") as stream:
            stream.write(content)
        temporary.chmod(mode)
        temporary.replace(path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise


def lay(folder: Path, files: Mapping[str, File]) -> None:
    """Write files below a folder.

    Raises:
        OSError: They cannot be written.
    """
    for path in sorted(files):
        target = folder / path
        target.parent.mkdir(parents=True, exist_ok=True)
        write_artefact(target, files[path].content, files[path].mode)


def bytes_of(artefact: Mapping[str, File]) -> dict[str, bytes]:
    """Return the contents by path."""
    return {path: file.content for path, file in artefact.items()}


def _settings(root: Path) -> File:
    return settings_of_part((root / NAME).read_text(encoding="utf-8"))


def _replaced(page: File, section: File) -> File:
    """Return a page with one section, from its heading to the next, put in the place of the one that is called so."""
    text, new = page.content.decode(), section.content.decode()
    heading = re.escape(new.partition("\n")[0])
    made, times = re.subn(rf"^{heading}\n.*?(?=^## |\Z)", lambda _: f"{new}\n", text, flags=re.MULTILINE | re.DOTALL)
    if times != 1:
        raise Missing(f"a template has {times} sections called {heading}: one is to be replaced")
    return File(made.encode())
