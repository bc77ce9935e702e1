"""Task `prior_sample`: images dreamt up from the prior."""

import pytest
import torch

from grader.grading import Probe
from grader.judge.check import check, fail
from grader.judge.draw import Draw
from grader.judge.expect import (
    expect_close,
    expect_dtype,
    expect_finite,
    expect_shape,
    expect_switched_back,
    expect_unchanged,
    expect_varies,
    own_hint,
)
from grader.judge.known import KnownModel, random_model
from grader.judge.misconceptions import Misconception, by_id, wrong_prior_sample
from grader.judge.normality import expect_standard_normal
from grader.judge.tolerances import ATOL32, RTOL32

pytestmark = pytest.mark.prior_sample


def pixel_noise(known: KnownModel, images: torch.Tensor) -> Misconception | None:
    """Return the misconception of drawing pixels, if what no code can explain of each image looks like unit noise."""
    unexplained = (images - known.decode(known.codes(images))).flatten(1)
    centred = unexplained.mean(dim=1).abs() < 0.3  # of 768 pixels: noise has a mean of 0 +- 0.04, a scale of 1 +- 0.03
    unit = (unexplained.std(dim=1) - 1).abs() < 0.2
    return by_id("prior_sample_sampled_pixels") if bool((centred & unit).all()) else None


@check("shape", 20)
def test_shape_and_dtype(probe: Probe, draw: Draw) -> None:
    """sample(batch_size) returns as many different images, (B, C, S, S)"""
    known = random_model(draw)
    for batch in (1, 6):
        train, tensors = batch > 1, known.as_dtype(torch.float32)
        answer = probe("prior_sample", sizes=known.sizes, batch_size=batch, train=train, **tensors)
        expect_switched_back(answer.facts["left"], "sample()")
        expect_shape(answer["value_0"], (batch, *known.image_shape), "images")
        expect_dtype(answer["value_0"], torch.float32, "images")
        expect_varies(answer["value_0"], "a sample")


@check("value", 50)
def test_given_noise_is_the_code(probe: Probe, draw: Draw) -> None:
    """sample(batch_size, noise) decodes that noise to the modes of p(x|z)"""
    known = random_model(draw)
    for batch, train in [(1, False), (4, False), (3, True)]:
        z = draw.normal(batch, known.sizes["z_dim"], scale=3)
        answer = probe(
            "prior_sample",
            sizes=known.sizes,
            batch_size=batch,
            noise=z.float(),
            first=draw.normal(2, known.sizes["z_dim"], dtype=torch.float32),
            train=train,
            **known.as_dtype(torch.float32),
        )
        image = known.decode(z)
        expect_unchanged(answer.facts["changed"], "sample()")
        expect_shape(answer["value_0"], tuple(image.shape), "images")
        drawn = pixel_noise(known, answer["value_0"].double())
        wrong = wrong_prior_sample(image, known.decode(0 * z), known.decode(2 * z))
        value, hint = answer["value_0"], own_hint(answer.facts["own"])
        expect_close(value, image, "the image", rtol=RTOL32, atol=ATOL32, known=wrong, hint=hint, otherwise=drawn)
        expect_unchanged(answer.facts["changed"], "sample()")


@check("statistics", 30)
def test_codes_come_from_the_prior(probe: Probe, draw: Draw) -> None:
    """Without given noise, every call decodes fresh codes from the standard normal prior"""
    known = random_model(draw)
    batch = 400
    answer = probe("prior_sample", sizes=known.sizes, batch_size=batch, calls=2, **known.as_dtype(torch.float32))
    codes = []
    for call in (0, 1):
        images = answer[f"value_{call}"]
        expect_shape(images, (batch, *known.image_shape), "images")
        expect_finite(images, "images")
        codes.append(known.codes(images.double()))
        expect_close(
            images,
            known.decode(codes[-1]),
            "a decoded image",
            rtol=RTOL32,
            atol=10 * ATOL32,
            otherwise=pixel_noise(known, images.double()),
        )
        if float((codes[-1] - codes[-1][:1]).abs().max()) < 1e-3:
            found = by_id("prior_sample_same_code")
            fail("images of different codes", "one image again and again", hint=found.hint, diagnosis=found.id)
    expect_standard_normal(torch.stack(codes), "the code of sample()", uniform="prior_sample_uniform_prior")
