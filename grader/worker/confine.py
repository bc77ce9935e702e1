"""Restrict a worker permanently before it imports the student's code: limits, files, system calls. Partly Linux only.

Landlock restricts access to files. The kernel (5.13 or newer, if Landlock is enabled) enforces it and no privilege is
needed, so it also protects where bubblewrap is not available. See landlock(7) for the structures and numbers, which are
the same on every architecture.

seccomp refuses system calls: sockets except local ones; objects that outlive a process without being a file (System V
shared memory, semaphores and queues, POSIX queues, keys); access to other processes or the kernel; and new namespaces,
in which a process would have privileges. See seccomp(2).
"""

import contextlib
import ctypes
import errno
import math
import os
import platform
import stat
import struct
import sys
import tempfile
import time
from collections.abc import Iterable
from pathlib import Path
from typing import Any

PR_SET_PDEATHSIG, PR_SET_DUMPABLE, PR_SET_CHILD_SUBREAPER, PR_SET_NO_NEW_PRIVS = 1, 4, 36, 38
_PR_CAPBSET_DROP, _CAPABILITY_VERSION_3 = 24, 0x20080522


def is_linux() -> bool:
    """Whether this is Linux, the only system with these kernel features."""
    return sys.platform.startswith("linux")


def syscall(number: int, *arguments: int | ctypes.Array[ctypes.c_char] | ctypes.Structure | None) -> int:
    """Make a system call; structures and buffers are passed by reference.

    Raises:
        OSError: The kernel refused.
    """
    passed = [
        ctypes.c_long(a) if isinstance(a, int) else ctypes.c_void_p(None) if a is None else ctypes.byref(a)
        for a in arguments
    ]
    libc = ctypes.CDLL(None, use_errno=True)
    libc.syscall.restype = ctypes.c_long
    result = libc.syscall(ctypes.c_long(number), *passed)
    if result < 0:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
    return int(result)


def prctl(option: int, value: int) -> None:
    """Set a property of this process (prctl(2)).

    Raises:
        OSError: The kernel refused.
    """
    if ctypes.CDLL(None, use_errno=True).prctl(option, *(ctypes.c_ulong(v) for v in (value, 0, 0, 0))) != 0:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))


def drop_capabilities() -> None:
    """Give up all root privileges, for this process and all that it starts; it still owns its files."""
    highest = 63
    for capability in range(highest + 1):
        with contextlib.suppress(OSError):  # the kernel has fewer capabilities, or this process may not drop any
            prctl(_PR_CAPBSET_DROP, capability)

    class Header(ctypes.Structure):
        _fields_ = (("version", ctypes.c_uint32), ("pid", ctypes.c_int))

    class Sets(ctypes.Structure):
        _fields_ = tuple((f"{name}_{half}", ctypes.c_uint32) for half in "01" for name in ("eff", "perm", "inh"))

    ctypes.CDLL(None).capset(ctypes.byref(Header(_CAPABILITY_VERSION_3, 0)), ctypes.byref(Sets()))


def apply_limits(limits: dict[str, Any]) -> None:
    """Limit CPU seconds, data size, file size, open files and core dumps; do nothing if there is no `resource`.

    Args:
        limits: `memory_bytes`, `file_bytes`, and `cpu_s` unless `limit_cpu` sets it.
    """
    try:
        import resource
    except ImportError:  # Windows has only the judge's wall-clock limit
        return
    wanted = {
        "RLIMIT_DATA": (limits["memory_bytes"],) * 2,  # not RLIMIT_AS: CUDA builds reserve far more than they use
        "RLIMIT_FSIZE": (limits["file_bytes"],) * 2,
        "RLIMIT_NOFILE": (256, 256),
        "RLIMIT_CORE": (0, 0),
    }
    if "cpu_s" in limits:
        cpu = max(1, round(limits["cpu_s"]))
        wanted["RLIMIT_CPU"] = (cpu, cpu + 1)  # first SIGXCPU, then SIGKILL for code that ignores it
    for name, (soft, hard) in wanted.items():
        kind = getattr(resource, name, None)
        if kind is None:  # macOS does not have all of them
            continue
        _, ceiling = resource.getrlimit(kind)
        if ceiling != resource.RLIM_INFINITY:
            soft, hard = min(soft, ceiling), min(hard, ceiling)
        try:
            resource.setrlimit(kind, (soft, hard))
        except (ValueError, OSError):  # macOS refuses some values of RLIMIT_DATA
            continue


def limit_cpu(more_s: float) -> None:
    """Limit the CPU seconds that this process may use from now on; unlike `apply_limits`, this can be done again.

    Code that ignores SIGXCPU is ended by the judge, at the limit of wall-clock seconds.
    """
    with contextlib.suppress(ImportError, ValueError, OSError):
        import resource

        _, hard = resource.getrlimit(resource.RLIMIT_CPU)
        resource.setrlimit(resource.RLIMIT_CPU, (math.ceil(time.process_time() + more_s), hard))


_CREATE_RULESET, _ADD_RULE, _RESTRICT_SELF = 444, 445, 446
_VERSION, _PATH_BENEATH = 1, 1
_EXECUTE, _WRITE_FILE, _READ_FILE, _READ_DIR, _TRUNCATE = 1 << 0, 1 << 1, 1 << 2, 1 << 3, 1 << 14
_OF_FILES = _EXECUTE | _WRITE_FILE | _READ_FILE | _TRUNCATE
_READ = _EXECUTE | _READ_FILE | _READ_DIR
_FS_BITS = {1: 13, 2: 14, 3: 15, 4: 15, 5: 16}  # version of the interface -> number of access rights
_NET = 0b11  # TCP bind and connect, from version 4
_SCOPES = 0b11  # no abstract sockets or signals to processes outside, from version 6


class _Ruleset(ctypes.Structure):
    _fields_ = (("fs", ctypes.c_uint64), ("net", ctypes.c_uint64), ("scoped", ctypes.c_uint64))


class _Beneath(ctypes.Structure):
    _pack_ = 1
    _fields_ = (("allowed", ctypes.c_uint64), ("parent", ctypes.c_int32))


def landlock_version() -> int:
    """Return the version of the kernel's Landlock interface; 0 if it has none."""
    try:
        return syscall(_CREATE_RULESET, None, 0, _VERSION) if is_linux() else 0
    except OSError:
        return 0


def lock_files(readable: Iterable[str], writable: Iterable[str]) -> int:
    """Permanently restrict this process to reading below `readable` and any access below `writable`.

    From version 4 of Landlock, the process cannot bind or connect by TCP; from version 6, it cannot send signals to
    processes that it did not start. Paths that do not exist are ignored.

    Returns:
        The version of Landlock. If the kernel has no Landlock, nothing is restricted and 0 is returned.
    """
    known = landlock_version()
    if not known:
        return 0
    every = (1 << _FS_BITS.get(known, max(_FS_BITS.values()))) - 1
    wanted = _Ruleset(every, _NET if known >= 4 else 0, _SCOPES if known >= 6 else 0)
    size = 8 if known < 4 else 16 if known < 6 else 24
    rules = syscall(_CREATE_RULESET, wanted, size, 0)
    try:
        for paths, rights in ((readable, _READ), (writable, every)):
            for path in paths:
                with contextlib.suppress(FileNotFoundError):
                    _allow(rules, path, rights & every)
        prctl(PR_SET_NO_NEW_PRIVS, 1)
        syscall(_RESTRICT_SELF, rules, 0)
    finally:
        os.close(rules)
    return known


def _allow(rules: int, path: str, rights: int) -> None:
    descriptor = os.open(path, os.O_PATH | os.O_CLOEXEC)
    try:
        if not stat.S_ISDIR(os.fstat(descriptor).st_mode):
            rights &= _OF_FILES
        syscall(_ADD_RULE, rules, _PATH_BENEATH, _Beneath(rights, descriptor), 0)
    finally:
        os.close(descriptor)


# name: (number on x86_64, number on aarch64)
_REFUSED = {
    "ptrace": (101, 117),
    "process_vm_readv": (310, 270),
    "process_vm_writev": (311, 271),
    "pidfd_getfd": (438, 438),
    "kcmp": (312, 272),
    "shmget": (29, 194),
    "semget": (64, 190),
    "msgget": (68, 186),
    "mq_open": (240, 180),
    "add_key": (248, 217),
    "request_key": (249, 218),
    "keyctl": (250, 219),
    "bpf": (321, 280),
    "perf_event_open": (298, 241),
    "userfaultfd": (323, 282),
    "io_uring_setup": (425, 425),
    "unshare": (272, 97),
    "setns": (308, 268),
}
_SOCKET, _CLONE, _CLONE3 = (41, 198), (56, 220), (435, 435)
# CLONE_NEWNS, NEWCGROUP, NEWUTS, NEWIPC, NEWUSER, NEWPID, NEWNET
_NEW_NAMESPACES = 0x20000 | 0x02000000 | 0x04000000 | 0x08000000 | 0x10000000 | 0x20000000 | 0x40000000
_MACHINES = {"x86_64": (0, 0xC000003E, 317), "aarch64": (1, 0xC00000B7, 277)}  # column, AUDIT_ARCH_*, seccomp(2)

_LOAD, _EQUAL, _AT_LEAST, _HAS_ANY, _RETURN = 0x20, 0x15, 0x35, 0x45, 0x06  # BPF: ld abs, jeq, jge, jset, ret
_ALLOW, _REFUSE, _UNKNOWN = 0x7FFF0000, 0x00050000 | errno.EPERM, 0x00050000 | errno.ENOSYS
_NUMBER, _ARCH, _FIRST_ARGUMENT = 0, 4, 16  # offsets in struct seccomp_data; little endian
_AF_UNIX = 1
_X32 = 0x40000000
_SET_MODE_FILTER, _SPEC_ALLOW = 1, 4  # SPEC_ALLOW: keep speculative execution, so that the filter slows nothing down


class _Program(ctypes.Structure):
    _fields_ = (("length", ctypes.c_ushort), ("filter", ctypes.c_char_p))


def filter_for(machine: str) -> bytes | None:
    """Return the seccomp program for a machine (a value of `platform.machine()`); None for an unknown machine."""
    if machine not in _MACHINES:
        return None
    column, architecture, _ = _MACHINES[machine]
    numbers = [of[column] for of in _REFUSED.values()]
    # Jumps are counted from the next instruction. `allow`, `refuse` and `unknown` are the last three instructions.
    lines: list[tuple[int, int | str, int | str, int]] = [(_LOAD, 0, 0, _ARCH)]
    lines += [(_EQUAL, 0, "refuse", architecture), (_LOAD, 0, 0, _NUMBER)]
    lines += [(_AT_LEAST, "refuse", 0, _X32)]
    lines += [(_EQUAL, "refuse", 0, number) for number in numbers]
    # A filter cannot read the flags of clone3, which are in memory. glibc then calls clone, whose flags are a number.
    lines += [(_EQUAL, "unknown", 0, _CLONE3[column]), (_EQUAL, 0, 2, _CLONE[column])]
    lines += [(_LOAD, 0, 0, _FIRST_ARGUMENT), (_HAS_ANY, "refuse", "allow", _NEW_NAMESPACES)]
    lines += [(_EQUAL, 0, "allow", _SOCKET[column]), (_LOAD, 0, 0, _FIRST_ARGUMENT), (_EQUAL, 0, "refuse", _AF_UNIX)]
    target = {"allow": len(lines), "refuse": len(lines) + 1, "unknown": len(lines) + 2}
    lines += [(_RETURN, 0, 0, result) for result in (_ALLOW, _REFUSE, _UNKNOWN)]

    def jump(here: int, to: int | str) -> int:
        return target[to] - here - 1 if isinstance(to, str) else to

    return b"".join(
        struct.pack("<HBBI", code, jump(here, if_true), jump(here, if_false), value)
        for here, (code, if_true, if_false, value) in enumerate(lines)
    )


def refuse_calls() -> bool:
    """Permanently install the filter for this process and all that it starts; return False if that is not possible."""
    machine = platform.machine()
    program = filter_for(machine) if is_linux() else None
    if program is None:
        return False
    try:
        prctl(PR_SET_NO_NEW_PRIVS, 1)
        described = _Program(len(program) // 8, program)
        syscall(_MACHINES[machine][2], _SET_MODE_FILTER, _SPEC_ALLOW, described)
    except OSError:
        return False
    return True


_HOMES = ("HOME", "TMPDIR", "TEMP", "TMP", "MPLCONFIGDIR", "TORCHINDUCTOR_CACHE_DIR")
_DEVICES = ("/dev/null", "/dev/zero", "/dev/full", "/dev/random", "/dev/urandom")


def confine(folder: Path, limited: dict[str, Any], readable: list[str], writable: list[str]) -> None:
    """Work in `folder`, with limits, without privileges, and with the kernel's restrictions of files, sockets, signals.

    Args:
        folder: The worker's own folder, also used as home and temporary folder.
        limited: See `apply_limits`.
        readable: Paths that may be read: the interpreter, packages, the submission.
        writable: Paths that may be written, in addition to `folder`.
    """
    os.chdir(folder)
    os.environ.update(dict.fromkeys(_HOMES, str(folder)))
    tempfile.tempdir = None  # forget the temporary folder that the zygote may have used
    apply_limits(limited)
    if is_linux():
        drop_capabilities()
        lock_files([*readable, "/proc"], [str(folder), *writable, *_DEVICES])
        refuse_calls()
