"""Task `prior_sample`: images generated from the prior."""

from functools import partial

import pytest
import torch

from grader.grading.probe import Probe
from grader.judge.check import check, fail, pictured
from grader.judge.expect import (
    expect_close,
    expect_switched_back,
    expect_unchanged,
    expect_varies,
    own_parts,
)
from grader.judge.inputs import MANY_ROWS, Draw
from grader.judge.known_models import random_model, short_axes
from grader.judge.memory import Exact, expect_no_memory, sent, three_sets
from grader.judge.misconceptions import by_id, right_only, short_axis
from grader.judge.normality import expect_standard_normal
from grader.judge.pictures import histogram
from grader.judge.recover_models import of_model, pixel_noise
from grader.judge.tolerances import SAME_DRAW

pytestmark = pytest.mark.prior_sample


@check("shape", 20)
def test_shape_and_dtype(probe: Probe, draw: Draw) -> None:
    """sample(batch_size) returns batch_size different images, (B, C, S, S)"""
    known = random_model(draw)
    for batch in (6, 1):
        train, tensors = batch > 1, known.as_dtype(torch.float32)
        answer = probe("prior_sample", sizes=known.sizes, batch_size=batch, train=train, **tensors)
        expect_switched_back(answer, "sample()")
        shape = (batch, *known.image_shape)
        images = answer.tensor("value_0", shape, "images", dtype=torch.float32, otherwise=short_axis(shape))
        expect_varies(images, "a sample")


@check("value", 50)
def test_given_noise_is_the_code(probe: Probe, draw: Draw) -> None:
    """sample(batch_size, noise) takes the noise as codes and returns the modes of p(x|z)"""
    known = random_model(draw)
    for model, batch, train, kind in [
        (known, 1, False, None),
        (known, 4, False, right_only("alone")),
        (known, 3, True, right_only("in_eval")),
        (known, MANY_ROWS, False, right_only("in_small_batches")),
        *((small, batch, False, right_only("longer_axes")) for small, batch in short_axes(draw)),
    ]:
        z = draw.normal(batch, model.sizes["z_dim"], scale=3)
        answer = probe(
            "prior_sample",
            sizes=model.sizes,
            batch_size=batch,
            noise=z.float(),
            first=draw.normal(2, model.sizes["z_dim"], dtype=torch.float32),
            train=train,
            **model.as_dtype(torch.float32),
        )
        image, size = model.decode(z), model.decode_size(z.abs())
        expect_unchanged(answer, "sample()")
        otherwise = own_parts(answer) or kind
        recover = partial(of_model, "prior_sample", "image", probe.attempt, draw, train)
        expect_close(answer, "value_0", image, "the image", size=size, otherwise=otherwise, recover=recover)
    sets = three_sets(lambda: {"noise": draw.normal(3, known.sizes["z_dim"])})
    tensors, arguments = sent(sets, torch.float32) | known.as_dtype(torch.float32), {"batch_size": 3}
    answer = probe("model_remembered", task="prior_sample", sizes=known.sizes, arguments=arguments, **tensors)
    codes = [each["noise"] for each in sets]
    images = [Exact(known.decode(z), known.decode_size(z.abs()), "the image") for z in codes]
    expect_no_memory(answer, {"value": images})


@check("statistics", 30)
def test_codes_come_from_the_prior(probe: Probe, draw: Draw) -> None:
    """Without the noise argument, every call decodes new codes from the standard normal prior"""
    known = random_model(draw)
    batch = 401  # a prime number, so that no size of chunks divides it
    answer = probe("prior_sample", sizes=known.sizes, batch_size=batch, calls=2, **known.as_dtype(torch.float32))
    codes = []
    for call in (0, 1):
        images = answer.tensor(f"value_{call}", (batch, *known.image_shape), "images", finite=True)
        codes.append(known.codes(images.double()))
        expect_close(
            answer,
            f"value_{call}",
            known.decode(codes[-1]),
            "a decoded image",
            unit=10 * answer.unit,  # codes recovered from an image are less exact than codes that were sent
            size=known.decode_size(codes[-1].abs()),
            otherwise=pixel_noise(known, images.double()),
        )
        with pictured(partial(histogram, codes[-1])):
            if float((codes[-1] - codes[-1][:1]).abs().max()) < SAME_DRAW:
                found = by_id("prior_sample_same_code")
                fail("images of different codes", "the same image every time", found=found)
    noise = torch.stack(codes)
    with pictured(partial(histogram, noise)):
        expect_standard_normal(noise, "the code of sample()", uniform="prior_sample_uniform_prior")
    alone = probe("prior_sample", sizes=known.sizes, batch_size=1, calls=6, **known.as_dtype(torch.float32))
    one_image = (1, *known.image_shape)
    singles = torch.cat([alone.tensor(f"value_{i}", one_image, "an image", finite=True).double() for i in range(6)])
    singles = singles.flatten(1)
    if not float(torch.cdist(singles, singles).fill_diagonal_(torch.inf).min()) > SAME_DRAW:
        found = by_id("prior_sample_same_code")
        fail(
            "six different images from six calls of sample(1)",
            "the same image twice",
            found=found,
        )
    probe.note_devices("prior_sample", sizes=known.sizes, batch_size=3, **known.as_dtype(torch.float32))
