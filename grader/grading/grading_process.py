"""Run the grader on one submission in a separate process, and interpret how that process ended."""

import contextlib
import json
import signal
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from grader.grading.options import ROOT, GradingOptions, clean_environment
from grader.report.text import harmless, shortened

_VERDICTS = (0, 1)  # exit status: full points, or fewer
_ITS_OWN_ERROR = 3  # exit status: an internal error of pytest, or a check that failed because of a grader bug
_REFUSED = (4, 5)  # exit status of pytest: an option is wrong, or no check is selected
_LOG_READ = 4 << 10


class GraderFailed(Exception):  # noqa: N818
    """The grader gave no verdict, and this is not the student's fault; the message says what happened.

    Attributes:
        in_time: Whether the grader ended before its time limit.
        killed: Whether the system killed it, most likely because of its memory.
        again: Whether a second try may help: true if it died, false if it refused to run or took too long.
    """

    def __init__(self, message: str, in_time: bool = True, killed: bool = False, again: bool = False):
        super().__init__(message)
        self.in_time, self.killed, self.again = in_time, killed, again


@dataclass(frozen=True)
class Graded:
    """The output of the grader.

    Attributes:
        results: The content of its results.json.
        flawed: Whether a check failed because of a bug in the grader.
    """

    results: dict[str, Any]
    flawed: bool = False


class Child:
    """A running grading process.

    Args:
        options: The options of the grading; `results` must be a path.
        log: File for the output; None for standard output.
        project: The copy of the project whose grader is run.
    """

    def __init__(self, options: GradingOptions, log: Path | None = None, project: Path = ROOT):
        assert options.results is not None
        self._results, self._log = options.results, log
        with log.open("wb") if log else contextlib.nullcontext() as output:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "pytest", *options.arguments()],
                cwd=project,
                env=clean_environment(),
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    def wait(self, seconds: float) -> int | None:
        """Return the exit status of the grading; None if it took too long and was ended."""
        try:
            return self._process.wait(seconds)
        except subprocess.TimeoutExpired:
            self.end()
            return None

    def graded(self, seconds: float) -> Graded:
        """Wait for the grading and return its results.

        Raises:
            GraderFailed: The grader died, refused to run, or did not end in time.
        """
        return graded(self.wait(seconds), self._results, self._log, seconds)

    def end(self) -> None:
        """End the grader and all its descendants; does nothing if it has ended, since its pid may be in use again."""
        if self._process.poll() is not None:
            return
        try:
            from grader.sandbox.watchdog import end_family

            end_family(self._process.pid, itself=True)
        except Exception:  # even if that code fails, the grader itself must end
            self._process.kill()
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(10)


def graded(status: int | None, results: Path, log: Path | None, seconds: float) -> Graded:
    """Return the results of a grading that has ended.

    Args:
        status: The exit status of pytest; None if it took too long.
        results: Path of its results.json, which may not exist.
        log: File with its output; None if the output was not stored.
        seconds: The time limit.

    Raises:
        GraderFailed: There is no verdict; the message says why, and includes the grader's last error message.
    """
    if status is None:
        raise GraderFailed(f"the grader took more than {seconds:.0f} s", in_time=False)
    if status in (*_VERDICTS, _ITS_OWN_ERROR):
        with contextlib.suppress(OSError, ValueError):
            return Graded(json.loads(results.read_text(encoding="utf-8")), flawed=status == _ITS_OWN_ERROR)
    how = f"signal {-status}" if status < 0 else f"exit status {status}"
    killed = status == -signal.SIGKILL
    why = ", probably because of its memory use" if killed else ""
    message = f"the grader ended with {how}{why}{last_words(log)}"
    raise GraderFailed(message, killed=killed, again=status not in _REFUSED)


def last_words(log: Path | None) -> str:
    """Return a colon and the last line of a log, preferably one with an error; empty if there is no line."""
    try:
        with log.open("rb") if log else contextlib.nullcontext() as stream:
            if stream is None:
                return ""
            stream.seek(max(0, stream.seek(0, 2) - _LOG_READ))
            text = harmless(stream.read().decode("utf-8", errors="replace"))
    except OSError:
        return ""
    lines = [line.strip() for line in text.splitlines() if line.strip(" =")]
    telling = [line for line in lines if "Error" in line or line.startswith("ERROR")] or lines
    return f": {shortened(telling[-1])}" if telling else ""
