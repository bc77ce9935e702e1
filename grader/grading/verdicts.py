"""The pytest plugin of a grading: convert outcomes of checks to verdicts, points, the terminal table, results.json."""

import functools
import time
import traceback
from collections import Counter
from collections.abc import Generator
from dataclasses import asdict, replace
from pathlib import Path

import psutil
import pytest
import torch
from _pytest.outcomes import OutcomeException

from data import DataError
from data.commandline import quoted
from grader.grading.options import FOLDER, GradingOptions, task_ids
from grader.grading.probe import Probe
from grader.grading.session import Session
from grader.grading.training_run import ShortRunner
from grader.judge import given
from grader.judge.check import CheckFailed, Verdict, score
from grader.judge.offering import BY_ID
from grader.judge.result import Explanation, Result, Status
from grader.judge.short_run import ShortRun
from grader.report import junit, results_json, terminal
from grader.report.files import write_whole
from grader.report.hints import limited, told
from grader.report.text import harmless, one_line, settled, shortened
from grader.sandbox.archives import NoSubmission
from grader.sandbox.failure import Failure, WorkerFailed
from grader.sandbox.zygote import SandboxError

_OF_COMPUTING = (ArithmeticError, IndexError, RuntimeError, TypeError, ValueError)
SHOW_THIS = "Please show this to your instructor"
_OWN_ERROR = "The grader itself failed."
_CAUGHT = "A check could not compute with the result of your code, and failed."
_CHANGED = "`{}` was given solved and is changed in your file; this run used your version"
_STOPPED = "not judged: the run was stopped before this check had a verdict"


class Grading:
    """A pytest plugin that collects one verdict per check and writes the reports at the end.

    A user's own tests may run in the same session. Pytest reports them as usual; they do not affect points or results.

    Args:
        config: The configuration of pytest.
        session: The session of the submission.
        options: The options of the grading.
    """

    def __init__(self, config: pytest.Config, session: Session, options: GradingOptions):
        self.session, self._options = session, options
        self._hints = options.hints or session.offering.hints
        self._verdicts: dict[str, Verdict] = {}
        self._selected: list[pytest.Item] = []
        self._result: Result | None = None
        self._training: ShortRunner | None = None
        self._grader_errors: list[str] = []
        self._caught: list[str] = []  # errors in computing with an answer; the check has failed
        self._unwritten = self._unready = self._writes = ""
        self._begun = False  # stays False if a wrong option ends pytest; then there is nothing to report
        self._shown: dict[str, int] = {}  # number of characters of each task's output that have been reported
        torch.set_num_threads(1)  # more threads would wait for each other, as a worker uses the other core

    def probe(self, node: pytest.Item) -> Probe:
        """Return the object with which a check calls probes.

        Raises:
            pytest.UsageError: The node is a user's own test, not a check.
        """
        if not (task := task_of(node)):
            raise pytest.UsageError("`probe` is for the grader's checks: import VAE_Model in your own tests")
        return Probe(self.session, task, node.name, _mark(node).kwargs["kind"])

    @pytest.hookimpl(tryfirst=True)
    def pytest_collection_modifyitems(self, items: list[pytest.Item]) -> None:
        """Leave out the checks of tasks that nobody writes; sort the others as in the handout, before other tests."""
        items[:] = [item for item in items if task_of(item) in ("", *self.session.offering.graded)]
        items.sort(key=_place)

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtestloop(self, session: pytest.Session) -> object:
        """Record which checks are selected, start the training run in parallel, and wait for the sandbox.

        Pytest then continues. If the sandbox does not start, no check is run and nothing is graded.
        """
        if not (session.items or session.testsfailed):
            raise pytest.UsageError(f"{_nothing_selected(session.config)}; {task_ids(self.session.offering)}")
        session.items.sort(key=_place)  # sort again, because other plugins may have changed the order
        self._selected = [item for item in session.items if task_of(item)]
        times = Counter((item.path, item.function) for item in self._selected)  # type: ignore[attr-defined]
        if len(times) < len(self._selected):
            raise pytest.UsageError("the same check was selected more than once; leave out options that repeat tests")
        if any(task_of(item) == "training" for item in self._selected):
            try:
                self._training = ShortRunner(self.session, self._options.data)
            except DataError as error:
                raise pytest.UsageError(one_line(str(error))) from None
        try:
            self.session.await_ready()
        except SandboxError as error:  # no check can be judged, and this is not the student's fault
            self._unready = str(error)
            return True
        self._begun = bool(self._selected)
        return None

    def renew(self) -> None:
        """Read the submission again, since it may have changed after its sandboxes were started.

        Raises:
            pytest.UsageError: There is no file to grade any more.
        """
        try:
            self.session.renew(self._options.submission)
        except (NoSubmission, SandboxError) as error:
            raise pytest.UsageError(one_line(str(error))) from None

    def result_of(self, task: str) -> Result:
        """Return the result of one task, whose checks have ended."""
        result = limited(self._score(), self._hints)
        return replace(result, tasks=tuple(one for one in result.tasks if one.id == task), training=None)

    def short_run(self) -> ShortRun:
        """Wait for the short training run and return its outcome.

        Raises:
            WorkerFailed: One of its workers did not answer.
        """
        assert self._training is not None, "only the checks of the training task call this"
        return self._training.outcome()

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_makereport(
        self, item: pytest.Item, call: pytest.CallInfo[None]
    ) -> Generator[None, pytest.TestReport, pytest.TestReport]:
        """Convert the outcome of a check to its verdict, and replace pytest's report by the text for the student."""
        if not (task := task_of(item)):
            return (yield)
        option = item.config.option
        style, option.tbstyle = option.tbstyle, "no"  # students read explanations, not tracebacks of the grader
        try:
            report = yield
        finally:
            option.tbstyle = style
        error = call.excinfo.value if call.excinfo else None
        # Checks do not use pytest.skip or pytest.fail. Such an outcome comes from another plugin and gives no verdict.
        if (call.when == "call" or report.failed) and not isinstance(error, OutcomeException):
            verdict = self._with_changes(self._verdict(item, error))
            self._verdicts[item.nodeid] = verdict
            if report.failed:
                report.longrepr = told(verdict.explanation, self._hints).text()
        if call.when == "teardown":  # the JUnit plugin reads properties from this report
            report.user_properties.append(("task", task))
        return report

    def pytest_runtest_teardown(self, item: pytest.Item, nextitem: pytest.Item | None) -> None:
        """End the worker of a task after its last check."""
        task = task_of(item)
        if task and (nextitem is None or task_of(nextitem) != task):
            self.session.finish_task(task)

    @pytest.hookimpl(wrapper=True)
    def pytest_sessionfinish(self, session: pytest.Session) -> Generator[None, None, None]:
        """Compute the score and write the results, however the run has ended."""
        try:
            self._result = limited(self._score(), self._hints)
            session.exitstatus = self._exit_status(self._result, session.exitstatus)
            junit.add_points(session.config, self._result)
            if self._begun:
                self._write(self._result)
        except OSError as error:  # for example, the disk is full
            session.exitstatus = pytest.ExitCode.INTERNAL_ERROR
            self._unwritten = f"{self._writes} cannot be written: {error.strerror}"
        yield

    @property
    def _is_written(self) -> bool:
        """Whether a file is written; only files hold pictures."""
        return bool(self._options.results or self._options.report)

    def _write(self, result: Result) -> None:
        if self._options.results:
            self._writes = f"--results {quoted(self._options.results)}"
            results_json.write_results(self._options.results, result)
        if self._options.report:
            from grader.report import html  # here, because the import of jinja2 takes 0.1 s

            self._writes = f"--report {quoted(self._options.report)}"
            record = results_json.Record(Path(result.submission).name, results_json.GRADED, result)
            write_whole(self._options.report, html.report_page(record, "VAE assignment"))

    def _exit_status(self, result: Result, of_pytest: int) -> int:
        """Return 0 or 1 only if every selected check has a verdict; class runs rely on this."""
        if self._grader_errors or self._unready:  # not the student's fault
            return pytest.ExitCode.INTERNAL_ERROR
        if result.unfinished:
            return max(of_pytest, pytest.ExitCode.INTERRUPTED)
        return of_pytest or int(result.score < result.max_score)

    def close(self) -> None:
        """End the sandboxes and the training run."""
        self.session.close()
        if self._training:
            self._training.join()

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> Generator[None, None, None]:
        """Print explanations, then the table of tasks and points; errors of the grader itself are printed in full.

        The summary that pytest prints before is only about other tests.
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
                terminalreporter.write(f"\n{what} {SHOW_THIS}:\n{harmless(error)}", red=True)
        if self._result and self._begun:
            verbose = terminalreporter.verbosity > 0
            terminalreporter.write(terminal.render(self._result, terminalreporter.hasmarkup, verbose))
            # Hide the time in pytest's last line, which does not include imports and differs from the grader's.
            terminalreporter.summary_stats = functools.partial(_write_counts, terminalreporter)  # type: ignore
        if problem := self._unwritten or self._unready:
            terminalreporter.write(f"\nERROR: {one_line(problem)}\n", red=True)

    def _score(self) -> Result:
        verdicts = [
            self._verdicts.get(item.nodeid) or _verdict(item, "not judged", Explanation(message=_STOPPED))
            for item in self._selected
        ]
        return Result(
            submission=": ".join(name for name in (self._options.shown, self.session.file.took) if name),
            tasks=score(verdicts, self.session.offering.points),
            seconds=round(_seconds_since_start(), 1),
            sandbox=self.session.sandbox,
            seed=self.session.seed,
            environment=self.session.environment(),
            training=self._training.pictures() if self._training and self._is_written else None,
        )

    def _verdict(self, item: pytest.Item, error: BaseException | None) -> Verdict:
        if error is None:
            probe = _probe_of(item)
            return _verdict(item, "passed", Explanation(note="\n".join(probe.notes if probe else ())))
        if isinstance(error, CheckFailed):
            picture = error.draws() if error.draws and self._is_written else None
            return replace(self._explained(item, "failed", error.explanation), picture=picture)
        failure = error.failure if isinstance(error, WorkerFailed) else self.session.failure_of(error)
        if failure is None:
            if isinstance(error, _OF_COMPUTING) and self._answered(item):
                self._caught.append("".join(traceback.format_exception(error)))
                return self._explained(item, "failed", _uncomputable(error))
            self._note_grader_error(error)
            message = "an error in the grader, not in your code; please tell your instructor"
            return _verdict(item, "failed", Explanation(got=message))
        if failure.status == "not attempted":
            explanation = explanation_of(failure) if failure.traceback else Explanation(message=failure.message)
            return _verdict(item, "not attempted", self._harmless(explanation))
        return self._explained(item, failure.status, explanation_of(failure))

    def _with_changes(self, verdict: Verdict) -> Verdict:
        """Add a note on changed parts that were given: only `training` runs them, all other tasks replace them."""
        if verdict.task != "training":
            return verdict
        changed = given.changed(self.session.file.copy, self.session.offering.of_part("given"))
        notes = [verdict.explanation.note, *(_CHANGED.format(task) for task in changed)]
        return replace(verdict, explanation=replace(verdict.explanation, note="\n".join(filter(None, notes))))

    def _note_grader_error(self, error: BaseException) -> None:
        """Store an error of the grader itself with its traceback; of a lost sandbox, store only the message, once."""
        lost = isinstance(error, SandboxError)
        text = f"{error}\n" if lost else "".join(traceback.format_exception(error))
        if not (lost and text in self._grader_errors):
            self._grader_errors.append(text)

    def _answered(self, item: pytest.Item) -> bool:
        """Whether a check had an answer to compute with; without one, an error is a bug of the grader."""
        if task_of(item) == "training":
            return self._training is not None and self._training.answered
        probe = _probe_of(item)
        return probe is not None and probe.answered

    def _explained(self, item: pytest.Item, status: Status, explanation: Explanation) -> Verdict:
        """Return a verdict with its explanation and the student's printed output, both made safe and short."""
        task = task_of(item)
        printed = self._training.printed if task == "training" and self._training else self.session.printed(task)
        seen, self._shown[task] = self._shown.get(task, 0), len(printed)
        # Report each line only once, with the first check that it belongs to.
        new = shortened(harmless(settled(self.session.tidy(printed[seen:]))).strip())
        return _verdict(item, status, replace(self._harmless(explanation), printed=new))

    def _harmless(self, explanation: Explanation) -> Explanation:
        """Return an explanation without terminal control codes and temporary paths, shortened."""
        texts = {name: text for name, text in asdict(explanation).items() if text and name != "diagnosis"}
        clean = {n: shortened(harmless(self.session.tidy(text)), lines=16, width=400) for n, text in texts.items()}
        return replace(explanation, **clean)


def explanation_of(failure: Failure) -> Explanation:
    """Return the explanation for a failure without an answer: what happened, and on which lines of the file."""
    lines = [f"line {f['line']}, in {f['function'] or 'the file'}: {f['text']}" for f in failure.traceback]
    return Explanation(got="\n".join([failure.message, *lines]), hint=failure.hint)


def _uncomputable(error: BaseException) -> Explanation:
    """Return the explanation for an answer with which a check could not compute.

    Shape and dtype of answers are checked before, so this should never be needed; a test makes sure of that.
    """
    first = f"{type(error).__name__}: {error}".splitlines()[0]
    hint = "Print shape, dtype and values of your results. If they are as required, show this to your instructor."
    return Explanation("a result that the check can compute with", f"one that led to {first}", hint=hint)


def _verdict(item: pytest.Item, status: Status, explanation: Explanation) -> Verdict:
    mark = _mark(item)
    title = (item.function.__doc__ or item.name).strip().splitlines()[0]  # type: ignore[attr-defined]
    return Verdict(task_of(item), item.name, title, mark.kwargs["kind"], mark.kwargs["share"], status, explanation)


def _nothing_selected(config: pytest.Config) -> str:
    """Return the beginning of the error message for a run in which no test is selected."""
    words = [f"-m {config.option.markexpr!r}"] if config.option.markexpr else []
    words += [f"-k {config.option.keyword!r}"] if config.option.keyword else []
    return f"no check is selected{' by ' + ' and '.join(words) if words else ''}"


def _probe_of(item: pytest.Item) -> Probe | None:
    """Return the `probe` fixture of a check; None if the check does not use it, or failed before its setup."""
    probe = getattr(item, "funcargs", {}).get("probe")
    return probe if isinstance(probe, Probe) else None


def _mark(item: pytest.Item) -> pytest.Mark:
    mark = item.get_closest_marker("check")
    assert mark is not None
    return mark


def task_of(item: pytest.Item) -> str:
    """Return the task of a check; an empty string for a user's own test."""
    return _task_of_file(item.path) if item.get_closest_marker("check") else ""


@functools.cache
def _task_of_file(path: Path) -> str:
    name = path.stem.removeprefix("test_")
    return name if name in BY_ID and path.resolve() == FOLDER / f"test_{name}.py" else ""


def _place(item: pytest.Item) -> tuple[int, int]:
    """Return the sort key of a test: checks in the order of handout and file, then other tests in their own order."""
    task = task_of(item)
    return (list(BY_ID).index(task), item.location[1] or 0) if task else (len(BY_ID), 0)


def _write_counts(reporter: pytest.TerminalReporter) -> None:
    """Write pytest's last line, which counts the tests, without the time."""
    parts, color = reporter.build_summary_stats_line()
    if reporter.verbosity >= 0:
        reporter.write_sep("=", ", ".join(text for text, _ in parts), **{color: True})


def _seconds_since_start() -> float:
    """Return how long this process has been running, including the start of Python and all imports."""
    began = psutil.Process().create_time()
    # On Linux, compute with the time since boot: psutil derives `began` from a boot time in whole seconds.
    if hasattr(time, "CLOCK_BOOTTIME"):
        return time.clock_gettime(time.CLOCK_BOOTTIME) - (began - psutil.boot_time())
    return time.time() - began
