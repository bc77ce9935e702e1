"""Read a submission from a file, a folder or an archive, and copy it. The rules are the same at home and officially."""

import hashlib
import json
import os
import re
import stat
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from . import archives
from .archives import FILE_NAME, HAND_IN, MAX_BYTES, PYTHON, TAR, ZIP, NoSubmission, is_clutter, is_exact, printable

# The zygote imports these once if the file mentions them. Otherwise each worker would need up to two seconds for each.
WELL_KNOWN = ("torchvision", "matplotlib", "matplotlib.pyplot", "numpy", "tqdm", "jaxtyping", "scipy")

IS_LINK = f"a symbolic link, which is not followed: {HAND_IN}"
TOO_COSTLY = f"reading the archive needs too much time or memory: {HAND_IN}"

_PROGRAM = Path(archives.__file__).resolve()
_PATIENCE_S = 120.0
_DEEPEST = 20


@dataclass(frozen=True)
class SubmittedFile:
    """A copy of a submission.

    Attributes:
        original: The submitted file; for a folder or an archive, the copy.
        copy: The copy, named VAE_Model.py; it is the only file in its folder.
        sha256: Hash of its content.
        neighbours: Names of Python modules in the folder of the original; they are not part of the submission.
        took: The path of the chosen file in a folder or an archive, if it is not named VAE_Model.py; else empty.
    """

    original: Path
    copy: Path
    sha256: str
    neighbours: frozenset[str]
    took: str = ""

    def preload(self) -> list[str]:
        """Return the well-known modules that the file imports, by a text search; nothing is parsed or run."""
        text = self.copy.read_text(encoding="utf-8", errors="replace")
        found = [
            name for name in WELL_KNOWN if re.search(rf"^\s*(?:from|import)\s+{re.escape(name)}\b", text, re.MULTILINE)
        ]
        # torch.compile imports torch._dynamo even when compilation is disabled.
        return [*found, *(["torch._dynamo"] if "torch.compile" in text else [])]


def take(entry: Path, folder: Path) -> SubmittedFile:
    """Copy a submission into an empty folder.

    Raises:
        NoSubmission: There is no file to grade; the message begins with the entry's path.
    """
    try:
        content, took = read_submission(entry)
    except NoSubmission as error:
        raise NoSubmission(f"{entry}: {error}") from None
    copy = folder / FILE_NAME
    copy.write_bytes(content)
    sha256 = hashlib.sha256(content).hexdigest()
    if entry.name.lower().endswith(PYTHON):
        return SubmittedFile(entry.resolve(), copy, sha256, _neighbours(entry), took)
    return SubmittedFile(copy, copy, sha256, frozenset(), took)


def _neighbours(file: Path) -> frozenset[str]:
    beside = file.resolve().parent
    names = {p.stem for p in beside.glob("*.py")} | {p.parent.name for p in beside.glob("*/__init__.py")}
    return frozenset(names - {file.stem})


# ## Reading a submission
def read_submission(entry: Path) -> tuple[bytes, str]:
    """Return the content of a submission, and the value of `SubmittedFile.took`.

    This function decides what is graded everywhere: at home, in class runs, on Gradescope and on GitHub Classroom.
    Symbolic links are refused: a link could point to any file that the grader can read, not to the student's work.

    Args:
        entry: A Python file of any name, or a folder, a .zip or a .tar.gz that contains one.

    Raises:
        NoSubmission: There is no file to grade; the message says why, and what to do.
    """
    try:
        content, took = _read(entry)
    except OSError as error:
        raise NoSubmission(f"cannot be read: {error.strerror or error}") from None
    check_content(content)
    return content, took


_NO_PYTHON = {
    rb"PK\x03\x04": f"a zip archive or an office document, despite its name: {HAND_IN}",
    rb"\x1f\x8b": f"a gzip archive, despite its name: {HAND_IN}",
    rb"%PDF": f"a PDF document: {HAND_IN}",
    rb"\{\\rtf": f"a rich text document: save the code as plain text, and {HAND_IN}",
    rb"\s*<(?i:!doctype|html)": f"a web page: download the file itself, and {HAND_IN}",
    rb'\s*\{\s*"(?:cells|metadata|nbformat)"': f"a Jupyter notebook: put your code into one file, and {HAND_IN}",
    rb"\xff\xfe|\xfe\xff": "text in UTF-16: save the file in UTF-8",
}


def check_content(content: bytes) -> None:
    """Refuse content that no version of Python can import, and files that are too large. Python decides on the rest.

    In particular, no encoding is required here. Python imports a file in the encoding that it declares, and ignores
    bytes in comments that are not UTF-8. Such files work for their students; if they were refused, correct work would
    lose its points.

    Raises:
        NoSubmission: The content cannot be graded.
    """
    for pattern, words in _NO_PYTHON.items():
        if re.match(pattern, content):
            raise NoSubmission(words)
    if len(content) > MAX_BYTES:
        raise NoSubmission(f"the file is larger than {MAX_BYTES:,} bytes: hand in the code alone")
    if b"\0" in content:
        line = content.count(b"\n", 0, content.index(b"\0")) + 1
        raise NoSubmission(f"line {line} of the file has a null byte: save it again as text in UTF-8")


def _read(entry: Path) -> tuple[bytes, str]:
    kind = entry.lstat().st_mode
    if stat.S_ISLNK(kind):
        raise NoSubmission(IS_LINK)
    if stat.S_ISDIR(kind):
        path = archives.choose(_files(entry), "folder")
        content, inner = _read(entry / path)
        return content, (inner and f"{printable(path)}: {inner}") if _is_archive(path) else _name(path)
    if not stat.S_ISREG(kind):
        raise NoSubmission(f"not a regular file: {HAND_IN}")
    if _is_archive(entry.name):
        return _from_archive(entry)
    with _opened(entry) as stream:
        content = stream.read(MAX_BYTES + 1)
    if not entry.name.lower().endswith(PYTHON):
        if any(re.match(pattern, content) for pattern in _NO_PYTHON):
            check_content(content)
        raise NoSubmission(f"neither a .py file nor a folder, a .zip or a .tar.gz: {HAND_IN}")
    return content, ""


def _is_archive(path: str) -> bool:
    return path.lower().endswith((*ZIP, *TAR))


def _name(path: str) -> str:
    """Return the path to report for the chosen file; empty if the file has the correct name."""
    return "" if is_exact(path) else printable(path)


def _files(folder: Path) -> Iterator[str]:
    """Yield the paths of all files in a folder, without clutter; links to folders are not followed."""
    for path, folders, files in os.walk(folder, onerror=_raise):
        here = Path(path).relative_to(folder)
        deep = len(here.parts) >= _DEEPEST
        folders[:] = [] if deep else sorted(name for name in folders if not is_clutter(name))
        yield from ((here / name).as_posix() for name in files)


def _raise(error: OSError) -> None:
    raise error


def _opened(path: Path) -> IO[bytes]:
    """Open a regular file; refuse it if it has been replaced by a link or a pipe in the meantime."""
    flags = sum(getattr(os, name, 0) for name in ("O_NOFOLLOW", "O_NONBLOCK", "O_BINARY"))
    stream = os.fdopen(os.open(path, os.O_RDONLY | flags), "rb")
    if not stat.S_ISREG(os.fstat(stream.fileno()).st_mode):
        stream.close()
        raise NoSubmission(f"not a regular file: {HAND_IN}")
    return stream


def _from_archive(path: Path) -> tuple[bytes, str]:
    """Return the file in an archive, read by a separate program: see archives.py."""
    kind = "zip" if path.name.lower().endswith(ZIP) else "tar"
    with _opened(path) as stream:
        try:
            done = subprocess.run(
                [sys.executable, "-I", "-S", str(_PROGRAM), kind],
                stdin=stream,
                capture_output=True,
                timeout=_PATIENCE_S,
                check=False,
            )
        except subprocess.TimeoutExpired:
            raise NoSubmission(f"the archive takes too long to read: {HAND_IN}") from None
    if done.returncode == 1 and done.stderr:
        raise NoSubmission(done.stderr.decode("utf-8", errors="replace").strip().splitlines()[-1])
    if done.returncode != 0:
        raise NoSubmission(TOO_COSTLY)
    name, _, content = done.stdout.partition(b"\n")
    return content, _name(json.loads(name))
