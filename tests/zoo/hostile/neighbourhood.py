"""A class of hostile files with honest ones between them, graded as an instructor would, and what came of it."""

import hashlib
import json
import os
import subprocess
import sys
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from grader.instructor.doctor.doctor import Surroundings, surroundings
from grader.judge.offering import OFFERING
from tests.zoo.build import reference
from tests.zoo.hostile.entry import JUDGED, Hostile

ROOT = Path(__file__).resolve().parents[3]
HONEST = "honest"
# Small limits, so that an endless loop ends soon; the shares of the machine that honest files need still fit.
_LIMITS = {
    "task_cpu_s": 3,
    "memory_mib": 1024,
    "file_mib": 32,
    "sandbox_memory_mib": 1536,
    "sandbox_threads": 64,
    "sandbox_files_mib": 32,
}
_WALL_S = 12  # of a task, where nothing else runs
_EVERY = 12  # hostile files between two honest ones


@dataclass(frozen=True)
class Row:
    """What became of one hostile file.

    Attributes:
        hostile: The file.
        problems: What is not as it must be.
    """

    hostile: Hostile
    problems: tuple[str, ...]


@dataclass(frozen=True)
class Class:
    """What a class run left behind.

    Attributes:
        rows: The hostile files.
        honest: Points of the honest ones.
        log: All that was printed.
        seen_outside: Whether something outside shows that a file reached it.
    """

    rows: list[Row]
    honest: list[float]
    log: str
    seen_outside: bool


def grade(hostile: Iterable[Hostile], sandbox: str, folder: Path, jobs: int = 2) -> Class:
    """Grade hostile files and honest ones together, in the tasks that hostile files are judged in.

    Args:
        hostile: The files.
        sandbox: Name of the sandbox.
        folder: An empty folder for submissions and results.
        jobs: Submissions at the same time.
    """
    files = list(hostile)
    with surroundings() as around:
        _hand_in(files, around, folder / "submissions")
        (folder / "offering.toml").write_text(small_offering(), encoding="utf-8")
        command = [sys.executable, "-m", "grader", "class", str(folder / "submissions"), "--out", str(folder / "out")]
        command += [f"--offering={folder / 'offering.toml'}", f"--sandbox={sandbox}", f"--jobs={jobs}"]
        command += ["-m", " or ".join(JUDGED)]
        done = subprocess.run(command, cwd=ROOT, capture_output=True, check=False, stdin=subprocess.DEVNULL)
        token = str(around.known()["TOKEN"])
        rows = [Row(f, tuple(problems(f, _results(folder / "out" / _name(i)), token))) for i, f in enumerate(files)]
        honest = [_results(path.parent)["score"] for path in (folder / "out").glob(f"{HONEST}*/results.json")]
        log = (done.stdout + done.stderr).decode(errors="replace")
        return Class(rows, honest, log, around.token_seen())


def tree_hash(folder: Path) -> str:
    """Return a hash over the names, sizes and times of all files of a folder that version control would see."""
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=folder, capture_output=True, check=True).stdout
    digest = hashlib.sha256()
    for name in listed.split(b"\0"):
        path = folder / name.decode()
        if name and path.exists():
            state = path.stat()
            digest.update(name + f" {state.st_size} {state.st_mtime_ns}\n".encode())
    return digest.hexdigest()


def _hand_in(files: list[Hostile], around: Surroundings, folder: Path) -> None:
    folder.mkdir()
    for i, hostile in enumerate(files):
        content = hostile.content
        if isinstance(content, str):
            for name, value in around.known().items():
                content = content.replace(f"@{name}@", str(value))
            content = content.encode()
        (folder / f"{_name(i)}.py").write_bytes(content)
        if i % _EVERY == 0:
            text = f"{reference()}\n# {HONEST} neighbour {i}\n"
            (folder / f"{HONEST}{i:03}.py").write_text(text, encoding="utf-8")


def _name(i: int) -> str:
    return f"hostile{i:03}"


def small_offering() -> str:
    """Return the text of an offering with small limits."""
    busy = os.getloadavg()[0] / len(os.sched_getaffinity(0))
    limits = {**_LIMITS, "task_wall_s": round(_WALL_S * min(5.0, max(1.0, busy)))}  # what waits for others is no worse
    text = OFFERING.read_text(encoding="utf-8").splitlines()
    for i, line in enumerate(text):
        key = line.split("=")[0].strip()
        if key in limits:
            text[i] = f"{key} = {limits[key]}"
    return "\n".join(text)


def _results(folder: Path) -> dict[str, Any]:
    try:
        return json.loads((folder / "results.json").read_text(encoding="utf-8"))
    except FileNotFoundError:
        return {}


def problems(hostile: Hostile, results: dict[str, Any], token: str) -> Iterable[str]:
    """Yield what is not as it must be in the results of a hostile file; `token` must not be in a report."""
    if not results:
        if hostile.earned:
            yield "no results"
        return
    tasks = results["extra_data"]["tasks"]
    for task, (points, status) in hostile.earned.items():
        got = (tasks[task]["score"], tasks[task]["status"])
        if got != (points, status):
            yield f"{task}: {got[0]} points, {got[1]}; not {points}, {status}"
    said = "\n".join(test["output"] for test in results["tests"] if test["score"] < test["max_score"])
    yield from (f"does not say {word!r}" for word in hostile.words if word not in said)
    never = [word.replace("@TOKEN@", token) for word in hostile.never]
    yield from (f"says {word!r}" for word in never if word in said)
