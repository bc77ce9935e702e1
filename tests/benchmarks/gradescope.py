"""How much memory does a grading on Gradescope take? `python -m tests.benchmarks.gradescope [FILE ...] [-n 3]`.

Lays the autograder of a release out in a temporary folder, runs its run_autograder for each file (the reference, if
none is given), and prints for each the largest memory of the whole family of processes: proportional set sizes, as
/proc/*/smaps_rollup has them, added up and sampled some twenty times a second. The sandbox is the one that Gradescope
gets (`user`, needs root) where it works, as the table says.
"""

import contextlib
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import psutil

from data.commandline import Parser, path, whole
from grader.instructor.release.contents import course_of, gradescope_files, lay
from grader.judge.offering import OFFERING
from grader.platforms.container import SANDBOX
from grader.sandbox.process import UnprivilegedUser

ROOT = Path(__file__).resolve().parents[2]
REFERENCE = ROOT / "solution" / "VAE_Model.py"


@dataclass(frozen=True)
class Measured:
    """One grading: largest memory of all its processes together, wall and CPU seconds, points."""

    mib: float
    wall_s: float
    cpu_s: float
    score: float


def measure(root: Path, submission: Path, sandbox: str) -> Measured:
    """Grade a submission as Gradescope does, in a folder that is laid out like /autograder."""
    (root / "submission" / "VAE_Model.py").write_bytes(submission.read_bytes())
    environment = {"AUTOGRADER_ROOT": str(root), "VAE_GRADER_PYTHON": sys.executable, SANDBOX: sandbox}
    before, started, most = os.times(), time.monotonic(), 0
    with subprocess.Popen(
        ["bash", str(root / "source" / "run_autograder")], env={**os.environ, **environment}, stdout=subprocess.DEVNULL
    ) as process:
        while process.poll() is None:
            most = max(most, _family(process.pid))
            time.sleep(0.03)
    after = os.times()
    cpu = after.children_user + after.children_system - before.children_user - before.children_system
    results = json.loads((root / "results" / "results.json").read_text(encoding="utf-8"))
    return Measured(most / 2**20, time.monotonic() - started, cpu, results["score"])


def _family(pid: int) -> int:
    """Return the proportional set sizes of a process and all that descends from it, added up, in bytes."""
    try:
        parent = psutil.Process(pid)
        return sum(_proportional(process.pid) for process in [parent, *parent.children(recursive=True)])
    except psutil.Error:
        return 0


def _proportional(pid: int) -> int:
    with contextlib.suppress(OSError, StopIteration):
        lines = Path(f"/proc/{pid}/smaps_rollup").read_text(encoding="ascii").splitlines()
        return 1024 * int(next(line for line in lines if line.startswith("Pss:")).split()[1])
    return 0


def main(argv: Sequence[str] | None = None) -> None:
    """Print a table."""
    parser = Parser(prog="python -m tests.benchmarks.gradescope", description=__doc__)
    parser.add_argument("files", nargs="*", type=path, default=[REFERENCE], metavar="FILE", help="[the reference]")
    parser.add_argument("-n", type=whole(1), default=3, help="gradings of each file [3]")
    options = parser.parse_args(argv)
    reason = UnprivilegedUser.why_not()
    sandbox = "process" if reason else "user"
    print(f"sandbox {sandbox}{f', because {reason}' if reason else ''}; {options.n} gradings of each file")
    print(f"{'file':<40}{'MiB':>8}{'wall s':>8}{'CPU s':>8}{'points':>8}")
    with tempfile.TemporaryDirectory() as made:
        root = Path(made)
        root.chmod(0o755)  # other users must get through to the copy of the submission
        (root / "submission").mkdir()
        lay(root / "source", gradescope_files(ROOT, course_of(ROOT, OFFERING), b"a secret for measuring only"))
        for file in options.files:
            runs = [measure(root, file, sandbox) for _ in range(options.n)]
            most = max(runs, key=lambda run: run.mib)
            print(f"{file.name:<40}{most.mib:>8.0f}{most.wall_s:>8.1f}{most.cpu_s:>8.1f}{most.score:>8g}", flush=True)


if __name__ == "__main__":
    main()
