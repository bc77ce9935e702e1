"""The sandbox where namespaces are refused and we are root: an unprivileged user for each worker."""

import os
import secrets
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any

import psutil

from .interpreter import PROGRAM, can_fork, environment, last_words, missing_packages, readable
from .view import View
from .zygote import SandboxError, Zygote

_USERS = range(20_000, 60_000)  # above people and services, below what containers map
_AT_ONCE = 64  # workers of one zygote
_PROJECT = Path(__file__).resolve().parents[2]
_TRY = """
import ctypes, os, sys
project, *needed = sys.argv[1:]
landlock = ctypes.CDLL(None).syscall(444, None, 0, 1)
for path in needed:
    if not os.access(path, os.R_OK):
        sys.exit(f"other users cannot read {path}: install Python and its packages where they can")
if landlock < 1 and os.access(project, os.R_OK | os.X_OK):
    sys.exit(f"other users can read {project}: `chmod o-rx {project}` first (this kernel has no Landlock)")
"""


class UnprivilegedUser(Zygote):
    """A zygote that is root, and whose workers are users of their own."""

    name = "user"
    guard = "user"

    @staticmethod
    def why_not() -> str:
        """Return why this sandbox cannot be used here, found out by using it; empty if it can."""
        if not can_fork() or os.geteuid() != 0:
            return "another user for each worker needs Linux, and root"
        command = [sys.executable, "-I", "-S", "-c", _TRY, str(_PROJECT), *readable()]
        try:
            tried = subprocess.run(
                command, env=environment("/"), cwd="/", capture_output=True, check=False, **_as_user()
            )
        except SandboxError as error:
            return str(error)
        except OSError as error:  # the interpreter itself is out of reach, or users cannot be changed
            return f"no program can be started as another user: {error.strerror} ({sys.executable})"
        return last_words(tried.stderr) if tried.returncode else ""

    @staticmethod
    def missing() -> str:
        """Return which package workers would not find, and what to do; empty if they find all that they need."""
        return missing_packages(**_as_user())

    def _view(self) -> View:
        for folder in (self._home.parent, self._home, self._file.copy.parent):
            folder.chmod(0o711)  # to be passed through, not to be looked into
        self._file.copy.chmod(0o444)
        return View(str(PROGRAM), str(self._file.copy), str(self._home), [*readable(), str(self._file.copy)])

    def _settings(self) -> dict[str, Any]:
        first, self._reserved = reserve_users()
        return {"first_user": first, "processes": self._ceilings.threads}

    def _discard(self) -> None:
        super()._discard()
        self._reserved.close()


def _as_user() -> dict[str, Any]:
    """Return the options of `subprocess.run` that make a program that of a user who has no process."""
    user, lock = reserve_users()
    lock.close()
    return {"user": user, "group": user, "extra_groups": []}


def reserve_users() -> tuple[int, socket.socket]:
    """Return the first of some users in a row who have no process, and the lock that keeps others off them.

    The workers of one zygote take one after the other; whoever starts a sandbox at the same time takes other users.

    Raises:
        SandboxError: All have processes, or are taken.
    """
    busy = {uid for p in psutil.process_iter(["uids"]) if p.info["uids"] for uid in p.info["uids"]}
    for _ in range(1000):
        first = secrets.choice(_USERS[::_AT_ONCE])
        if busy & set(range(first, first + _AT_ONCE)):
            continue
        lock = socket.socket(socket.AF_UNIX)
        try:
            lock.bind(f"\0vae-grader-user-{first}")  # a name without a file: one process has it, and it goes with it
            return first, lock
        except OSError:
            lock.close()
    raise SandboxError("all users that workers could be are busy; are workers left of an earlier run?")
