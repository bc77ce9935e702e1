"""What the checks of Encoder and Decoder share."""

from collections.abc import Mapping
from typing import Any

import torch

from .check import fail
from .expect import Answers, expect_close, expect_finite, expect_shape, expect_unchanged
from .known import SIZES
from .misconceptions import by_id

# Widths that groups of channels and attention heads divide, as they do the 16 of the short run.
LAYER_SIZES = {**SIZES, "encoder_features": 16, "decoder_features": 32}


def expect_all_parameters_learn(facts: dict[str, Any], part: str) -> None:
    """Demand that a gradient reaches every parameter of a part, and that every learning tensor is registered.

    Raises:
        CheckFailed: Some parameter is frozen, cut off or has a gradient of zeros, or is unknown to parameters().
    """
    if facts.get("unregistered"):
        fail(
            f"every layer of {part} is registered as part of the module",
            f"{facts['unregistered']} tensors that parameters() does not know",
            hint=by_id(f"{part}_unregistered").hint,
            diagnosis=f"{part}_unregistered",
        )
    parameters = facts.get("parameters")
    if not isinstance(parameters, dict) or not parameters:
        fail(
            f"{part} has parameters to learn",
            "none",
            hint="create layers in __init__ and keep them as attributes of self",
        )
        return
    words = {"zero": "a gradient of zeros only", "cut": "no gradient", "frozen": "requires_grad=False"}
    bad = [f"{name} ({words.get(str(how), 'no gradient')})" for name, how in parameters.items() if how != "ok"]
    if bad:
        fail(
            f"a gradient reaches each of the {len(parameters)} parameters of {part}",
            f"{len(bad)} get none: {', '.join(bad[:4])}" + (", ..." if len(bad) > 4 else ""),
            hint=by_id(f"{part}_dead_parameters").hint,
            diagnosis=f"{part}_dead_parameters",
        )


def expect_rows_independent(answer: Answers, facts: Mapping[str, Any], part: str) -> None:
    """Demand that in eval mode a row's result is the same twice, and the same alone and in company.

    float32 convolutions of different batch sizes add up in different orders: 1e-4 of the largest value is far above
    their rounding and far below what one image of a batch could tell another.

    Raises:
        CheckFailed: Results differ.
    """
    batch, alone = answer["batch"], answer["alone"]
    expect_unchanged(facts["changed"], part)
    expect_finite(batch, f"the output of {part}")
    if not torch.equal(batch, answer["again"]):
        found = by_id(f"{part}_unregistered" if facts["unregistered"] else f"{part}_random")
        fail("in eval mode, the same output for the same input", "two outputs", hint=found.hint, diagnosis=found.id)
    expect_shape(alone, tuple(batch.shape), f"the outputs of {part} row by row")
    expect_close(
        batch,
        alone.double(),
        f"in eval mode, the output of {part} for a batch",
        rtol=0.0,
        atol=1e-4 * max(1e-3, float(alone.abs().max())),
        hint=by_id(f"{part}_mixes_batch").hint,
        otherwise=by_id(f"{part}_mixes_batch"),
    )
