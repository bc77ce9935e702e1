"""The three artefacts, as files by path: what a student, Gradescope and GitHub Classroom get."""

import re
from collections.abc import Mapping
from pathlib import Path

from grader.seeds import FILE_NAME as SECRET

from . import contents, settings
from .contents import Missing, template
from .files import File

SOLUTION = "solution/VAE_Model.py"
SKELETON = "assignment/VAE_Model.py"
WORKFLOW = ".github/workflows/classroom.yml"
PROJECT = "project"
"""Where the grader lies in gradescope.zip: its root holds what Gradescope looks for, and the secret."""


def student(root: Path) -> dict[str, File]:
    """Return what a student unpacks: assignment, data, grader, and how to begin.

    Raises:
        Missing: The repository is incomplete, or holds what nobody decided about.
        OSError: It cannot be read.
    """
    return {
        **contents.chosen(root, contents.STUDENT),
        settings.NAME: _settings(root),
        "README.md": template("student/README.md"),
    }


def gradescope(root: Path, secret: bytes) -> dict[str, File]:
    """Return what Gradescope's container gets: its two scripts, the grader, and the secret of the offering.

    Raises:
        Missing, OSError: As above.
    """
    project = {**contents.chosen(root, contents.GRADESCOPE), settings.NAME: _settings(root)}
    return {
        "setup.sh": template("gradescope/setup.sh", program=True),
        "run_autograder": template("gradescope/run_autograder", program=True),
        SECRET: File(secret + b"\n", 0o600),
        **{f"{PROJECT}/{path}": file for path, file in project.items()},
    }


def classroom(root: Path) -> dict[str, File]:
    """Return the template repository of GitHub Classroom: what a student gets, and a workflow that grades it.

    Raises:
        Missing, OSError: As above.
    """
    return {
        **contents.chosen(root, contents.CLASSROOM),
        settings.NAME: _settings(root),
        "README.md": _replaced(template("student/README.md"), template("classroom/hand_in.md")),
        WORKFLOW: template("classroom/classroom.yml"),
    }


def bytes_of(artefact: Mapping[str, File]) -> dict[str, bytes]:
    """Return the contents by path."""
    return {path: file.content for path, file in artefact.items()}


def _settings(root: Path) -> File:
    return settings.of_part((root / settings.NAME).read_text(encoding="utf-8"))


def _replaced(page: File, section: File) -> File:
    """Return a page with one section, from its heading to the next, put in the place of the one that is called so."""
    text, new = page.content.decode(), section.content.decode()
    heading = re.escape(new.partition("\n")[0])
    made, times = re.subn(rf"^{heading}\n.*?(?=^## |\Z)", lambda _: f"{new}\n", text, flags=re.MULTILINE | re.DOTALL)
    if times != 1:
        raise Missing(f"a template has {times} sections called {heading}: one is to be replaced")
    return File(made.encode())
