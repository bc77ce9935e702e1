"""Task `decode`: codes to likelihoods."""

from functools import partial

import pytest
import torch

from grader.grading.probe import Probe
from grader.judge.check import check
from grader.judge.expect import (
    expect_close,
    expect_gradient,
    expect_switched_back,
    expect_unchanged,
    expect_varies,
    own_parts,
)
from grader.judge.inputs import MANY_ROWS, Draw
from grader.judge.known_models import AS_STUDENTS_SAY, KnownModel, random_model, short_axes
from grader.judge.memory import Exact, expect_no_memory, sent, three_sets
from grader.judge.misconceptions import right_only, short_axis
from grader.judge.recover_models import of_model

pytestmark = pytest.mark.decode

LIKE_THE_MEAN = "The log-variances must have the shape of the mean: one for each pixel."
UNIT = "p(x|z) has unit variance. What is the logarithm of one, and what does logvar=None mean?"


def image_gradients(known: KnownModel, z: torch.Tensor, cotangent: torch.Tensor) -> dict[str, torch.Tensor]:
    """Return the gradients of an image.

    They are sums of products, so the gradients of the model of absolute values are their sizes (judge/sizes.py).
    """
    flat = cotangent.flatten(1)
    return {"z": flat @ known.tensors["decoder_weight"], "decoder_weight": flat.T @ z}


@check("shape", 20)
def test_shape_and_dtype(probe: Probe, draw: Draw) -> None:
    """decode() returns a distribution over images, (B, z) -> (B, C, S, S)"""
    known = random_model(draw)
    for batch in (4, 1):
        for dtype in (torch.float32, torch.float64):
            z = draw.normal(batch, known.sizes["z_dim"], dtype=dtype)
            answer = probe("decode", sizes=known.sizes, z=z, train=batch > 1, **known.as_dtype(dtype))
            expect_switched_back(answer, "decode()")
            shape = (batch, *known.image_shape)
            short, what = short_axis(shape), "the likelihood's"
            mean = answer.tensor("mean", shape, f"{what} mean", dtype=dtype, otherwise=short)
            answer.tensor("logvar", shape, f"{what} logvar", dtype=dtype, finite=True, hint=LIKE_THE_MEAN)
            expect_varies(mean, "a likelihood")


@check("value", 60)
def test_likelihood(probe: Probe, draw: Draw) -> None:
    """decode() returns a normal distribution with the decoder's output as its mean, and variance one"""
    known = random_model(draw)
    double, single = torch.float64, torch.float32
    for model, batch, train, scale, dtype, kind in [
        (known, 1, False, 5, double, None),
        (known, 4, False, 5, double, right_only("alone")),
        (known, 3, True, 5, double, right_only("in_eval")),
        (known, 4, False, 5, single, right_only("in_float64")),
        (known, 4, False, 5000, double, right_only("moderate")),
        (known, MANY_ROWS, False, 5, double, right_only("in_small_batches")),
        *((small, batch, False, 5, double, right_only("longer_axes")) for small, batch in short_axes(draw)),
    ]:
        z, first = draw.normal(batch, model.sizes["z_dim"], scale=scale), draw.normal(2, model.sizes["z_dim"])
        image, size = model.decode(z), model.decode_size(z.abs())
        inputs = {"z": z.to(dtype), "first": first.to(dtype), **model.as_dtype(dtype)}
        answer = probe("decode", sizes=model.sizes, train=train, **inputs)
        expect_unchanged(answer, "decode()")
        own = own_parts(answer) or kind
        of_mean, of_logvar = (
            partial(of_model, "decode", name, probe.attempt, draw, train) for name in ("mean", "logvar")
        )
        what = "the likelihood's mean"
        expect_close(answer, "mean", image, what, size=size, otherwise=own, recover=of_mean)
        one, what = torch.ones_like(image), "the likelihood's logvar"
        answer.tensor("logvar", image.shape, what, hint=LIKE_THE_MEAN)
        expect_close(answer, "logvar", 0 * one, what, size=one, hint=UNIT, otherwise=own, recover=of_logvar)
        for name in ("std", "var"):
            expect_close(answer, name, one, f"the likelihood's {name}", hint=UNIT, otherwise=own)
    sets = three_sets(lambda: {"z": draw.normal(3, known.sizes["z_dim"])})
    tensors = known.as_dtype(torch.float64)
    answer = probe("model_remembered", task="decode", sizes=known.sizes, **sent(sets), **tensors)
    images = [Exact(known.decode(s["z"]), known.decode_size(s["z"].abs()), "the likelihood's mean") for s in sets]
    expect_no_memory(answer, {"mean": images})


@check("gradient", 20)
def test_gradient(probe: Probe, draw: Draw) -> None:
    """Gradients flow from the likelihood to the decoder and the code"""
    known = random_model(draw)
    for train in (False, True):
        z, cotangent = draw.normal(3, known.sizes["z_dim"]), draw.normal(3, *known.image_shape)
        inputs = {"z": z, "cotangent": cotangent, **known.as_dtype(torch.float64)}
        answer = probe("decode", sizes=known.sizes, train=train, **inputs)
        size = image_gradients(known.absolute(), z.abs(), cotangent.abs())
        for name, gradient in image_gradients(known, z, cotangent).items():
            expect_gradient(answer, f"grad_{name}", gradient, "image", AS_STUDENTS_SAY[name], size=size[name])
