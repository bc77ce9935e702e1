"""The limits of one worker and of one submission, as numbers."""

from dataclasses import asdict, dataclass
from typing import Any


@dataclass(frozen=True)
class Limits:
    """CPU seconds come first, so that a loaded machine does not fail anyone.

    Attributes:
        cpu_s: CPU seconds of a worker, its import of the file included.
        wall_s: Seconds that the judge waits for a worker, all its answers together.
        memory_bytes: Data of a worker (RLIMIT_DATA).
        file_bytes: Largest file that it may write.
    """

    cpu_s: float = 20.0
    wall_s: float = 40.0
    memory_bytes: int = 3 << 30
    file_bytes: int = 256 << 20

    def header(self) -> dict[str, Any]:
        """Return what travels to the worker."""
        return asdict(self)
