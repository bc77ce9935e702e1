"""Build a release: create the artefacts, search them for leaks, and write them (see `proof` for the grading)."""

import io
import shutil
import stat
import zipfile
from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from grader.grading.seeds import FILE_NAME as SECRET
from grader.report.files import write_whole

from .contents import (
    OFFERING,
    SOLUTION,
    WORKFLOW,
    Course,
    File,
    classroom_files,
    gradescope_files,
    lay,
    page,
    student_files,
)
from .job_files import autolab_files, prairielearn_files
from .release_checks import formulas, leaks, pieces, quoted

_TIME = (1980, 1, 1, 0, 0, 0)  # the earliest time in a zip archive
_KEPT = ".git"  # kept, so that the output folder itself can be a git repository


class NotOurs(ValueError):  # noqa: N818
    """A folder holds files that no release wrote; the message says what to do."""


def zip_archive(files: Mapping[str, File]) -> bytes:
    """Return a zip archive.

    Its bytes depend only on paths, contents and modes. It is not compressed, because other versions of zlib compress
    the same text differently, and most of the size is images that are already compressed.
    """
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_STORED) as archive:
        for path in sorted(files):
            entry = zipfile.ZipInfo(path, _TIME)
            entry.create_system = 3  # Unix; otherwise the modes are ignored
            entry.external_attr = (stat.S_IFREG | files[path].mode) << 16
            archive.writestr(entry, files[path].content)
    return stream.getvalue()


def check_ours(folder: Path, sign: str) -> None:
    """Make sure that a folder may be emptied.

    Args:
        folder: The folder; may be missing.
        sign: A path that every release writes into the folder.

    Raises:
        NotOurs: The path is not a folder, or it holds files but no release.
    """
    if folder.is_symlink() or (folder.exists() and not folder.is_dir()):
        raise NotOurs(f"{folder} is not a folder: remove it, or give another --out")
    if _old(folder) and not (folder / sign).is_file():
        raise NotOurs(f"{folder} holds files that no release wrote: move them away, or give another --out")


def write_folder(folder: Path, files: Mapping[str, File], sign: str) -> None:
    """Replace the content of a folder by these files. A `.git` folder in it is kept.

    Raises:
        NotOurs: As in `check_ours`.
        OSError: The folder cannot be written.
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
CHOSEN = "offering.toml"
PRAIRIELEARN, AUTOLAB = "prairielearn.zip", "autolab"


class Leaking(Exception):  # noqa: N818
    """The release would contain something secret; the message says what, and in which file."""


@dataclass(frozen=True)
class Release:
    """The artefacts, as files by path."""

    student: Mapping[str, File]
    gradescope: Mapping[str, File]
    classroom: Mapping[str, File]
    prairielearn: Mapping[str, File]
    autolab: Mapping[str, File]

    def artefacts(self) -> dict[str, Mapping[str, File]]:
        """Return the artefacts by name."""
        return {
            STUDENT: self.student,
            GRADESCOPE: self.gradescope,
            CLASSROOM: self.classroom,
            PRAIRIELEARN: self.prairielearn,
            AUTOLAB: self.autolab,
        }


def build_release(root: Path, course: Course, secret: bytes) -> Release:
    """Return the artefacts of a repository for an offering; nothing is written.

    Raises:
        Missing: The repository is incomplete, or files to be released are unknown to git.
        Leaking: An artefact would contain a piece of the reference or, for students, the secret.
        NoAnswers: The reference marks no answers.
        OSError: The repository cannot be read.
    """
    release = Release(
        student=student_files(root, course),
        gradescope=gradescope_files(root, course, secret),
        classroom=classroom_files(root, course),
        prairielearn=prairielearn_files(root, course, secret),
        autolab=autolab_files(root, course, secret),
    )
    check_answers(release, (root / SOLUTION).read_text(encoding="utf-8"), course.offering.graded)
    check_secret(release, secret)
    return release


def with_secret(release: Release, root: Path, course: Course, secret: bytes) -> Release:
    """Return the release with another secret in it.

    Raises:
        Leaking: Students would get the secret.
        Missing, OSError: As in `build_release`.
    """
    release = replace(
        release,
        gradescope=gradescope_files(root, course, secret),
        prairielearn=prairielearn_files(root, course, secret),
        autolab=autolab_files(root, course, secret),
    )
    check_secret(release, secret)
    return release


def check_answers(release: Release, reference: str, written: Collection[str]) -> None:
    """Make sure that no artefact contains a piece of an answer that students have to write.

    Raises:
        Leaking: An artefact contains one; the message says which, and where.
        NoAnswers: The reference marks no answers.
    """
    named = reversed(release.artefacts().items())
    # Most files are in all artefacts: search each content only once.
    distinct = {file.content: (name, path) for name, artefact in named for path, file in artefact.items()}
    files = {f"{name}/{path}": content for content, (name, path) in distinct.items()}
    for leak in [*leaks(files, pieces(reference, written)), *quoted(files, formulas(reference, written))]:
        artefact, _, path = leak.file.partition("/")
        line = " / ".join(leak.piece.splitlines())
        raise Leaking(f"{path} in {artefact} contains a piece of the reference: `{line}`; reword it")


def check_secret(release: Release, secret: bytes) -> None:
    """Make sure that students do not get the secret.

    Raises:
        Leaking: A file for students contains it; the message says which.
    """
    for name, artefact in ((STUDENT, release.student), (CLASSROOM, release.classroom)):
        for path, file in artefact.items():
            if secret in file.content:
                raise Leaking(f"{path} in {name} contains the secret: remove it there, and choose another secret")


def write_release(out: Path, release: Release, course: Course) -> list[Path]:
    """Write a release into a folder; return the paths of its files and folders.

    Raises:
        NotOurs: The folder for the template repository holds files that no release wrote.
        OSError: A file cannot be written.
    """
    write_folder(out / CLASSROOM, release.classroom, sign=WORKFLOW)
    write_whole(out / STUDENT, zip_archive(release.student), 0o644)
    write_whole(out / GRADESCOPE, zip_archive(release.gradescope), mode=0o600)  # it holds the secret
    write_whole(out / PRAIRIELEARN, zip_archive(release.prairielearn), mode=0o600)
    lay(out / AUTOLAB, release.autolab)
    write_whole(out / README, page("README.md", course.offering, out=out.as_posix()).content, 0o644)
    write_whole(out / CHOSEN, course.made[OFFERING].content, 0o644)
    return [*(out / name for name in release.artefacts()), *(out / name for name in (README, CHOSEN, SECRET))]
