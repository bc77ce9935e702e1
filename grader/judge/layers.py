"""What the checks of Encoder and Decoder share."""

from collections.abc import Mapping, Sequence
from typing import Any

from torch import Tensor

from .check import fail
from .draw import Draw
from .expect import Answers, expect_close, expect_finite, expect_same, expect_shape, expect_unchanged
from .known import SIZES
from .memory import Exact, expect_no_memory
from .misconceptions import by_id
from .tolerances import UNIT_ALONE, UNIT_SAME

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

    Raises:
        CheckFailed: Results differ.
    """
    batch, alone = answer["batch"], answer["alone"]
    expect_unchanged(facts["changed"], part)
    expect_finite(batch, f"the output of {part}")
    found = by_id(f"{part}_unregistered" if facts["unregistered"] else f"{part}_random")
    expect_same(batch, answer["again"], f"in eval mode, the output of {part} for one input", found)
    expect_shape(alone, tuple(batch.shape), f"the outputs of {part} row by row")
    expect_close(
        batch,
        alone.double(),
        f"in eval mode, the output of {part} for a batch",
        unit=UNIT_ALONE,
        size=largest(alone),
        hint=by_id(f"{part}_mixes_batch").hint,
        otherwise=by_id(f"{part}_mixes_batch"),
    )


def largest(output: Tensor) -> Tensor:
    """Return the largest absolute value of an output, for each of its numbers: the size of what a network adds up."""
    return output.double().abs().max().clamp(min=1e-3).expand_as(output)


def code_changes(draw: Draw, z: Tensor) -> dict[str, Tensor]:
    """Return the first code with one dimension changed, by what was changed."""
    changed = {f"dimension {i} of the code": z[0].clone() for i in range(z.shape[1])}
    for i, code in enumerate(changed.values()):
        code[i] += 1.0 + draw.uniform(0, 1, 1, dtype=z.dtype)[0]
    return changed


def image_changes(draw: Draw, x: Tensor, tiles: int = 4) -> dict[str, Tensor]:
    """Return the first image with one channel, or one of tiles x tiles parts, drawn anew, by what was changed."""
    channels, size = x.shape[1], x.shape[2]
    tile = size // tiles
    changed = {f"channel {c} of the image": x[0].clone() for c in range(channels)}
    for c, image in enumerate(changed.values()):
        image[c] = draw.uniform(-1, 1, size, size, dtype=x.dtype)
    for top in range(0, size, tile):
        for left in range(0, size, tile):
            image = x[0].clone()
            image[:, top : top + tile, left : left + tile] = draw.uniform(-1, 1, channels, tile, tile, dtype=x.dtype)
            changed[f"pixels [{top}:{top + tile}, {left}:{left + tile}] of the image"] = image
    return changed


def expect_all_matters(batch: Tensor, unchanged: Tensor, changed: Sequence[str], part: str) -> None:
    """Demand that each change of an input moved the output.

    Args:
        batch: The outputs for inputs of which one thing was changed.
        unchanged: The output for the input without a change.
        changed: What was changed for each row of `batch`.
        part: `encoder` or `decoder`.

    Raises:
        CheckFailed: Something has no effect.
    """
    moved = (batch.double() - unchanged.double()).flatten(1).abs().max(dim=1).values
    threshold = UNIT_SAME * float(unchanged.double().abs().max())
    without = [what for what, by in zip(changed, moved.tolist(), strict=True) if not by > threshold]
    if without:
        more = f" and {len(without) - 3} more" if len(without) > 3 else ""
        fail(
            f"an output of {part} that depends on all of its input",
            f"the same output when these change: {', '.join(without[:3])}{more}",
            hint="is a part of the input cut off, multiplied by zero, or left out by an index on the way?",
        )


def expect_all_pixels_move(images: Tensor) -> None:
    """Demand that every pixel of every channel differs between codes, and that no two channels are the same image.

    Raises:
        CheckFailed: A pixel is the same for all codes, or a channel is a copy.
    """
    pixels, threshold = images.double(), UNIT_SAME * float(images.double().abs().max())
    still = ((pixels - pixels[:1]).abs().amax(dim=0) <= threshold).nonzero()
    if len(still):
        channel, row, column = still[0].tolist()
        fail(
            "images of decoder of which each pixel depends on the code",
            f"{len(still)} pixels that are the same for every code, as row {row}, column {column} of channel {channel}",
            hint="is a border added after the last layer, or a part of the image never written?",
        )
    channels = pixels.shape[1]
    for one in range(channels):
        for other in range(one + 1, channels):
            if float((pixels[:, one] - pixels[:, other]).abs().max()) <= threshold:
                fail(
                    f"images of decoder with {channels} channels of their own",
                    f"channels {one} and {other} are the same, so the images are grey",
                    hint="how many channels does the last layer make?",
                )


def expect_outputs_not_remembered(answer: Answers, part: str) -> None:
    """Demand the same outputs in turn as for all inputs in one batch that was asked first.

    Raises:
        CheckFailed: An output is that of another call, or was overwritten.
    """
    together = answer["together"]
    expect_finite(together, f"the output of {part}")
    what = f"in eval mode, the output of {part} for another input"
    exact = [Exact(rows.double(), largest(rows), what) for rows in together.chunk(3)]
    expect_no_memory(answer, {"value": exact}, UNIT_ALONE)
