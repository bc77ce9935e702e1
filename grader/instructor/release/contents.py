"""Choose the files of the repository for each artefact, by lists of folders and patterns.

This works in a git checkout and in a plain copy. Files that runs and tools create are recognised by name and left out.
In a checkout, files that are unknown to git are refused, as nobody decided that they should be released.
"""

import configparser
import fnmatch
import io
import re
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath

from jinja2 import Environment, StrictUndefined

from grader.grading.seeds import FILE_NAME as SECRET
from grader.judge.offering import Offering, load_offering
from grader.report.files import write_whole

_TEXT = (
    ".cfg",
    ".html",
    ".ipynb",
    ".json",
    ".md",
    ".py",
    ".sh",
    ".toml",
    ".yml",
    "",
)  # files without suffix: LICENSE and scripts


@dataclass(frozen=True)
class File:
    """A file of an artefact.

    Attributes:
        content: Content of the file.
        mode: Permissions. They are set here, as those in the repository depend on how it was copied.
    """

    content: bytes
    mode: int = 0o644


def file_of(path: str, content: bytes, program: bool = False) -> File:
    """Return a file. Text files get Linux line endings, even if the repository was checked out on Windows.

    Args:
        path: Path in the artefact; its suffix tells whether it is a text file.
        content: Content of the file.
        program: Whether to make the file executable.
    """
    text = PurePosixPath(path).suffix in _TEXT
    return File(content.replace(b"\r\n", b"\n") if text else content, 0o755 if program else 0o644)


# Folders decide who receives a file: `grader/instructor/`, `solution/` and `tests/` are never released.
_CHECKS = (
    *("LICENSE", "pyproject.toml", "data/", "grader/*.py", "grader/offering.toml", "grader/grading/", "grader/judge/"),
    *("grader/report/", "grader/sandbox/", "grader/worker/"),
)
STUDENT = (*_CHECKS, "assignment/*.py", "assignment/*.md", "assignment/*.ipynb")
CONTAINER = (*_CHECKS, "grader/platforms/")  # what grades in a container: Gradescope, PrairieLearn, Autolab
CLASSROOM = (*STUDENT, "grader/platforms/", ".gitignore")

_LEFT_BEHIND = ("__pycache__", "results", "results-*", "svhn", "downloads", "build", "dist", "venv", "*.egg-info")


class Missing(ValueError):  # noqa: N818
    """The repository is incomplete, or holds files unknown to git; the message says what to do."""


def chosen_files(root: Path, places: Sequence[str]) -> dict[str, File]:
    """Return the files of the repository that belong to an artefact.

    Args:
        root: The repository, a checkout or a copy.
        places: As above: folders with everything below them, or patterns of files in one folder.

    Raises:
        Missing: A place has no files, or a file to be released is unknown to git.
    """
    paths = [path for path in _walk(root) if any(_lies_in(path, place) for place in places)]
    for place in places:
        if not any(_lies_in(path, place) for path in paths):
            raise Missing(f"{root} has no {place}: release from a complete copy of the repository")
    if strange := untracked(root, paths):
        raise Missing(f"{strange[0]} would be released, but is unknown to git: `git add` it, or move it away")
    return {path: file_of(path, (root / path).read_bytes()) for path in paths}


def _lies_in(path: str, place: str) -> bool:
    if place.endswith("/"):
        return path.startswith(place)
    return path.count("/") == place.count("/") and fnmatch.fnmatchcase(path, place)


def template(name: str, program: bool = False) -> File:
    """Return a file of templates/, which is released unchanged."""
    return file_of(name, (Path(__file__).parent / "templates" / name).read_bytes(), program)


def page(name: str, offering: Offering, out: str = "") -> File:
    """Return a page of templates/, with the values of an offering and the folder of its release filled in."""
    environment = Environment(undefined=StrictUndefined, trim_blocks=True, keep_trailing_newline=True)
    solved = [task for task, part in offering.parts.items() if part != "write" and task != "training"]
    values = {
        "tasks": len(offering.graded),
        "total": offering.total,
        "hints": offering.hints,
        "out": out,
        "example": offering.example,
        "minutes": f"{offering.limits.submission_wall_s / 60:g}",
        "solved": ", ".join(f"`{task}`" for task in solved),
    }
    return File(environment.from_string(template(name).content.decode()).render(values).encode())


def _walk(root: Path) -> list[str]:
    """Return all files in the repository's packages, sorted, without hidden files and those that runs create."""
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
    """Return those of the given files that are unknown to git; none if there is no git or no repository."""
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
    "options": ("python_requires", "install_requires"),
    "tool:pytest": ("minversion", "addopts", "pythonpath"),
}
_NOTHING_INSTALLED = {"packages": "", "py_modules": ""}  # if they were missing, setuptools would install all it finds
_TEST_PATHS = "grader"  # what `pytest` without arguments runs


def settings_of_part(settings: str) -> File:
    """Return setup.cfg for a part of the repository: without tests, extras and settings for developers.

    Args:
        settings: Text of the repository's setup.cfg.

    Raises:
        Missing: A required setting is missing.
    """
    whole = configparser.ConfigParser(interpolation=None)
    part = configparser.ConfigParser(interpolation=None)
    try:
        whole.read_string(settings)
        for section, keys in _KEPT.items():
            part[section] = {key: whole[section][key] for key in keys}
    except (configparser.Error, KeyError) as error:
        raise Missing(f"{NAME}: {' '.join(str(error).split())} is missing or wrong") from None
    part["options"].update(_NOTHING_INSTALLED)
    part["tool:pytest"]["testpaths"] = _TEST_PATHS
    stream = io.StringIO()
    part.write(stream)
    lines = [line.rstrip() for line in stream.getvalue().strip().splitlines()]
    return file_of(NAME, (_HEADER + "\n".join(lines) + "\n").encode())


SOLUTION = "solution/VAE_Model.py"
SKELETON = "assignment/VAE_Model.py"
HANDOUT = "assignment/README.md"
NOTEBOOK = "assignment/Getting_Started_With_VAE.ipynb"
OFFERING = "grader/offering.toml"
WORKFLOW = ".github/workflows/classroom.yml"
PROJECT = "project"
"""Folder of the grader in an artefact that grades in a container, next to the files that the platform needs."""


@dataclass(frozen=True)
class Course:
    """An offering to be released.

    Attributes:
        offering: The offering.
        made: The files that are made for it, by path: skeleton, handout, and the offering itself.
    """

    offering: Offering
    made: Mapping[str, File]


def course_of(root: Path, offering: Path) -> Course:
    """Return the offering in a file, with the skeleton and the handout that `solution.skeleton` makes for it.

    Raises:
        OfferingError: The offering is invalid.
        Missing: The repository is incomplete, or skeleton and handout cannot be made.
        OSError: The repository cannot be read.
    """
    chosen = load_offering(offering)
    if not (root / SOLUTION).exists():
        raise Missing(f"{root} has no {SOLUTION}: release from a complete copy of the repository")
    with tempfile.TemporaryDirectory(prefix="vae-release-") as folder:
        options = [f"--offering={offering.resolve()}", f"--out={folder}"]
        command = [sys.executable, "-B", "-m", "solution.skeleton", *options]
        done = subprocess.run(command, cwd=root, capture_output=True, text=True, check=False)
        if done.returncode != 0:
            raise Missing(f"no skeleton can be made: {(done.stderr.strip().splitlines() or ['no reason given'])[-1]}")
        made = {path: (Path(folder) / Path(path).name).read_bytes() for path in (SKELETON, HANDOUT)}
    made[OFFERING] = offering.read_bytes()
    return Course(chosen, {path: file_of(path, content) for path, content in made.items()})


def _of_course(course: Course, files: Mapping[str, File]) -> dict[str, File]:
    """Return files with those of an offering in place, and without the checks of tasks that nobody writes."""
    unused = {f"grader/test_{task}.py" for task, part in course.offering.parts.items() if part != "write"}
    kept = {path: course.made.get(path, file) for path, file in files.items() if path not in unused}
    return {path: notebook_of(course.offering, file) if path == NOTEBOOK else file for path, file in kept.items()}


def notebook_of(offering: Offering, notebook: File) -> File:
    """Return the notebook with cells that check tasks of the offering, where `kl` or `nll` is none of them."""
    one = offering.example
    two = next((task for task in ("nll", *offering.graded) if task in offering.graded and task != one), one)
    text = notebook.content.decode().replace("here `kl`", f"here `{one}`")
    for asked, tasks in (("kl or nll", f"{one} or {two}"), ("kl", one)):
        text = text.replace(rf"check(\"{asked}\")", rf"check(\"{tasks}\")")
    return replace(notebook, content=text.encode())


def _for_students(course: Course, files: Mapping[str, File]) -> dict[str, File]:
    """Return the files of an offering, without the checks that the instructor keeps."""
    kept = {f"grader/test_{task}.py" for task in course.offering.kept}
    return {path: file for path, file in _of_course(course, files).items() if path not in kept}


def student_files(root: Path, course: Course) -> dict[str, File]:
    """Return the files for students: assignment, data, grader, and a README for the first steps.

    Raises:
        Missing: The repository is incomplete, or holds files unknown to git.
        OSError: The repository cannot be read.
    """
    return {
        **_for_students(course, chosen_files(root, STUDENT)),
        NAME: _settings(root),
        "README.md": page("student/README.md", course.offering.for_students()),
    }


def project_files(root: Path, course: Course, folder: str) -> dict[str, File]:
    """Return the grader for a container, in a folder.

    Raises:
        Missing, OSError: As in `student_files`.
    """
    files = {**_of_course(course, chosen_files(root, CONTAINER)), NAME: _settings(root)}
    return {f"{folder}/{path}": file for path, file in files.items()}


def secret_file(secret: bytes) -> File:
    """Return the secret as a file for its owner only."""
    return File(secret + b"\n", 0o600)


def gradescope_files(root: Path, course: Course, secret: bytes) -> dict[str, File]:
    """Return the files for Gradescope's container: its two scripts, the grader, and the secret of the offering.

    Raises:
        Missing, OSError: As in `student_files`.
    """
    return {
        "setup.sh": template("gradescope/setup.sh", program=True),
        "run_autograder": template("gradescope/run_autograder", program=True),
        SECRET: secret_file(secret),
        **project_files(root, course, PROJECT),
    }


def classroom_files(root: Path, course: Course) -> dict[str, File]:
    """Return the template repository for GitHub Classroom: the files for students, and a workflow for grading.

    Raises:
        Missing, OSError: As in `student_files`.
    """
    return {
        **_for_students(course, chosen_files(root, CLASSROOM)),
        NAME: _settings(root),
        "README.md": _replaced(
            page("student/README.md", course.offering.for_students()), template("classroom/hand_in.md")
        ),
        WORKFLOW: template("classroom/classroom.yml"),
    }


def lay(folder: Path, files: Mapping[str, File]) -> None:
    """Write files below a folder.

    Raises:
        OSError: A file cannot be written.
    """
    for path in sorted(files):
        target = folder / path
        target.parent.mkdir(parents=True, exist_ok=True)
        write_whole(target, files[path].content, files[path].mode)


def bytes_of(artefact: Mapping[str, File]) -> dict[str, bytes]:
    """Return the contents by path."""
    return {path: file.content for path, file in artefact.items()}


def _settings(root: Path) -> File:
    return settings_of_part((root / NAME).read_text(encoding="utf-8"))


def _replaced(page: File, section: File) -> File:
    """Return a page in which the section with the same heading is replaced by the given one."""
    text, new = page.content.decode(), section.content.decode()
    heading = re.escape(new.partition("\n")[0])
    made, times = re.subn(rf"^{heading}\n.*?(?=^## |\Z)", lambda _: f"{new}\n", text, flags=re.MULTILINE | re.DOTALL)
    if times != 1:
        raise Missing(f"a template has {times} sections called {heading}: exactly one is needed")
    return File(made.encode())
