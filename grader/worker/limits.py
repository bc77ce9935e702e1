"""The limits that a worker puts on itself before it meets the student's code."""

from typing import Any


def apply(limits: dict[str, Any]) -> None:
    """Set CPU seconds, data size, file size, open files and core dumps; where there is no `resource`, none.

    Args:
        limits: `cpu_s`, `memory_bytes`, `file_bytes`.
    """
    try:
        import resource
    except ImportError:  # Windows: the judge's wall-clock limit is all there is
        return
    cpu = max(1, round(limits["cpu_s"]))
    wanted = {
        "RLIMIT_CPU": (cpu, cpu + 1),  # SIGXCPU first; SIGKILL for code that ignores it
        "RLIMIT_DATA": (limits["memory_bytes"],) * 2,  # not RLIMIT_AS: CUDA builds reserve far more than they use
        "RLIMIT_FSIZE": (limits["file_bytes"],) * 2,
        "RLIMIT_NOFILE": (256, 256),
        "RLIMIT_CORE": (0, 0),
    }
    for name, (soft, hard) in wanted.items():
        kind = getattr(resource, name, None)
        if kind is None:  # macOS lacks some
            continue
        _, ceiling = resource.getrlimit(kind)
        if ceiling != resource.RLIM_INFINITY:
            soft, hard = min(soft, ceiling), min(hard, ceiling)
        try:
            resource.setrlimit(kind, (soft, hard))
        except (ValueError, OSError):  # macOS refuses some values of RLIMIT_DATA
            continue
