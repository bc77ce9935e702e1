"""How a check asks: again with the student's own methods, in float32, of contiguous tensors; and what it reports."""

from collections.abc import Callable, Mapping
from typing import Any, cast

import pytest
import torch
from torch import Tensor

from grader.grading.probe import Probe
from grader.grading.session import NoWorker, Session
from grader.judge.result import Kind
from grader.judge.tolerances import UNIT32, UNIT64
from grader.sandbox.failure import Failure, WorkerFailed

Asked = tuple[dict[str, Any], dict[str, Tensor]]
MEAN = torch.zeros(5, 3, dtype=torch.float64)


class FakeSession:
    """Fails where `refuses` says so, with the failure that it returns; notes all that it was asked."""

    seed = 0

    def __init__(self, refuses: Callable[[dict[str, Any], dict[str, Tensor]], Failure | None]):
        self._refuses = refuses
        self.asked: list[Asked] = []
        self.ended: Failure | None = None

    def ask(
        self, task: str, probe: str, arguments: Mapping[str, Any], tensors: Mapping[str, Tensor], seed: int
    ) -> tuple[dict[str, Tensor], dict[str, Any]]:
        if self.ended:
            raise NoWorker(self.ended)
        self.asked.append((dict(arguments), dict(tensors)))
        if failure := self._refuses(dict(arguments), dict(tensors)):
            raise WorkerFailed(failure)
        return {"value_0": tensors["mean"]}, {}

    def repeated(self, task: str, tensors: Mapping[str, Tensor]) -> frozenset[str]:
        return frozenset()

    def note_end(self, task: str, failure: Failure) -> None:
        self.ended = failure


def probe_of(session: FakeSession, task: str = "kl", kind: Kind = "value") -> Probe:
    return Probe(cast(Session, session), task, "test", kind)


def crash(message: str = "RuntimeError in your code: no", **fields: Any) -> Failure:
    return Failure("crashed", message, **fields)


def in_float64(arguments: dict[str, Any], tensors: dict[str, Tensor]) -> Failure | None:
    return crash() if tensors["mean"].dtype == torch.float64 else None


def test_an_answer_brings_the_unit_of_its_dtype():
    probe = probe_of(FakeSession(lambda arguments, tensors: None))
    assert probe("distribution", name="kl", mean=MEAN).unit == UNIT64
    assert probe("distribution", name="kl", mean=MEAN.float()).unit == UNIT32


def test_the_own_method_answers_where_a_stand_in_refused():
    session = FakeSession(lambda arguments, tensors: None if "own" in arguments else crash(standin="nll"))
    answer = probe_of(session, "log_likelihood")("log_likelihood", mean=MEAN)
    assert answer.unit == UNIT64
    assert [arguments.get("own") for arguments, _ in session.asked] == [None, ["nll"]]


def test_all_own_methods_answer_where_nobody_knows_which_one_it_was():
    session = FakeSession(lambda arguments, tensors: None if "own" in arguments else crash())
    probe_of(session, "kl")("distribution", mean=MEAN)
    assert set(session.asked[1][0]["own"]) == {"sample", "nll", "mode"}


def test_a_stand_in_that_is_none_of_this_task_is_not_believed():
    session = FakeSession(lambda arguments, tensors: None if "own" in arguments else crash(standin="kl"))
    probe_of(session, "kl")("distribution", mean=MEAN)
    assert "kl" not in session.asked[1][0]["own"]


def test_a_value_is_judged_in_float32_where_float64_raises():
    session = FakeSession(in_float64)
    answer = probe_of(session)("distribution", mean=MEAN, logvar=MEAN)
    assert answer.unit == UNIT32
    assert {tensor.dtype for tensor in session.asked[-1][1].values()} == {torch.float32}


def test_a_shape_that_fails_in_float64_only_says_so():
    with pytest.raises(WorkerFailed) as raised:
        probe_of(FakeSession(in_float64), kind="shape")("distribution", mean=MEAN)
    assert "float64" in raised.value.failure.hint


def test_strided_tensors_that_fail_where_contiguous_ones_work_are_named():
    session = FakeSession(lambda arguments, tensors: crash() if arguments.get("strided") else None)
    with pytest.raises(WorkerFailed) as raised:
        probe_of(session)("distribution", mean=MEAN, strided=True)
    assert "contiguous" in raised.value.failure.hint


def test_what_fails_in_every_way_is_told_with_sizes_and_with_what_was_replaced():
    session = FakeSession(lambda arguments, tensors: crash())
    with pytest.raises(WorkerFailed) as raised:
        probe_of(session, "interpolate")("interpolate", mean=MEAN, z_1=torch.zeros(1, 5))
    failure = raised.value.failure
    assert "mean (5, 3) float64, z_1 (1, 5) float32" in failure.message
    assert "`interpolate`" in failure.hint
    assert "replaced" in failure.hint and "self.mean and self.logvar" in failure.hint


def test_a_hint_of_the_worker_is_kept():
    session = FakeSession(lambda arguments, tensors: crash(hint="print the shapes"))
    with pytest.raises(WorkerFailed) as raised:
        probe_of(session)("distribution", mean=MEAN)
    assert raised.value.failure.hint == "print the shapes"


def test_what_ended_a_worker_is_told_once_and_the_same_way_after_that():
    ends = Failure("timed out", "too long", fatal=True)
    session = FakeSession(lambda arguments, tensors: ends)
    probe, told = probe_of(session), []
    for rows in (5, 4):
        with pytest.raises(WorkerFailed) as raised:
            probe("distribution", mean=MEAN[:rows])
        told.append(raised.value.failure)
    assert "mean (5, 3)" in told[0].message
    assert told[0] == told[1]
    assert len(session.asked) == 1


class WatchingSession(FakeSession):
    """Says that lines make tensors on the default device."""

    sandbox = "process"
    lines: Any = None

    def ask(self, *given: Any, **named: Any) -> tuple[dict[str, Tensor], dict[str, Any]]:
        return super().ask(*given, **named)[0], {"default_device": self.lines}


@pytest.mark.parametrize(
    ("lines", "words"),
    [
        ([12], "line 12: "),
        ([3, 12], "lines 3, 12: "),
        ([], ""),
        (None, ""),
        (["<b>"], ""),
        ([True], ""),
        ({"1": 1}, ""),
    ],
)
def test_lines_that_make_tensors_on_the_default_device_are_noted(lines: Any, words: str) -> None:
    session = WatchingSession(lambda arguments, tensors: None)
    session.lines = lines
    probe = probe_of(session)
    probe.note_devices("distribution", name="kl", mean=MEAN)
    assert [note.partition("tensors are")[0] for note in probe.notes] == ([words] if words else [])
    assert session.asked[-1][0]["watched"] is True


def test_no_answer_is_no_note():
    probe = probe_of(WatchingSession(lambda arguments, tensors: crash(fatal=True)))
    probe.note_devices("distribution", mean=MEAN)
    assert probe.notes == []


def test_an_untouched_todo_is_asked_once():
    session = FakeSession(lambda arguments, tensors: Failure("not attempted", "the TODO is still there"))
    with pytest.raises(WorkerFailed):
        probe_of(session)("distribution", mean=MEAN)
    assert len(session.asked) == 1


def test_a_file_that_cannot_be_imported_was_called_with_nothing():
    session = FakeSession(lambda arguments, tensors: None)
    session.ended = crash("SyntaxError while your file was imported", fatal=True)
    with pytest.raises(WorkerFailed) as raised:
        probe_of(session)("distribution", mean=MEAN)
    assert "called with" not in raised.value.failure.message
