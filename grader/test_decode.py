"""Task `decode`: codes to likelihoods."""

import pytest
import torch

from grader.grading import Probe
from grader.judge.check import check
from grader.judge.draw import Draw
from grader.judge.expect import (
    expect_close,
    expect_dtype,
    expect_gradient,
    expect_shape,
    expect_switched_back,
    expect_unchanged,
    expect_varies,
    own_hint,
)
from grader.judge.known import random_model
from grader.judge.misconceptions import wrong_decode
from grader.judge.tolerances import ATOL64, RTOL64

pytestmark = pytest.mark.decode

LIKE_THE_MEAN = "the log-variances are shaped like the mean, one for each pixel"


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
    for batch, train in [(1, False), (4, False), (3, True)]:
        z, first = draw.normal(batch, known.sizes["z_dim"], scale=5), draw.normal(2, known.sizes["z_dim"])
        image = known.decode(z)
        answer = probe("decode", sizes=known.sizes, z=z, first=first, train=train, **known.as_dtype(torch.float64))
        wrong_means, wrong_logvars = wrong_decode(image)
        own, what = own_hint(answer.facts["own"]), "the likelihood's mean"
        expect_close(answer["mean"], image, what, rtol=RTOL64, atol=ATOL64, known=wrong_means, hint=own)
        zeros, what = torch.zeros_like(image), "the likelihood's logvar"
        hint = own or "p(x|z) has unit variance: what is the logarithm of one, and what does logvar=None mean?"
        expect_shape(answer["logvar"], tuple(image.shape), what, LIKE_THE_MEAN)
        expect_close(answer["logvar"], zeros, what, rtol=0, atol=ATOL64, known=wrong_logvars, hint=hint)
        for name in ("std", "var"):
            expect_close(answer[name], zeros + 1, f"the likelihood's {name}", rtol=0, atol=ATOL64, hint=hint)
        expect_unchanged(answer.facts["changed"], "decode()")


@check("gradient", 20)
def test_gradient(probe: Probe, draw: Draw) -> None:
    """Gradients flow from the likelihood to the decoder and the code"""
    known = random_model(draw)
    z, cotangent = draw.normal(3, known.sizes["z_dim"]), draw.normal(3, *known.image_shape)
    answer = probe("decode", sizes=known.sizes, z=z, cotangent=cotangent, **known.as_dtype(torch.float64))
    flat = cotangent.flatten(1)
    exact = {"z": flat @ known.tensors["decoder_weight"], "decoder_weight": flat.T @ z}
    for name, gradient in exact.items():
        what = f"d image / d {name.replace('_', ' ')}"
        expect_gradient(answer, f"grad_{name}", gradient, what, rtol=RTOL64, atol=ATOL64)
