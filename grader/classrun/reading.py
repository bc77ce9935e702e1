"""Reads one entry of a folder of submissions, a file, a folder or an archive, or says why there is nothing to grade."""

import os
import stat
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import IO

from grader.sandbox.submission import MAX_BYTES

from . import archives
from .archives import FILE_NAME, MOST_MEMBERS, Refused, is_clutter, one, small

_PROGRAM = Path(archives.__file__).resolve()
_PATIENCE_S = 120.0
_DEEPEST = 20


def read(entry: Path) -> bytes:
    """Return the content of a submission.

    Raises:
        Refused: There is nothing to grade; the message is the reason, in one line.
    """
    try:
        content = _read(entry)
    except OSError as error:
        raise Refused(f"cannot be read: {error.strerror or error}") from None
    try:
        content.decode("utf-8")
    except UnicodeDecodeError as error:
        raise Refused(f"no UTF-8 text (byte {error.start})") from None
    return content


def _read(entry: Path) -> bytes:
    kind = entry.lstat().st_mode
    if stat.S_ISLNK(kind):
        raise Refused("a symbolic link, which is not followed")
    if stat.S_ISDIR(kind):
        return _from_folder(entry)
    if not stat.S_ISREG(kind):
        raise Refused("no regular file")
    name = entry.name.lower()
    if name.endswith(".zip"):
        return _from_archive(entry, "zip")
    if name.endswith((".tar.gz", ".tgz")):
        return _from_archive(entry, "tar")
    if name.endswith(".py"):
        return _from_file(entry)
    raise Refused("neither a .py file nor a folder, a .zip or a .tar.gz")


def _from_file(path: Path) -> bytes:
    with _opened(path) as stream:
        return small(stream, os.fstat(stream.fileno()).st_size, MAX_BYTES)


def _opened(path: Path) -> IO[bytes]:
    """Open a regular file, and nothing that became something else in the meantime."""
    flags = os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0)
    stream = os.fdopen(os.open(path, flags), "rb")
    if not stat.S_ISREG(os.fstat(stream.fileno()).st_mode):
        stream.close()
        raise Refused("no regular file")
    return stream


def _from_folder(folder: Path) -> bytes:
    found = list(_candidates(folder))
    only = found[one([path.relative_to(folder).as_posix() for path in found], "folder")]
    if only.is_symlink():
        raise Refused(f"{FILE_NAME} is a symbolic link, which is not followed")
    return _from_file(only)


def _candidates(folder: Path) -> Iterator[Path]:
    """Yield what is called VAE_Model.py in a folder, at any depth; links to folders are not followed."""
    seen = 0
    for path, folders, files in os.walk(folder, onerror=_raise):
        if len(Path(path).relative_to(folder).parts) >= _DEEPEST:
            raise Refused(f"folders more than {_DEEPEST} deep")
        seen += len(folders) + len(files)
        if seen > MOST_MEMBERS:
            raise Refused(f"more than {MOST_MEMBERS:,} files in this folder")
        folders[:] = sorted(name for name in folders if not is_clutter(name))
        if FILE_NAME in files:
            yield Path(path) / FILE_NAME


def _raise(error: OSError) -> None:
    raise error


def _from_archive(path: Path, kind: str) -> bytes:
    """Return the file in an archive, read by a program of its own: see archives.py."""
    with _opened(path) as stream:
        try:
            done = subprocess.run(
                [sys.executable, "-I", "-S", str(_PROGRAM), kind, str(MAX_BYTES)],
                stdin=stream,
                capture_output=True,
                timeout=_PATIENCE_S,
                check=False,
            )
        except subprocess.TimeoutExpired:
            raise Refused("the archive takes too long to read") from None
    if done.returncode == 1 and done.stderr:
        raise Refused(done.stderr.decode("utf-8", errors="replace").strip().splitlines()[-1])
    if done.returncode != 0:
        raise Refused("the archive takes too much to read")
    return done.stdout
