"""Task `encoder`: images to features."""

import pytest
import torch

from grader.grading.probe import Probe
from grader.judge.answer import Answer, expect_finite
from grader.judge.check import check, fail
from grader.judge.expect import expect_switched_back, expect_varies
from grader.judge.inputs import Draw
from grader.judge.layers import (
    LAYER_SIZES,
    expect_all_matters,
    expect_all_parameters_learn,
    expect_outputs_not_remembered,
    expect_rows_independent,
    image_changes,
    over_models,
    rows_move,
)
from grader.judge.memory import three_sets
from grader.judge.misconceptions import by_id

pytestmark = pytest.mark.encoder

FORMATS = [(3, 32), (1, 16), (2, 64)]  # channels, size


def features_of(answer: Answer, name: str, x: torch.Tensor, axes: int = 2) -> torch.Tensor:
    """Return the features of images, of any width; with more axes where only their values count."""
    what, hint = f"features of images {tuple(x.shape)}", "Flatten all dimensions except the batch."
    return answer.tensor(name, (len(x), *["hidden"] * (axes - 1)), what, hint=hint)


@check("shape", 40)
def test_features_of_any_image_size(probe: Probe, draw: Draw) -> None:
    """Encoder maps (B, C, S, S) to (B, hidden), for any image size, number of channels and batch size"""
    for channels, size in FORMATS:
        sizes = {**LAYER_SIZES, "in_channels": channels, "input_size": size}
        for batch in (1, 3):
            x = draw.uniform(-1, 1, batch, channels, size, size, dtype=torch.float32)
            answer = probe("layers", part="encoder", sizes=sizes, x=x)
            expect_switched_back(answer, "encoder()")
            for mode in ("train", "batch") if batch > 1 else ("batch",):
                features = features_of(answer, mode, x)
                if (width := answer.fact("head_width", int, type(None))) not in (None, features.shape[1]):
                    fail(
                        f"{width} features, the value of out_features, for images {tuple(x.shape)}",
                        f"{features.shape[1]}",
                        found=by_id("encoder_out_features"),
                    )
                answer.tensor(mode, features.shape, "features", dtype=torch.float32, finite=True)
                expect_varies(features, "features", by_id("numbers_same"))


@check("value", 30)
def test_images_are_independent(probe: Probe, draw: Draw) -> None:
    """In eval mode, the features of an image depend on the whole image, and on nothing else"""
    sets = three_sets(lambda: {"x": draw.uniform(-1, 1, 4, 3, 32, 32, dtype=torch.float32)})
    x = sets[0]["x"]
    inputs = {f"x_{i}": each["x"] for i, each in enumerate(sets) if i > 0}
    answer = probe("layers", part="encoder", sizes=LAYER_SIZES | {"input_size": 32}, x=x, **inputs)
    axes = max(2, answer.axes("batch"))  # features that are not flattened cost the check of shapes alone
    batch = features_of(answer, "batch", x, axes)
    expect_varies(batch, "features", by_id("numbers_same"))
    expect_rows_independent(answer, "encoder", batch.shape)
    expect_outputs_not_remembered(answer, "encoder", (3 * len(x), *batch.shape[1:]))
    for size, tiles in ((32, 4), (64, 2)):
        image = draw.uniform(-1, 1, 1, 3, size, size, dtype=torch.float32)
        changes = image_changes(draw, image, tiles)
        rows = torch.stack([image[0], *changes.values()])
        sizes = LAYER_SIZES | {"input_size": size}

        def features(rows: torch.Tensor = rows, sizes: dict[str, int] = sizes) -> torch.Tensor:
            outputs = features_of(probe("outputs", part="encoder", sizes=sizes, x=rows), "batch", rows, axes)
            expect_finite(outputs, "features")
            return outputs

        expect_all_matters(over_models(features, rows_move)[0], list(changes), "encoder")


@check("gradient", 30)
def test_every_parameter_learns(probe: Probe, draw: Draw) -> None:
    """A gradient reaches every parameter of the encoder"""
    x = draw.uniform(-1, 1, 8, 3, 32, 32, dtype=torch.float32)
    answer = probe("layers", part="encoder", sizes=LAYER_SIZES | {"input_size": 32}, x=x)
    expect_all_parameters_learn(answer, "encoder")
