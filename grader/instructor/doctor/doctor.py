"""`python -m grader doctor`: run the trials in each sandbox, observe them from outside, and print a table."""

import argparse
import contextlib
import os
import secrets
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil

from grader.grading.options import refuse
from grader.sandbox import SANDBOXES
from grader.sandbox.choose import BEST_FIRST, open_sandbox, why_not_started
from grader.sandbox.failure import Failure, WorkerFailed
from grader.sandbox.submission import take
from grader.sandbox.watchdog import remove_folder
from grader.sandbox.zygote import SandboxError

from .trials import CEILINGS, FIND_REMAINS, LIMITS, TRIALS, Trial, TrialOutcome, hostile_file

_PROJECT = Path(__file__).resolve().parents[3]


@dataclass(frozen=True)
class Finding:
    """The result of a trial in a sandbox: whether the sandbox prevents it, and what was observed."""

    trial: Trial
    enforced: bool
    outcome: TrialOutcome


def examine(sandbox: str, only: str = "") -> Generator[Finding, None, None]:
    """Run the trials in a sandbox, and yield a finding for each.

    Args:
        sandbox: Name of a sandbox that works here: `bubblewrap`, `user` or `process`.
        only: Id of the only trial to run; empty for all trials.
    """
    with surroundings() as around:
        known = around.known()
        (around.folder / "given.py").write_text(hostile_file(known), encoding="utf-8")
        file = take(around.folder / "given.py", around.folder / "copy")
        opened = open_sandbox(sandbox, file, around.folder / "home", CEILINGS)
        try:
            for number, trial in enumerate(TRIALS):
                if only in ("", trial.id):
                    outcome = _make(opened, number, around)
                    yield Finding(trial, trial.enforced(outcome), outcome)
        finally:
            opened.close()


def _make(opened: Any, number: int, around: "Surroundings") -> TrialOutcome:
    around.refresh()
    said, failure = _ask(opened, number)
    zygote = opened.process_id
    afterwards, _ = _ask(opened, FIND_REMAINS)
    return TrialOutcome(said, failure, afterwards, around.token_seen(), opened.process_id != zygote)


def _ask(opened: Any, number: int) -> tuple[str, Failure | None]:
    """Let the hostile file run one piece of its code, in a new worker."""
    import torch  # here, so that `python -m grader` shows its help and refuses options at once

    try:
        worker = opened.start(LIMITS, {}, seed=0)
    except WorkerFailed as error:
        return "", error.failure
    try:
        mean = torch.full((1, 1), float(number))
        tensors, _ = worker.ask("distribution", {"name": "kl"}, {"mean": mean}, seed=0)
        return bytes(tensors["value_0"].tolist()).decode(errors="replace"), None
    except WorkerFailed as error:
        return "", error.failure
    finally:
        worker.close()


class Surroundings:
    """Targets outside the sandbox that a trial may try to reach: a file, a folder, a server and a process.

    A secret token identifies them.
    """

    def __init__(self, folder: Path, server: socket.socket):
        self.folder, self._server = folder, server
        self._token = secrets.token_hex(16)
        self._canary, self._outside = folder / "canary", folder / "outside"
        self._canary.write_text(self._token)
        self._outside.mkdir()
        self._outside.chmod(0o1777)
        for name in ("copy", "home"):
            (folder / name).mkdir()
        self._decoy = self._new_decoy()

    def known(self) -> dict[str, str | int]:
        """Return the information that the trials get."""
        return {
            "TOKEN": self._token,
            "CANARY": str(self._canary),
            "OUTSIDE": str(self._outside),
            "PROJECT": str(_PROJECT),
            "PORT": self._server.getsockname()[1],
            "DECOY": self._decoy.pid,
        }

    def refresh(self) -> None:
        """Delete the files that an earlier trial left outside."""
        for path in self._outside.iterdir():
            path.unlink()

    def token_seen(self) -> bool:
        """Return whether a trial reached something outside. Waits 0.2 s first, as effects may come late."""
        time.sleep(0.2)
        if any(self._outside.iterdir()) or self._decoy.poll() is not None:
            return True
        if any(self._token in " ".join(p.info["cmdline"] or ()) for p in psutil.process_iter(["cmdline"])):
            return True
        return self._was_called()

    def _was_called(self) -> bool:
        """Return whether someone connected to the server and sent the token. Other programs may connect by chance."""
        while True:
            try:
                connection, _ = self._server.accept()
            except BlockingIOError:
                return False
            with connection, contextlib.suppress(OSError):
                connection.settimeout(1.0)
                if connection.recv(100).decode(errors="replace") == self._token:
                    return True

    def _new_decoy(self) -> "subprocess.Popen[bytes]":
        environment = {**os.environ, "VAE_GRADER_DOCTOR": self._token}
        command = [sys.executable, "-ISc", "import time; time.sleep(600)"]
        return subprocess.Popen(command, env=environment)

    def end(self) -> None:
        """End the decoy."""
        self._decoy.kill()
        self._decoy.wait()


@contextmanager
def surroundings() -> Iterator[Surroundings]:
    """Create the targets, and remove them on exit."""
    folder = Path(tempfile.mkdtemp(prefix="vae-doctor-"))
    folder.chmod(0o711)
    try:
        with socket.create_server(("127.0.0.1", 0)) as server:
            server.setblocking(False)
            around = Surroundings(folder, server)
            try:
                yield around
            finally:
                around.end()
    finally:
        remove_folder(folder)


_EXAMPLES = """examples:
  python -m grader doctor
  python -m grader doctor --sandbox process

exit status: 0 the tested sandbox (the best one that works here, or --sandbox) prevents everything; 1 an attempt
succeeded in it; 2 no sandbox works here, or not the one of --sandbox
"""


def add_to(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add the subcommand to the parser of `python -m grader`."""
    parser = commands.add_parser(
        "doctor",
        help="test what the sandboxes of this machine prevent",
        description="Try to break out of the sandboxes of this machine, and show which attempts they prevent.",
        epilog=_EXAMPLES,
    )
    parser.add_argument(
        "--sandbox", choices=SANDBOXES[:-1], default="auto", help="test only this sandbox [all that work here]"
    )


def main(options: argparse.Namespace) -> int:
    """Run the subcommand; returns the exit status."""
    try:
        return doctor(options.sandbox)
    except SandboxError as error:
        return refuse("doctor", error)


def doctor(sandbox: str = "auto") -> int:
    """Test the sandboxes that work here, or one of them, and print what they prevent.

    Args:
        sandbox: `auto` for all that work here.

    Returns:
        0 if the best tested sandbox prevents everything, 1 if an attempt succeeded in it, 2 if none works here.
    """
    asked = [kind for kind in BEST_FIRST if sandbox in ("auto", kind.name)]
    reasons = {kind.name: why_not_started(kind) for kind in asked}
    best = next((name for name, reason in reasons.items() if not reason), "")
    if not best:
        line = "; ".join(f"{name}: {reason}" for name, reason in reasons.items())
        return refuse("doctor", f"no sandbox works here: {line}")
    for name, reason in reasons.items():
        note = " (this one is used)" if name == best else ""
        print(f"{name:<12}{'works here' + note if not reason else 'no: ' + reason}")
    names = [name for name, reason in reasons.items() if not reason]
    print(f"\n{'a submission tries to ...':<46}" + "".join(f"{name:<14}" for name in names))
    findings = {name: examine(name) for name in names}
    held = True
    for trial in TRIALS:
        row = {name: next(found) for name, found in findings.items()}
        print(f"{trial.title:<46}" + "".join(f"{_cell(finding):<14}" for finding in row.values()), flush=True)
        held &= row[best].enforced
    for found in findings.values():
        found.close()
    if not held:
        print(f"\nAn attempt succeeded in `{best}`: only grade files that you would run yourself on this machine.")
    return 0 if held else 1


def _cell(finding: Finding) -> str:
    return "prevented" if finding.enforced else "SUCCEEDED"
