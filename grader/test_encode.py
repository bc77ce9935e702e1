"""Task `encode`: images to posteriors."""

import pytest
import torch

from grader.grading import Probe
from grader.judge.check import check
from grader.judge.draw import Draw
from grader.judge.expect import (
    ONLY_EXTREMES,
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
from grader.judge.misconceptions import wrong_encode
from grader.judge.tolerances import ATOL64, RTOL64

pytestmark = pytest.mark.encode


@check("shape", 20)
def test_shape_and_dtype(probe: Probe, draw: Draw) -> None:
    """encode() returns a distribution over codes, (B, C, S, S) -> (B, z)"""
    known = random_model(draw)
    for batch in (1, 4):
        for dtype in (torch.float32, torch.float64):
            x = draw.uniform(-1, 1, batch, *known.image_shape, dtype=dtype)
            answer = probe("encode", sizes=known.sizes, x=x, train=batch > 1, **known.as_dtype(dtype))
            expect_switched_back(answer.facts["left"], "encode()")
            for name in ("mean", "logvar"):
                expect_shape(answer[name], (batch, known.sizes["z_dim"]), f"the posterior's {name}")
                expect_dtype(answer[name], dtype, f"the posterior's {name}")
            expect_varies(answer["mean"], "a posterior")


@check("value", 60)
def test_posterior(probe: Probe, draw: Draw) -> None:
    """encode() gives the posterior whose mean and log-variance the two heads predict"""
    tame, wild = random_model(draw), random_model(draw, logvar_scale=16.0)
    for known, batch, train in [(tame, 1, False), (tame, 4, False), (tame, 3, True), (wild, 4, False)]:
        x, first = draw.uniform(-1, 1, batch, *known.image_shape), draw.uniform(-1, 1, 2, *known.image_shape)
        mean, logvar = known.head("mean", x), known.head("logvar", x).clamp(-30, 20)  # as the constructor does
        answer = probe("encode", sizes=known.sizes, x=x, first=first, train=train, **known.as_dtype(torch.float64))
        wrong_means, wrong_logvars = wrong_encode(mean, logvar)
        hint = own_hint(answer.facts["own"]) or (ONLY_EXTREMES if known is wild else "")
        for name, expected, wrong in [("mean", mean, wrong_means), ("logvar", logvar, wrong_logvars)]:
            what = f"the posterior's {name}"
            expect_close(answer[name], expected, what, rtol=RTOL64, atol=ATOL64, known=wrong, hint=hint)
        expect_unchanged(answer.facts["changed"], "encode()")


@check("gradient", 20)
def test_gradient(probe: Probe, draw: Draw) -> None:
    """Gradients flow from the posterior to both heads, the encoder and the image"""
    known = random_model(draw)
    x = draw.uniform(-1, 1, 3, *known.image_shape)
    cotangent = draw.normal(3, known.sizes["z_dim"])
    answer = probe(
        "encode",
        sizes=known.sizes,
        x=x,
        cotangent_mean=cotangent,
        cotangent_logvar=cotangent,
        **known.as_dtype(torch.float64),
    )
    hidden = x.flatten(1) @ known.tensors["encoder_weight"].T
    for head in ("mean", "logvar"):
        to_hidden = cotangent @ known.tensors[f"{head}_weight"]
        exact = {
            f"{head}_weight": cotangent.T @ hidden,
            "encoder_weight": to_hidden.T @ x.flatten(1),
            "x": (to_hidden @ known.tensors["encoder_weight"]).unflatten(1, known.image_shape),
        }
        for name, gradient in exact.items():
            what = f"d {head} / d {name.replace('_', ' ')}"
            expect_gradient(answer, f"{head}_grad_{name}", gradient, what, rtol=RTOL64, atol=ATOL64)
