"""Hints that say which of several causes it is, because the numbers, the shapes or the calls tell them apart."""

from pathlib import Path

import pytest
import torch
from torch import Tensor

from grader.judge.answer import Answer
from grader.judge.behaviours import NOT_FINITE_IN, ROUNDED_IN_FLOAT32
from grader.judge.check import CheckFailed
from grader.judge.expect import expect_close
from grader.judge.layers import LAYER_SIZES, expect_all_matters, expect_all_parameters_learn, expect_rows_independent
from grader.judge.misconceptions import Misconception, by_id, right_only, short_axis
from grader.judge.short_run import ShortRun
from grader.judge.short_run_causes import cause
from grader.judge.tolerances import UNIT32
from grader.worker.errors import WrongType
from grader.worker.probes import PROBES
from grader.worker.probes.common import need_tensor, three_results
from grader.worker.submission import LoadedSubmission, load_submission
from tests.zoo.build import source
from tests.zoo.wrong import WRONG

RIGHT = torch.tensor([3.0, 5.0], dtype=torch.float64)
SOURCES = {entry.title: entry for entry in WRONG}


def refused(actual: Tensor, expected: Tensor = RIGHT, otherwise: Misconception | None = None) -> CheckFailed:
    """Return the failure of a comparison."""
    with pytest.raises(CheckFailed) as caught:
        expect_close(Answer({"it": actual}, {}, UNIT32), "it", expected, "it", otherwise=otherwise)
    return caught.value


def examined(title: str, folder: Path) -> Answer:
    """Return what the probe reports of the encoder or decoder of an entry of the zoo."""
    file = folder / "VAE_Model.py"
    file.write_text(source(SOURCES[title]), encoding="utf-8")
    part, draw = SOURCES[title].task, torch.Generator().manual_seed(3)
    x = torch.rand((4, 3, 32, 32) if part == "encoder" else (4, LAYER_SIZES["z_dim"]), generator=draw)
    torch.manual_seed(5)
    submission = LoadedSubmission(load_submission(file), {})
    found = PROBES["layers"](submission, part=part, sizes=LAYER_SIZES | {"input_size": 32}, x=x)
    return Answer(found.tensors, found.facts, UNIT32)


@pytest.mark.parametrize(
    ("title", "how"),
    [
        ("decoder: a layer never used", "never called"),
        ("encoder: first layer detached", "used, but no gradient"),
    ],
)
def test_a_layer_without_gradient_is_unused_or_cut_off(title: str, how: str, tmp_path: Path) -> None:
    part = SOURCES[title].task
    with pytest.raises(CheckFailed) as caught:
        expect_all_parameters_learn(examined(title, tmp_path), part)
    failed = caught.value.explanation
    assert failed.got.count(how) == 2, "a weight and a bias"
    assert failed.diagnosis == f"{part}_dead_parameters"
    assert failed.hint != by_id(f"{part}_dead_parameters").hint, "which of its two questions it is"


def test_the_first_output_for_every_row_is_a_remembered_result_and_no_mixed_batch(tmp_path: Path) -> None:
    answer = examined("decoder: remembered by the shape, without gradients", tmp_path)
    with pytest.raises(CheckFailed) as caught:
        expect_rows_independent(answer, "decoder", (4, 3, 32, 32))
    assert caught.value.explanation.diagnosis == "memory_same_shape"


def test_rows_that_depend_on_their_batch_are_mixed(tmp_path: Path) -> None:
    answer = examined("encoder: softmax over the batch", tmp_path)
    with pytest.raises(CheckFailed) as caught:
        expect_rows_independent(answer, "encoder", ("B", "hidden"))
    assert caught.value.explanation.diagnosis == "encoder_mixes_batch", "alone, each row is 1: alike, but not the first"


def test_numbers_off_by_a_16_bit_rounding_are_called_so() -> None:
    kind = right_only("in_float64")
    rounded = refused(RIGHT * (1 + 2**-8), otherwise=kind).explanation
    assert rounded.diagnosis == kind.id
    assert rounded.hint.startswith(ROUNDED_IN_FLOAT32.partition("{")[0])
    assert refused(RIGHT * 2, otherwise=kind).explanation.hint == kind.hint


@pytest.mark.parametrize("kind", ["in_float64", "few_dimensions"])
def test_numbers_that_are_not_finite_have_left_a_range(kind: str) -> None:
    found = refused(torch.tensor([3.0, -torch.inf]), otherwise=right_only(kind)).explanation
    assert (found.diagnosis, found.hint) == (f"right_only_{kind}", NOT_FINITE_IN[f"right_only_{kind}"])


def test_a_lost_axis_of_length_1_is_told_from_a_sum() -> None:
    assert short_axis((5, 3)) is None
    lost = refused(torch.tensor(3.0), RIGHT[:1], otherwise=short_axis((1, 3))).explanation
    assert lost.diagnosis == "right_only_longer_axes"
    summed = refused(torch.tensor(8.0), otherwise=short_axis((2, 3))).explanation
    assert summed.diagnosis is None
    assert summed.hint != lost.hint


def test_a_wrong_shape_is_not_put_down_to_a_precision() -> None:
    """A result kept by the id of a tensor came back in the float32 call, by chance."""
    found = refused(torch.tensor([3.0]), otherwise=right_only("in_float64")).explanation
    assert found.diagnosis is None and found.hint


def test_numbers_without_a_reshape_have_another_hint_than_numbers_that_were_summed() -> None:
    image = torch.zeros(2, 3, 4, 4)
    got = (image.flatten(1), image.sum(1), image.permute(0, 2, 3, 1))
    flat, summed, permuted = (refused(each, image).explanation.hint for each in got)
    assert "reshape" in flat
    assert "sum" in summed
    assert "permute" in permuted


def test_a_method_that_was_not_called_is_named_as_that() -> None:
    with pytest.raises(WrongType, match="parentheses"):
        need_tensor(torch.zeros(2).sum, "VAE.sample()")


def test_results_of_a_wrong_number_are_listed_with_their_shapes() -> None:
    with pytest.raises(WrongType, match=r"2 values: a tensor of shape \(2, 3\), a tensor of shape \(2,\), but"):
        three_results((torch.zeros(2, 3), torch.zeros(2)))


def test_a_negative_loss_says_which_term_forward_returned_negative() -> None:
    run = ShortRun([-3000.0] * 20, {"mean.weight": 0.1}, 9e5, 1.0, -9.0, 3140.0, 2880.0, first={"nll": -3010.0})
    found = cause(run)
    assert found is not None
    assert found.diagnosis == "training_negative"
    assert "nll -3010" in found.seen


def test_the_shorter_list_is_shown_of_what_matters_and_what_does_not() -> None:
    parts = [f"part {i}" for i in range(16)]
    only, most = torch.zeros(16, dtype=torch.bool), torch.ones(16, dtype=torch.bool)
    only[5], most[7] = True, False
    for moved, named in ((only, "part 5"), (most, "part 7")):
        with pytest.raises(CheckFailed) as caught:
            expect_all_matters(moved, parts, "encoder")
        assert [part for part in parts if f"{part}," in f"{caught.value.explanation.got},"] == [named]
    expect_all_matters(torch.ones(16, dtype=torch.bool), parts, "encoder")
