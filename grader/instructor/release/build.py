"""A release: the three artefacts, searched for leaks, proven, and only then written, whole or not at all."""

import io
import shutil
import stat
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from grader.grading.seeds import FILE_NAME as SECRET

from .contents import (
    SOLUTION,
    WORKFLOW,
    File,
    classroom_files,
    gradescope_files,
    lay,
    student_files,
    template,
    write_artefact,
)
from .proof import leaks, pieces

_TIME = (1980, 1, 1, 0, 0, 0)  # the earliest that a zip archive knows
_KEPT = ".git"  # whoever publishes a folder from where it lies keeps its history


class NotOurs(ValueError):  # noqa: N818
    """A folder holds what no release wrote; the message says what to do."""


def zip_archive(files: Mapping[str, File]) -> bytes:
    """Return a zip archive.

    Its bytes follow from paths, contents and modes alone. Nothing is compressed: what another version of zlib makes of
    the same text differs, and nearly all of the size is images that are compressed already.
    """
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_STORED) as archive:
        for path in sorted(files):
            entry = zipfile.ZipInfo(path, _TIME)
            entry.create_system = 3  # Unix: else the modes would not count
            entry.external_attr = (stat.S_IFREG | files[path].mode) << 16
            archive.writestr(entry, files[path].content)
    return stream.getvalue()


def check_ours(folder: Path, sign: str) -> None:
    """Make sure that a folder may be emptied.

    Args:
        folder: Where; may be missing.
        sign: A path that every release writes into it.

    Raises:
        NotOurs: It is no folder, or holds something else.
    """
    if folder.is_symlink() or (folder.exists() and not folder.is_dir()):
        raise NotOurs(f"{folder} is no folder: remove it, or give another --out")
    if _old(folder) and not (folder / sign).is_file():
        raise NotOurs(f"{folder} holds files that no release wrote: move them away, or give another --out")


def write_folder(folder: Path, files: Mapping[str, File], sign: str) -> None:
    """Make a folder hold these files and nothing else, but for the history of a git repository in it.

    Raises:
        NotOurs: As `check_ours`.
        OSError: It cannot be written.
    """
    check_ours(folder, sign)
    for path in _old(folder):
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path)
        else:
            path.unlink()
    lay(folder, files)


def _old(folder: Path) -> list[Path]:
    return [path for path in folder.iterdir() if path.name != _KEPT] if folder.exists() else []


STUDENT, GRADESCOPE, CLASSROOM, README = "student.zip", "gradescope.zip", "github-classroom", "README.md"


class Leaking(Exception):  # noqa: N818
    """Something that must not go out would have; the message says what, and in which file."""


@dataclass(frozen=True)
class Release:
    """The artefacts, as files by path."""

    student: Mapping[str, File]
    gradescope: Mapping[str, File]
    classroom: Mapping[str, File]


def build_release(root: Path, secret: bytes) -> Release:
    """Return the artefacts of a repository; nothing is written.

    Raises:
        Missing: The repository is incomplete, or holds what nobody decided about.
        Leaking: A piece of the reference, or the secret, would go out.
        NoAnswers: The reference marks no answers.
        OSError: The repository cannot be read.
    """
    release = Release(student_files(root), gradescope_files(root, secret), classroom_files(root))
    check_answers(release, (root / SOLUTION).read_text(encoding="utf-8"))
    check_secret(release, secret)
    return release


def with_secret(release: Release, root: Path, secret: bytes) -> Release:
    """Return a release with another secret in it.

    Raises:
        Leaking: Students would get the secret.
        Missing, OSError: As `build`.
    """
    release = replace(release, gradescope=gradescope_files(root, secret))
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
    for leak in leaks(files, pieces(reference)):
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


def write_release(out: Path, release: Release) -> list[Path]:
    """Write a release into a folder; returns the paths of what was written.

    Raises:
        NotOurs: There is a folder where the template repository goes, with what no release wrote.
        OSError: It cannot be written.
    """
    write_folder(out / CLASSROOM, release.classroom, sign=WORKFLOW)
    write_artefact(out / STUDENT, zip_archive(release.student))
    write_artefact(out / GRADESCOPE, zip_archive(release.gradescope), mode=0o600)  # it holds the secret
    write_artefact(out / README, template("README.md").content)
    return [out / STUDENT, out / GRADESCOPE, out / CLASSROOM, out / README, out / SECRET]
