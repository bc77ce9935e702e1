"""Task `interpolate`: the path from one code to another."""

from collections.abc import Mapping
from functools import partial
from typing import Any

import pytest
import torch

from grader.grading.probe import Probe
from grader.judge.answer import read_or_none
from grader.judge.check import check, pictured
from grader.judge.expect import (
    ONLY_CONTIGUOUS,
    ONLY_IN_EVAL,
    ONLY_LONGER_AXES,
    expect_close,
    expect_same,
    expect_switched_back,
    expect_unchanged,
    expect_varies,
    own_hint,
)
from grader.judge.inputs import MANY_ROWS, Draw
from grader.judge.known_models import KnownModel, random_model, short_axes, smooth_decoder
from grader.judge.memory import Exact, expect_no_memory, sent, three_sets
from grader.judge.misconceptions import by_id
from grader.judge.pictures import strip
from grader.judge.recover_models import of_model
from grader.judge.result import Strip
from grader.judge.wrong_formulas import wrong_interpolate

pytestmark = pytest.mark.interpolate


def path(known: KnownModel, z_1: torch.Tensor, z_2: torch.Tensor, count: int) -> Exact:
    """Return the images of a straight line of codes."""
    weight = torch.arange(count, dtype=torch.float64)[:, None] / (count - 1)
    image = known.decode(torch.lerp(z_1, z_2, weight))
    return Exact(image, known.decode_size((1 - weight) * z_1.abs() + weight * z_2.abs()), "the image")


def seen_path(probe: Probe, known: KnownModel, arguments: Mapping[str, Any]) -> Strip | None:
    """Return the images that the same call gives with a decoder whose images people can tell apart; None without any.

    Args:
        probe: Calls the submission once more.
        known: The model of the check.
        arguments: Those of the call that failed, save the parameters of the model.
    """
    smooth = smooth_decoder(known)
    answer = probe.attempt("interpolate", **arguments, **smooth.as_dtype(torch.float32))
    expected = path(smooth, arguments["z_1"].double(), arguments["z_2"].double(), arguments["n_samples"]).value
    images = read_or_none(answer, "value", expected.shape)
    return None if images is None else strip(images, expected)


@check("shape", 20)
def test_as_many_images_as_asked_for(probe: Probe, draw: Draw) -> None:
    """interpolate() returns n_samples images, (n_samples, C, S, S)"""
    known = random_model(draw, bend=1.0)
    for count in (2, 5):
        z_1, z_2 = draw.normal(1, known.sizes["z_dim"]).float(), draw.normal(1, known.sizes["z_dim"]).float()
        train, tensors = count > 2, known.as_dtype(torch.float32)
        answer = probe("interpolate", sizes=known.sizes, z_1=z_1, z_2=z_2, n_samples=count, train=train, **tensors)
        expect_switched_back(answer, "interpolate()")
        images = answer.tensor("value", (count, *known.image_shape), "images", dtype=torch.float32)
        expect_varies(images, "an image")


@check("value", 80)
def test_straight_line(probe: Probe, draw: Draw) -> None:
    """interpolate() decodes evenly spaced codes on the straight line from z_1 to z_2, both ends included"""
    known = random_model(draw, bend=1.0)
    # Seven first: with two or three points, many mistakes look the same. Others reveal a count that rounding changes.
    for model, count, short in [
        *((known, count, "") for count in (7, 2, 3, 4, 5, 8, 10, 11, 16, 21, 24, 33, MANY_ROWS)),
        *((small, 4, ONLY_LONGER_AXES) for small, _ in short_axes(draw, bend=1.0)),
    ]:
        z_1, z_2 = (draw.normal(1, model.sizes["z_dim"], scale=3 if count == 4 else 1) for _ in range(2))
        if count == 16:
            z_2 = z_1.clone()  # a path of length 0
        arguments = {
            "sizes": model.sizes,
            "z_1": z_1.float(),
            "z_2": z_2.float(),
            "n_samples": count,
            "train": count == 8,
            "first": count == 3,
            "strided": count == 5,
        }
        answer = probe("interpolate", **arguments, **model.as_dtype(torch.float32))
        expect_unchanged(answer, "interpolate()")
        expected, wrong = path(model, z_1, z_2, count), []
        hint = own_hint(answer) or short or {5: ONLY_CONTIGUOUS, 8: ONLY_IN_EVAL}.get(count, "")
        shape = (count, *model.image_shape)
        images, again = (answer.tensor(name, shape, "images", hint=hint) for name in ("value", "again"))
        if model is known:
            wrong = wrong_interpolate(z_1, z_2, count, model.decode) if count != 16 else []
        recover = partial(of_model, "interpolate", "", probe.attempt, draw)
        value, size = expected.value, expected.size
        with pictured(partial(seen_path, probe, model, arguments)):
            expect_same(images, again, "images of a path", by_id("interpolate_random_codes"))
            expect_close(answer, "value", value, "the image", size=size, known=wrong, hint=hint, recover=recover)
    sets = three_sets(lambda: {name: draw.normal(1, known.sizes["z_dim"]) for name in ("z_1", "z_2")})
    tensors, arguments = sent(sets, torch.float32) | known.as_dtype(torch.float32), {"n_samples": 4}
    answer = probe("model_remembered", task="interpolate", sizes=known.sizes, arguments=arguments, **tensors)
    expect_no_memory(answer, {"value": [path(known, **each, count=4) for each in sets]})
    codes = {name: code.float() for name, code in sets[0].items()}
    probe.note_devices("interpolate", sizes=known.sizes, n_samples=4, **codes, **known.as_dtype(torch.float32))
