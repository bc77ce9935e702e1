"""Shut a forked process off from all others, without privileges: namespaces and folders of its own. Linux only.

Two processes are needed. The first one enters new user, mount, IPC and network namespaces, and its child is process 1
of a new process namespace. The child then replaces every folder that it shares with others: /proc shows only the
processes of its own namespace, the folders for writing are empty, and the submission is the only file in its folder.
Finally it gives up its privileges and refuses further namespaces. See namespaces(7) and user_namespaces(7).
"""

import ctypes
import os
from collections.abc import Mapping
from pathlib import Path

from .confine import PR_SET_DUMPABLE, drop_capabilities, prctl, refuse_calls

_NEW_NS, _NEW_IPC, _NEW_USER, _NEW_PID, _NEW_NET = 0x20000, 0x08000000, 0x10000000, 0x20000000, 0x40000000
_READ_ONLY, _NO_SUID, _NO_DEVICES, _NO_EXEC, _REMOUNT, _BIND, _RECURSIVE, _PRIVATE = (
    *(1, 2, 4, 8, 32, 4096),
    *(1 << 14, 1 << 18),
)
_HIGHEST_DESCRIPTOR = 1 << 16


class Refused(Exception):  # noqa: N818
    """The system does not allow this seclusion; the message says which step it refused."""


def close_others(kept: int) -> None:
    """Close every descriptor of this process, except the standard streams and `kept`."""
    os.closerange(3, kept)
    os.closerange(kept + 1, _HIGHEST_DESCRIPTOR)


def enter_namespaces() -> None:
    """Enter new namespaces; the next child of this process is process 1 of a new process namespace.

    Raises:
        Refused: The system does not allow it.
    """
    user, group = os.getuid(), os.getgid()
    prctl(PR_SET_DUMPABLE, 1)  # otherwise the files below belong to root
    _call("unshare", ctypes.c_int(_NEW_NS | _NEW_IPC | _NEW_USER | _NEW_PID | _NEW_NET))
    try:
        for name, text in (("setgroups", "deny"), ("uid_map", f"{user} {user} 1"), ("gid_map", f"{group} {group} 1")):
            Path("/proc/self", name).write_text(text, encoding="ascii")
    except OSError as error:
        raise Refused(f"the ids of a new user namespace: {error.strerror}") from None


def replace_folders(hidden: str, writable: Mapping[str, int], submission: Path, content: bytes) -> None:
    """Replace the shared folders, as process 1 of the new namespaces.

    The kernel allows a new /proc only where an unrestricted one is visible, at `hidden`, which is then covered.

    Args:
        hidden: A folder where /proc of the whole machine is mounted.
        writable: Sizes in bytes of the folders for writing, which are empty afterwards.
        submission: Path of the submission; nothing else is in its folder afterwards.
        content: Content of the submission.

    Raises:
        Refused: The system does not allow it.
    """
    _mount(None, "/", None, _RECURSIVE | _PRIVATE)
    _mount("proc", "/proc", "proc", _READ_ONLY | _NO_SUID | _NO_DEVICES | _NO_EXEC)
    _mount("tmpfs", hidden, "tmpfs", _READ_ONLY | _NO_SUID | _NO_DEVICES | _NO_EXEC, "size=4k,mode=0")
    for folder, size in writable.items():
        _mount("tmpfs", folder, "tmpfs", _NO_SUID | _NO_DEVICES, f"size={size},mode=0755")
    folder = str(submission.parent)
    _mount("tmpfs", folder, "tmpfs", _NO_SUID | _NO_DEVICES, "mode=0755")
    submission.write_bytes(content)
    _mount(None, folder, None, _REMOUNT | _BIND | _READ_ONLY | _NO_SUID | _NO_DEVICES)


def seal() -> None:
    """Give up all privileges, also those that a new namespace would give.

    Raises:
        Refused: This cannot be ensured, or this process still sees others.
    """
    drop_capabilities()
    if not refuse_calls():
        raise Refused("a filter of system calls: not possible on this system")
    seen = [path.name for path in Path("/proc").iterdir() if path.name.isdigit()]
    if os.getpid() != 1 or seen != ["1"]:
        raise Refused(f"a process namespace: this is process {os.getpid()}, and it sees {len(seen)}")


def _mount(source: str | None, target: str, kind: str | None, flags: int, options: str = "") -> None:
    source_, kind_ = (text.encode() if text else None for text in (source, kind))
    _call("mount", source_, target.encode(), kind_, ctypes.c_ulong(flags), options.encode(), about=f" {target}")


def _call(name: str, *arguments: object, about: str = "") -> None:
    if getattr(ctypes.CDLL(None, use_errno=True), name)(*arguments) != 0:
        raise Refused(f"{name}{about}: {os.strerror(ctypes.get_errno())}")
