"""What an artefact is made of: files by path, the same bytes and modes wherever and whenever it is built."""

from dataclasses import dataclass
from pathlib import PurePosixPath

_TEXT = (".cfg", ".ipynb", ".md", ".py", ".sh", ".toml", ".yml", "")  # what has no suffix is LICENSE, or a script


@dataclass(frozen=True)
class File:
    """A file of an artefact.

    Attributes:
        content: Its bytes.
        mode: Its permissions, chosen here: those of the repository depend on who copied it.
    """

    content: bytes
    mode: int = 0o644


def of(path: str, content: bytes, program: bool = False) -> File:
    """Return a file; lines of a text end as on Linux, also where the repository was checked out on Windows.

    Args:
        path: Where it will lie; decides whether it is a text.
        content: Its bytes.
        program: Whether it is to be executable.
    """
    text = PurePosixPath(path).suffix in _TEXT
    return File(content.replace(b"\r\n", b"\n") if text else content, 0o755 if program else 0o644)
