"""The one file of a submission: checked, copied into a folder of its own, and searched for well-known imports."""

import hashlib
import os
import re
import stat
from dataclasses import dataclass
from pathlib import Path

MAX_BYTES = 1 << 20
FILE_NAME = "VAE_Model.py"

# Imported by the zygote, once, when the text mentions them: each would cost every worker up to two seconds.
WELL_KNOWN = ("torchvision", "matplotlib", "matplotlib.pyplot", "numpy", "tqdm", "jaxtyping", "scipy")


class NoSubmission(Exception):  # noqa: N818
    """There is no regular file to grade; the message says what to do."""


@dataclass(frozen=True)
class SubmittedFile:
    """A copy of a submission.

    Attributes:
        copy: The copy, called VAE_Model.py, alone in its folder.
        sha256: Hash of its content.
        neighbours: Names of Python modules beside the original, which are not handed in.
    """

    copy: Path
    sha256: str
    neighbours: frozenset[str]

    def preload(self) -> list[str]:
        """Return the well-known modules that a line search of the text finds imported; nothing is parsed or run."""
        text = self.copy.read_text(encoding="utf-8", errors="replace")
        return [
            name for name in WELL_KNOWN if re.search(rf"^\s*(?:from|import)\s+{re.escape(name)}\b", text, re.MULTILINE)
        ]


def take(file: Path, folder: Path) -> SubmittedFile:
    """Copy one file into an empty folder.

    Raises:
        NoSubmission: It is missing, no regular file, too large or cannot be read.
    """
    content = read(file)
    copy = folder / FILE_NAME
    copy.write_bytes(content)
    beside = file.resolve().parent
    names = {p.stem for p in beside.glob("*.py")} | {p.parent.name for p in beside.glob("*/__init__.py")}
    return SubmittedFile(copy, hashlib.sha256(content).hexdigest(), frozenset(names - {file.stem}))


def read(file: Path) -> bytes:
    """Return the content of a regular file that is small enough.

    A symbolic link is refused: whoever hands it in does not hand in what it points to, but what we can read there.

    Raises:
        NoSubmission: It is missing, no regular file, too large or cannot be read.
    """
    try:
        if file.is_symlink():
            raise NoSubmission(f"{file} is a symbolic link: give the path of the file itself")
        # Without O_NONBLOCK a pipe would make us wait for its writer, and a link may have come since we looked.
        flags = sum(getattr(os, name, 0) for name in ("O_NOFOLLOW", "O_NONBLOCK", "O_BINARY"))
        with os.fdopen(os.open(file, os.O_RDONLY | flags), "rb") as opened:
            info = os.fstat(opened.fileno())
            if not stat.S_ISREG(info.st_mode):
                raise NoSubmission(f"{file} is no regular file: give the path of a VAE_Model.py")
            content = opened.read(MAX_BYTES + 1)
    except OSError as error:
        if file.is_dir():  # Windows refuses to open a folder at all
            raise NoSubmission(f"{file} is no regular file: give the path of a VAE_Model.py") from None
        raise NoSubmission(f"cannot read {file}: {error.strerror}; give the path of a VAE_Model.py") from None
    if len(content) > MAX_BYTES:
        size = f"{info.st_size:,} bytes"
        raise NoSubmission(f"{file} has {size}; a submission has at most {MAX_BYTES:,}")
    return content
