"""Takes the one VAE_Model.py out of an archive, without unpacking anything: a program of its own, with limits.

    python -I -S archives.py zip|tar BYTES < ARCHIVE > VAE_Model.py      exit status 1: the reason is on standard error

Archives come from strangers, and the libraries that read them have had holes: whatever an archive does to this program,
it costs that submission alone. Nothing but the standard library is imported.
"""

import gzip
import io
import stat
import sys
import tarfile
import zipfile
from pathlib import PurePosixPath
from typing import IO, cast

FILE_NAME = "VAE_Model.py"
MOST_MEMBERS = 20_000
_MOST_UNPACKED = 256 << 20  # of a tar.gz, which is read from its beginning to the file
_LONGEST_READ = 8 << 20  # a directory of some 100,000 members
_CPU_S, _MEMORY = 20, 1 << 30


class Refused(Exception):  # noqa: N818
    """There is nothing to grade; the message says why, in one line."""


def from_zip(stream: IO[bytes], most: int) -> bytes:
    """Return the file in a zip archive.

    Raises:
        Refused: It is not there once, too large, no plain file, or the archive is none.
    """
    try:
        with zipfile.ZipFile(_Bounded(stream, _LONGEST_READ)) as archive:
            members = archive.infolist()
            _check_paths([member.filename for member in members])
            found = [m for m in members if is_candidate(m.filename) and not m.is_dir()]
            member = found[one([m.filename for m in found], "archive")]
            kind = stat.S_IFMT(member.external_attr >> 16)
            if kind not in (0, stat.S_IFREG):
                raise Refused(f"{FILE_NAME} in the archive is no regular file")
            if member.flag_bits & 0x1:
                raise Refused("the archive is encrypted")
            if member.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
                raise Refused("the archive is compressed in an unusual way; use a plain zip")
            with archive.open(member) as content:
                return small(content, member.file_size, most)
    except Refused:
        raise
    except Exception as error:  # BadZipFile, zlib.error, struct.error and whatever else a broken archive meets
        raise Refused(f"no readable zip archive ({type(error).__name__}: {error})") from None


def from_tar(stream: IO[bytes], most: int) -> bytes:
    """Return the file in a tar.gz archive, read as a stream; what would unpack to too much is refused.

    Raises:
        Refused: It is not there once, too large, no plain file, or the archive is none.
    """
    found: list[tuple[str, bytes]] = []
    try:
        unpacked = _Bounded(cast(IO[bytes], gzip.GzipFile(fileobj=stream)), _MOST_UNPACKED, total=True)
        with tarfile.open(fileobj=unpacked, mode="r|") as archive:
            for number, member in enumerate(archive):
                _check_paths([member.name], number)
                if is_candidate(member.name) and not member.isdir():
                    if not member.isreg():
                        raise Refused(f"{FILE_NAME} in the archive is no regular file")
                    content = archive.extractfile(member)
                    assert content is not None
                    found.append((member.name, small(content, member.size, most)))
        return found[one([name for name, _ in found], "archive")][1]
    except Refused:
        raise
    except Exception as error:
        raise Refused(f"no readable tar.gz archive ({type(error).__name__}: {error})") from None


def is_candidate(path: str) -> bool:
    """Whether a path within a folder or an archive is that of a submission: not what systems put beside files."""
    parts = PurePosixPath(path).parts
    return bool(parts) and parts[-1] == FILE_NAME and not any(is_clutter(part) for part in parts)


def is_clutter(name: str) -> bool:
    """Whether a name is one that systems make and nobody hands in."""
    return name.startswith(".") or name in ("__MACOSX", "__pycache__", "Thumbs.db", "desktop.ini")


def one(paths: list[str], where: str) -> int:
    """Return the index of the only path.

    Raises:
        Refused: There are none or several.
    """
    if not paths:
        raise Refused(f"no {FILE_NAME} in this {where}")
    if len(paths) > 1:
        raise Refused(f"{len(paths)} files called {FILE_NAME} in this {where}: {', '.join(sorted(paths)[:3])}")
    return 0


def small(stream: IO[bytes], stated: int, most: int) -> bytes:
    """Return the content of a stream, whatever size was stated for it.

    Raises:
        Refused: It is larger than `most`.
    """
    content = stream.read(most + 1) if stated <= most else b""
    if stated > most or len(content) > most:
        raise Refused(f"{FILE_NAME} is larger than {most:,} bytes")
    return content


def _check_paths(paths: list[str], before: int = 0) -> None:
    if len(paths) + before > MOST_MEMBERS:
        raise Refused(f"more than {MOST_MEMBERS:,} files in the archive")
    for path in paths:
        parts = path.replace("\\", "/").split("/")
        if ".." in parts or parts[0] == "" or parts[0].endswith(":"):
            raise Refused("a path in the archive leads out of it")


class _Bounded(io.RawIOBase):
    """A stream that refuses to give more than a number of bytes, at once or in total."""

    def __init__(self, stream: IO[bytes], most: int, total: bool = False):
        self._stream, self._most, self._total, self._given = stream, most, total, 0

    def read(self, size: int = -1) -> bytes:
        given = self._stream.read(self._most - self._given + 1 if size < 0 else min(size, self._most + 1))
        if len(given) + self._given > self._most:
            raise Refused("the archive unpacks to too much")
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
        content = take(sys.stdin.buffer, int(sys.argv[2]))
    except Refused as refused:
        sys.stderr.buffer.write(str(refused).encode("utf-8", errors="replace"))
        return 1
    sys.stdout.buffer.write(content)
    return 0


if __name__ == "__main__":
    sys.exit(main())
