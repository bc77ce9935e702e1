"""Landlock: this process, and all that it starts, may read and write below some folders only, and signal nobody else.

The kernel (5.13 and newer, where it is switched on) enforces it without any privilege, so that it guards where there
is no bubblewrap. See landlock(7) for structures and numbers; they are the same on every architecture.
"""

import contextlib
import ctypes
import os
import stat
from collections.abc import Iterable

from . import kernel

_CREATE_RULESET, _ADD_RULE, _RESTRICT_SELF = 444, 445, 446
_VERSION, _PATH_BENEATH = 1, 1
_EXECUTE, _WRITE_FILE, _READ_FILE, _READ_DIR, _TRUNCATE = 1 << 0, 1 << 1, 1 << 2, 1 << 3, 1 << 14
_OF_FILES = _EXECUTE | _WRITE_FILE | _READ_FILE | _TRUNCATE
_READ = _EXECUTE | _READ_FILE | _READ_DIR
_FS_BITS = {1: 13, 2: 14, 3: 15, 4: 15, 5: 16}  # by version of the interface: how many rights it knows
_NET = 0b11  # bind and connect by TCP, from version 4
_SCOPES = 0b11  # abstract sockets and signals stay within, from version 6


class _Ruleset(ctypes.Structure):
    _fields_ = (("fs", ctypes.c_uint64), ("net", ctypes.c_uint64), ("scoped", ctypes.c_uint64))


class _Beneath(ctypes.Structure):
    _pack_ = 1
    _fields_ = (("allowed", ctypes.c_uint64), ("parent", ctypes.c_int32))


def version() -> int:
    """Return the version of Landlock's interface that this kernel offers; 0 where there is none."""
    try:
        return kernel.syscall(_CREATE_RULESET, None, 0, _VERSION) if kernel.is_linux() else 0
    except OSError:
        return 0


def confine(readable: Iterable[str], writable: Iterable[str]) -> int:
    """Allow this process to read below `readable`, and to do anything below `writable`, for ever; return the version.

    From version 4 it may neither bind nor connect by TCP, from 6 signal no process that it did not start. What is
    missing among the paths is passed over. Returns 0, and restricts nothing, where the kernel has no Landlock.
    """
    known = version()
    if not known:
        return 0
    every = (1 << _FS_BITS.get(known, max(_FS_BITS.values()))) - 1
    wanted = _Ruleset(every, _NET if known >= 4 else 0, _SCOPES if known >= 6 else 0)
    size = 8 if known < 4 else 16 if known < 6 else 24
    rules = kernel.syscall(_CREATE_RULESET, wanted, size, 0)
    try:
        for paths, rights in ((readable, _READ), (writable, every)):
            for path in paths:
                with contextlib.suppress(FileNotFoundError):
                    _allow(rules, path, rights & every)
        kernel.prctl(kernel.PR_SET_NO_NEW_PRIVS, 1)
        kernel.syscall(_RESTRICT_SELF, rules, 0)
    finally:
        os.close(rules)
    return known


def _allow(rules: int, path: str, rights: int) -> None:
    descriptor = os.open(path, os.O_PATH | os.O_CLOEXEC)
    try:
        if not stat.S_ISDIR(os.fstat(descriptor).st_mode):
            rights &= _OF_FILES
        kernel.syscall(_ADD_RULE, rules, _PATH_BENEATH, _Beneath(rights, descriptor), 0)
    finally:
        os.close(descriptor)
