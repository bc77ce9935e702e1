"""Where things lie as a worker sees them: elsewhere than for the judge, if its file system is another one."""

from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class View:
    """Where things lie as a worker sees them.

    Attributes:
        program: The worker's program.
        submission: The student's file.
        folder: Parent of the workers' own folders; writable for the zygote.
        readable: What a worker may read besides its own folder.
        writable: What it may write besides that; the zygote empties it after each worker.
    """

    program: str
    submission: str
    folder: str
    readable: list[str]
    writable: list[str] = field(default_factory=list)

    def header(self, folder: str) -> dict[str, Any]:
        """Return what a worker is told of it; `folder` is its own."""
        return {"path": self.submission, "folder": folder, "readable": self.readable, "writable": self.writable}
