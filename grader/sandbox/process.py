"""Sandboxes without namespaces: plain processes, or, if the grader runs as root, an unprivileged user per worker."""

import os
import secrets
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any

import psutil

from .interpreter import PROGRAM, can_fork, environment, missing_packages, readable, why_it_ended
from .submission import SubmittedFile
from .watchdog import end_family
from .zygote import SandboxError, View, Zygote


def _view(file: SubmittedFile, home: Path) -> View:
    return View(str(PROGRAM), str(file.copy), str(home), [*readable(), str(file.copy)])


class PlainProcess(Zygote):
    """A zygote and its workers, running as the same user as all other processes of the user."""

    name = "process"
    guard = "group"

    @staticmethod
    def why_not() -> str:
        """Return why this sandbox cannot be used here; empty if a process may be forked."""
        return "" if can_fork() else "forking workers needs Linux; on other systems one interpreter serves all tasks"

    @staticmethod
    def missing() -> str:
        """Return which package workers cannot import, and what to do; empty if they can import all of them."""
        return missing_packages()

    def _view(self) -> View:
        return _view(self._file, self._home)

    def _end_strays(self) -> None:
        end_family(self._process.pid, itself=False)


_USERS = range(20_000, 60_000)  # above the ids of people and services, below those that containers map
_AT_ONCE = 64  # user ids that one zygote reserves for its workers
_PROJECT = Path(__file__).resolve().parents[2]
_TRY = """
import ctypes, os, sys
project, *needed = sys.argv[1:]
landlock = ctypes.CDLL(None).syscall(444, None, 0, 1)
for path in needed:
    if not os.access(path, os.R_OK):
        sys.exit(f"other users cannot read {path}: install Python and its packages where other users can read them")
if landlock < 1 and os.access(project, os.R_OK | os.X_OK):
    sys.exit(f"other users can read {project}, and this kernel has no Landlock: run `chmod o-rx {project}` first")
"""


class UnprivilegedUser(Zygote):
    """A zygote that runs as root; each of its workers runs as a different unprivileged user."""

    name = "user"
    guard = "user"

    @staticmethod
    def why_not() -> str:
        """Try to run a program as another user; return why this sandbox cannot be used here, or an empty string."""
        if not can_fork() or os.geteuid() != 0:
            return "running each worker as a different user needs Linux and root"
        command = [sys.executable, "-I", "-S", "-c", _TRY, str(_PROJECT), *readable()]
        try:
            tried = subprocess.run(
                command, env=environment("/"), cwd="/", capture_output=True, check=False, **_as_user()
            )
        except SandboxError as error:
            return str(error)
        except OSError as error:  # other users cannot run the interpreter, or the user cannot be changed
            return f"{sys.executable} cannot be started as another user: {error.strerror}"
        return why_it_ended(tried.stderr) if tried.returncode else ""

    @staticmethod
    def missing() -> str:
        """Return which package workers cannot import, and what to do; empty if they can import all of them."""
        return missing_packages(**_as_user())

    def _view(self) -> View:
        for folder in (self._home.parent, self._home, self._file.copy.parent):
            folder.chmod(0o711)  # workers may pass through the folder, but not list it
        self._file.copy.chmod(0o444)
        return View(str(PROGRAM), str(self._file.copy), str(self._home), [*readable(), str(self._file.copy)])

    def _settings(self) -> dict[str, Any]:
        first, self._reserved = reserve_users()
        return {"first_user": first, "processes": self._ceilings.threads}

    def _discard(self) -> None:
        super()._discard()
        self._reserved.close()


def _as_user() -> dict[str, Any]:
    """Return the options with which `subprocess.run` starts a program as a user who has no other process."""
    user, lock = reserve_users()
    lock.close()
    return {"user": user, "group": user, "extra_groups": []}


def reserve_users() -> tuple[int, socket.socket]:
    """Reserve a range of consecutive user ids without processes; return the first id and the lock on the range.

    Each new worker of a zygote takes the next id of its range. The lock makes sandboxes that start at the same time
    choose different ranges.

    Raises:
        SandboxError: No free range was found: every range has processes or is locked.
    """
    busy = {uid for p in psutil.process_iter(["uids"]) if p.info["uids"] for uid in p.info["uids"]}
    for _ in range(1000):
        first = secrets.choice(_USERS[::_AT_ONCE])
        if busy & set(range(first, first + _AT_ONCE)):
            continue
        lock = socket.socket(socket.AF_UNIX)
        try:
            # An abstract socket name: only one process can have it, and it is freed when that process ends.
            lock.bind(f"\0vae-grader-user-{first}")
            return first, lock
        except OSError:
            lock.close()
    raise SandboxError(
        f"no free user ids for workers between {_USERS[0]} and {_USERS[-1]}: end workers left behind by an earlier run"
    )
