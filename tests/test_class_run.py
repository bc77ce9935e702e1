"""Class runs from end to end, as an instructor starts them: whole, killed, on a cluster, on a full disk."""

import csv
import errno
import json
import os
import random
import signal
import socket
import stat
import subprocess
import sys
import time
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil
import pytest

from grader.__main__ import main
from grader.grading.seeds import official_seed
from grader.instructor.class_runs import submissions
from tests import ctrl_c
from tests.gradings import REFERENCE, ROOT, SKELETON, wrong_kl

pytest.importorskip("distributed")


pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="processes are watched and killed as on Linux")

SECRET = "the secret of the tests"
TASKS = "mode or kl"
GRADES = {  # submission -> score, status
    "1001": ("12", "graded"),
    "Zoë": ("12", "graded"),
    "_cmd": ("0", "graded"),
    "alice": ("12", "graded"),
    "bomb": ("0", "the file is larger than 1,048,576 bytes: hand in the code alone"),
    "bob": ("0", "graded"),
    "empty": ("0", "no VAE_Model.py in this folder, which is empty: hand in one VAE_Model.py"),
    "exits": ("0", "graded"),
    "kl": ("4", "graded"),
    "notes": ("0", "neither a .py file nor a folder, a .zip or a .tar.gz: hand in one VAE_Model.py"),
}


@dataclass(frozen=True)
class Ended:
    """How a command ended, and the rows that it left."""

    exit: int
    text: str
    rows: list[dict[str, str]]

    @property
    def verdicts(self) -> list[dict[str, str]]:
        """The rows without the column that differs from run to run."""
        return [{key: value for key, value in row.items() if key != "seconds"} for row in self.rows]


def environment() -> dict[str, str]:
    threads = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"), "1")
    return {**os.environ, **threads, "VAE_GRADER_SECRET": SECRET}


def scratch(out: Path) -> Path:
    """Return where a run has its temporary files."""
    return out.with_suffix(".tmp")


def start(folder: Path, out: Path, *options: str) -> "subprocess.Popen[bytes]":
    scratch(out).mkdir(exist_ok=True)
    command = [sys.executable, "-m", "grader", "class", str(folder), "--out", str(out), "-m", TASKS]
    with out.with_suffix(".log").open("wb") as log:
        return subprocess.Popen(
            [*command, "--sandbox=process", *options],
            cwd=ROOT,
            env={**environment(), "TMPDIR": str(scratch(out))},
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=True,
            preexec_fn=ctrl_c.listen,
        )


def end(process: "subprocess.Popen[bytes]", out: Path) -> Ended:
    status = process.wait(timeout=600)
    return Ended(status, out.with_suffix(".log").read_text(encoding="utf-8"), rows(out))


def rows(out: Path) -> list[dict[str, str]]:
    with (out / "grades.csv").open(encoding="utf-8", newline="") as stream:
        return list(csv.DictReader(stream))


def run(folder: Path, out: Path, *options: str) -> Ended:
    return end(start(folder, out, *options), out)


def results(out: Path, name: str) -> dict[str, Any]:
    return json.loads((out / name / "results.json").read_text(encoding="utf-8"))


def wait_for(condition: Callable[[], Any], seconds: float = 400.0) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def tree(process: "subprocess.Popen[bytes]") -> list[psutil.Process]:
    return psutil.Process(process.pid).children(recursive=True)


def assert_gone(processes: list[psutil.Process]) -> None:
    alive = psutil.wait_procs(processes, timeout=90)[1]
    assert not [process for process in alive if process.status() != psutil.STATUS_ZOMBIE]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder of submissions of all kinds, good and bad."""
    folder = tmp_path_factory.mktemp("submissions")
    reference = REFERENCE.read_text(encoding="utf-8")
    (folder / "alice.py").write_text(reference, encoding="utf-8")
    (folder / "bob.py").write_bytes(SKELETON.read_bytes())
    (folder / "doejane_LATE_1001_77_VAE_Model.py").write_text(reference, encoding="utf-8")  # the same as alice's
    (folder / "=cmd.py").write_text("This is no Python.\n")
    (folder / "exits.py").write_text("import os; os._exit(0)\n")
    (folder / "kl.py").write_text(wrong_kl(), encoding="utf-8")
    (folder / "Zoë").mkdir()
    (folder / "Zoë" / "VAE_Model.py").write_text(f"{reference}# Zoë\n", encoding="utf-8")
    (folder / "empty").mkdir()
    (folder / "notes.txt").write_text("see me")
    with zipfile.ZipFile(folder / "bomb.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("VAE_Model.py", bytes(4 << 20))
    return folder


@pytest.fixture(scope="module")
def whole(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Ended]:
    """Return the output folder of a run that nothing disturbed, and how it ended."""
    out = tmp_path_factory.mktemp("class") / "out"
    return out, run(folder, out, "--jobs=2")


# ## A whole run
def test_every_entry_has_a_row(whole: tuple[Path, Ended]) -> None:
    _, ended = whole
    assert {row["submission"]: (row["score"], row["status"]) for row in ended.rows} == GRADES, ended.text
    assert {row["max_score"] for row in ended.rows} == {"12"}
    columns = ["submission", "score", "max_score", "status", "seconds", "encoder", "decoder", "sample", "kl", "nll"]
    assert list(ended.rows[0])[:10] == columns and len(ended.rows[0]) == 5 + 13
    assert {(row["encoder"], row["nll"]) for row in ended.rows} == {("", "")}


def test_what_could_not_be_graded_is_told_in_the_exit_status(whole: tuple[Path, Ended]) -> None:
    _, ended = whole
    assert ended.exit == 1
    assert "7 of 10 graded" in ended.text and "Traceback" not in ended.text


def test_each_submission_has_its_results_and_its_official_seed(whole: tuple[Path, Ended], folder: Path) -> None:
    out, _ = whole
    for name, file in [("alice", "alice.py"), ("bob", "bob.py"), ("Zoë", "Zoë/VAE_Model.py")]:
        found = results(out, name)
        content = (folder / file).read_bytes()
        assert found["extra_data"]["seed"] == official_seed(SECRET.encode(), content)
        assert found["extra_data"]["class"]["threads"] == 1
        assert list(found["extra_data"]["tasks"]) == ["kl", "mode"]
    assert results(out, "1001") == results(out, "alice"), "the same content is graded once"


def test_nothing_else_is_left(whole: tuple[Path, Ended]) -> None:
    out, _ = whole
    graded = {name for name, (_, status) in GRADES.items() if status == "graded"}
    assert {path.parent.name for path in out.glob("*/results.json")} == graded
    assert {path.name for path in out.iterdir() if path.is_dir()} == set(GRADES), "each has a page of its own"
    assert all((out / name / "report.html").is_file() for name in GRADES)
    assert {path.name for path in out.iterdir() if path.is_file()} == {
        *("grades.csv", "submissions.json", "index.html", "index-anonymous.html", ".lock", ".pages"),
    }
    assert not [path for path in out.rglob("*") if path.is_file() and SECRET in path.read_text(errors="replace")]


def test_it_records_who_handed_in_what_for_gradebooks(
    whole: tuple[Path, Ended], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out, _ = whole
    listing = submissions.read_listing(out)
    assert listing.max_score == 12_00
    found = {one.submission: one for one in listing.submissions}
    assert set(found) == set(GRADES)
    assert (found["1001"].entry, found["1001"].marked_late) == ("doejane_LATE_1001_77_VAE_Model.py", True)
    assert found["_cmd"].students[0].id == "=cmd", "what it was called; the row's name is harmless"
    path = tmp_path / "grades.csv"
    assert main(["export", str(out), "--format=csv", f"--out={path}"]) == 0, capsys.readouterr().err
    rows = list(csv.DictReader(path.read_text(encoding="utf-8").splitlines()))
    points = {row["submission"]: row["points"] for row in rows}
    assert points == {name: f"{float(score):.2f}" for name, (score, _) in GRADES.items()}


# ## Going on
@pytest.mark.slow
def test_a_second_run_grades_nothing_and_changes_nothing(whole: tuple[Path, Ended], folder: Path) -> None:
    out, ended = whole

    def written() -> dict[Path, int]:
        files = [*out.glob("*/results.json"), *out.glob("*/report.html"), out / "index.html"]
        return {path: path.stat().st_mtime_ns for path in files}

    before = written()
    again = run(folder, out)
    assert (again.exit, again.rows) == (ended.exit, ended.rows)
    assert written() == before
    (out / "alice" / "report.html").unlink()
    run(folder, out)
    assert written().keys() == before.keys(), "a page that is missing is made again"


@pytest.mark.slow
@pytest.mark.parametrize(
    ("number", "status"),
    [(signal.SIGKILL, -9), (signal.SIGINT, 130), (signal.SIGTERM, 130), (signal.SIGHUP, 130)],
)
def test_a_run_that_was_stopped_leaves_nothing_and_goes_on_where_it_was(
    whole: tuple[Path, Ended], folder: Path, tmp_path: Path, number: signal.Signals, status: int
) -> None:
    out = tmp_path / "out"
    process = start(folder, out, "--jobs=2")
    wait_for(lambda: list(out.glob("*/results.json")))
    processes = tree(process)
    os.kill(process.pid, number) if number in (signal.SIGKILL, signal.SIGINT) else os.killpg(process.pid, number)
    stopped = end(process, out)
    assert stopped.exit == status
    assert_gone(processes)
    assert [row["submission"] for row in stopped.rows] == [row["submission"] for row in whole[1].rows]
    if number != signal.SIGKILL:
        assert list(scratch(out).iterdir()) == []
        assert "interrupted" in stopped.text and "run the same command again" in stopped.text
        assert "Traceback" not in stopped.text, stopped.text
        return
    found = {path: path.stat().st_mtime_ns for path in out.glob("*/results.json")}
    ended = run(folder, out, "--jobs=2")
    assert (ended.exit, ended.verdicts) == (1, whole[1].verdicts)
    assert {path: path.stat().st_mtime_ns for path in found} == found, "what was there is not graded again"


@pytest.mark.long
def test_a_run_killed_at_five_random_moments_gives_the_same_grades(
    whole: tuple[Path, Ended], folder: Path, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    moments = random.Random(0)
    for _ in range(5):
        process = start(folder, out, "--jobs=2")
        time.sleep(moments.uniform(0.5, 12.0))
        processes = tree(process) if process.poll() is None else []
        process.kill()
        process.wait()
        assert_gone(processes)
    ended = run(folder, out, "--jobs=2")
    assert (ended.exit, ended.verdicts) == (1, whole[1].verdicts)


def test_two_runs_cannot_write_to_one_folder(folder: Path, tmp_path: Path) -> None:
    import fcntl

    out = tmp_path / "out"
    out.mkdir()
    (out / "grades.csv").write_text("submission\n")
    with (out / ".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        refused = run(folder, out)
    assert refused.exit == 2 and "another class run" in refused.text


# ## A cluster
@pytest.fixture
def cluster(tmp_path: Path) -> Iterator[tuple[str, list["subprocess.Popen[bytes]"]]]:
    """Start a scheduler and two workers by hand, as on two machines."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    address, common = f"tcp://127.0.0.1:{port}", [sys.executable, "-m", "dask"]
    worker = [*common, "worker", address, "--nthreads", "1", "--no-nanny", "--no-dashboard", "--host", "127.0.0.1"]
    scheduler = [*common, "scheduler", "--host", "127.0.0.1", "--port", str(port), "--no-dashboard"]
    processes = []
    for i, command in enumerate([scheduler, worker, worker]):
        with (tmp_path / f"dask-{i}.log").open("wb") as log:
            processes.append(subprocess.Popen(command, cwd=ROOT, env=environment(), stdout=log, stderr=log))
    yield address, processes
    for process in reversed(processes):
        process.terminate()
        process.wait(timeout=60)


@pytest.mark.slow
def test_two_workers_started_by_hand_give_the_same_grades_though_one_dies(
    whole: tuple[Path, Ended], folder: Path, tmp_path: Path, cluster: tuple[str, list["subprocess.Popen[bytes]"]]
) -> None:
    address, (_, worker, other) = cluster
    out = tmp_path / "out"
    process = start(folder, out, f"--scheduler={address}")
    wait_for(lambda: list(out.glob("*/results.json")))
    judges = tree(worker)
    assert judges and tree(other), "both have a judge"
    worker.kill()
    ended = end(process, out)
    assert (ended.exit, ended.verdicts) == (1, whole[1].verdicts), ended.text
    assert_gone(judges)


@pytest.mark.long
def test_a_scheduler_that_dies_ends_the_run_and_loses_nothing(
    whole: tuple[Path, Ended], folder: Path, tmp_path: Path, cluster: tuple[str, list["subprocess.Popen[bytes]"]]
) -> None:
    from grader.instructor.class_runs.dask_judges import LOST

    address, (scheduler, *_) = cluster
    out = tmp_path / "out"
    process = start(folder, out, f"--scheduler={address}")
    wait_for(lambda: list(out.glob("*/results.json")))
    scheduler.kill()
    ended = end(process, out)
    assert ended.exit == 3
    assert LOST in ended.text and f"--scheduler={address}" in ended.text, "why, and the command that resumes it"
    assert "graded" in {row["status"] for row in ended.rows}
    assert run(folder, out, "--jobs=2").verdicts == whole[1].verdicts


@pytest.mark.slow
def test_a_scheduler_that_is_not_there_is_told(folder: Path, tmp_path: Path) -> None:
    process = start(folder, tmp_path / "out", "--scheduler=tcp://127.0.0.1:9")
    assert process.wait(timeout=200) == 2
    assert "no scheduler at tcp://127.0.0.1:9" in (tmp_path / "out.log").read_text()


@pytest.mark.long
def test_a_killed_worker_of_our_own_cluster_is_replaced(
    whole: tuple[Path, Ended], folder: Path, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    process = start(folder, out, "--jobs=1")
    for count in (1, 3):
        wait_for(lambda: len(list(out.glob("*/results.json"))) >= count)  # noqa: B023
        workers = [p for p in psutil.Process(process.pid).children() if "spawn_main" in " ".join(p.cmdline())]
        judges = workers[0].children(recursive=True)
        workers[0].kill()
        assert_gone(judges)
    ended = end(process, out)
    assert (ended.exit, ended.verdicts) == (1, whole[1].verdicts), ended.text


# ## A full disk
@pytest.mark.long
def test_a_full_disk_never_stops_the_rest(whole: tuple[Path, Ended], folder: Path, tmp_path: Path) -> None:
    disk = tmp_path / "disk"
    disk.mkdir()
    if os.geteuid() or subprocess.call(["mount", "-t", "tmpfs", "-o", "size=20k", "none", str(disk)]):
        pytest.skip("needs to mount a small disk")
    try:
        out = disk / "out"
        (tmp_path / "scratch").mkdir()
        scratch(out).symlink_to(tmp_path / "scratch")  # temporary files are on another disk, as they usually are
        ended = run(folder, out, "--jobs=2")
        assert ended.exit in (1, 3), ended.text
        assert os.strerror(errno.ENOSPC) in ended.text
        assert "Traceback" not in ended.text
        assert list(out.glob("*/results.json"))
        subprocess.run(["mount", "-o", "remount,size=4m", str(disk)], check=True)
        assert run(folder, out, "--jobs=2").verdicts == whole[1].verdicts
    finally:
        subprocess.run(["umount", "-l", str(disk)], check=True)


# ## The secret
@pytest.mark.slow
def test_without_a_secret_one_is_made_and_kept(folder: Path, tmp_path: Path) -> None:
    out, submissions = tmp_path / "out", tmp_path / "submissions"
    submissions.mkdir()
    (submissions / "empty").mkdir()
    command = [sys.executable, "-m", "grader", "class", str(submissions), "--out", str(out), "--sandbox=process"]
    bare = {key: value for key, value in os.environ.items() if key != "VAE_GRADER_SECRET"}
    done = subprocess.run(command, cwd=ROOT, env=bare, capture_output=True, text=True, check=False)
    assert done.returncode == 1, done.stderr
    assert stat.S_IMODE((out / "secret").stat().st_mode) == 0o600
    assert (out / "secret").read_text().strip() not in done.stdout + done.stderr


# ## What cannot be graded in this way
@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["nowhere", "--out", "{out}"], "must be a folder that exists, not 'nowhere'"),
        (["{empty}", "--out", "{out}"], "holds no submissions"),
        (["{empty}", "--out", "{empty}"], "another folder"),
        (["{folder}", "--out", "{out}", "-m", "kll"], "tasks are encoder, decoder"),
        (["{folder}", "--out", "{out}", "-m", "kl and nll"], "selects no task"),
        (["{folder}", "--out", "{out}", "--jobs", "0"], "1 or more"),
        (
            ["{folder}", "--out", "{out}", "--roster", "none.csv"],
            "--roster: must be a file that exists, not 'none.csv'",
        ),
        (["{folder}", "--out", "{out}", "--data", "nowhere"], "or a file or folder that exists, not 'nowhere'"),
        (["{folder}", "--out", "{out}", "--secret-file", "setup.cfg"], "two secrets"),
        (["{folder}", "--out", "/proc/none"], "/proc/none"),
    ],
)
def test_what_cannot_be_graded_in_this_way_is_refused_in_one_line(
    folder: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    options: list[str],
    words: str,
) -> None:
    empty = tmp_path / "empty"
    empty.mkdir()
    monkeypatch.setenv("VAE_GRADER_SECRET", SECRET)
    given = [option.format(folder=folder, out=tmp_path / "out", empty=empty) for option in options]
    try:
        status = main(["class", *given, "--sandbox=process"])
    except SystemExit as refused:  # of the command line itself
        status = int(str(refused.code))
    said = capsys.readouterr().err
    assert status == 2 and words in said and said.count("\n") == 1


def test_a_plain_process_must_be_asked_for(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    from grader.instructor.class_runs import class_run

    monkeypatch.setattr(class_run, "chosen_here", lambda name: "process")
    monkeypatch.setenv("VAE_GRADER_SECRET", SECRET)
    assert main(["class", str(folder), "--out", str(tmp_path / "out")]) == 2
    said = capsys.readouterr().err
    assert "--sandbox=process" in said and said.count("\n") == 1
