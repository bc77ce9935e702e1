"""Asking in turn: whoever remembers by the wrong key, or hands out one buffer twice, is found."""

from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from grader.judge.answer import Answer
from grader.judge.check import CheckFailed
from grader.judge.expect import expect_close
from grader.judge.inputs import Draw
from grader.judge.memory import Exact, expect_no_memory, sent, three_sets
from grader.judge.misconceptions import by_id
from grader.worker.probes.common import in_turn, sets_of

Function = Callable[[Tensor], Tensor]


def honest(x: Tensor) -> Tensor:
    return (x * torch.arange(x.shape[1])).sum(dim=1)


def by(key: Callable[[Tensor], object]) -> Function:
    """Return a function that remembers what it answered, by a key."""
    answers: dict[object, Tensor] = {}

    def remembering(x: Tensor) -> Tensor:
        return answers.setdefault(key(x), honest(x))

    return remembering


def one_buffer() -> Function:
    buffer = torch.zeros(4, dtype=torch.float64)

    def answer(x: Tensor) -> Tensor:
        return buffer.copy_(honest(x))

    return answer


def judge(function: Function) -> None:
    draw = Draw(0, "test")
    sets = three_sets(lambda: {"x": draw.normal(4, 3)})
    found = in_turn(lambda values: {"value": function(values["x"])}, sets_of(sent(sets)))
    exact = [Exact(honest(each["x"]), None, "it") for each in sets]
    expect_no_memory(Answer(found, {}, unit=1e-9), {"value": exact})


def test_an_honest_function_passes():
    judge(honest)


def test_a_wrong_result_that_an_earlier_call_gave_is_called_so():
    answer = Answer({"value": torch.tensor([1.0, 2.0])}, {}, unit=1e-9, repeated={"value"})
    with pytest.raises(CheckFailed) as failed:
        expect_close(answer, "value", torch.tensor([3.0, 4.0]), "it", otherwise=by_id("right_only_alone"))
    assert failed.value.explanation.diagnosis == "memory_earlier"
    expect_close(answer, "value", torch.tensor([1.0, 2.0]), "it")  # a right result may come twice


def test_a_memory_of_the_numbers_themselves_passes():
    judge(by(lambda x: tuple(x.flatten().tolist())))


@pytest.mark.parametrize(
    "function",
    [
        by(lambda x: tuple(x.shape)),
        by(id),
        by(lambda x: (id(x), x._version)),
        by(lambda x: x.flatten()[0].item()),
        by(lambda x: round(float(x.sum()), 6)),
        by(lambda x: round(float(x.norm()), 6)),
        by(lambda x: None),
        one_buffer(),
    ],
    ids=["shape", "id", "id and version", "first number", "sum", "norm", "first answer ever", "one buffer"],
)
def test_another_memory_is_found(function):
    with pytest.raises(CheckFailed):
        judge(function)


def test_sets_differ_only_for_who_looks_at_every_number():
    draw = Draw(0, "test")
    first, changed, fresh = three_sets(lambda: {"x": draw.normal(4, 3)})
    assert first["x"][0, 0] == changed["x"][0, 0] == fresh["x"][0, 0]
    torch.testing.assert_close(first["x"].sum(), changed["x"].sum())
    assert not torch.equal(first["x"], changed["x"])
