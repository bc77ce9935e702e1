"""Task `forward`: the three results that training needs."""

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
    expect_close,
    expect_gradient,
    expect_same,
    expect_switched_back,
    expect_unchanged,
    expect_varies,
    own_parts,
)
from grader.judge.inputs import MANY_ROWS, Draw
from grader.judge.known_models import AS_STUDENTS_SAY, KnownModel, random_model, short_axes
from grader.judge.memory import Exact, expect_no_memory, sent, three_sets
from grader.judge.misconceptions import by_id, right_only, short_axis
from grader.judge.normality import expect_standard_normal
from grader.judge.pictures import histogram
from grader.judge.recover_models import of_another_code, of_model
from grader.judge.tolerances import SAME_DRAW, SAME_NOISE

pytestmark = pytest.mark.forward


def results(known: KnownModel, x: torch.Tensor, noise: torch.Tensor) -> dict[str, Exact]:
    """Return what forward() gives for images and noise."""
    mean, logvar = known.head("mean", x), known.head("logvar", x)
    mean_size, logvar_size = known.head_size("mean", x), known.head_size("logvar", x)
    image = known.decode(oracles.sample(mean, logvar, noise))
    image_size = known.decode_size(sizes.sample(mean, logvar, noise, mean_size, logvar_size))
    unit = torch.zeros_like(image)
    nll, nll_size = oracles.nll(image, unit, x, [1, 2, 3]), sizes.nll(image, unit, x, [1, 2, 3], image_size)
    return {
        "reconstruction": Exact(image, image_size, "reconstruction"),
        "nll": Exact(nll, nll_size, "nll"),
        "kl": Exact(oracles.kl(mean, logvar), sizes.kl(mean, logvar, mean_size, logvar_size), "kl"),
    }


def bound_of(result: str, x: torch.Tensor) -> Bound | None:
    """Return the bound of `nll` or `kl` of images, or None for the reconstruction."""
    constant = 0.5 * x[0].numel() * math.log(2 * math.pi)
    return {
        "nll": Bound(f"an nll of unit variance is never below D/2 log(2 pi) = {constant:.1f}", low=constant),
        "kl": Bound("a divergence is never negative", low=0.0),
    }.get(result)


def expect_noise_used(one: torch.Tensor, other: torch.Tensor, known: KnownModel) -> None:
    """Demand that two calls with the same noise agree, so that nothing else is random."""
    off = one.double() - known.decode(known.codes(one.double()))
    found = by_id("forward_sampled_pixels" if float(off.std()) > 0.5 else "forward_noise_ignored")
    expect_same(one, other, "the reconstruction for the same noise", found)


def wrong_order(answer: Answer) -> str:
    """Return the hint for a first result that has not the axes of images; empty if it has."""
    axes = [answer.axes(f"{name}_0") for name in ("reconstruction", "nll", "kl")]
    if axes[0] == 4 or 4 not in axes:
        return ""
    return f"The reconstruction comes first. Your three results have {axes[0]}, {axes[1]} and {axes[2]} axes."


@check("shape", 20)
def test_three_results(probe: Probe, draw: Draw) -> None:
    """forward() returns (reconstruction, nll, kl) with shapes (B, C, S, S), (B,) and (B,)"""
    known = random_model(draw)
    for batch in (4, 1):
        x = draw.uniform(-1, 1, batch, *known.image_shape, dtype=torch.float32)
        answer = probe("forward", sizes=known.sizes, x=x, **known.as_dtype(torch.float32))
        expect_switched_back(answer, "forward()")
        shapes = {"reconstruction": (batch, *known.image_shape), "nll": (batch,), "kl": (batch,)}
        short, order = short_axis((batch,)), wrong_order(answer)
        for name, shape in shapes.items():
            result = answer.tensor(f"{name}_0", shape, name, dtype=torch.float32, hint=order, otherwise=short)
            expect_varies(result, f"a {name}")


@check("value", 40)
def test_values_for_given_noise(probe: Probe, draw: Draw) -> None:
    """forward(x, noise) encodes x, samples with this noise and decodes; nll and kl are those of x"""
    tame, close = random_model(draw), random_model(draw, head_scale=0.03)  # posteriors of order one, and near the prior
    # A product of 64 such variances is beyond float32.
    many = [random_model(draw, z_dim=64, logvar_shift=shift) for shift in (4.0, -4.0)]
    for known, batch, train, largest, kind in [
        (tame, 1, True, None, None),
        (tame, 4, True, None, right_only("alone")),
        (tame, 3, False, None, right_only("in_train")),
        (tame, MANY_ROWS, False, None, right_only("in_small_batches")),
        (tame, 4, True, 14.0, right_only("moderate")),
        (close, 4, True, None, right_only("moderate")),
        *((model, 2, True, None, right_only("few_dimensions")) for model in many),
        *((small, batch, True, None, right_only("longer_axes")) for small, batch in short_axes(draw)),
    ]:
        x, noise = draw.uniform(-1, 1, batch, *known.image_shape), draw.normal(batch, known.sizes["z_dim"])
        known = known.stretched(x, largest) if largest else known
        answer = probe(
            "forward",
            sizes=known.sizes,
            x=x.float(),
            noise=noise.float(),
            first=draw.uniform(-1, 1, 2, *known.image_shape, dtype=torch.float32),
            train=train,
            calls=2,
            **known.as_dtype(torch.float32),
        )
        expect_unchanged(answer, "forward()")
        otherwise = own_parts(answer) or kind
        one, other = (
            answer.tensor(f"reconstruction_{i}", x.shape, "reconstruction", otherwise=otherwise) for i in (0, 1)
        )
        expect_noise_used(one, other, known)
        exact = results(known, x, noise)
        for name, result in exact.items():
            value, size, which = result.value, result.size, f"{name}_0"
            recover = partial(of_model, "forward", name, probe.attempt, draw, train)
            expect_close(
                answer,
                which,
                value,
                name,
                size=size,
                otherwise=otherwise,
                recover=recover,
                bound=bound_of(name, x),
            )
    image_shape, z_dim = tame.image_shape, tame.sizes["z_dim"]
    sets = three_sets(lambda: {"x": draw.uniform(-1, 1, 3, *image_shape), "noise": draw.normal(3, z_dim)})
    tensors = sent(sets, torch.float32) | tame.as_dtype(torch.float32)
    answer = probe("model_remembered", task="forward", sizes=tame.sizes, **tensors)
    exacts = [results(tame, **each) for each in sets]
    expect_no_memory(answer, {name: [each[name] for each in exacts] for name in exacts[0]})


@check("value", 10)
def test_results_belong_together(probe: Probe, draw: Draw) -> None:
    """Without the noise argument, nll belongs to the returned reconstruction, and kl does not depend on the sample"""
    known = random_model(draw)
    for batch, train in [(1, True), (4, True), (4, False)]:
        x = draw.uniform(-1, 1, batch, *known.image_shape)
        answer = probe("forward", sizes=known.sizes, x=x.float(), train=train, **known.as_dtype(torch.float32))
        image = answer.tensor("reconstruction_0", x.shape, "reconstruction", finite=True).double()
        unit = torch.zeros_like(image)
        nll, size = oracles.nll(image, unit, x, [1, 2, 3]), sizes.nll(image, unit, x, [1, 2, 3])
        recover = partial(of_another_code, probe.attempt, draw, train)
        expect_close(answer, "nll_0", nll, "nll of the reconstruction", size=size, recover=recover)
        kl = results(known, x, torch.zeros(batch, known.sizes["z_dim"], dtype=x.dtype))["kl"]
        expect_close(answer, "kl_0", kl.value, "kl", size=kl.size)


@check("gradient", 15)
def test_differentiable_end_to_end(probe: Probe, draw: Draw) -> None:
    """The gradients of the results reach the decoder, both heads and the encoder, and are exact"""
    known = random_model(draw)
    batch = 3
    x, ones = draw.uniform(-1, 1, batch, *known.image_shape), torch.ones(batch, dtype=torch.float32)
    for given in (draw.normal(batch, known.sizes["z_dim"]), None):
        answer = probe(
            "forward",
            sizes=known.sizes,
            x=x.float(),
            noise=None if given is None else given.float(),
            cotangent_reconstruction=torch.ones(x.shape, dtype=torch.float32),
            cotangent_nll=ones,
            cotangent_kl=ones,
            **known.as_dtype(torch.float32),
        )
        # Noise that the submission drew is recovered from the image, which is less exact.
        noise = drawn_noise(known, x, answer, call=0) if given is None else given
        expect_sampled(noise)
        unit = answer.unit if given is not None else 10 * answer.unit
        for result, parameters in {
            "reconstruction": ("decoder_weight", "mean_weight", "logvar_weight", "encoder_weight"),
            "nll": ("decoder_weight", "mean_weight", "logvar_weight", "encoder_weight"),
            "kl": ("mean_weight", "logvar_weight", "encoder_weight"),
        }.items():
            exact, size = known.loss_gradients(x, noise, result), known.gradient_sizes(x, noise, result)
            for name in parameters:
                by, key = AS_STUDENTS_SAY[name], f"{result}_grad_{name}"
                expect_gradient(answer, key, exact[name], result, by, unit=unit, size=size[name])


@check("statistics", 15)
def test_noise_is_fresh(probe: Probe, draw: Draw) -> None:
    """Without the noise argument, each call draws a new sample of the posterior for each image"""
    known = random_model(draw, in_channels=1)
    x = draw.uniform(-1, 1, 1, *known.image_shape).expand(200, *known.image_shape).contiguous()
    calls = []
    for train in (True, False):
        answer = probe("forward", sizes=known.sizes, x=x.float(), calls=2, train=train, **known.as_dtype(torch.float32))
        calls += [drawn_noise(known, x, answer, call) for call in (0, 1)]
    noise = torch.stack(calls)
    with pictured(partial(histogram, noise)):
        expect_sampled(noise)
        expect_different_rows(noise)
        expect_standard_normal(noise, "the noise of the posterior's sample")
    probe.note_devices("forward", sizes=known.sizes, x=x[:3].float(), **known.as_dtype(torch.float32))


def expect_different_rows(noise: torch.Tensor) -> None:
    """Demand noise (calls, B, z), two calls in train mode and two in eval mode, of which no two rows agree."""
    rows = noise.flatten(0, 1)
    nearest = torch.cdist(rows, rows).fill_diagonal_(torch.inf).min(dim=1).values
    if float(nearest.min()) < SAME_NOISE:
        mode = "train" if int(nearest.argmin()) < len(rows) // 2 else "eval"
        fail(
            f"different samples of one posterior, in {mode} mode",
            "the same reconstruction twice",
            hint="Noise must be drawn for each image at every call. Is the posterior sampled at all?",
            diagnosis="noise_not_fresh",
        )


def expect_sampled(noise: torch.Tensor) -> None:
    """Demand noise that is not zero: with zeros, the posterior's mean is decoded."""
    found = by_id("forward_mean_decoded")
    if bool((noise.abs() < SAME_DRAW).all()):  # three codes of five normal numbers: by chance with probability 1e-46
        fail(
            "a sample of the posterior when no noise is given",
            "its mean",
            found=found,
            draws=partial(histogram, noise),
        )


def drawn_noise(known: KnownModel, x: torch.Tensor, answer: Answer, call: int) -> torch.Tensor:
    """Return the noise (B, z) that a call used, computed from its reconstructions and the posterior."""
    image = answer.tensor(f"reconstruction_{call}", x.shape, "reconstruction", finite=True)
    return (known.codes(image.double()) - known.head("mean", x)) / (0.5 * known.head("logvar", x)).exp()
