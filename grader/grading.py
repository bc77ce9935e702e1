"""The pytest side of grading: from outcomes of checks to verdicts, points, the terminal table and results.json."""

import time
import traceback
from collections.abc import Generator

import pytest
import torch

from data import DataError
from data.commandline import quoted
from grader import junit
from grader.judge import scoring
from grader.judge.check import CheckFailed, Explanation
from grader.judge.results import Result, Status
from grader.judge.scoring import Verdict
from grader.judge.short_run import ShortRun
from grader.judge.tasks import BY_ID, TASKS
from grader.probe import Probe
from grader.report import gradescope, terminal
from grader.report.text import harmless, one_line, settled, shortened
from grader.sandbox.failure import Failure, WorkerFailed
from grader.sandbox.zygote import SandboxError
from grader.session import Session
from grader.short_runner import ShortRunner

_OF_COMPUTING = (ArithmeticError, IndexError, RuntimeError, TypeError, ValueError)
_OWN_ERROR = "The grader itself failed."
_CAUGHT = "A check could not compute with what your code returned, and failed it."


class Grading:
    """A pytest plugin: collects one verdict per check, and reports at the end.

    Args:
        config: pytest's.
        session: The submission's.
        shown: Its path as the user gave it.
    """

    def __init__(self, config: pytest.Config, session: Session, shown: str):
        self.session, self._shown_path = session, shown
        self._results_file = config.getoption("results")
        self._base = config.invocation_params.dir
        self._verdicts: dict[str, Verdict] = {}
        self._selected: list[pytest.Item] = []
        self._result: Result | None = None
        self._data: str = config.getoption("data")
        self._training: ShortRunner | None = None
        self._grader_errors: list[str] = []
        self._caught: list[str] = []  # errors of computing with an answer, which cost the submission the check
        self._probes: dict[str, Probe] = {}
        self._unwritten = self._unready = ""
        self._begun = False  # a wrong option ends pytest before: then there is nothing to hand out
        self._shown: dict[str, int] = {}  # characters of each task's prints that a report holds already
        torch.set_num_threads(1)  # beside a worker on the other core, more threads wait for each other
        config.option.tbstyle = "no"  # students read explanations, not tracebacks of the grader
        config.option.reportchars = ""
        config.option.no_summary = True

    def probe(self, node: pytest.Item) -> Probe:
        """Return the probe caller of a check."""
        probe = Probe(self.session, _task(node), node.name, _mark(node).kwargs["kind"])
        self._probes[node.nodeid] = probe
        return probe

    @pytest.hookimpl(trylast=True)
    def pytest_collection_modifyitems(self, items: list[pytest.Item]) -> None:
        """Put the checks into the order of the handout."""
        order = {task.id: i for i, task in enumerate(TASKS)}
        items.sort(key=lambda item: order[_task(item)])

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtestloop(self, session: pytest.Session) -> object:
        """Note what was selected, start the longest task at once, beside the others, and wait for the sandbox.

        Pytest then goes on; where the sandbox does not start, no check is run and nothing is graded.
        """
        self._selected = list(session.items)
        if any(_task(item) == "training" for item in self._selected):
            try:
                self._training = ShortRunner(self.session, self._data)
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
        report = yield
        if call.when == "call" or report.failed:
            verdict = self._verdict(item, call.excinfo.value if call.excinfo else None)
            self._verdicts[item.nodeid] = verdict
            if report.failed:
                report.longrepr = verdict.output
        if call.when == "teardown":  # JUnit takes properties from this report
            report.user_properties.append(("task", _task(item)))
        return report

    def pytest_runtest_teardown(self, item: pytest.Item, nextitem: pytest.Item | None) -> None:
        """End the worker of a task after its last check."""
        if nextitem is None or _task(nextitem) != _task(item):
            self.session.finish_task(_task(item))

    @pytest.hookimpl(wrapper=True)
    def pytest_sessionfinish(self, session: pytest.Session) -> Generator[None, None, None]:
        """Score, write the results, and end the sandbox, whatever happened."""
        if (
            self._grader_errors or self._unready
        ):  # not the student's fault: whoever grades a class must not take it for a verdict
            session.exitstatus = pytest.ExitCode.INTERNAL_ERROR
        try:
            self._result = self._score()
            junit.add_points(session.config, self._result)
            if self._results_file and self._begun:
                gradescope.write(self._base / self._results_file, self._result)
        except OSError as error:  # as on a full disk
            session.exitstatus = pytest.ExitCode.INTERNAL_ERROR
            self._unwritten = f"--results {quoted(self._results_file)} cannot be written: {error.strerror}"
        finally:
            self.session.close()
            if self._training:
                self._training.join()
        yield

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        """Print what went wrong, then the table of tasks and points; errors of the grader's own in full."""
        for what, errors in ((_OWN_ERROR, self._grader_errors), (_CAUGHT, self._caught)):
            for error in errors:
                terminalreporter.write(f"\n{what} Please show this to your instructor:\n{harmless(error)}", red=True)
        if self._result and self._begun:
            terminalreporter.write(terminal.render(self._result, color=terminalreporter.hasmarkup))
        if problem := self._unwritten or self._unready:
            terminalreporter.write(f"\nERROR: {one_line(problem)}\n", red=True)

    def _score(self) -> Result:
        verdicts = [self._verdicts.get(item.nodeid) or _unjudged(item) for item in self._selected]
        return Result(
            submission=self._shown_path,
            tasks=scoring.score(verdicts, self.session.offering.points),
            seconds=round(time.monotonic() - self.session.started, 1),
            sandbox=self.session.sandbox,
            seed=self.session.seed,
            environment=self.session.environment(),
        )

    def _verdict(self, item: pytest.Item, error: BaseException | None) -> Verdict:
        if error is None:
            probe = getattr(item, "funcargs", {}).get("probe")
            return _verdict(item, "passed", "\n".join(f"{'note':<10}{note}" for note in (probe.notes if probe else ())))
        if isinstance(error, CheckFailed):
            return self._explained(item, "failed", error.explanation.text(), error.explanation.diagnosis)
        if isinstance(error, _OF_COMPUTING) and self._answered(item) and self.session.sandbox != "in-process":
            self._caught.append("".join(traceback.format_exception(error)))
            return self._explained(item, "failed", _uncomputable(error).text())
        if not isinstance(error, WorkerFailed) and self.session.sandbox != "in-process":
            self._note_grader_error(error)
            return _verdict(item, "failed", f"{'got':<10}an error of the grader's own; please tell your instructor")
        failure = error.failure if isinstance(error, WorkerFailed) else _in_process_failure(error)
        if failure.status == "not attempted":
            text = _failure_text(failure) if failure.traceback else failure.message
            return _verdict(item, "not attempted", self.session.tidy(harmless(text)))
        return self._explained(item, failure.status, _failure_text(failure))

    def _note_grader_error(self, error: BaseException) -> None:
        """Keep an error of the grader's own, in full; a sandbox that is lost says all in its one line, once."""
        lost = isinstance(error, SandboxError)
        text = f"{error}\n" if lost else "".join(traceback.format_exception(error))
        if not (lost and text in self._grader_errors):
            self._grader_errors.append(text)

    def _answered(self, item: pytest.Item) -> bool:
        """Whether a check had an answer to compute with: without one, an error is the grader's own."""
        if _task(item) == "training":
            return self._training is not None and self._training.answered
        return item.nodeid in self._probes and self._probes[item.nodeid].answered

    def _explained(self, item: pytest.Item, status: Status, text: str, diagnosis: str | None = None) -> Verdict:
        """Return a verdict with its text and what the student printed, both harmless and short."""
        task = _task(item)
        text = shortened(harmless(self.session.tidy(text)), lines=16, width=400)
        printed = self._training.printed if task == "training" and self._training else self.session.printed(task)
        seen, self._shown[task] = self._shown.get(task, 0), len(printed)
        # Each line once, with the first check that it belongs to.
        if printed := shortened(harmless(settled(self.session.tidy(printed[seen:]))).strip()):
            text += f"\n{'printed':<10}" + printed.replace("\n", "\n" + " " * 10)
        return _verdict(item, status, text, diagnosis)


def _failure_text(failure: Failure) -> str:
    lines = [f"line {f['line']}, in {f['function'] or 'the file'}: {f['text']}" for f in failure.traceback]
    got = [f"{'got':<10}{failure.message}", *(f"{'':<10}{line}" for line in lines)]
    return "\n".join([*got, f"{'hint':<10}{failure.hint}"] if failure.hint else got)


def _uncomputable(error: BaseException) -> Explanation:
    """Return what a student reads where a check could not compute with an answer.

    Answers are taken with the shape and dtype that they must have, so nothing should get here; a test asks for that.
    """
    first = f"{type(error).__name__}: {error}".splitlines()[0]
    hint = "print shape, dtype and numbers of your results; if they are as asked for, show this to your instructor"
    return Explanation("a result that the check can compute with", f"one that led to {first}", hint=hint)


def _in_process_failure(error: BaseException) -> Failure:
    """Describe what the student's code raised in the judge's own process, under --in-process."""
    if isinstance(error, NotImplementedError) and str(error).startswith("TODO"):
        return Failure("not attempted", "not attempted yet: the TODO is still there")
    return Failure("crashed", f"{type(error).__name__}: {error}")


def _verdict(item: pytest.Item, status: Status, output: str = "", diagnosis: str | None = None) -> Verdict:
    mark = _mark(item)
    title = (item.function.__doc__ or item.name).strip().splitlines()[0]  # type: ignore[attr-defined]
    return Verdict(_task(item), item.name, title, mark.kwargs["kind"], mark.kwargs["share"], status, output, diagnosis)


def _mark(item: pytest.Item) -> pytest.Mark:
    mark = item.get_closest_marker("check")
    assert mark is not None
    return mark


def _unjudged(item: pytest.Item) -> Verdict:
    explanation = Explanation("a verdict", "the grader was stopped before this check")
    return _verdict(item, "failed", explanation.text())


def _task(item: pytest.Item) -> str:
    return next(mark.name for mark in item.iter_markers() if mark.name in BY_ID)
