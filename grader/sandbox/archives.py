"""Find the submission in a folder or an archive, and read it from the archive without unpacking anything to disk.

    python -I -S archives.py zip|tar < ARCHIVE         prints the path in JSON, a newline and the content;
                                                       on failure: exit status 1, and the reason on standard error

Archives are untrusted, and the libraries that read them have had security bugs. Therefore this file is also a program
that runs in a separate process with resource limits: a malicious archive can only affect its own submission. The file
imports the standard library only.
"""

import gzip
import io
import json
import re
import stat
import sys
import tarfile
import zipfile
from collections.abc import Iterable, Iterator
from pathlib import PurePosixPath
from typing import IO, NamedTuple, cast

FILE_NAME = "VAE_Model.py"
MAX_BYTES = 1 << 20
HAND_IN = f"hand in one {FILE_NAME}"
LEADS_OUT = f"a path in the archive leads outside of it: {HAND_IN}"

PYTHON = (".py", ".py.txt")  # Windows may append .txt and hide it from the user
ZIP, TAR = (".zip",), (".tar.gz", ".tgz")
# Created by operating systems and tools, sometimes tens of thousands of files. None of them is a submission.
_BESIDE = {"__macosx", "__pycache__", "site-packages", "dist-packages", "node_modules"}
_BESIDE |= {"thumbs.db", "desktop.ini", "activate_this.py"}

_MOST_UNPACKED = 1 << 30  # total unpacked bytes of a tar.gz, which is read from beginning to end
_LONGEST_READ = 32 << 20  # longest single read from a zip: enough for a directory of about 300,000 members
_CPU_S, _MEMORY = 20, 1 << 30


class NoSubmission(Exception):  # noqa: N818
    """There is no file to grade; the message says why and what to do, in one printable line."""

    def __init__(self, reason: str):
        super().__init__(printable(reason))


def printable(text: str) -> str:
    """Return text, which may contain untrusted names, as one line that is safe to print on a terminal."""
    return "".join(c if c.isprintable() else "\N{REPLACEMENT CHARACTER}" for c in text)


class FoundFile(NamedTuple):
    """A submission: its content (cut one byte after the size limit) and its path in the archive."""

    content: bytes
    path: str


# ## Which file it is
def choose(paths: Iterable[str], where: str) -> str:
    """Return the path of the submission, given the paths of all files in a folder or an archive.

    A file named VAE_Model.py has the highest priority, then files with a similar name (vae_model.py,
    VAE_Model (1).py), then any other Python file. The chosen file must be the only one of its priority. In a folder,
    archives count like Python files.

    Args:
        paths: Paths relative to the folder or archive, with forward slashes or backslashes.
        where: `folder` or `archive`.

    Raises:
        NoSubmission: There is no candidate, or there are several of the same priority.
    """
    files = [path for path in paths if not any(is_clutter(part) for part in _parts(path))]
    candidates: dict[int | None, list[str]] = {}
    for path in files:
        candidates.setdefault(_rank(path, where), []).append(path)
    best = next((candidates[rank] for rank in range(3) if rank in candidates), [])
    if len(best) == 1:
        return best[0]
    if best:
        raise NoSubmission(f"{len(best)} files in this {where} could be the submission ({_listed(best)}): {HAND_IN}")
    holds = f"which holds {_listed(files)}" if files else "which is empty"
    raise NoSubmission(f"no {FILE_NAME} in this {where}, {holds}: {HAND_IN}")


def _rank(path: str, where: str) -> int | None:
    name = _parts(path)[-1]
    if name == FILE_NAME:
        return 0
    if not name.lower().endswith((*PYTHON, *ZIP, *TAR) if where == "folder" else PYTHON):
        return None
    return 1 if "vaemodel" in re.sub("[^a-z]", "", name.lower()) else 2


def is_clutter(name: str) -> bool:
    """Whether this is the name of a file or folder that operating systems or tools create, and that nobody submits."""
    return name.startswith(".") or name.lower() in _BESIDE


def is_exact(path: str) -> bool:
    """Whether a file has exactly the name that the handout asks for."""
    return _parts(path)[-1] == FILE_NAME


def _parts(path: str) -> tuple[str, ...]:
    return PurePosixPath(path.replace("\\", "/")).parts or (path,)


def _listed(paths: list[str]) -> str:
    """Return the first three paths, shortened if they are long, and the number of the others."""
    shown = [path if len(path) <= 40 else f"...{path[-37:]}" for path in sorted(paths)[:3]]
    return ", ".join(shown) + (f" and {len(paths) - 3} more" if len(paths) > 3 else "")


# ## Reading it from an archive
def from_zip(stream: IO[bytes]) -> FoundFile:
    """Return the submission in a zip archive.

    Raises:
        NoSubmission: The archive has no submission, the submission is not a regular file, or the archive cannot be
            read.
    """
    try:
        with zipfile.ZipFile(_Bounded(stream, _LONGEST_READ)) as archive:
            members = archive.infolist()
            _check_paths(member.filename for member in members)
            files = [m for m in members if not m.filename.endswith(("/", "\\"))]
            path = choose((m.filename for m in files), "archive")
            member = next(m for m in files if m.filename == path)
            if stat.S_IFMT(member.external_attr >> 16) not in (0, stat.S_IFREG):
                raise NoSubmission(f"{path} in the archive is not a regular file")
            if member.flag_bits & 0x1:
                raise NoSubmission(f"the archive is encrypted: {HAND_IN}")
            if member.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
                raise NoSubmission("the archive is compressed in an unusual way: use a plain zip")
            with archive.open(member) as content:
                return FoundFile(content.read(MAX_BYTES + 1), path)
    except NoSubmission:
        raise
    except Exception as error:  # BadZipFile, zlib.error, struct.error and whatever else a broken archive can raise
        raise NoSubmission(f"not a readable zip archive ({type(error).__name__}: {error})") from None


def from_tar(stream: IO[bytes]) -> FoundFile:
    """Return the submission in a tar.gz archive; archives that would unpack to too many bytes are refused.

    The archive is read twice as a stream: only after all names are known can the submission be chosen.

    Raises:
        NoSubmission: The archive has no submission, the submission is not a regular file, or the archive cannot be
            read.
    """
    try:
        names = [(member.name, member.isdir()) for _, member in _members(stream)]
        _check_paths(name for name, _ in names)
        path = choose((name for name, is_folder in names if not is_folder), "archive")
        for archive, member in _members(stream):
            if member.name == path and not member.isdir():
                if not member.isreg():
                    raise NoSubmission(f"{path} in the archive is not a regular file")
                content = archive.extractfile(member)
                assert content is not None
                return FoundFile(content.read(MAX_BYTES + 1), path)
        raise NoSubmission("the archive changed while it was read")
    except NoSubmission:
        raise
    except Exception as error:
        raise NoSubmission(f"not a readable tar.gz archive ({type(error).__name__}: {error})") from None


def _members(stream: IO[bytes]) -> Iterator[tuple[tarfile.TarFile, tarfile.TarInfo]]:
    """Yield the members of a tar.gz archive, starting at its beginning."""
    stream.seek(0)
    unpacked = _Bounded(cast(IO[bytes], gzip.GzipFile(fileobj=stream)), _MOST_UNPACKED, total=True)
    with tarfile.open(fileobj=unpacked, mode="r|") as archive:
        for member in archive:
            yield archive, member


def _check_paths(paths: Iterable[str]) -> None:
    for path in paths:
        parts = path.replace("\\", "/").split("/")
        if ".." in parts or parts[0] == "" or parts[0].endswith(":"):
            raise NoSubmission(LEADS_OUT)


class _Bounded(io.RawIOBase):
    """A stream that refuses to return more than `most` bytes, in one read or in total."""

    def __init__(self, stream: IO[bytes], most: int, total: bool = False):
        self._stream, self._most, self._total, self._returned = stream, most, total, 0

    def read(self, size: int = -1) -> bytes:
        data = self._stream.read(self._most - self._returned + 1 if size < 0 else min(size, self._most + 1))
        if len(data) + self._returned > self._most:
            raise NoSubmission(f"the archive unpacks to too much data: {HAND_IN}")
        self._returned += len(data) if self._total else 0
        return data

    def seek(self, offset: int, whence: int = 0) -> int:
        return self._stream.seek(offset, whence)

    def tell(self) -> int:
        return self._stream.tell()

    def seekable(self) -> bool:
        return not self._total

    def readable(self) -> bool:
        return True


def _limit_ourselves() -> None:
    try:
        import resource
    except ImportError:  # Windows
        return
    resource.setrlimit(resource.RLIMIT_CPU, (_CPU_S, _CPU_S))
    resource.setrlimit(resource.RLIMIT_DATA, (_MEMORY, _MEMORY))


def main() -> int:
    """Read an archive from standard input and return the exit status."""
    _limit_ourselves()
    take = {"zip": from_zip, "tar": from_tar}[sys.argv[1]]
    try:
        found = take(sys.stdin.buffer)
    except NoSubmission as refused:
        sys.stderr.buffer.write(str(refused).encode("utf-8"))
        return 1
    sys.stdout.buffer.write(json.dumps(found.path).encode() + b"\n" + found.content)
    return 0


if __name__ == "__main__":
    sys.exit(main())
