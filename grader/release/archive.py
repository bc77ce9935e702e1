"""Artefacts on disk: a zip archive or a folder, whole or not at all."""

import io
import os
import shutil
import stat
import zipfile
from collections.abc import Mapping
from pathlib import Path

from .files import File

_TIME = (1980, 1, 1, 0, 0, 0)  # the earliest that a zip archive knows
_KEPT = ".git"  # whoever publishes a folder from where it lies keeps its history


class NotOurs(ValueError):  # noqa: N818
    """A folder holds what no release wrote; the message says what to do."""


def zipped(files: Mapping[str, File]) -> bytes:
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


def write(path: Path, content: bytes, mode: int = 0o644) -> None:
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


def lay(folder: Path, files: Mapping[str, File]) -> None:
    """Write files below a folder.

    Raises:
        OSError: They cannot be written.
    """
    for path in sorted(files):
        target = folder / path
        target.parent.mkdir(parents=True, exist_ok=True)
        write(target, files[path].content, files[path].mode)
