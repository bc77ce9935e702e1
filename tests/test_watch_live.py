"""`python -m grader watch` and `check` with a real judge: on a terminal, with a pipe, after Ctrl-C; their verdicts."""

import errno
import json
import os
import re
import select
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import psutil
import pytest

from grader.grading.options import GradingOptions
from grader.grading.watch import Watch
from grader.judge.offering import BY_ID, load_offering
from grader.judge.result import Result, TaskResult
from grader.report import results_json
from grader.report.screen import View
from tests import ctrl_c
from tests.gradings import REFERENCE, RIGHT_KL, ROOT
from tests.test_watch import Listener
from tests.wording import lines_with
from tests.zoo.build import source
from tests.zoo.entry import Equivalent, Wrong
from tests.zoo.equivalent import EQUIVALENT
from tests.zoo.wrong import WRONG

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="uses terminals and signals of Unix")

TEXT = REFERENCE.read_text(encoding="utf-8")
MISSING_HALF = TEXT.replace(RIGHT_KL, RIGHT_KL.replace("0.5 * ", ""))
ENDLESS = TEXT.replace(RIGHT_KL, "while True:\n            pass")
PATIENCE_S = 300.0
ESCAPE = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]|\r")


class Program:
    """A running `python -m grader watch`.

    Args:
        file: The file that it watches.
        options: More options.
        terminal: Whether it runs on a terminal; otherwise its output is a pipe and its input is empty.
    """

    def __init__(self, file: Path, *options: str, terminal: bool = False):
        ours, theirs = os.openpty() if terminal else os.pipe()
        self._output, self.seen = ours, ""
        self.process = subprocess.Popen(
            [sys.executable, "-m", "grader", "watch", str(file), *options],
            cwd=ROOT,
            stdin=theirs if terminal else subprocess.DEVNULL,
            stdout=theirs,
            stderr=theirs,
            start_new_session=True,
            preexec_fn=ctrl_c.listen,
        )
        os.close(theirs)

    def press(self, key: str) -> None:
        os.write(self._output, key.encode())

    def until(self, *words: str) -> str:
        """Wait until the output since the last call has all words; return it."""
        self.seen, deadline = "", time.monotonic() + PATIENCE_S
        while not all(word in self.seen for word in words):
            assert time.monotonic() < deadline, f"{words} did not come:\n{self.seen}"
            if select.select([self._output], [], [], 1.0)[0]:
                data = os.read(self._output, 1 << 16)
                assert data, f"it ended:\n{self.seen}"
                self.seen += ESCAPE.sub("", data.decode(errors="replace"))
        return self.seen

    def family(self) -> list[psutil.Process]:
        return [self.process_of, *self.process_of.children(recursive=True)]

    @property
    def process_of(self) -> psutil.Process:
        return psutil.Process(self.process.pid)

    def end(self) -> None:
        if self.process.poll() is None:
            self.process.terminate()
        self.process.wait(PATIENCE_S)
        os.close(self._output)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "VAE_Model.py"
    path.write_text(TEXT, encoding="utf-8")
    return path


def test_on_a_terminal_a_task_is_solved_with_the_help_of_hints(file: Path) -> None:
    file.write_text(MISSING_HALF, encoding="utf-8")
    program = Program(file, "-m", "kl or mode", terminal=True)
    try:
        shown = program.until("[1/3] hint", "4 / 12 points", "q quit")
        assert "computes" not in shown
        program.press("h")
        program.until("[2/3] computes  kl = sum(mean^2 + var - logvar - 1)")
        program.press("l")
        program.until("failed (kl_missing_half)", "12 points")
        file.write_text(TEXT, encoding="utf-8")
        program.until("kl   10 / 10   passed", "12 / 12 points")
        program.press("q")
        assert program.process.wait(PATIENCE_S) == 0
    finally:
        program.end()


def test_with_a_pipe_every_save_gets_its_report_and_ctrl_c_leaves_nothing(file: Path) -> None:
    """After a syntax error, and during an endless loop."""
    program = Program(file, "-m", "kl")
    try:
        program.until("kl                     10 / 10   passed", "score")
        file.write_text(TEXT + "def x(:\n", encoding="utf-8")
        program.until("SyntaxError while your file was imported", "score")
        file.write_text(ENDLESS, encoding="utf-8")
        time.sleep(3.0)  # usually it is in the loop by then; the rest holds anyway
        file.unlink()
        file.write_text(MISSING_HALF, encoding="utf-8")
        program.until("failed (kl_missing_half)", "score")
        file.write_text(ENDLESS, encoding="utf-8")
        time.sleep(1.0)
        family = program.family()
        program.process.send_signal(signal.SIGINT)
        assert program.process.wait(PATIENCE_S) == 130
        gone, alive = psutil.wait_procs(family, timeout=PATIENCE_S)
        assert gone and not alive
    finally:
        program.end()


def test_it_ends_with_everything_when_it_is_killed(file: Path) -> None:
    program = Program(file, "-m", "mode")
    try:
        program.until("score")
        family = program.family()
        assert len(family) > 1
        program.process.kill()
        assert not psutil.wait_procs(family[1:], timeout=PATIENCE_S)[1]
    finally:
        program.end()


# ## The verdicts are those of `pytest grader/`
class Watching:
    """A watch in a thread, to which one file after the other is saved."""

    def __init__(self, file: Path, tasks: Sequence[str], fork: bool = True):
        self._file, self._console = file, Listener()
        points = load_offering().points
        view = View(file.name, {task: points[task] for task in tasks})
        self._watch = Watch(GradingOptions(file, fork=fork, sandbox="process"), view, self._console)
        self._thread = threading.Thread(target=self._watch.run)
        self._thread.start()

    def results(self) -> dict[str, TaskResult]:
        """Wait for the report on the last save."""
        report = self._console.said.get(timeout=PATIENCE_S)
        assert "score" in report, report
        return dict(self._watch.board.view.results)

    def save(self, text: str) -> dict[str, TaskResult]:
        self._file.write_text(text, encoding="utf-8")
        return self.results()

    def close(self) -> None:
        self._console.press("q")
        self._thread.join(PATIENCE_S)
        self._watch.close()


def of_pytest(file: Path, tasks: Sequence[str], *options: str) -> Result:
    results = file.parent / "results.json"
    selection = [f"--submission={file}", f"--results={results}", "-m", " or ".join(tasks), "--sandbox=process"]
    subprocess.run([sys.executable, "-m", "pytest", "grader/", *selection, *options], cwd=ROOT, capture_output=True)
    return results_json.result(json.loads(results.read_text(encoding="utf-8")), file.name)


def agree(folder: Path, entries: Sequence[Wrong | Equivalent], tasks: Sequence[str]) -> Iterator[str]:
    """Save one file after the other; yield the titles of those on which watch and pytest disagree."""
    watched, alone = folder / "watched" / "VAE_Model.py", folder / "alone" / "VAE_Model.py"
    for file in (watched, alone):
        file.parent.mkdir()
        file.write_text(TEXT, encoding="utf-8")
    watching = Watching(watched, tasks)
    try:
        watching.results()
        for entry in entries:
            alone.write_text(source(entry), encoding="utf-8")
            if watching.save(source(entry)) != {task.id: task for task in of_pytest(alone, tasks).tasks}:
                yield entry.title
    finally:
        watching.close()


@pytest.mark.slow
def test_verdicts_of_a_sample_of_the_zoo_are_those_of_pytest(tmp_path: Path) -> None:
    """To the letter, with results that are kept from one save to the next."""
    sample = [next(entry for entry in WRONG if entry.task == task) for task in ("kl", "mode")]
    assert list(agree(tmp_path, sample, ("kl", "mode", "forward"))) == []


@pytest.mark.long
def test_verdicts_of_the_whole_zoo_are_those_of_pytest(tmp_path: Path) -> None:
    """All tasks but the training run, which takes too long."""
    tasks = [task for task in BY_ID if task != "training"]
    assert list(agree(tmp_path, [*WRONG, *EQUIVALENT], tasks)) == []


@pytest.mark.slow
def test_without_fork_the_verdicts_are_the_same(file: Path) -> None:
    watching = Watching(file, ("mode", "kl"), fork=False)
    try:
        assert {task.status for task in watching.results().values()} == {"passed"}
        assert watching.save(MISSING_HALF)["kl"].diagnoses == ["kl_missing_half"]
    finally:
        watching.close()


# ## In a notebook
CELLS = """
import sys
from grader import check
assert not {"torch", "pytest", "psutil"} & set(sys.modules), "the import is fast"
check("kl", sys.argv[1])
check("nothing", sys.argv[1])
check("mode", sys.argv[1])
check("mode", "nowhere.py")
"""


def test_check_prints_the_report_on_a_task(file: Path) -> None:
    file.write_text(MISSING_HALF, encoding="utf-8")
    done = subprocess.run(
        [sys.executable, "-c", CELLS, str(file)], cwd=ROOT, capture_output=True, text=True, timeout=PATIENCE_S
    )
    assert (done.returncode, done.stderr) == (0, "")
    reports = done.stdout
    assert "computes  kl = sum(mean^2 + var - logvar - 1)" in reports and "these lines show it" in reports
    assert lines_with(reports, "-m 'nothing'", " encoder, decoder")
    assert "mode                     2 / 2   passed" in reports
    assert lines_with(reports.splitlines()[-1], "nowhere.py: ", os.strerror(errno.ENOENT))
