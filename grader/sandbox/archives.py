"""Finds the submission among the files of a folder or an archive, and takes it out of an archive, unpacking nothing.

    python -I -S archives.py zip|tar < ARCHIVE         its path in JSON, a newline, its content; or exit status 1,
                                                       and the reason on standard error

Archives come from strangers, and the libraries that read them have had holes: so this is also a program of its own,
with limits, and whatever an archive does to it costs that submission alone. It imports the standard library only.
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

PYTHON = (".py", ".py.txt")  # the second is what Windows makes of the first, and hides
ZIP, TAR = (".zip",), (".tar.gz", ".tgz")
# What systems and tools put beside files: none of it is handed in, and all of it may be there by the ten thousands.
_BESIDE = {"__macosx", "__pycache__", "site-packages", "dist-packages", "node_modules"}
_BESIDE |= {"thumbs.db", "desktop.ini", "activate_this.py"}

_MOST_UNPACKED = 1 << 30  # of a tar.gz, which is read from its beginning to its end
_LONGEST_READ = 32 << 20  # a zip's directory of some 300,000 members
_CPU_S, _MEMORY = 20, 1 << 30


class NoSubmission(Exception):  # noqa: N818
    """There is nothing to grade; the message says why and what to do, in one printable line."""

    def __init__(self, reason: str):
        super().__init__(printable(reason))


def printable(text: str) -> str:
    """Return text, which may hold names that a stranger gave, as one line that harms no terminal."""
    return "".join(c if c.isprintable() else "\N{REPLACEMENT CHARACTER}" for c in text)


class FoundFile(NamedTuple):
    """A submission: its content, up to a byte more than may be; and its path in the archive."""

    content: bytes
    path: str


# ## Which file it is
def choose(paths: Iterable[str], where: str) -> str:
    """Return the path of the submission among those of all files of a folder or an archive.

    What is called VAE_Model.py comes first, then what is called much like it (vae_model.py, VAE_Model (1).py), then
    any other Python file. It must be the only one of its kind. In a folder, archives count like Python files.

    Args:
        paths: Relative to the folder or archive, with the slashes of any system.
        where: `folder` or `archive`.

    Raises:
        NoSubmission: There is none, or which one is meant cannot be told.
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
    """Whether a file or folder of this name is one that systems and tools make, and nobody hands in."""
    return name.startswith(".") or name.lower() in _BESIDE


def is_exact(path: str) -> bool:
    """Whether a file is called as the handout asks."""
    return _parts(path)[-1] == FILE_NAME


def _parts(path: str) -> tuple[str, ...]:
    return PurePosixPath(path.replace("\\", "/")).parts or (path,)


def _listed(paths: list[str]) -> str:
    """Return the first three of some paths, none of them long, and how many more there are."""
    shown = [path if len(path) <= 40 else f"...{path[-37:]}" for path in sorted(paths)[:3]]
    return ", ".join(shown) + (f" and {len(paths) - 3} more" if len(paths) > 3 else "")


# ## Taking it out of an archive
def from_zip(stream: IO[bytes]) -> FoundFile:
    """Return the submission in a zip archive.

    Raises:
        NoSubmission: It is not there or not a regular file, or the archive cannot be read.
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
    except Exception as error:  # BadZipFile, zlib.error, struct.error and whatever else a broken archive meets
        raise NoSubmission(f"no readable zip archive ({type(error).__name__}: {error})") from None


def from_tar(stream: IO[bytes]) -> FoundFile:
    """Return the submission in a tar.gz archive; what would unpack to too much is refused.

    It is read as a stream, twice: which file is the submission is known at its end.

    Raises:
        NoSubmission: It is not there or not a regular file, or the archive cannot be read.
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
        raise NoSubmission(f"no readable tar.gz archive ({type(error).__name__}: {error})") from None


def _members(stream: IO[bytes]) -> Iterator[tuple[tarfile.TarFile, tarfile.TarInfo]]:
    """Yield the members of a tar.gz archive, from its beginning."""
    stream.seek(0)
    unpacked = _Bounded(cast(IO[bytes], gzip.GzipFile(fileobj=stream)), _MOST_UNPACKED, total=True)
    with tarfile.open(fileobj=unpacked, mode="r|") as archive:
        for member in archive:
            yield archive, member


def _check_paths(paths: Iterable[str]) -> None:
    for path in paths:
        parts = path.replace("\\", "/").split("/")
        if ".." in parts or parts[0] == "" or parts[0].endswith(":"):
            raise NoSubmission(f"a path in the archive leads out of it: {HAND_IN}")


class _Bounded(io.RawIOBase):
    """A stream that refuses to give more than a number of bytes, at once or in total."""

    def __init__(self, stream: IO[bytes], most: int, total: bool = False):
        self._stream, self._most, self._total, self._given = stream, most, total, 0

    def read(self, size: int = -1) -> bytes:
        given = self._stream.read(self._most - self._given + 1 if size < 0 else min(size, self._most + 1))
        if len(given) + self._given > self._most:
            raise NoSubmission(f"the archive unpacks to too much: {HAND_IN}")
        self._given += len(given) if self._total else 0
        return given

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
    """Read an archive from standard input; returns the exit status."""
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
