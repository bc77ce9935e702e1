"""The folder of one grading: what pytest needs in it, and what it leaves there."""

import contextlib
import json
from pathlib import Path
from typing import Any

from grader.report.text import harmless, shortened

from .job import Job, Outcome

SANDBOX_CPU = "sandbox_cpu_s"
_LOG_KEPT = 4 << 10


def prepare(job: Job, folder: Path) -> dict[str, Any]:
    """Put what a grading needs into an empty folder; returns what `arguments.grading` takes."""
    for name in ("submission", "tmp"):
        (folder / name).mkdir()
        (folder / name).chmod(0o711)  # a sandbox may run as another user, who must get through to its own folder
    folder.chmod(0o711)
    file, offering = folder / "submission" / "VAE_Model.py", folder / "offering.toml"
    file.write_bytes(job.content)
    if job.offering:
        offering.write_text(job.offering, encoding="utf-8")
    return {
        "file": str(file),
        "seed": job.seed,
        "data": job.data,
        "sandbox": job.sandbox,
        "results": str(folder / "results.json"),
        "tasks": job.tasks or "",
        "offering": str(offering) if job.offering else None,
        "lanes": 1,  # a core for each submission: two lanes would share it, and import torch twice
    }


def outcome(job: Job, folder: Path, exit_status: int | None, cpu_s: float) -> Outcome:
    """Return what a grading left behind.

    Args:
        job: The submission.
        folder: Where its results.json and its log lie.
        exit_status: Of pytest; None if it took too long.
        cpu_s: What it used.
    """
    if exit_status is None:
        return Outcome(None, f"the grader took more than {job.limit_s:.0f} s", cpu_s=cpu_s)
    sandbox_cpu_s = 0.0
    with contextlib.suppress(OSError, ValueError):
        sandbox_cpu_s = float((folder / SANDBOX_CPU).read_text())
    if exit_status in (0, 1):
        with contextlib.suppress(OSError, ValueError):
            results = json.loads((folder / "results.json").read_text(encoding="utf-8"))
            return Outcome(results, cpu_s=cpu_s, sandbox_cpu_s=sandbox_cpu_s)
    how = f"signal {-exit_status}" if exit_status < 0 else f"exit status {exit_status}"
    said = _last_words(folder / "log")
    return Outcome(None, f"the grader ended with {how}{said}", again=exit_status not in (4, 5), cpu_s=cpu_s)


def _last_words(log: Path) -> str:
    """Return the last line of a log that says what is wrong, or else the last one."""
    try:
        with log.open("rb") as stream:
            stream.seek(max(0, log.stat().st_size - _LOG_KEPT))
            text = harmless(stream.read().decode("utf-8", errors="replace"))
    except OSError:
        return ""
    lines = [line.strip() for line in text.splitlines() if line.strip(" =")]
    telling = [line for line in lines if "Error" in line or line.startswith("ERROR")] or lines
    return f": {shortened(telling[-1])}" if telling else ""
