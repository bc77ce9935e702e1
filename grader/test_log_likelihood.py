"""Task `log_likelihood`: the importance-sampled estimate of log p(x)."""

import math
from functools import partial

import pytest
import torch

from grader.grading import Answer, Probe
from grader.judge import oracles
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
from grader.judge.importance import inflated_bounds, single_weight_bound, single_weight_distance
from grader.judge.known import KnownModel, true_posterior_model
from grader.judge.misconceptions import by_id, log_densities, match, miscounted, wrong_log_likelihood

pytestmark = pytest.mark.log_likelihood

DENSITIES = "each weight is p(x|z) p(z) / q(z|x): is each of the three densities there, with its own sign?"
ONE_MEAN = "if the weights are right: is it the logarithm of one mean over all K of them, whatever the chunks?"
NARROW = "wider posteriors came out right: is a variance or its logarithm clamped, or an epsilon added, on the way?"
BATCH = "one image alone came out right: are codes, images and weights of the same image kept together?"

# Narrower than what a check allows: of a dozen wrong numbers one is easily met by chance.
CLOSE_ENOUGH = {"rtol": 1e-6, "atol": 2e-3}


def exact_log_likelihood(known: KnownModel, x: torch.Tensor) -> torch.Tensor:
    """Return log p(x) of a linear model, (B,), in nats."""
    return oracles.linear_log_likelihood(x.flatten(1), known.tensors["decoder_weight"], known.tensors["decoder_bias"])


def images_of(known: KnownModel, draw: Draw, batch: int) -> torch.Tensor:
    """Return images drawn from the model itself: codes from the prior, decoded, with unit noise."""
    z = draw.normal(batch, known.sizes["z_dim"])
    return known.decode(z) + draw.normal(batch, *known.image_shape)


def codes_of(answer: Answer) -> torch.Tensor:
    """Return the codes that went through the decoder, (n, z), each once."""
    return torch.unique(answer["codes"].double(), dim=0)


def expect_estimate(
    answer: Answer, known: KnownModel, x: torch.Tensor, samples: int, *, rtol: float, atol: float, hint: str
) -> None:
    """Demand log p(x) itself, where every weight equals it; one image alone tells which formula came instead."""
    exact, codes = exact_log_likelihood(known, x), codes_of(answer)
    wrong, count = [(by_id("log_likelihood_averaged"), exact.mean().expand_as(exact))], None
    if len(x) == 1:
        wrong, count = wrong_log_likelihood(known, x, codes, samples), miscounted(known, x, codes, samples)
    what = f"log p(x) with K = {samples}"
    explain = partial(match, answer["value_0"].double(), wrong, **CLOSE_ENOUGH)
    expect_close(answer["value_0"], exact, what, rtol=rtol, atol=atol, hint=hint, explain=explain, otherwise=count)


def expect_mean_of_weights(answer: Answer, known: KnownModel, x: torch.Tensor, samples: int) -> None:
    """Demand the log of the mean weight of the very codes that were decoded for one image, if they could be seen."""
    codes = codes_of(answer)
    if (found := miscounted(known, x, codes, samples)) and len(codes) < samples:
        expected, actual = f"{samples} codes of one image, with K = {samples}", f"{len(codes)} were decoded"
        fail(expected, actual, hint=found.hint, diagnosis=found.id)
    if len(codes) != samples:  # none was seen, or some were decoded for another purpose
        return
    log_x, log_p, log_q = log_densities(known, x, codes)
    exact = (log_x + log_p - log_q).logsumexp(dim=0, keepdim=True) - math.log(samples)
    what = f"the log of the mean of {samples} weights"
    wrong = wrong_log_likelihood(known, x, codes, samples)
    explain = partial(match, answer["value_0"].double(), wrong, **CLOSE_ENOUGH)
    expect_close(answer["value_0"], exact, what, rtol=1e-5, atol=0.01, hint=ONE_MEAN, explain=explain)


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
        train, tensors = batch > 1, known.as_dtype(torch.float32)
        answer = probe("log_likelihood", sizes=known.sizes, x=x, K=samples, train=train, **tensors)
        expect_switched_back(answer.facts["left"], "log_likelihood()")
        expect_shape(answer["value_0"], (batch,), "log_likelihood")
        expect_dtype(answer["value_0"], torch.float32, "log_likelihood")
        expect_varies(answer["value_0"], "a log-likelihood")


@check("value", 25)
def test_exact_where_weights_agree(probe: Probe, draw: Draw) -> None:
    """Where the encoder is the true posterior, every weight is p(x): the estimate is exact for every K"""
    usual = true_posterior_model(draw, gain=10.0)  # so that no density is near 1 by accident
    narrow = true_posterior_model(draw, gain=1000.0)  # posteriors of standard deviation 0.001
    # One image first: it tells the formula from what happens to a batch. K just beyond common sizes of chunks.
    for known, batch, samples, train, hint in [
        *((usual, 1, samples, False, DENSITIES) for samples in (7, 1, 19, 257, 513, 1001)),
        (usual, 4, 19, False, BATCH),
        (usual, 3, 3, True, BATCH),
        (narrow, 1, 5, False, NARROW),
    ]:
        x, first = images_of(known, draw, batch), images_of(known, draw, 2).float()
        if batch > 1:
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
        # float32 sums: measured 4e-3 nats at most, by a running sum of 2,000 weights.
        hint = own_hint(answer.facts["own"]) or hint
        expect_estimate(answer, known, x, samples, rtol=1e-5, atol=0.02, hint=hint)


@check("value", 20)
def test_no_underflow(probe: Probe, draw: Draw) -> None:
    """Images of 3 x 32 x 32 pixels have densities below exp(-2800): the estimate stays exact"""
    known = true_posterior_model(draw, gain=1.0, input_size=32, z_dim=24)  # densities of codes are far below 1 too
    for batch in (1, 2):
        x = images_of(known, draw, batch)
        answer = probe("log_likelihood", sizes=known.sizes, x=x.float(), K=5, **known.as_dtype(torch.float32))
        value = answer["value_0"]
        expect_shape(value, (batch,), "log_likelihood")
        if not bool(torch.isfinite(value).all()):
            found, exact = by_id("log_likelihood_underflow"), float(exact_log_likelihood(known, x)[0])
            fail(f"log p(x) = {exact:.1f}", f"{value.tolist()}", hint=found.hint, diagnosis=found.id)
        expect_estimate(answer, known, x, 5, rtol=0.0, atol=0.1, hint=BATCH if batch > 1 else DENSITIES)


@check("value", 20)
def test_log_of_the_mean_weight(probe: Probe, draw: Draw) -> None:
    """With a posterior that is too wide, the estimate is the log of the mean of K fresh weights"""
    # Weights that differ by tens of nats, and the codes that went through the decoder: their mean is known exactly.
    known = true_posterior_model(draw, inflation=16.0, z_dim=8, gain=2.0, in_channels=1)
    for samples in (19, 257, 1001):
        x = images_of(known, draw, 1)
        answer = probe("log_likelihood", sizes=known.sizes, x=x.float(), K=samples, **known.as_dtype(torch.float32))
        expect_shape(answer["value_0"], (1,), "log_likelihood")
        expect_mean_of_weights(answer, known, x, samples)
    # Bounded weights: the mean of many must lie close to p(x), whatever the codes were.
    factor, z_dim = 2.0, 2
    known = true_posterior_model(draw, inflation=factor, z_dim=z_dim, gain=4.0, in_channels=1)
    x = images_of(known, draw, 2).repeat_interleave(2, dim=0)
    for samples, train in [(2000, False), (600, True)]:
        answer = probe(
            "log_likelihood", sizes=known.sizes, x=x.float(), K=samples, train=train, **known.as_dtype(torch.float32)
        )
        value = answer["value_0"].double()
        expect_shape(value, (len(x),), "log_likelihood")
        excess = value - exact_log_likelihood(known, x)
        low, high = inflated_bounds(factor, z_dim, samples)
        if not bool(((excess >= low - 0.01) & (excess <= high + 0.01)).all()):
            fail(
                f"log p(x) to within [{low:.3f}, {high:.3f}] nats with K = {samples}",
                f"{float(excess[excess.abs().argmax()]):+.3f} nats off",
                hint="are the K weights averaged, and is each drawn from the posterior anew?",
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
            f"{len(x)} weights spread as weights of fresh codes do: distributions at most {bound:.2f} apart",
            f"{distance:.2f}",
            hint="with K = 1 one whole weight is left: is it that of one code, with noise of its own for each image?",
        )


@check("statistics", 5)
def test_every_call_is_fresh(probe: Probe, draw: Draw) -> None:
    """Each call draws codes of its own"""
    known, x = one_image_often(draw)
    answer = probe("log_likelihood", sizes=known.sizes, x=x.float(), K=3, calls=2, **known.as_dtype(torch.float32))
    for call in ("value_0", "value_1"):
        expect_shape(answer[call], (len(x),), "log_likelihood")
        expect_finite(answer[call], "log_likelihood")
    # Two estimates with 3 weights each differ by some 0.5 nats; that all 128 pairs agree to 2e-3 has no chance.
    if not float((answer["value_0"] - answer["value_1"]).abs().max()) > 2e-3:
        found = by_id("noise_not_fresh")
        fail("two calls that differ", "the same estimates again", hint=found.hint, diagnosis=found.id)
