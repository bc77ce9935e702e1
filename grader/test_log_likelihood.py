"""Task `log_likelihood`: the importance-sampled estimate of log p(x)."""

from functools import partial

import pytest
import torch

from grader.grading import Probe
from grader.judge import oracles
from grader.judge.check import check, fail
from grader.judge.draw import Draw
from grader.judge.expect import expect_close, expect_dtype, expect_shape, expect_unchanged, expect_varies
from grader.judge.importance import inflated_bounds, single_weight_bound, single_weight_distance
from grader.judge.known import KnownModel, true_posterior_model
from grader.judge.misconceptions import by_id, diagnose_log_likelihood, wrong_log_likelihood

pytestmark = pytest.mark.log_likelihood


def exact_log_likelihood(known: KnownModel, x: torch.Tensor) -> torch.Tensor:
    """Return log p(x) of a linear model, (B,), in nats."""
    return oracles.linear_log_likelihood(x.flatten(1), known.tensors["decoder_weight"], known.tensors["decoder_bias"])


def images_of(known: KnownModel, draw: Draw, batch: int) -> torch.Tensor:
    """Return images drawn from the model itself: codes from the prior, decoded, with unit noise."""
    z = draw.normal(batch, known.sizes["z_dim"])
    return known.decode(z) + draw.normal(batch, *known.image_shape)


def one_image_often(draw: Draw) -> tuple[KnownModel, torch.Tensor]:
    """Return a model of inflated posterior (c = 2, z = 2), and one image of it, 128 times."""
    known = true_posterior_model(draw, inflation=2.0, z_dim=2, gain=2.0, in_channels=1)
    return known, images_of(known, draw, 1).repeat(128, 1, 1, 1)


@check("shape", 15)
def test_one_number_per_image(probe: Probe, draw: Draw) -> None:
    """log_likelihood(x, K) returns one number per image, (B,), for any B and K"""
    known = true_posterior_model(draw)
    for batch, samples in [(1, 1), (1, 7), (4, 1), (3, 5), (2, None)]:
        x = images_of(known, draw, batch).float()
        answer = probe("log_likelihood", sizes=known.sizes, x=x, K=samples, **known.as_dtype(torch.float32))
        expect_shape(answer["value_0"], (batch,), "log_likelihood")
        expect_dtype(answer["value_0"], torch.float32, "log_likelihood")
        expect_varies(answer["value_0"], "a log-likelihood")


@check("value", 25)
def test_exact_where_weights_agree(probe: Probe, draw: Draw) -> None:
    """Where the encoder is the true posterior, every weight is p(x): the estimate is exact for every K"""
    known = true_posterior_model(draw, gain=10.0)  # so that no density is near 1 by accident
    for batch, samples, train in [(4, 30, False), (1, 1, False), (3, 1, False), (1, 1103, False), (2, 6, True)]:
        x, first = images_of(known, draw, batch), images_of(known, draw, 2).float()
        x[-1] *= 6  # an image far from the others: each must be estimated on its own
        answer = probe(
            "log_likelihood",
            sizes=known.sizes,
            x=x.float(),
            K=samples,
            first=first,
            train=train,
            **known.as_dtype(torch.float32),
        )
        expect_unchanged(answer.facts["changed"], "log_likelihood()")
        exact = exact_log_likelihood(known, x)
        value = answer["value_0"].double()
        expect_shape(value, (batch,), "log_likelihood")
        # float32 sums of D = 768 terms: measured 4e-4 nats; the smallest misconception costs a tenth of a nat.
        expect_close(
            value,
            exact,
            f"log p(x) with K = {samples}",
            rtol=1e-5,
            atol=0.02,
            known=wrong_log_likelihood(exact, samples),
            hint="each weight is p(x|z) p(z) / q(z|x): is each of the three densities there, with its own sign?",
            explain=partial(diagnose_log_likelihood, value, known, x, samples, draw),
        )


@check("value", 20)
def test_no_underflow(probe: Probe, draw: Draw) -> None:
    """Images of 3 x 32 x 32 pixels have densities below exp(-2800): the estimate stays exact"""
    known = true_posterior_model(draw, input_size=32)
    x = images_of(known, draw, 2)
    answer = probe("log_likelihood", sizes=known.sizes, x=x.float(), K=5, **known.as_dtype(torch.float32))
    value, exact = answer["value_0"], exact_log_likelihood(known, x)
    expect_shape(value, (2,), "log_likelihood")
    if not bool(torch.isfinite(value).all()):
        misconception = by_id("log_likelihood_underflow")
        fail(
            f"log p(x) = {float(exact[0]):.1f}",
            f"{value.tolist()}",
            hint=misconception.hint,
            diagnosis=misconception.id,
        )
    expect_close(value, exact, "log p(x)", rtol=0.0, atol=0.1, known=wrong_log_likelihood(exact, 5))


@check("value", 20)
def test_log_of_the_mean_weight(probe: Probe, draw: Draw) -> None:
    """With a posterior that is too wide, the estimate is the log of the mean of K fresh weights"""
    factor, z_dim = 2.0, 2
    known = true_posterior_model(draw, inflation=factor, z_dim=z_dim, gain=4.0, in_channels=1)
    x = images_of(known, draw, 2).repeat_interleave(3, dim=0)  # each image three times: its draws must differ
    for samples, train in [(2000, False), (600, True)]:
        answer = probe(
            "log_likelihood", sizes=known.sizes, x=x.float(), K=samples, train=train, **known.as_dtype(torch.float32)
        )
        value = answer["value_0"].double()
        expect_shape(value, (6,), "log_likelihood")
        excess = value - exact_log_likelihood(known, x)
        low, high = inflated_bounds(factor, z_dim, samples)
        if not bool(((excess >= low - 0.01) & (excess <= high + 0.01)).all()):
            found = diagnose_log_likelihood(value, known, x, samples, draw)
            fail(
                f"log p(x) to within [{low:.3f}, {high:.3f}] nats with K = {samples}",
                f"{float(excess[excess.abs().argmax()]):+.3f} nats off",
                hint=found.hint if found else "are the K weights averaged, and is each drawn from the posterior anew?",
                diagnosis=found.id if found else None,
            )


@check("value", 15)
def test_one_weight(probe: Probe, draw: Draw) -> None:
    """With K = 1 the estimate is the logarithm of a single weight, of a code of its own for each image"""
    known, x = one_image_often(draw)
    answer = probe("log_likelihood", sizes=known.sizes, x=x.float(), K=1, **known.as_dtype(torch.float32))
    expect_shape(answer["value_0"], (len(x),), "log_likelihood")
    excess = answer["value_0"].double() - exact_log_likelihood(known, x)
    distance, bound = single_weight_distance(excess), single_weight_bound(len(x))
    if not distance <= bound:
        fail(
            f"log w - log p(x) distributed as log 2 - Exp(1): distance of distributions at most {bound:.2f}",
            f"{distance:.2f}",
            hint="does the estimate use as many weights as K says, and does each code have noise of its own?",
        )


@check("statistics", 5)
def test_every_call_is_fresh(probe: Probe, draw: Draw) -> None:
    """Each call draws codes of its own"""
    known, x = one_image_often(draw)
    answer = probe("log_likelihood", sizes=known.sizes, x=x.float(), K=3, calls=2, **known.as_dtype(torch.float32))
    expect_shape(answer["value_1"], (len(x),), "log_likelihood")
    # Two estimates with 3 weights each differ by some 0.5 nats; that all 128 pairs agree to 2e-3 has no chance.
    if not float((answer["value_0"] - answer["value_1"]).abs().max()) > 2e-3:
        found = by_id("noise_not_fresh")
        fail("two calls that differ", "the same estimates again", hint=found.hint, diagnosis=found.id)
