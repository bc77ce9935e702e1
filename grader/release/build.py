"""A release: the three artefacts, searched for leaks, proven, and only then written."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from grader.seeds import FILE_NAME as SECRET

from . import archive, artefacts, leaks
from .artefacts import SOLUTION, WORKFLOW
from .contents import template
from .files import File

STUDENT, GRADESCOPE, CLASSROOM, README = "student.zip", "gradescope.zip", "github-classroom", "README.md"


class Leaking(Exception):  # noqa: N818
    """Something that must not go out would have; the message says what, and in which file."""


@dataclass(frozen=True)
class Release:
    """The artefacts, as files by path."""

    student: Mapping[str, File]
    gradescope: Mapping[str, File]
    classroom: Mapping[str, File]


def build(root: Path, secret: bytes) -> Release:
    """Return the artefacts of a repository; nothing is written.

    Raises:
        Missing: The repository is incomplete, or holds what nobody decided about.
        Leaking: A piece of the reference, or the secret, would go out.
        NoAnswers: The reference marks no answers.
        OSError: The repository cannot be read.
    """
    release = Release(artefacts.student(root), artefacts.gradescope(root, secret), artefacts.classroom(root))
    check_answers(release, (root / SOLUTION).read_text(encoding="utf-8"))
    check_secret(release, secret)
    return release


def with_secret(release: Release, root: Path, secret: bytes) -> Release:
    """Return a release with another secret in it.

    Raises:
        Leaking: Students would get the secret.
        Missing, OSError: As `build`.
    """
    release = replace(release, gradescope=artefacts.gradescope(root, secret))
    check_secret(release, secret)
    return release


def check_answers(release: Release, reference: str) -> None:
    """Make sure that no piece of the reference is in any artefact.

    Raises:
        Leaking: One is; the message says which, and where.
        NoAnswers: The reference marks no answers.
    """
    named = ((STUDENT, release.student), (GRADESCOPE, release.gradescope), (CLASSROOM, release.classroom))
    # Most files are in all three: each content is searched once.
    distinct = {file.content: (name, path) for name, artefact in reversed(named) for path, file in artefact.items()}
    files = {f"{name}/{path}": content for content, (name, path) in distinct.items()}
    for leak in leaks.leaks(files, leaks.pieces(reference)):
        artefact, _, path = leak.file.partition("/")
        line = " / ".join(leak.piece.splitlines())
        raise Leaking(f"{path} would take a piece of the reference into {artefact}: `{line}`; reword it")


def check_secret(release: Release, secret: bytes) -> None:
    """Make sure that students do not get the secret.

    Raises:
        Leaking: They would; the message says in which file.
    """
    for name, artefact in ((STUDENT, release.student), (CLASSROOM, release.classroom)):
        for path, file in artefact.items():
            if secret in file.content:
                raise Leaking(f"{path} would take the secret into {name}: remove it there, and choose another secret")


def write(out: Path, release: Release) -> list[Path]:
    """Write a release into a folder; returns the paths of what was written.

    Raises:
        NotOurs: There is a folder where the template repository goes, with what no release wrote.
        OSError: It cannot be written.
    """
    archive.write_folder(out / CLASSROOM, release.classroom, sign=WORKFLOW)
    archive.write(out / STUDENT, archive.zipped(release.student))
    archive.write(out / GRADESCOPE, archive.zipped(release.gradescope), mode=0o600)  # it holds the secret
    archive.write(out / README, template("README.md").content)
    return [out / STUDENT, out / GRADESCOPE, out / CLASSROOM, out / README, out / SECRET]
