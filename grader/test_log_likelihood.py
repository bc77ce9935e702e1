"""Task `log_likelihood`: the importance-sampled estimate of log p(x)."""

import math
from functools import partial

import pytest
import torch

from grader.grading.probe import Probe
from grader.judge import oracles, sizes
from grader.judge.answer import Answer
from grader.judge.check import check, fail, pictured
from grader.judge.expect import (
    Bound,
    Recover,
    expect_close,
    expect_switched_back,
    expect_unchanged,
    expect_varies,
    fail_as,
    own_parts,
)
from grader.judge.inputs import Draw, single
from grader.judge.known_models import (
    KnownModel,
    inflated_bounds,
    log_densities,
    log_weight_size,
    single_weight_bound,
    single_weight_distance,
    true_posterior_model,
    typical_codes,
)
from grader.judge.memory import Exact, expect_no_memory, sent, three_sets
from grader.judge.misconceptions import Misconception, by_id, right_only, short_axis
from grader.judge.normality import ks_distance
from grader.judge.pictures import histogram
from grader.judge.recover_likelihood import miscounted
from grader.judge.recover_models import of_model
from grader.judge.result import Histogram
from grader.judge.tolerances import SAME_ESTIMATE, UNIT_LOG_WEIGHT

pytestmark = pytest.mark.log_likelihood

DENSITIES = "Each weight is p(x|z) p(z) / q(z|x). Is each of the three densities there, with the right sign?"
ONE_MEAN = "If the K weights are right: take one mean over all K, then the logarithm, also when you work in chunks."
NEW_CODES = "Are the K weights averaged, and is a new code drawn from the posterior for each?"


def exact_log_likelihood(known: KnownModel, x: torch.Tensor) -> torch.Tensor:
    """Return log p(x) of a linear model, (B,), in nats."""
    return oracles.linear_log_likelihood(x.flatten(1), known.tensors["decoder_weight"], known.tensors["decoder_bias"])


def known_model(draw: Draw, *, inflation: float = 1.0, gain: float = 3.0, **sizes_of: int) -> KnownModel:
    """Return a model whose posterior is known, with parameters that float32 holds."""
    return true_posterior_model(draw, inflation=inflation, gain=gain, **sizes_of).single()


def images_of(known: KnownModel, draw: Draw, batch: int) -> torch.Tensor:
    """Return images drawn from the model itself: codes from the prior, decoded, with unit noise."""
    z = draw.normal(batch, known.sizes["z_dim"])
    return single(known.decode(z) + draw.normal(batch, *known.image_shape))


def codes_of(answer: Answer, known: KnownModel) -> torch.Tensor:
    """Return the distinct codes that went through the decoder, (n, z); n is 0 if none could be observed."""
    z_dim = known.sizes["z_dim"]
    if "codes" not in answer:
        return torch.empty(0, z_dim, dtype=torch.float64)
    codes = answer.tensor("codes", ("n", z_dim), "the codes that were decoded", finite=True)
    return torch.unique(codes.double(), dim=0)


def noise_of_codes(known: KnownModel, x: torch.Tensor, codes: torch.Tensor) -> Histogram | None:
    """Return a picture of the noise of an image's codes, if codes of its posterior rarely have such noise; else None.

    It is for the eye only: a wrong estimate of right codes gets such a picture with a probability of 1e-4.
    """
    noise = ((codes - known.head("mean", x)) / (0.5 * known.head("logvar", x)).exp()).flatten()
    usual = math.sqrt(math.log(2 / 1e-4) / (2 * max(1, len(noise))))  # Dvoretzky, Kiefer and Wolfowitz
    return histogram(noise) if len(noise) and ks_distance(noise.sort().values) > usual else None


def estimate(known: KnownModel, x: torch.Tensor, samples: int) -> Exact:
    """Return log p(x), which the logarithm of every weight equals if the encoder gives the true posterior."""
    exact, size = exact_log_likelihood(known, x), log_weight_size(known, x, typical_codes(known, x))
    return Exact(exact, sizes.log_mean(size, exact, samples), f"log_likelihood(x, K={samples})")


def expect_estimate(
    answer: Answer,
    known: KnownModel,
    x: torch.Tensor,
    samples: int,
    recover: Recover,
    otherwise: Misconception | None = None,
) -> None:
    """Demand log p(x); for a single image, the codes that were decoded are counted."""
    exact, count, draws = estimate(known, x, samples), None, None
    if len(x) == 1:
        codes = codes_of(answer, known)
        count, draws = miscounted(known, x, codes, samples), partial(noise_of_codes, known, x, codes)
    with pictured(draws):
        expect_log_likelihood(answer, known, exact, DENSITIES, recover, otherwise=count or otherwise)


def expect_mean_of_weights(answer: Answer, known: KnownModel, x: torch.Tensor, samples: int, recover: Recover) -> None:
    """Demand the log of the mean weight of the codes that were decoded for one image, if they could be observed."""
    codes = codes_of(answer, known)
    if (found := miscounted(known, x, codes, samples)) and len(codes) < samples:
        decoded = "only 1 distinct code was" if len(codes) == 1 else f"only {len(codes)} distinct codes were"
        fail(f"{samples} codes for one image, as K asks", f"{decoded} decoded", found=found)
    if len(codes) != samples:  # none was observed, or some were decoded for another purpose
        return
    log_x, log_p, log_q = log_densities(known, x, codes)
    logs = log_x + log_p - log_q
    value = logs.logsumexp(dim=0, keepdim=True) - math.log(samples)
    of_each = log_weight_size(known, x.expand(samples, -1, -1, -1), codes)
    size = (torch.softmax(logs, dim=0) * of_each).sum().reshape(1)  # a weight counts as much as it adds to the mean
    exact = Exact(value, sizes.log_mean(size, value, samples), f"the log of the mean of {samples} weights")
    with pictured(partial(noise_of_codes, known, x, codes)):
        expect_log_likelihood(answer, known, exact, ONE_MEAN, recover)


def expect_log_likelihood(
    answer: Answer,
    known: KnownModel,
    exact: Exact,
    hint: str,
    recover: Recover,
    otherwise: Misconception | None = None,
) -> None:
    """Demand an exact value."""
    if not bool(answer.tensor("value_0", exact.value.shape, exact.what, otherwise=otherwise).isfinite().all()):
        otherwise = by_id("log_likelihood_underflow")
    highest = -0.5 * math.prod(known.image_shape) * math.log(2 * math.pi)
    why = f"a log-likelihood is never above -D/2 log(2 pi) = {highest:.1f}"
    expect_close(
        answer,
        "value_0",
        exact.value,
        exact.what,
        unit=UNIT_LOG_WEIGHT,
        size=exact.size,
        hint=hint,
        otherwise=otherwise,
        recover=recover,
        bound=Bound(why, high=highest),
    )


def one_image_often(draw: Draw) -> tuple[KnownModel, torch.Tensor]:
    """Return a model of inflated posterior (c = 2, z = 2), and one image of it, 128 times."""
    known = known_model(draw, inflation=2.0, z_dim=2, gain=2.0, in_channels=1)
    return known, images_of(known, draw, 1).repeat(128, 1, 1, 1)


@check("shape", 15)
def test_one_number_per_image(probe: Probe, draw: Draw) -> None:
    """log_likelihood(x, K) returns one number per image, (B,), for any B and K"""
    known = known_model(draw)
    for batch, samples in [(3, 5), (2, None), (1, 7), (4, 1), (1, 1)]:
        x = images_of(known, draw, batch).float()
        train, tensors = batch > 1, known.as_dtype(torch.float32)
        answer = probe("log_likelihood", sizes=known.sizes, x=x, K=samples, train=train, **tensors)
        expect_switched_back(answer, "log_likelihood()")
        short = short_axis((batch, samples or 0))
        value = answer.tensor("value_0", (batch,), "log_likelihood", dtype=torch.float32, otherwise=short)
        expect_varies(value, "a log-likelihood")


@check("value", 25)
def test_exact_where_weights_agree(probe: Probe, draw: Draw) -> None:
    """If the encoder gives the true posterior, every weight equals p(x), and the estimate is exact for every K"""
    usual = known_model(draw, gain=10.0)  # so that no density is close to 1 by accident
    narrow = known_model(draw, gain=1000.0)  # posteriors of standard deviation 0.001
    short = [known_model(draw, gain=10.0, **sizes_of) for sizes_of in ({"in_channels": 1}, {"z_dim": 1})]
    shortest = known_model(draw, gain=10.0, in_channels=1, z_dim=1)
    # A single image first, to separate wrong formulas from mistakes with batches. Some K are just above chunk sizes.
    for known, batch, samples, train, kind in [
        *((usual, 1, samples, False, None) for samples in (7, 1, 19, 257, 513, 1001)),
        (usual, 4, 19, False, by_id("log_likelihood_batch")),
        (usual, 3, 3, True, right_only("in_eval")),
        (narrow, 1, 5, False, right_only("moderate")),
        *((each, 3, 2, False, right_only("longer_axes")) for each in short),
        (usual, 3, 1, False, right_only("longer_axes")),
        (shortest, 1, 1, False, right_only("longer_axes")),
    ]:
        x, first = images_of(known, draw, batch), images_of(known, draw, 2).float()
        if batch > 1:
            x[-1] *= 6  # an image that differs much from the others: each must be estimated on its own
            x = single(x)
        answer = probe(
            "log_likelihood",
            sizes=known.sizes,
            x=x.float(),
            K=samples,
            first=first,
            train=train,
            **known.as_dtype(torch.float32),
        )
        expect_unchanged(answer, "log_likelihood()")
        recover = partial(of_model, "log_likelihood", "", probe.attempt, draw, train)
        expect_estimate(answer, known, x, samples, recover, own_parts(answer) or kind)
    sets = three_sets(lambda: {"x": images_of(usual, draw, 2)})
    tensors, arguments = sent(sets, torch.float32) | usual.as_dtype(torch.float32), {"K": 3}
    answer = probe("model_remembered", task="log_likelihood", sizes=usual.sizes, arguments=arguments, **tensors)
    expect_no_memory(answer, {"value": [estimate(usual, each["x"], 3) for each in sets]}, UNIT_LOG_WEIGHT)


@check("value", 20)
def test_no_underflow(probe: Probe, draw: Draw) -> None:
    """The estimate is exact for densities below exp(-2800), as images of 3 x 32 x 32 pixels have"""
    large = known_model(draw, gain=1.0, input_size=32, z_dim=24)  # densities of codes are far below 1 too
    many = known_model(draw, gain=30.0, z_dim=48)  # the product of 48 standard deviations underflows in float32
    for known, batch in ((large, 1), (large, 2), (many, 1)):
        x = images_of(known, draw, batch)
        answer = probe("log_likelihood", sizes=known.sizes, x=x.float(), K=5, **known.as_dtype(torch.float32))
        value = answer.tensor("value_0", (batch,), "log_likelihood")
        if not bool(torch.isfinite(value).all()):
            found, exact = by_id("log_likelihood_underflow"), float(exact_log_likelihood(known, x)[0])
            got = ", ".join(f"{each:.1f}" for each in value.tolist())
            fail(f"log_likelihood = {exact:.1f}", got, found=found)
        recover = partial(of_model, "log_likelihood", "", probe.attempt, draw)
        expect_estimate(answer, known, x, 5, recover, by_id("log_likelihood_batch") if batch > 1 else None)


@check("value", 20)
def test_log_of_the_mean_weight(probe: Probe, draw: Draw) -> None:
    """If the posterior is too wide, the estimate is the logarithm of the mean of K new weights"""
    # The weights differ by tens of nats. Their mean is known exactly from the codes that went through the decoder.
    wide = known_model(draw, inflation=16.0, z_dim=8, gain=2.0, in_channels=1)
    wider = known_model(draw, inflation=64.0, z_dim=32, gain=1.0, in_channels=1)  # variances of 32, and 32 of them
    for known, samples in ((wide, 19), (wide, 257), (wide, 2053), (wider, 19)):
        x = images_of(known, draw, 1)
        answer = probe("log_likelihood", sizes=known.sizes, x=x.float(), K=samples, **known.as_dtype(torch.float32))
        answer.tensor("value_0", (1,), "log_likelihood")
        expect_mean_of_weights(answer, known, x, samples, partial(of_model, "log_likelihood", "", probe.attempt, draw))
    # Bounded weights: the mean of many of them must be close to p(x), for any codes.
    factor, z_dim = 2.0, 2
    known = known_model(draw, inflation=factor, z_dim=z_dim, gain=4.0, in_channels=1)
    x = images_of(known, draw, 2).repeat_interleave(2, dim=0)
    for samples, train in [(2000, False), (600, True)]:
        answer = probe(
            "log_likelihood", sizes=known.sizes, x=x.float(), K=samples, train=train, **known.as_dtype(torch.float32)
        )
        value = answer.tensor("value_0", (len(x),), "log_likelihood", finite=True).double()
        excess = value - exact_log_likelihood(known, x)
        low, high = inflated_bounds(factor, z_dim, samples)
        if not bool(((excess >= low - 0.01) & (excess <= high + 0.01)).all()):
            fail_as(
                of_model("log_likelihood", "", probe.attempt, draw, train),
                right_only("in_eval") if train else None,
                f"log_likelihood(x, K={samples}) - log p(x) between {low:.3f} and {high:.3f} nats",
                f"{float(excess[excess.abs().argmax()]):+.3f} nats",
                hint=NEW_CODES,
            )


@check("value", 15)
def test_one_weight(probe: Probe, draw: Draw) -> None:
    """With K = 1, the estimate is the logarithm of a single weight, with a separate code for each image"""
    known, x = one_image_often(draw)
    answer = probe("log_likelihood", sizes=known.sizes, x=x.float(), K=1, **known.as_dtype(torch.float32))
    value = answer.tensor("value_0", (len(x),), "log_likelihood", finite=True).double()
    excess = value - exact_log_likelihood(known, x)
    distance, bound = single_weight_distance(excess), single_weight_bound(len(x))
    if not distance <= bound:
        fail(
            f"{len(x)} weights distributed like those of new codes: Kolmogorov-Smirnov distance at most {bound:.2f}",
            f"{distance:.2f}",
            hint="With K = 1, the mean is a single weight. Does each image get its own code, with its own noise?",
            draws=partial(noise_of_codes, known, x[:1], codes_of(answer, known)),
        )


@check("statistics", 5)
def test_every_call_is_fresh(probe: Probe, draw: Draw) -> None:
    """Each call draws new codes"""
    known, x = one_image_often(draw)
    answer = probe("log_likelihood", sizes=known.sizes, x=x.float(), K=3, calls=2, **known.as_dtype(torch.float32))
    one, other = (answer.tensor(f"value_{i}", (len(x),), "log_likelihood", finite=True) for i in (0, 1))
    if not float((one - other).abs().max()) > SAME_ESTIMATE:
        found = by_id("noise_not_fresh")
        fail("different estimates from two calls", "the same estimates twice", found=found)
    probe.note_devices("log_likelihood", sizes=known.sizes, x=x[:3].float(), K=3, **known.as_dtype(torch.float32))
