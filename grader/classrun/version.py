"""What a verdict depends on besides the submission: the grader's own text, its data, and the libraries below it."""

import hashlib
import platform
from collections.abc import Iterator
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from grader.arguments import ROOT
from grader.judge import offering

_LIBRARIES = ("torch", "numpy", "scipy", "hypothesis", "pytest")
THREADS = 1
"""Threads that judge and workers compute with: results are the same to the last bit only for the same number."""


def grader_version(root: Path = ROOT) -> str:
    """Return 16 characters that change when a verdict may: with the text of grader/ and data/, or a library.

    Of offering.toml, points and limits count: the rest of it decides no verdict.

    Args:
        root: The project.

    Raises:
        OfferingError: The project's own offering is unusable.
    """
    digest = hashlib.sha256()
    for path in sorted(_files(root), key=lambda p: p.relative_to(root).as_posix()):
        content = path.read_bytes()
        digest.update(f"{path.relative_to(root).as_posix()} {len(content)}\n".encode() + content)
    digest.update(offering.load(root / "grader" / "offering.toml").decisive().encode())
    digest.update("".join(f"{name} {number}\n" for name, number in versions().items()).encode())
    return digest.hexdigest()[:16]


def versions() -> dict[str, str]:
    """Return the versions of the libraries below the grader, and of Python."""
    return {**{library: _version(library) for library in _LIBRARIES}, "python": platform.python_version()}


def _files(root: Path) -> Iterator[Path]:
    for room in ("grader", "data"):
        yield from (root / room).rglob("*.py")
    yield from (path for path in (root / "data" / "sample").rglob("*") if path.is_file())
    yield root / "setup.cfg"


def _version(library: str) -> str:
    try:
        return version(library)
    except PackageNotFoundError:
        return "none"
