"""What a task leaves behind, and how the zygote gets rid of it: processes, and files in writable folders."""

import contextlib
import os
import shutil
import signal
import stat
import time
from collections.abc import Sequence
from pathlib import Path


def end_all_as_init() -> bool:
    """Kill every process of this namespace but its first, which we are; none can escape by forking.

    Returns whether all are gone.

    Raises:
        RuntimeError: We are not process 1: kill(-1) would then reach the whole machine.
    """
    if os.getpid() != 1:
        raise RuntimeError("only process 1 of a namespace may kill all")
    with contextlib.suppress(ProcessLookupError):
        os.kill(-1, signal.SIGKILL)
    return reap_all()


def end_all_of_user(uid: int) -> bool:
    """Kill every process of a user, from a process of that user: the kernel lets it reach no other.

    Returns whether all are gone.
    """
    helper = os.fork()
    if helper == 0:
        try:
            become(uid)
            if os.getuid() == uid != 0:
                os.kill(-1, signal.SIGKILL)
        finally:
            os._exit(0)
    return reap_all()


def reap_all(patience_s: float = 5.0) -> bool:
    """Wait for every child, and for all that was left to us when its own parent died; return whether none is left."""
    until = time.monotonic() + patience_s
    while True:
        try:
            ended, _ = os.waitpid(-1, os.WNOHANG)
        except ChildProcessError:
            return True
        if not ended:
            if time.monotonic() > until:
                return False
            time.sleep(0.002)


def become(uid: int) -> None:
    """Turn from root into an unprivileged user, in a group of its own, for good."""
    os.setgroups([])
    os.setresgid(uid, uid, uid)
    os.setresuid(uid, uid, uid)


def make_empty(folders: Sequence[str]) -> bool:
    """Remove all that lies in folders, whatever its permissions; return whether they are empty then."""
    for folder in folders:
        for path in Path(folder).iterdir():
            remove(path)
    return not any(any(Path(folder).iterdir()) for folder in folders)


def remove(path: Path) -> None:
    """Remove a file or a tree, as far as that is possible.

    Raises:
        ValueError: The path is relative: the working directory is nobody's remains.
    """
    if not path.is_absolute():
        raise ValueError(f"{str(path)!r} depends on the working directory")
    if path.is_symlink() or not path.is_dir():
        with contextlib.suppress(OSError):
            path.unlink()
        return
    with contextlib.suppress(OSError):
        path.chmod(stat.S_IRWXU)
    for folder, inner, _ in os.walk(path):  # from the top: a folder must be readable before it is looked into
        for name in inner:
            if not os.path.islink(below := os.path.join(folder, name)):  # noqa: PTH114, PTH118
                with contextlib.suppress(OSError):
                    os.chmod(below, stat.S_IRWXU)  # noqa: PTH101
    with contextlib.suppress(OSError, RecursionError):
        shutil.rmtree(path, ignore_errors=True)
