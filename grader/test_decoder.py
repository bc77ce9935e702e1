"""Task `decoder`: codes to images."""

import pytest
import torch

from grader.grading.probe import Probe
from grader.judge.check import check, fail
from grader.judge.expect import expect_switched_back, expect_varies
from grader.judge.inputs import Draw
from grader.judge.layers import (
    LAYER_SIZES,
    channels_differ,
    code_changes,
    expect_all_matters,
    expect_all_parameters_learn,
    expect_outputs_not_remembered,
    expect_rows_independent,
    expect_whole_images,
    over_models,
    pixels_move,
    rows_move,
)
from grader.judge.memory import three_sets
from grader.judge.misconceptions import by_id

pytestmark = pytest.mark.decoder

FORMATS = [(3, 32, 5), (1, 16, 5), (2, 64, 5), (3, 16, 1)]  # channels, size, z


@check("shape", 40)
def test_images_of_any_size(probe: Probe, draw: Draw) -> None:
    """Decoder maps (B, z) to (B, C, S, S), for any image size, number of channels and batch size"""
    hint = "Do channels, height and width follow from the arguments of the constructor?"
    for channels, size, z_dim in FORMATS:
        sizes = {**LAYER_SIZES, "in_channels": channels, "input_size": size, "z_dim": z_dim}
        for batch in (1, 3):
            z = draw.normal(batch, z_dim, dtype=torch.float32)
            answer = probe("layers", part="decoder", sizes=sizes, x=z)
            expect_switched_back(answer, "decoder()")
            for mode in ("train", "batch") if batch > 1 else ("batch",):
                what = f"images for in_channels={channels}, input_size={size}, z_dim={z_dim}"
                shape, lengths = (batch, channels, size, size), hint if answer.axes(mode) == 4 else ""
                images = answer.tensor(mode, shape, what, dtype=torch.float32, finite=True, hint=lengths)
                # Codes of length 1 come last: then a decoder that leaves out one dimension leaves out the whole code.
                alike = by_id("decoder_input_ignored" if z_dim == 1 else "numbers_same")
                expect_varies(images, what, alike)


@check("value", 30)
def test_codes_are_independent(probe: Probe, draw: Draw) -> None:
    """In eval mode, an image depends on its whole code and on nothing else; transposed convolutions upsample it"""
    sets = three_sets(lambda: {"z": draw.normal(4, LAYER_SIZES["z_dim"], dtype=torch.float32)})
    z = sets[0]["z"]
    changes = code_changes(draw, z)
    inputs = {f"x_{i}": each["z"] for i, each in enumerate(sets) if i > 0}
    answer = probe("layers", part="decoder", sizes=LAYER_SIZES | {"input_size": 32}, x=z, **inputs)
    batch = answer.tensor("batch", (len(z), "C", "S", "S"), "images")  # of any size: the first check tests the size
    expect_varies(batch, "images", by_id("numbers_same"))
    expect_rows_independent(answer, "decoder", batch.shape)
    expect_outputs_not_remembered(answer, "decoder", (3 * len(z), *batch.shape[1:]))
    codes = torch.stack([z[0], *changes.values()])

    def images() -> torch.Tensor:
        outputs = probe("outputs", part="decoder", sizes=LAYER_SIZES | {"input_size": 32}, x=codes)
        return outputs.tensor("batch", (len(codes), *batch.shape[1:]), "images", finite=True)

    moved, pixels, channels = over_models(images, rows_move, pixels_move, channels_differ)
    expect_all_matters(moved, list(changes), "decoder")
    expect_whole_images(pixels, channels)
    if not answer.fact("transposed", bool):
        fail(
            "a decoder that upsamples by transposed convolutions",
            "no transposed convolution made its input larger",
            found=by_id("decoder_no_transposed_convolution"),
        )


@check("gradient", 30)
def test_every_parameter_learns(probe: Probe, draw: Draw) -> None:
    """A gradient reaches every parameter of the decoder"""
    z = draw.normal(8, LAYER_SIZES["z_dim"], dtype=torch.float32)
    answer = probe("layers", part="decoder", sizes=LAYER_SIZES | {"input_size": 32}, x=z)
    expect_all_parameters_learn(answer, "decoder")
