"""What the checks of Encoder and Decoder share."""

from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from .answer import Answer, Shape
from .check import fail
from .expect import expect_close, expect_same, expect_unchanged
from .inputs import Draw
from .known_models import SIZES
from .memory import Exact, expect_no_memory
from .misconceptions import by_id
from .tolerances import UNIT_ALONE, UNIT_SAME

_MODELS = 32  # the largest number of models to build if an output does not change
_FEW = 4  # parts of an input, or parameters, that a message lists
_COMPARED = (
    8  # the largest number of channels to compare; usually there are three, but a wrong decoder may make thousands
)
# Groups of channels and attention heads divide these widths, like the 16 of the short run.
LAYER_SIZES = {**SIZES, "encoder_features": 16, "decoder_features": 32}


_REACHED = {
    "zero": "a gradient of zeros only",
    "cut": "used, but no gradient",
    "unused": "never called",
    "frozen": "requires_grad=False",
}
_WHY_NOT = {
    frozenset({"unused"}): "These layers are created and never called in forward. Are they needed, and where?",
    frozenset({"cut"}): "These layers are called, but what they return is cut off from the graph: by detach(), "
    "no_grad(), .data or numpy, or because it is not used.",
    frozenset({"frozen"}): "These parameters are frozen. Where is requires_grad set to False?",
}


def expect_all_parameters_learn(answer: Answer, part: str) -> None:
    """Demand that a gradient reaches every parameter of a part, and that every learnable tensor is registered.

    Raises:
        CheckFailed: A parameter is frozen, cut off or has a gradient of zeros, or parameters() does not return it.
    """
    if unregistered := answer.fact("unregistered", int):
        fail(
            f"every layer of {part} is registered as part of the module",
            f"learnable tensors that parameters() does not return: {unregistered}",
            found=by_id(f"{part}_unregistered"),
        )
    parameters = answer.words("parameters")
    if not parameters:
        fail(
            f"{part} has learnable parameters",
            "none",
            hint="Create layers in __init__, and keep them as attributes of self.",
        )
    bad = {name: how for name, how in parameters.items() if how != "ok"}
    if bad:
        listed = [f"{name} ({_REACHED.get(how, 'no gradient')})" for name, how in bad.items()]
        fail(
            f"a gradient reaches every parameter of {part}",
            f"none for {len(bad)} of {len(parameters)}: {', '.join(listed[:_FEW])}"
            + (", ..." if len(bad) > _FEW else ""),
            hint=_WHY_NOT.get(frozenset(bad.values()), ""),
            found=by_id(f"{part}_dead_parameters"),
        )


def expect_rows_independent(answer: Answer, part: str, shape: Shape) -> None:
    """Demand that in eval mode the result for a row is the same in two calls, and the same alone and in a batch.

    Args:
        answer: The answer.
        part: `encoder` or `decoder`.
        shape: Shape of its outputs for a batch.

    Raises:
        CheckFailed: Results differ, or have another shape.
    """
    batch = answer.tensor("batch", shape, f"the output of {part}", finite=True)
    again = answer.tensor("again", batch.shape, f"the output of {part} for the same input")
    expect_unchanged(answer, part)
    found = by_id(f"{part}_unregistered" if answer.fact("unregistered", int) else f"{part}_random")
    expect_same(batch, again, f"in eval mode, the output of {part} for one input", found)
    alone = answer.tensor("alone", batch.shape, f"the outputs of {part} row by row", finite=True)
    _expect_not_the_first(alone, batch, part)
    expect_close(
        answer,
        "batch",
        alone.double(),
        f"in eval mode, the output of {part} in a batch, which is that of the row alone,",
        unit=UNIT_ALONE,
        size=largest(alone),
        otherwise=by_id(f"{part}_mixes_batch"),
    )


def _expect_not_the_first(alone: Tensor, batch: Tensor, part: str) -> None:
    """Demand that rows given one after another do not all get the right output of the first one."""
    first = bool((alone[:1].double() - batch[:1].double()).abs().max() <= _threshold(batch))
    if first and len(alone) > 1 and bool((alone == alone[:1]).all()) and bool(rows_move(batch).any()):
        found = by_id("memory_same_shape")
        fail(
            f"an output of {part} that belongs to its input",
            f"for {len(alone)} rows given one after another, each time the output for the first one",
            found=found,
        )


def largest(output: Tensor) -> Tensor:
    """Return the largest absolute value of an output, in the shape of the output: the size of a network's output."""
    return output.double().abs().max().clamp(min=1e-3).expand_as(output)


def code_changes(draw: Draw, z: Tensor) -> dict[str, Tensor]:
    """Return the first code with one dimension changed, by what was changed."""
    changed = {f"dimension {i} of the code": z[0].clone() for i in range(z.shape[1])}
    for i, code in enumerate(changed.values()):
        code[i] += 1.0 + draw.uniform(0, 1, 1, dtype=z.dtype)[0]
    return changed


def image_changes(draw: Draw, x: Tensor, tiles: int = 4) -> dict[str, Tensor]:
    """Return the first image with one channel, or one of tiles x tiles parts, replaced, by what was changed."""
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


def over_models(ask: Callable[[], Tensor], *masks: Callable[[Tensor], Tensor]) -> list[Tensor]:
    """Return for each mask where it is true for at least one of several newly built models.

    A unit may be dead by chance after initialisation; after a last ReLU, a channel is dead half of the time. So outputs
    that do not change in one model are tested in others. With 32 models, one of three channels is dead in all of them
    with probability 3 * 2^-32 < 1e-9. If all masks are true everywhere, one model is enough.

    Args:
        ask: Returns the outputs of another model, for the same inputs.
        masks: Functions from outputs to booleans of a fixed shape.
    """
    outputs = ask()
    found = [mask(outputs) for mask in masks]
    for _ in range(1, _MODELS):
        if all(bool(each.all()) for each in found):
            break
        outputs = ask()
        found = [each | mask(outputs) for each, mask in zip(found, masks, strict=True)]
    return found


def rows_move(outputs: Tensor) -> Tensor:
    """Return for each row except the first whether it differs from the first."""
    return (outputs[1:].double() - outputs[:1].double()).flatten(1).abs().amax(dim=1) > _threshold(outputs[:1])


def pixels_move(images: Tensor) -> Tensor:
    """Return for each pixel, (C, S, S), whether it differs between images."""
    return (images.double() - images[:1].double()).abs().amax(dim=0) > _threshold(images)


def channels_differ(images: Tensor) -> Tensor:
    """Return for each pair of channels, as listed by `torch.combinations`, whether they differ somewhere."""
    one, other = (images.double()[:, channels] for channels in _pairs(images.shape[1]).unbind(dim=1))
    return (one - other).abs().amax(dim=(0, 2, 3)) > _threshold(images)


def _pairs(channels: int) -> Tensor:
    return torch.combinations(torch.arange(min(channels, _COMPARED)))


def _threshold(outputs: Tensor) -> float:
    return UNIT_SAME * float(outputs.double().abs().max())


def expect_all_matters(moved: Tensor, changed: Sequence[str], part: str) -> None:
    """Demand that each change of an input changed the output.

    Args:
        moved: Whether the output changed, for each change of the input.
        changed: What was changed.
        part: `encoder` or `decoder`.

    Raises:
        CheckFailed: A change of the input has no effect.
    """
    moves = dict(zip(changed, moved.tolist(), strict=True))
    without, seen = ([what for what, it_does in moves.items() if it_does is which] for which in (False, True))
    if not without:
        return
    got = f"the same output when these change: {', '.join(without[:_FEW])}"
    if len(without) > _FEW:
        few = 0 < len(seen) <= _FEW
        got = (
            f"the same output unless this changes: {', '.join(seen)}"
            if few
            else f"{got} and {len(without) - _FEW} more"
        )
    found = by_id(f"{part}_input_ignored")
    fail(f"an output of {part} that depends on its whole input", got, found=found)


def expect_whole_images(moved: Tensor, different: Tensor) -> None:
    """Demand that every pixel of every channel differs between codes, and that no two channels are the same image.

    Args:
        moved: Whether each pixel differs, (C, S, S).
        different: Whether the channels of each pair differ.

    Raises:
        CheckFailed: A pixel is the same for all codes, or a channel is a copy.
    """
    still = (~moved).nonzero()
    if len(still):
        channel, row, column = still[0].tolist()
        found = by_id("decoder_fixed_pixels")
        fail(
            "images of decoder in which each pixel depends on the code",
            f"pixels that are the same for every code: {len(still)} of {moved.numel()}, the first in row {row}, "
            f"column {column} of channel {channel}",
            found=found,
        )
    same = _pairs(len(moved))[~different]
    if len(same):
        one, other = same[0].tolist()
        found = by_id("decoder_copied_channels")
        fail(
            f"images of decoder with {len(moved)} different channels",
            f"channels {one} and {other} are the same",
            found=found,
        )


def expect_outputs_not_remembered(answer: Answer, part: str, shape: Shape) -> None:
    """Demand that three calls in a row give the same outputs as one earlier call with all inputs in one batch.

    Args:
        answer: The answer.
        part: `encoder` or `decoder`.
        shape: Shape of the outputs for that batch, which has three times as many rows as each of the three calls.

    Raises:
        CheckFailed: An output belongs to another call, or was overwritten.
    """
    together = answer.tensor("together", shape, f"the output of {part}", finite=True)
    what = f"in eval mode, the output of {part} for another input"
    exact = [Exact(rows.double(), largest(rows), what) for rows in together.chunk(3)]
    expect_no_memory(answer, {"value": exact}, UNIT_ALONE)
