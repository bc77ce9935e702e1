"""How much memory the container has that a grading runs in, and whether that is enough."""

import contextlib
from pathlib import Path

LEAST_MIB = 1024
"""Measured: the reference needs some 830 MiB; in 768 MiB the kernel ends parts of right submissions."""
_LIMITS = ("memory.max", "memory/memory.limit_in_bytes")  # of control groups, version 2 and version 1


def too_small(groups: Path = Path("/sys/fs/cgroup")) -> str:
    """Return what is wrong with the container's memory, for the instructor; empty if it is enough or unknown.

    Args:
        groups: Where the container sees its own control group.
    """
    for name in _LIMITS:
        with contextlib.suppress(OSError, ValueError):  # there is none, or it says "max"
            mib = int((groups / name).read_text(encoding="ascii")) >> 20
            if mib < LEAST_MIB:
                return f"this container has {mib} MiB of memory, and the grader needs 1.5 GB: choose a larger one"
    return ""
