"""The limits of one worker and of its whole sandbox, as numbers."""

from dataclasses import dataclass
from typing import Any

_MIB = 1 << 20


@dataclass(frozen=True)
class Limits:
    """Limits of one worker, which it puts on itself. CPU seconds come first: a loaded machine must not fail anyone.

    Attributes:
        cpu_s: CPU seconds of a worker, its import of the file included.
        wall_s: Seconds that the judge waits for a worker, all its answers together; those in which the worker waits
            for a processor do not count.
        memory_bytes: Data of a worker (RLIMIT_DATA).
        file_bytes: Largest file that it may write.
    """

    cpu_s: float = 20.0
    wall_s: float = 40.0
    memory_bytes: int = 3072 * _MIB
    file_bytes: int = 256 * _MIB

    def header(self) -> dict[str, Any]:
        """Return what travels to the worker."""
        return {"cpu_s": self.cpu_s, "memory_bytes": self.memory_bytes, "file_bytes": self.file_bytes}


@dataclass(frozen=True)
class Ceilings:
    """Limits of a sandbox, all its processes together, which the judge watches.

    Attributes:
        memory_bytes: Memory of all processes, what they share counted once.
        threads: Processes and threads.
        folder_bytes: What lies in all writable folders.
    """

    memory_bytes: int = 4096 * _MIB
    threads: int = 256
    folder_bytes: int = 256 * _MIB
