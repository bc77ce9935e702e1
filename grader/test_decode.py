"""Task `decode`: codes to likelihoods."""

import pytest
import torch

from grader.judge.check import check
from grader.judge.draw import Draw
from grader.judge.expect import (
    ONLY_LONGER_AXES,
    expect_close,
    expect_dtype,
    expect_gradient,
    expect_shape,
    expect_switched_back,
    expect_unchanged,
    expect_varies,
    own_hint,
)
from grader.judge.known import KnownModel, random_model, short_axes
from grader.judge.memory import Exact, expect_no_memory, sent, three_sets
from grader.judge.misconceptions import wrong_decode
from grader.probe import Probe

pytestmark = pytest.mark.decode

LIKE_THE_MEAN = "the log-variances are shaped like the mean, one for each pixel"


def image_gradients(known: KnownModel, z: torch.Tensor, cotangent: torch.Tensor) -> dict[str, torch.Tensor]:
    """Return the gradients of an image: sums of products, so those of absolute values are their sizes."""
    flat = cotangent.flatten(1)
    return {"z": flat @ known.tensors["decoder_weight"], "decoder_weight": flat.T @ z}


@check("shape", 20)
def test_shape_and_dtype(probe: Probe, draw: Draw) -> None:
    """decode() returns a distribution over images, (B, z) -> (B, C, S, S)"""
    known = random_model(draw)
    for batch in (1, 4):
        for dtype in (torch.float32, torch.float64):
            z = draw.normal(batch, known.sizes["z_dim"], dtype=dtype)
            answer = probe("decode", sizes=known.sizes, z=z, train=batch > 1, **known.as_dtype(dtype))
            expect_switched_back(answer.facts["left"], "decode()")
            expect_shape(answer["mean"], (batch, *known.image_shape), "the likelihood's mean")
            expect_shape(answer["logvar"], (batch, *known.image_shape), "the likelihood's logvar", LIKE_THE_MEAN)
            for name in ("mean", "logvar"):
                expect_dtype(answer[name], dtype, f"the likelihood's {name}")
            expect_varies(answer["mean"], "a likelihood")


@check("value", 60)
def test_likelihood(probe: Probe, draw: Draw) -> None:
    """decode() gives the normal distribution around the decoder's image, of variance one"""
    known = random_model(draw)
    for model, batch, train, short in [
        (known, 1, False, ""),
        (known, 4, False, ""),
        (known, 3, True, ""),
        *((small, batch, False, ONLY_LONGER_AXES) for small, batch in short_axes(draw)),
    ]:
        z, first = draw.normal(batch, model.sizes["z_dim"], scale=5), draw.normal(2, model.sizes["z_dim"])
        image, size = model.decode(z), model.decode_size(z.abs())
        answer = probe("decode", sizes=model.sizes, z=z, first=first, train=train, **model.as_dtype(torch.float64))
        wrong_means, wrong_logvars = wrong_decode(image)
        own, what, unit = own_hint(answer.facts["own"]) or short, "the likelihood's mean", answer.unit
        expect_close(answer["mean"], image, what, unit=unit, size=size, known=wrong_means, hint=own)
        one, what = torch.ones_like(image), "the likelihood's logvar"
        hint = own or "p(x|z) has unit variance: what is the logarithm of one, and what does logvar=None mean?"
        expect_shape(answer["logvar"], tuple(image.shape), what, LIKE_THE_MEAN)
        expect_close(answer["logvar"], 0 * one, what, unit=unit, size=one, known=wrong_logvars, hint=hint)
        for name in ("std", "var"):
            expect_close(answer[name], one, f"the likelihood's {name}", unit=unit, hint=hint)
        expect_unchanged(answer.facts["changed"], "decode()")
    sets = three_sets(lambda: {"z": draw.normal(3, known.sizes["z_dim"])})
    tensors = known.as_dtype(torch.float64)
    answer = probe("model_remembered", task="decode", sizes=known.sizes, **sent(sets), **tensors)
    images = [Exact(known.decode(s["z"]), known.decode_size(s["z"].abs()), "the likelihood's mean") for s in sets]
    expect_no_memory(answer, {"mean": images}, answer.unit)


@check("gradient", 20)
def test_gradient(probe: Probe, draw: Draw) -> None:
    """Gradients flow from the likelihood to the decoder and the code"""
    known = random_model(draw)
    z, cotangent = draw.normal(3, known.sizes["z_dim"]), draw.normal(3, *known.image_shape)
    answer = probe("decode", sizes=known.sizes, z=z, cotangent=cotangent, **known.as_dtype(torch.float64))
    size = image_gradients(known.absolute(), z.abs(), cotangent.abs())
    for name, gradient in image_gradients(known, z, cotangent).items():
        what = f"d image / d {name.replace('_', ' ')}"
        expect_gradient(answer, f"grad_{name}", gradient, what, unit=answer.unit, size=size[name])
