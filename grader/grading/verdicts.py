"""The pytest side of grading: from outcomes of checks to verdicts, points, the terminal table and results.json."""

import functools
import time
import traceback
from collections import Counter
from collections.abc import Generator
from dataclasses import replace
from pathlib import Path

import psutil
import pytest
import torch
from _pytest.outcomes import OutcomeException

from data import DataError
from data.commandline import quoted
from grader.grading.options import FOLDER, TASK_IDS, GradingOptions
from grader.grading.probe import Probe
from grader.grading.session import Session
from grader.grading.training_run import ShortRunner
from grader.judge.check import CheckFailed, Verdict, score
from grader.judge.offering import BY_ID
from grader.judge.result import Explanation, Result, Status
from grader.judge.short_run import ShortRun
from grader.report import junit, results_json, terminal
from grader.report.text import harmless, one_line, settled, shortened
from grader.sandbox.failure import Failure, WorkerFailed
from grader.sandbox.zygote import SandboxError

_OF_COMPUTING = (ArithmeticError, IndexError, RuntimeError, TypeError, ValueError)
_OWN_ERROR = "The grader itself failed."
_CAUGHT = "A check could not compute with what your code returned, and failed it."
_STOPPED = "not judged: the run was stopped before this check had a verdict"


class Grading:
    """A pytest plugin: collects one verdict per check, and reports at the end.

    Somebody's own tests may run beside the checks. They are pytest's, and leave no trace in points and results.

    Args:
        config: pytest's.
        session: The submission's.
        options: What the grading is asked for.
    """

    def __init__(self, config: pytest.Config, session: Session, options: GradingOptions):
        self.session, self._options = session, options
        self._verdicts: dict[str, Verdict] = {}
        self._selected: list[pytest.Item] = []
        self._result: Result | None = None
        self._training: ShortRunner | None = None
        self._grader_errors: list[str] = []
        self._caught: list[str] = []  # errors of computing with an answer, which cost the submission the check
        self._unwritten = self._unready = ""
        self._begun = False  # a wrong option ends pytest before: then there is nothing to hand out
        self._shown: dict[str, int] = {}  # characters of each task's prints that a report holds already
        torch.set_num_threads(1)  # beside a worker on the other core, more threads wait for each other

    def probe(self, node: pytest.Item) -> Probe:
        """Return the probe caller of a check.

        Raises:
            pytest.UsageError: It is a test of somebody's own.
        """
        if not (task := task_of(node)):
            raise pytest.UsageError("`probe` is for the grader's checks: import VAE_Model in tests of your own")
        return Probe(self.session, task, node.name, _mark(node).kwargs["kind"])

    @pytest.hookimpl(tryfirst=True)
    def pytest_collection_modifyitems(self, items: list[pytest.Item]) -> None:
        """Put the checks into the order of the handout, before somebody's own tests."""
        items.sort(key=_place)

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtestloop(self, session: pytest.Session) -> object:
        """Note what was selected, start the longest task at once, beside the others, and wait for the sandbox.

        Pytest then goes on; where the sandbox does not start, no check is run and nothing is graded.
        """
        if not (session.items or session.testsfailed):
            raise pytest.UsageError(_nothing_selected(session.config))
        session.items.sort(key=_place)  # once more: other plugins have an order of their own
        self._selected = [item for item in session.items if task_of(item)]
        times = Counter((item.path, item.function) for item in self._selected)  # type: ignore[attr-defined]
        if len(times) < len(self._selected):
            raise pytest.UsageError("the same check was selected more than once; leave out what repeats tests")
        if any(task_of(item) == "training" for item in self._selected):
            try:
                self._training = ShortRunner(self.session, self._options.data)
            except DataError as error:
                raise pytest.UsageError(one_line(str(error))) from None
        try:
            self.session.await_ready()
        except SandboxError as error:  # no check could be judged, and the student is not to blame
            self._unready = str(error)
            return True
        self._begun = bool(self._selected)
        return None

    def short_run(self) -> ShortRun:
        """Return the outcome of the short training run, once it is there.

        Raises:
            WorkerFailed: One of its workers did not answer.
        """
        assert self._training is not None, "only the training task asks for it, and it is selected then"
        return self._training.outcome()

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_makereport(
        self, item: pytest.Item, call: pytest.CallInfo[None]
    ) -> Generator[None, pytest.TestReport, pytest.TestReport]:
        """Turn the outcome of a check into its verdict, and the report into what a student reads."""
        if not (task := task_of(item)):
            return (yield)
        option = item.config.option
        style, option.tbstyle = option.tbstyle, "no"  # students read explanations, not tracebacks of the grader
        try:
            report = yield
        finally:
            option.tbstyle = style
        error = call.excinfo.value if call.excinfo else None
        # A check never skips or fails by pytest's own means: then it was another plugin, and there is no verdict.
        if (call.when == "call" or report.failed) and not isinstance(error, OutcomeException):
            verdict = self._verdict(item, error)
            self._verdicts[item.nodeid] = verdict
            if report.failed:
                report.longrepr = verdict.explanation.text()
        if call.when == "teardown":  # JUnit takes properties from this report
            report.user_properties.append(("task", task))
        return report

    def pytest_runtest_teardown(self, item: pytest.Item, nextitem: pytest.Item | None) -> None:
        """End the worker of a task after its last check."""
        task = task_of(item)
        if task and (nextitem is None or task_of(nextitem) != task):
            self.session.finish_task(task)

    @pytest.hookimpl(wrapper=True)
    def pytest_sessionfinish(self, session: pytest.Session) -> Generator[None, None, None]:
        """Score and write the results, whatever happened."""
        try:
            self._result = self._score()
            session.exitstatus = self._exit_status(self._result, session.exitstatus)
            junit.add_points(session.config, self._result)
            if self._options.results and self._begun:
                results_json.write_results(self._options.results, self._result)
        except OSError as error:  # as on a full disk
            session.exitstatus = pytest.ExitCode.INTERNAL_ERROR
            self._unwritten = f"--results {quoted(self._options.results)} cannot be written: {error.strerror}"
        yield

    def _exit_status(self, result: Result, of_pytest: int) -> int:
        """Return 0 or 1 only if all that was selected has a verdict: whoever grades a class goes by it."""
        if self._grader_errors or self._unready:  # not the student's fault
            return pytest.ExitCode.INTERNAL_ERROR
        if result.unfinished:
            return max(of_pytest, pytest.ExitCode.INTERRUPTED)
        return of_pytest or int(result.score < result.max_score)

    def close(self) -> None:
        """End the sandbox, and the training run in it."""
        self.session.close()
        if self._training:
            self._training.join()

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> Generator[None, None, None]:
        """Print what went wrong, then the table of tasks and points; errors of the grader's own in full.

        What pytest prints before is about other tests only.
        """
        everything = dict(terminalreporter.stats)
        for category, reports in everything.items():
            others = [report for report in reports if getattr(report, "nodeid", "") not in self._verdicts]
            terminalreporter.stats[category] = others
        try:
            yield
        finally:
            terminalreporter.stats.update(everything)
        for what, errors in ((_OWN_ERROR, self._grader_errors), (_CAUGHT, self._caught)):
            for error in errors:
                terminalreporter.write(f"\n{what} Please show this to your instructor:\n{harmless(error)}", red=True)
        if self._result and self._begun:
            terminalreporter.write(terminal.render(self._result, color=terminalreporter.hasmarkup))
            # pytest's last line tells another time, which leaves out all imports: only ours is to be seen.
            terminalreporter.summary_stats = functools.partial(_write_counts, terminalreporter)  # type: ignore
        if problem := self._unwritten or self._unready:
            terminalreporter.write(f"\nERROR: {one_line(problem)}\n", red=True)

    def _score(self) -> Result:
        verdicts = [
            self._verdicts.get(item.nodeid) or _verdict(item, "not judged", Explanation(said=_STOPPED))
            for item in self._selected
        ]
        return Result(
            submission=": ".join(name for name in (self._options.shown, self.session.file.took) if name),
            tasks=score(verdicts, self.session.offering.points),
            seconds=round(_seconds_since_start(), 1),
            sandbox=self.session.sandbox,
            seed=self.session.seed,
            environment=self.session.environment(),
        )

    def _verdict(self, item: pytest.Item, error: BaseException | None) -> Verdict:
        if error is None:
            probe = _probe_of(item)
            return _verdict(item, "passed", Explanation(note="\n".join(probe.notes if probe else ())))
        if isinstance(error, CheckFailed):
            return self._explained(item, "failed", error.explanation)
        failure = error.failure if isinstance(error, WorkerFailed) else self.session.failure_of(error)
        if failure is None:
            if isinstance(error, _OF_COMPUTING) and self._answered(item):
                self._caught.append("".join(traceback.format_exception(error)))
                return self._explained(item, "failed", _uncomputable(error))
            self._note_grader_error(error)
            said = "an error of the grader's own; please tell your instructor"
            return _verdict(item, "failed", Explanation(got=said))
        if failure.status == "not attempted":
            told = told_of(failure) if failure.traceback else Explanation(said=failure.message)
            return _verdict(item, "not attempted", self._harmless(told))
        return self._explained(item, failure.status, told_of(failure))

    def _note_grader_error(self, error: BaseException) -> None:
        """Keep an error of the grader's own, in full; a sandbox that is lost says all in its one line, once."""
        lost = isinstance(error, SandboxError)
        text = f"{error}\n" if lost else "".join(traceback.format_exception(error))
        if not (lost and text in self._grader_errors):
            self._grader_errors.append(text)

    def _answered(self, item: pytest.Item) -> bool:
        """Whether a check had an answer to compute with: without one, an error is the grader's own."""
        if task_of(item) == "training":
            return self._training is not None and self._training.answered
        probe = _probe_of(item)
        return probe is not None and probe.answered

    def _explained(self, item: pytest.Item, status: Status, told: Explanation) -> Verdict:
        """Return a verdict with its explanation and what the student printed, both harmless and short."""
        task = task_of(item)
        printed = self._training.printed if task == "training" and self._training else self.session.printed(task)
        seen, self._shown[task] = self._shown.get(task, 0), len(printed)
        # Each line once, with the first check that it belongs to.
        new = shortened(harmless(settled(self.session.tidy(printed[seen:]))).strip())
        return _verdict(item, status, replace(self._harmless(told), printed=new))

    def _harmless(self, told: Explanation) -> Explanation:
        """Return an explanation without what a terminal would obey, without our own paths, and short."""
        texts = {name: text for name, text in vars(told).items() if text and name != "diagnosis"}
        clean = {n: shortened(harmless(self.session.tidy(text)), lines=16, width=400) for n, text in texts.items()}
        return replace(told, **clean)


def told_of(failure: Failure) -> Explanation:
    """Return what a student reads where no answer came: what ended it, and on which of his lines."""
    lines = [f"line {f['line']}, in {f['function'] or 'the file'}: {f['text']}" for f in failure.traceback]
    return Explanation(got="\n".join([failure.message, *lines]), hint=failure.hint)


def _uncomputable(error: BaseException) -> Explanation:
    """Return what a student reads where a check could not compute with an answer.

    Answers are taken with the shape and dtype that they must have, so nothing should get here; a test asks for that.
    """
    first = f"{type(error).__name__}: {error}".splitlines()[0]
    hint = "print shape, dtype and numbers of your results; if they are as asked for, show this to your instructor"
    return Explanation("a result that the check can compute with", f"one that led to {first}", hint=hint)


def _verdict(item: pytest.Item, status: Status, told: Explanation) -> Verdict:
    mark = _mark(item)
    title = (item.function.__doc__ or item.name).strip().splitlines()[0]  # type: ignore[attr-defined]
    return Verdict(task_of(item), item.name, title, mark.kwargs["kind"], mark.kwargs["share"], status, told)


def _nothing_selected(config: pytest.Config) -> str:
    """Return what to say of a run in which no test is left."""
    words = [f"-m {config.option.markexpr!r}"] if config.option.markexpr else []
    words += [f"-k {config.option.keyword!r}"] if config.option.keyword else []
    return f"no check is selected{' by ' + ' and '.join(words) if words else ''}; {TASK_IDS}"


def _probe_of(item: pytest.Item) -> Probe | None:
    """Return the probe caller that a check was given; None if it takes none, or did not get so far."""
    probe = getattr(item, "funcargs", {}).get("probe")
    return probe if isinstance(probe, Probe) else None


def _mark(item: pytest.Item) -> pytest.Mark:
    mark = item.get_closest_marker("check")
    assert mark is not None
    return mark


def task_of(item: pytest.Item) -> str:
    """Return the task of a check of the grader's; nothing for a test of somebody's own."""
    return _task_of_file(item.path) if item.get_closest_marker("check") else ""


@functools.cache
def _task_of_file(path: Path) -> str:
    name = path.stem.removeprefix("test_")
    return name if name in BY_ID and path.resolve() == FOLDER / f"test_{name}.py" else ""


def _place(item: pytest.Item) -> tuple[int, int]:
    """Return where an item comes: checks as in the handout and their file, then other tests as they are."""
    task = task_of(item)
    return (list(BY_ID).index(task), item.location[1] or 0) if task else (len(BY_ID), 0)


def _write_counts(reporter: pytest.TerminalReporter) -> None:
    """Write pytest's last line, which counts the tests, without its time."""
    parts, color = reporter.build_summary_stats_line()
    if reporter.verbosity >= 0:
        reporter.write_sep("=", ", ".join(text for text, _ in parts), **{color: True})


def _seconds_since_start() -> float:
    """Return how long this process has been running: what a user waits, with Python's start and all imports."""
    began = psutil.Process().create_time()
    if hasattr(time, "CLOCK_BOOTTIME"):  # Linux tells the time since boot, and when that was in whole seconds only
        return time.clock_gettime(time.CLOCK_BOOTTIME) - (began - psutil.boot_time())
    return time.time() - began
