"""A release: the three artefacts, searched for leaks, proven, and only then written."""

from collections.abc import Mapping
from dataclasses import dataclass
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
    release = Release(
        artefacts.student(root),
        artefacts.gradescope(root, secret),
        artefacts.classroom(root),
    )
    check(release, (root / SOLUTION).read_text(encoding="utf-8"), secret)
    return release


def check(release: Release, reference: str, secret: bytes) -> None:
    """Raise Leaking if a piece of the reference is in an artefact, or the secret in one that students get."""
    forbidden = leaks.pieces(reference)
    for name, artefact in ((STUDENT, release.student), (GRADESCOPE, release.gradescope), (CLASSROOM, release.classroom)):
        for leak in leaks.leaks(artefacts.bytes_of(artefact), forbidden):
            line = " / ".join(leak.piece.splitlines())
            raise Leaking(f"{leak.file} would take a piece of the reference into {name}: `{line}`; reword it")
        for path, file in artefact.items() if name != GRADESCOPE else ():
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
