"""Tolerances leave nothing to luck: inputs survive float32, and errors stay within the sizes of what is added up."""

import pytest
import torch

from grader.judge import oracles, sizes
from grader.judge.inputs import EXTREMES, MANY_DIMENSIONS, SHORT_AXES, Draw, single
from grader.judge.known_models import KnownModel, log_weight_size, random_model, true_posterior_model, typical_codes
from tests.calibrate import LARGEST_USED, Job, checks, run
from tests.zoo.build import reference, with_answers

ROUND_OFF = 2.0**-24
CASES = [*EXTREMES, *MANY_DIMENSIONS, *SHORT_AXES]
SEEDS = range(20)


def survives(tensor: torch.Tensor) -> bool:
    return torch.equal(tensor, tensor.float().double())


def narrowed(known: KnownModel) -> KnownModel:
    """Return the model in float32: what a student's code computes with."""
    return KnownModel(known.sizes, {name: tensor.float() for name, tensor in known.tensors.items()})


# What crosses between judge and worker is the same number in both dtypes


def test_all_that_is_drawn_survives_float32():
    draw = Draw(3, "test")
    assert survives(draw.normal(1000, scale=0.3))
    assert survives(draw.uniform(-0.7, 1.3, 1000))
    for case in CASES:
        assert all(survives(tensor) for tensor in case.fill(draw))


def test_parameters_of_known_models_survive_float32():
    draw = Draw(3, "test")
    known = random_model(draw, bend=1.0)
    x = draw.uniform(-1, 1, 4, *known.image_shape)
    for model in (known, known.stretched(x, 14.0), true_posterior_model(draw).single()):
        assert {name for name, tensor in model.tensors.items() if not survives(tensor)} == set()


# Errors of float32 are a few round-offs of the size, however much cancels


@pytest.mark.parametrize("seed", SEEDS)
def test_errors_of_the_distribution_stay_within_sizes(seed):
    draw = Draw(seed, "test")
    for case in CASES:
        mean, logvar = case.fill(draw)
        noise = draw.normal(*mean.shape)
        point = single(oracles.sample(mean, logvar, 2 * noise))
        small = [tensor.float() for tensor in (mean, logvar, noise, point)]
        m, v, e, p = small
        terms = (1.8378770664093453 + v + (p - m) ** 2 / v.exp()).sum(1)
        for got, exact, size in (
            (m + (0.5 * v).exp() * e, oracles.sample(mean, logvar, noise), sizes.sample(mean, logvar, noise)),
            (0.5 * (m**2 + v.exp() - 1 - v).sum(1), oracles.kl(mean, logvar), sizes.kl(mean, logvar)),
            (0.5 * terms, oracles.nll(mean, logvar, point, [1]), sizes.nll(mean, logvar, point, [1])),
        ):
            assert float(((got.double() - exact).abs() / size).max()) < 8 * ROUND_OFF


@pytest.mark.parametrize("seed", SEEDS)
def test_errors_of_a_model_stay_within_sizes(seed):
    draw = Draw(seed, "test")
    known = random_model(draw, bend=1.0)
    x, z = draw.uniform(-1, 1, 4, *known.image_shape), draw.normal(4, known.sizes["z_dim"])
    heads = narrowed(known)
    for name in ("mean", "logvar"):
        hidden = x.float().flatten(1) @ heads.tensors["encoder_weight"].T
        got = hidden @ heads.tensors[f"{name}_weight"].T + heads.tensors[f"{name}_bias"]
        off = (got.double() - known.head(name, x)).abs() / known.head_size(name, x)
        assert float(off.max()) < 8 * ROUND_OFF
    flat = z.float() @ heads.tensors["decoder_weight"].T + heads.tensors["decoder_bias"]
    image = (flat + flat.sin()).unflatten(1, known.image_shape)
    off = (image.double() - known.decode(z)).abs() / known.decode_size(z.abs())
    assert float(off.max()) < 8 * ROUND_OFF


def test_a_size_does_not_shrink_where_terms_cancel():
    """The cause of points lost by luck: a tolerance that followed the result, which may be near 0."""
    draw = Draw(1, "test")
    known = random_model(draw)
    x = draw.uniform(-1, 1, 1, *known.image_shape)
    bias = known.tensors["mean_bias"] - known.head("mean", x)[0]
    cancelled = KnownModel(known.sizes, {**known.tensors, "mean_bias": bias})
    assert float(cancelled.head("mean", x).abs().max()) < 1e-12
    assert float(cancelled.head_size("mean", x).min()) > 0.5


def test_gradients_have_sizes_of_their_own():
    draw = Draw(1, "test")
    known = random_model(draw)
    x, noise = draw.uniform(-1, 1, 3, *known.image_shape), draw.normal(3, known.sizes["z_dim"])
    for result in ("reconstruction", "nll", "kl"):
        exact, size = known.loss_gradients(x, noise, result), known.gradient_sizes(x, noise, result)
        for name in exact.keys() - {"decoder_bend"}:
            assert bool((size[name] >= exact[name].abs() * (1 - 1e-9)).all()), (result, name)


def test_a_weight_is_as_exact_as_its_largest_density():
    draw = Draw(1, "test")
    for gain, least in ((3.0, 800.0), (1000.0, 10_000.0)):
        known = true_posterior_model(draw, gain=gain).single()
        x = known.decode(draw.normal(2, known.sizes["z_dim"]))
        size = log_weight_size(known, x, typical_codes(known, x))
        assert bool((size > least).all())


# Right work keeps ten times the room that it uses, and fails with no seed


@pytest.mark.slow
def test_the_reference_keeps_its_headroom():
    ran = run(Job("reference", reference(), range(30), sandbox="in-process"), checks(everything=True))
    assert ran.failed == []
    assert {check: used for check, used in ran.used.items() if used[0] > LARGEST_USED} == {}
    assert sum(used[0] > 0 for used in ran.used.values()) > 15, "comparisons are listened to"


@pytest.mark.slow
def test_the_seed_that_once_cost_right_work_its_points():
    seed = 6905050672011167
    ran = run(Job("reference", reference(), range(seed, seed + 1)), checks(everything=True))
    assert ran.failed == []
    assert max(used[0] for used in ran.used.values()) < LARGEST_USED


@pytest.mark.slow
@pytest.mark.parametrize("last", ["self.layers(z).relu()", "-self.layers(z).relu()"])
def test_channels_that_are_dead_at_first_cost_no_point_in_decoder(last):
    """A last ReLU can make no dark pixel, so `training` fails; what `decoder` says must not depend on first weights."""
    text = with_answers(reference(), {"decoder.forward": f"return {last}"})
    of = [check for check in checks(everything=True) if check.task == "decoder"]
    ran = run(Job("relu", text, range(8), sandbox="in-process"), of)
    assert ran.failed == []
