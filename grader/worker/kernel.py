"""System calls that Python has no function for: the few that the sandbox needs. Linux only."""

import contextlib
import ctypes
import os
import sys

PR_SET_PDEATHSIG, PR_SET_DUMPABLE, PR_SET_CHILD_SUBREAPER, PR_SET_NO_NEW_PRIVS = 1, 4, 36, 38
_PR_CAPBSET_DROP, _CAPABILITY_VERSION_3 = 24, 0x20080522


def is_linux() -> bool:
    """Whether any of this can work here."""
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
    """Give up every privilege of root's, for this process and all that it starts; its files stay its own."""
    highest = 63
    for capability in range(highest + 1):
        with contextlib.suppress(OSError):  # the kernel knows fewer, or we may drop none
            prctl(_PR_CAPBSET_DROP, capability)

    class Header(ctypes.Structure):
        _fields_ = (("version", ctypes.c_uint32), ("pid", ctypes.c_int))

    class Sets(ctypes.Structure):
        _fields_ = tuple((f"{name}_{half}", ctypes.c_uint32) for half in "01" for name in ("eff", "perm", "inh"))

    ctypes.CDLL(None).capset(ctypes.byref(Header(_CAPABILITY_VERSION_3, 0)), ctypes.byref(Sets()))
