"""`python -m grader watch`, with a stand-in for the judge: what is graded, cancelled and shown after each event."""

import os
import queue
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest

from grader.grading.board import WatchedFile
from grader.grading.console import Console
from grader.grading.jobs import Job, JudgeDied, Outcome
from grader.grading.options import GradingOptions
from grader.grading.watch import Watch
from grader.judge.result import CheckResult, Explanation, Result, Status, TaskResult
from grader.report.results_json import as_json
from grader.report.screen import View, hints_of, screen
from grader.sandbox.archives import NoSubmission
from tests.gradings import REFERENCE, RIGHT_KL
from tests.wording import numbers

pytestmark = pytest.mark.quick

TEXT = REFERENCE.read_text(encoding="utf-8")
WRONG = TEXT.replace(RIGHT_KL, "return self.mean.sum(dim=1)")
PATIENCE_S = 60.0


def task(name: str, status: Status = "passed", **said: str) -> TaskResult:
    points = 1000 if status == "passed" else 0
    return TaskResult(
        name, (CheckResult(name, "test", "It works", "value", points, 1000, status, Explanation(**said)),)
    )


def result(*tasks: TaskResult) -> Result:
    return Result("VAE_Model.py", tasks, 1.0, "process", 0)


class StandIn:
    """A judge that notes what it is asked for, and answers what the test says."""

    def __init__(self) -> None:
        self.asked: queue.Queue[Job | int] = queue.Queue()
        self.answers: queue.Queue[Outcome | JudgeDied] = queue.Queue()
        self.closed = False

    def send(self, job: Job) -> None:
        self.asked.put(job)

    def cancel(self, number: int) -> None:
        self.asked.put(number)

    def receive(self) -> Outcome:
        answer = self.answers.get()
        if isinstance(answer, JudgeDied):
            raise answer
        return answer

    def close(self) -> None:
        self.closed = True

    def next(self) -> Job | int:
        return self.asked.get(timeout=PATIENCE_S)

    def job(self) -> Job:
        asked = self.next()
        assert isinstance(asked, Job)
        return asked

    def answer(self, job: Job, status: Status = "passed") -> None:
        """Answer a job as a warm judge does: one part for each task, then the whole."""
        tasks = [task(name, status) for name in (job.tasks or "").split(" or ")]
        for one in tasks:
            self.answers.put(Outcome(as_json(result(one)), number=job.number, part=True))
        self.answers.put(Outcome(as_json(result(*tasks)), number=job.number))


class Listener(Console):
    """A console without a terminal that keeps what is printed, and presses keys."""

    def __init__(self) -> None:
        super().__init__(interactive=False)
        self.said: queue.Queue[str] = queue.Queue()
        self.press: Callable[[str], None] = lambda key: None

    def listen(self, pressed: Callable[[str], None]) -> None:
        self.press = pressed

    def say(self, text: str) -> None:
        self.said.put(text)

    def next(self) -> str:
        return self.said.get(timeout=PATIENCE_S)


@dataclass
class Running:
    """A watch that runs in a thread."""

    watch: Watch
    file: Path
    console: Listener
    judges: list[StandIn] = field(default_factory=list)

    def save(self, text: str) -> None:
        """Replace the file, as editors do."""
        new = self.file.with_suffix(".new")
        new.write_text(text, encoding="utf-8")
        new.replace(self.file)

    @property
    def judge(self) -> StandIn:
        return self.judges[-1]


THREE = ("kl", "mode", "training")


@pytest.fixture
def running(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Running]:
    """Return a watch on the reference for three tasks or others, whose first grading has not been answered."""
    judges: list[StandIn] = []

    def start() -> StandIn:
        judges.append(StandIn())
        return judges[-1]

    file, console = tmp_path / "VAE_Model.py", Listener()
    file.write_text(TEXT, encoding="utf-8")
    view = View("VAE_Model.py", dict.fromkeys(getattr(request, "param", THREE), 10))
    watch = Watch(GradingOptions(file), view, console, start, cores=2)
    ended: list[int] = []
    thread = threading.Thread(target=lambda: ended.append(watch.run()))
    thread.start()
    running = Running(watch, file, console, judges)
    while not judges:
        time.sleep(0.01)
    yield running
    console.press("q")
    thread.join(PATIENCE_S)
    assert ended == [0]


def settled(running: Running) -> None:
    """Answer the first grading and the training run."""
    for _ in range(2):
        running.judge.answer(running.judge.job())
        running.console.next()


# ## What is graded
def test_first_the_checks_then_the_training_run(running: Running) -> None:
    checks = running.judge.job()
    assert (checks.tasks, checks.in_parts, checks.path) == ("kl or mode", True, str(running.file))
    running.judge.answer(checks)
    assert "score                  20 / 20" in running.console.next()
    training = running.judge.job()
    assert training.tasks == "training"
    running.judge.answer(training)
    report = running.console.next()
    assert "score                  30 / 30" in report
    assert report.index("training") < report.index("kl"), "what was graded last is on top"


@pytest.mark.parametrize("running", [("sample", "kl", "nll", "mode", "encode", "decode", "training")], indirect=True)
def test_many_tasks_are_two_jobs_with_one_report(running: Running) -> None:
    one, other = running.judge.job(), running.judge.job()
    assert (one.tasks, other.tasks) == ("sample or kl or nll or mode or encode", "decode")
    running.judge.answer(other)
    running.judge.answer(one)
    assert "score                  60 / 60" in running.console.next()
    assert running.judge.job().tasks == "training"


def test_only_tasks_that_the_change_can_have_touched_are_graded_again(running: Running) -> None:
    settled(running)
    running.save(WRONG)
    job = running.judge.job()
    assert (job.tasks, job.first) == ("kl", ("kl",))


def test_a_save_without_effect_prints_the_table_and_grades_nothing(running: Running) -> None:
    settled(running)
    running.save(TEXT + "# the end\n")
    assert "score                  30 / 30" in running.console.next()
    assert running.judge.asked.empty()


def test_reports_that_name_lines_are_renewed_when_the_lines_move(running: Running) -> None:
    checks = running.judge.job()
    crashed = task("mode", "crashed", got="TypeError\nline 7, in mode: return self")
    running.judge.answers.put(Outcome(as_json(result(task("kl"), crashed)), number=checks.number))
    running.console.next()
    running.judge.answer(running.judge.job())
    running.console.next()
    running.save(f"# a new first line\n{TEXT}")
    assert running.judge.job().tasks == "mode"


# ## Every save gets its answer
def test_a_save_cancels_what_is_in_progress(running: Running) -> None:
    """A late answer to the cancelled job does not count."""
    first = running.judge.job()
    running.save(WRONG)
    assert running.judge.next() == first.number
    second = running.judge.job()
    assert second.tasks == "kl or mode", "nothing has a result yet"
    running.judge.answer(first, "failed")
    running.judge.answer(second)
    assert "score                  20 / 20" in running.console.next()


def test_a_save_cancels_the_training_run(running: Running) -> None:
    running.judge.answer(running.judge.job())
    running.console.next()
    training = running.judge.job()
    assert training.tasks == "training"
    running.save(WRONG)
    assert running.judge.next() == training.number
    assert running.judge.job().tasks == "kl"


def test_text_that_is_no_python_is_graded_as_a_whole(running: Running) -> None:
    settled(running)
    running.save("def x(:\n")
    assert running.judge.job().tasks == "kl or mode"


def test_a_file_that_cannot_be_graded_is_named_and_the_next_save_is_graded(running: Running) -> None:
    settled(running)
    running.save("\0")
    said = running.console.next()
    assert said.startswith("VAE_Model.py: ") and " line 1 " in said and "null byte" in said
    running.save(TEXT)
    assert running.judge.job().tasks == "kl or mode"


def test_a_problem_of_the_grader_is_shown_and_the_next_save_is_graded(running: Running) -> None:
    running.judge.answers.put(Outcome(None, "the grader took more than 600 s", number=running.judge.job().number))
    assert running.console.next() == "the grader took more than 600 s"
    running.save(WRONG)
    assert running.judge.job().tasks == "kl or mode"


def test_a_judge_that_dies_is_replaced_if_it_had_worked(running: Running) -> None:
    settled(running)
    running.save(WRONG)
    running.judge.job()
    running.judge.answers.put(JudgeDied("the judge died"))
    while len(running.judges) < 2:
        time.sleep(0.01)
    assert running.judges[0].closed
    assert running.judge.job().tasks == "kl"


def test_a_judge_that_does_not_start_ends_the_watch(tmp_path: Path) -> None:
    (tmp_path / "VAE_Model.py").touch()
    judge = StandIn()
    judge.answers.put(JudgeDied("the judge died: ModuleNotFoundError: No module named 'hypothesis'"))
    watch = Watch(GradingOptions(tmp_path / "VAE_Model.py"), View("x", {"kl": 10}), Listener(), lambda: judge)
    with pytest.raises(JudgeDied, match="hypothesis"):
        watch.run()


# ## Keys
def test_r_grades_all_again_and_t_the_training_run(running: Running) -> None:
    settled(running)
    running.console.press("t")
    job = running.judge.job()
    assert job.tasks == "training"
    running.console.press("r")
    assert running.judge.next() == job.number
    assert running.judge.job().tasks == "kl or mode"


def test_n_goes_to_the_next_task_without_full_points(running: Running) -> None:
    for status in ("failed", "passed"):
        running.judge.answer(running.judge.job(), "failed" if status == "failed" else "passed")
        running.console.next()
    board = running.watch.board
    assert board.view.current == "kl"
    board.press("n")
    assert board.view.current == "mode"
    board.press("n")
    assert board.view.current == "kl", "training has passed"


# ## The screen
FAILED = task(
    "kl",
    "failed",
    expected="kl = 4 at [0]",
    got="8, and 1 of 1 values differ",
    computes="kl = sum(mean^2)",
    smallest="mean = [[1.0]]: [1.0], not [0.5]",
    hint="The result is too large by a constant factor.",
    reproduce="import torch\nprint(1)",
)
VIEW = View("VAE_Model.py", {"kl": 10, "mode": 10}, {"kl": FAILED, "mode": task("mode")}, current="kl")


def test_the_screen_shows_one_failure_with_one_hint_the_points_and_the_keys() -> None:
    shown = screen(VIEW, 80, 24, color=False).split("\n")
    assert shown[2] == "kl   0 / 10   failed"
    assert "    got       8, and 1 of 1 values differ" in shown
    assert "    [1/3] hint      The result is too large by a constant factor." in shown
    assert not any("computes" in line or "mode" in line for line in shown)
    assert shown[-2] == "[############------------] 10 / 20 points"
    assert shown[-1].startswith("h one more hint") and shown[-1].endswith("q quit")
    assert "training" not in shown[-1], "there is no such task"


def test_an_offering_without_hints_has_none_on_the_screen_and_no_key_for_them() -> None:
    shown = screen(replace(VIEW, told=False), 80, 40, color=False)
    assert "hint" not in shown
    assert "got       " in shown, "what the code returned is no hint"


def test_hints_go_from_general_to_specific() -> None:
    first, second, third = hints_of(FAILED.checks[0])
    assert "constant factor" in first and "sum(mean^2)" in second
    assert "not [0.5]" in third and "import torch" in third
    shown = screen(replace(VIEW, hints=3), 80, 40, color=False)
    assert shown.index(first[:20]) < shown.index(second[:20]) < shown.index(third[:20])


@pytest.mark.parametrize("status", ["not attempted", "crashed", "failed", "timed out"])
@pytest.mark.parametrize("hint", ["", "Look at dims."])
def test_there_is_always_a_first_hint_and_a_second_where_one_is_known(status: Status, hint: str) -> None:
    steps = hints_of(task("nll", status, got="nothing", hint=hint).checks[0])
    assert len(steps) >= (2 if hint or status in ("not attempted", "crashed") else 1)
    assert "`nll`" in steps[-1] or hint in steps[-1]


def test_a_long_report_leaves_room_for_points_and_keys() -> None:
    long = task("kl", "failed", got="\n".join(str(i) for i in range(100)), hint="x")
    shown = screen(replace(VIEW, results={"kl": long}), 80, 24, color=False).split("\n")
    assert len(shown) <= 24
    assert "pytest grader/ -m kl" in shown[-4] and numbers(shown[-4]), (
        "how many lines are left out, and what shows them"
    )


def test_the_list_has_all_tasks() -> None:
    shown = screen(replace(VIEW, listed=True, results={"mode": task("mode")}), 80, 24, color=False)
    assert "mode                   10 / 10   passed" in shown
    assert "kl                      - / 10   waiting" in shown


def test_a_submission_cannot_write_to_the_terminal() -> None:
    bad = task("kl", "failed", got="\x1b[2J\x1b]0;title\x07")
    assert "\x1b" not in screen(replace(VIEW, results={"kl": bad}), 80, 24, color=False)


# ## The file
def test_a_file_is_read_when_its_content_changes(tmp_path: Path) -> None:
    path = tmp_path / "VAE_Model.py"
    path.write_text("a")
    file = WatchedFile(path)
    assert (file.look(), file.look()) == (b"a", None)
    os.utime(path)
    assert file.look() is None, "saved without a change"
    path.unlink()
    assert file.look() is None, "an editor may be replacing it"
    path.write_text("b")
    assert file.look() == b"b"


def test_a_change_within_the_same_time_stamp_is_seen(tmp_path: Path) -> None:
    path = tmp_path / "VAE_Model.py"
    path.write_text("a")
    stamp = path.stat().st_mtime_ns
    file = WatchedFile(path)
    assert file.look() == b"a"
    path.write_text("b")
    os.utime(path, ns=(stamp, stamp))
    assert file.look() == b"b"


def test_a_file_that_stays_away_is_reported(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "VAE_Model.py"
    path.write_text("a")
    file = WatchedFile(path)
    file.look()
    path.unlink()
    file.look()
    now = time.monotonic()
    monkeypatch.setattr(time, "monotonic", lambda: now + 5)
    with pytest.raises(NoSubmission):
        file.look()
    path.write_text("a")
    assert file.look() == b"a"
