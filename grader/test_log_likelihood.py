"""Task `log_likelihood`: the importance-sampled estimate of log p(x)."""

import math

import pytest
import torch

from grader.grading import Probe
from grader.judge import oracles
from grader.judge.check import check, fail
from grader.judge.draw import Draw
from grader.judge.expect import expect_close, expect_dtype, expect_shape, expect_unchanged, expect_varies
from grader.judge.importance import inflated_bounds
from grader.judge.known import KnownModel, true_posterior_model
from grader.judge.misconceptions import by_id, wrong_log_likelihood

pytestmark = pytest.mark.log_likelihood


def exact_log_likelihood(known: KnownModel, x: torch.Tensor) -> torch.Tensor:
    """Return log p(x) of a linear model, (B,), in nats."""
    return oracles.linear_log_likelihood(x.flatten(1), known.tensors["decoder_weight"], known.tensors["decoder_bias"])


def images_of(known: KnownModel, draw: Draw, batch: int) -> torch.Tensor:
    """Return images drawn from the model itself: codes from the prior, decoded, with unit noise."""
    z = draw.normal(batch, known.sizes["z_dim"])
    return known.decode(z) + draw.normal(batch, *known.image_shape)


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


@check("value", 45)
def test_exact_where_weights_agree(probe: Probe, draw: Draw) -> None:
    """Where the encoder is the true posterior, every weight is p(x): the estimate is exact for every K"""
    known = true_posterior_model(draw)
    for batch, samples, train in [(1, 1, False), (3, 1, False), (1, 10, False), (4, 30, False), (2, 6, True)]:
        x = images_of(known, draw, batch)
        answer = probe(
            "log_likelihood", sizes=known.sizes, x=x.float(), K=samples, train=train, **known.as_dtype(torch.float32)
        )
        exact = exact_log_likelihood(known, x)
        # float32 sums of D = 768 terms: measured 4e-4 nats; the smallest misconception costs a tenth of a nat.
        expect_close(
            answer["value_0"],
            exact,
            f"log p(x) with K = {samples}",
            rtol=0.0,
            atol=0.02,
            known=wrong_log_likelihood(exact, samples),
            hint="each weight is p(x|z) p(z) / q(z|x): is each of the three densities there, with its own sign?",
        )
        expect_unchanged(answer.facts["changed"], "log_likelihood()")


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


@check("statistics", 20)
def test_log_of_the_mean_weight(probe: Probe, draw: Draw) -> None:
    """With a posterior that is too wide, the estimate is the log of the mean weight, not the mean log weight"""
    factor, z_dim, samples = 2.0, 2, 4000
    known = true_posterior_model(draw, inflation=factor, z_dim=z_dim, gain=2.0)
    x = images_of(known, draw, 2)
    answer = probe("log_likelihood", sizes=known.sizes, x=x.float(), K=samples, **known.as_dtype(torch.float32))
    exact = exact_log_likelihood(known, x)
    expect_shape(answer["value_0"], (2,), "log_likelihood")
    excess = answer["value_0"].double() - exact
    low, high = inflated_bounds(factor, z_dim, samples)
    if not bool(((excess >= low - 0.02) & (excess <= high + 0.02)).all()):
        worst = float(excess[excess.abs().argmax()])
        elbo_gap = oracles.elbo_gap_of_inflation(factor, z_dim)
        is_elbo = abs(worst + elbo_gap) < 0.1
        is_max = abs(worst - 0.5 * z_dim * math.log(factor)) < 0.05
        misconception = (
            by_id("log_likelihood_elbo") if is_elbo else by_id("log_likelihood_best_weight") if is_max else None
        )
        fail(
            f"log p(x) to within [{low:.3f}, {high:.3f}] nats with K = {samples}",
            f"{worst:+.3f} nats off",
            hint=misconception.hint if misconception else "are the K weights averaged, and drawn from the posterior?",
            diagnosis=misconception.id if misconception else None,
        )
