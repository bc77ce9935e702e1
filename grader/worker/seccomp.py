"""Seccomp: a filter that refuses the system calls by which code could reach beyond its worker, or leave something.

Refused are sockets other than local ones; what outlives a process without being a file (System V shared memory,
semaphores and queues, POSIX queues, keys); and what looks into other processes or the kernel. See seccomp(2).
"""

import ctypes
import errno
import platform
import struct

from . import kernel

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
_SOCKET = (41, 198)
_MACHINES = {"x86_64": (0, 0xC000003E, 317), "aarch64": (1, 0xC00000B7, 277)}  # column, AUDIT_ARCH_*, seccomp(2)

_LOAD, _EQUAL, _AT_LEAST, _RETURN = 0x20, 0x15, 0x35, 0x06  # BPF: ld abs, jeq, jge, ret
_ALLOW, _REFUSE = 0x7FFF0000, 0x00050000 | errno.EPERM
_NUMBER, _ARCH, _FIRST_ARGUMENT = 0, 4, 16  # offsets in struct seccomp_data; little endian
_AF_UNIX = 1
_X32 = 0x40000000
_SET_MODE_FILTER, _SPEC_ALLOW = 1, 4  # the second: no slower branches for what runs here


class _Program(ctypes.Structure):
    _fields_ = (("length", ctypes.c_ushort), ("filter", ctypes.c_char_p))


def filter_for(machine: str) -> bytes | None:
    """Return the filter's program for a machine, as `platform.machine()` calls it; None for one not known here."""
    if machine not in _MACHINES:
        return None
    column, architecture, _ = _MACHINES[machine]
    numbers = [of[column] for of in _REFUSED.values()]
    # Jumps are counted from the next instruction; `refuse` is the last, `allow` the one before it.
    lines: list[tuple[int, int | str, int | str, int]] = [(_LOAD, 0, 0, _ARCH)]
    lines += [(_EQUAL, 0, "refuse", architecture), (_LOAD, 0, 0, _NUMBER)]
    lines += [(_AT_LEAST, "refuse", 0, _X32)]
    lines += [(_EQUAL, "refuse", 0, number) for number in numbers]
    lines += [(_EQUAL, 0, "allow", _SOCKET[column]), (_LOAD, 0, 0, _FIRST_ARGUMENT), (_EQUAL, 0, "refuse", _AF_UNIX)]
    lines += [(_RETURN, 0, 0, _ALLOW), (_RETURN, 0, 0, _REFUSE)]
    target = {"allow": len(lines) - 2, "refuse": len(lines) - 1}

    def jump(here: int, to: int | str) -> int:
        return target[to] - here - 1 if isinstance(to, str) else to

    return b"".join(
        struct.pack("<HBBI", code, jump(here, if_true), jump(here, if_false), value)
        for here, (code, if_true, if_false, value) in enumerate(lines)
    )


def confine() -> bool:
    """Put the filter on this process and all that it starts, for ever; False where that is not possible."""
    machine = platform.machine()
    program = filter_for(machine) if kernel.is_linux() else None
    if program is None:
        return False
    try:
        kernel.prctl(kernel.PR_SET_NO_NEW_PRIVS, 1)
        described = _Program(len(program) // 8, program)
        kernel.syscall(_MACHINES[machine][2], _SET_MODE_FILTER, _SPEC_ALLOW, described)
    except OSError:
        return False
    return True
