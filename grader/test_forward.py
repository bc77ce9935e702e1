"""Task `forward`: what training needs."""

import pytest
import torch

from grader.grading import Probe
from grader.judge import oracles
from grader.judge.check import check, fail
from grader.judge.draw import Draw
from grader.judge.expect import (
    ONLY_EXTREMES,
    expect_close,
    expect_dtype,
    expect_finite,
    expect_gradient,
    expect_shape,
    expect_switched_back,
    expect_unchanged,
    expect_varies,
    own_hint,
)
from grader.judge.known import KnownModel, random_model
from grader.judge.misconceptions import by_id, wrong_forward
from grader.judge.tolerances import ATOL32, RTOL32

pytestmark = pytest.mark.forward


def expect_noise_used(one: torch.Tensor, other: torch.Tensor, known: KnownModel) -> None:
    """Demand that given noise leaves nothing to chance: two calls with the same noise agree."""
    expect_shape(other, tuple(one.shape), "reconstruction")
    expect_finite(one, "reconstruction")
    if not torch.allclose(one, other, rtol=RTOL32, atol=ATOL32):
        off = one.double() - known.decode(known.codes(one.double()))
        found = by_id("forward_sampled_pixels" if float(off.std()) > 0.5 else "forward_noise_ignored")
        fail("the same results for the same noise", "different ones", hint=found.hint, diagnosis=found.id)


@check("shape", 20)
def test_three_results(probe: Probe, draw: Draw) -> None:
    """forward() returns (reconstruction, nll, kl) of shapes (B, C, S, S), (B,) and (B,)"""
    known = random_model(draw)
    for batch in (1, 4):
        x = draw.uniform(-1, 1, batch, *known.image_shape, dtype=torch.float32)
        answer = probe("forward", sizes=known.sizes, x=x, **known.as_dtype(torch.float32))
        expect_switched_back(answer.facts["left"], "forward()")
        shapes = {"reconstruction": (batch, *known.image_shape), "nll": (batch,), "kl": (batch,)}
        for name, shape in shapes.items():
            expect_shape(answer[f"{name}_0"], shape, name)
            expect_dtype(answer[f"{name}_0"], torch.float32, name)
            expect_varies(answer[f"{name}_0"], f"a {name}")


@check("value", 40)
def test_values_for_given_noise(probe: Probe, draw: Draw) -> None:
    """forward(x, noise) encodes, samples with that noise, decodes; nll and kl are those of x"""
    tame, close = random_model(draw), random_model(draw, head_scale=0.03)  # posteriors of order one, and near the prior
    for known, batch, train, largest in [
        (tame, 1, True, None),
        (tame, 4, True, None),
        (tame, 3, False, None),
        (tame, 4, True, 14.0),
        (close, 4, True, None),
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
        mean, logvar = known.head("mean", x), known.head("logvar", x)
        image = known.decode(oracles.sample(mean, logvar, noise))
        expect_unchanged(answer.facts["changed"], "forward()")
        expect_noise_used(answer["reconstruction_0"], answer["reconstruction_1"], known)
        exact = {
            "reconstruction": image,
            "nll": oracles.nll(image, torch.zeros_like(image), x, [1, 2, 3]),
            "kl": oracles.kl(mean, logvar),
        }
        wrong = wrong_forward(mean, (0.5 * logvar).exp(), noise, exact["kl"], x, known.decode)
        for name, expected in exact.items():
            # A pixel is a sum of terms that may cancel: it errs in proportion to the largest.
            atol = max(10 * ATOL32, RTOL32 * float(image.abs().max())) if name == "reconstruction" else 10 * ATOL32
            misconceptions, hint = (wrong[name], "") if known is tame else ([], ONLY_EXTREMES)
            hint = own_hint(answer.facts["own"]) or hint
            expect_close(answer[f"{name}_0"], expected, name, rtol=RTOL32, atol=atol, known=misconceptions, hint=hint)


@check("value", 10)
def test_results_belong_together(probe: Probe, draw: Draw) -> None:
    """Without given noise, nll is that of the very reconstruction returned, and kl does not depend on the draw"""
    known = random_model(draw)
    for batch in (1, 4):
        x = draw.uniform(-1, 1, batch, *known.image_shape)
        answer = probe("forward", sizes=known.sizes, x=x.float(), **known.as_dtype(torch.float32))
        image = answer["reconstruction_0"].double()
        expect_shape(image, tuple(x.shape), "reconstruction")
        nll = oracles.nll(image, torch.zeros_like(image), x, [1, 2, 3])
        hint = "nll is that of x under the very distribution whose mode is returned"
        expect_close(answer["nll_0"], nll, "nll of the reconstruction", rtol=RTOL32, atol=0.0, hint=hint)
        kl = oracles.kl(known.head("mean", x), known.head("logvar", x))
        expect_close(answer["kl_0"], kl, "kl", rtol=RTOL32, atol=10 * ATOL32)


@check("gradient", 15)
def test_differentiable_end_to_end(probe: Probe, draw: Draw) -> None:
    """The loss sends exact gradients to the decoder, both heads and the encoder"""
    known = random_model(draw)
    batch = 3
    x, noise = draw.uniform(-1, 1, batch, *known.image_shape), draw.normal(batch, known.sizes["z_dim"])
    ones = torch.ones(batch, dtype=torch.float32)
    answer = probe(
        "forward",
        sizes=known.sizes,
        x=x.float(),
        noise=noise.float(),
        cotangent_reconstruction=torch.ones(x.shape, dtype=torch.float32),
        cotangent_nll=ones,
        cotangent_kl=ones,
        **known.as_dtype(torch.float32),
    )
    for result, parameters in {
        "reconstruction": ("decoder_weight", "mean_weight", "logvar_weight", "encoder_weight"),
        "nll": ("decoder_weight", "mean_weight", "logvar_weight", "encoder_weight"),
        "kl": ("mean_weight", "logvar_weight", "encoder_weight"),
    }.items():
        exact = known.loss_gradients(x, noise, result)
        for name in parameters:
            gradient = exact[name]
            scale = float(gradient.abs().max())
            what = f"d {result} / d {name.replace('_', ' ')}"
            expect_gradient(answer, f"{result}_grad_{name}", gradient, what, rtol=RTOL32, atol=RTOL32 * scale)


@check("statistics", 15)
def test_noise_is_fresh(probe: Probe, draw: Draw) -> None:
    """Without given noise, each call samples the posterior anew, for each image on its own"""
    known = random_model(draw)
    x = draw.uniform(-1, 1, 1, *known.image_shape).expand(6, *known.image_shape).contiguous()
    answer = probe("forward", sizes=known.sizes, x=x.float(), calls=2, **known.as_dtype(torch.float32))
    for name in ("reconstruction_0", "reconstruction_1"):
        expect_shape(answer[name], (6, *known.image_shape), "reconstruction")
    images = torch.cat([answer["reconstruction_0"], answer["reconstruction_1"]])
    codes = known.codes(images.double())
    nearest = torch.cdist(codes, codes).fill_diagonal_(torch.inf).min()
    # Codes of 5 dimensions and standard deviations near 1 come closer than 1e-4 with probability below 1e-18.
    if float(nearest) < 1e-4 * float((0.5 * known.head("logvar", x[:1])).exp().min()):
        fail(
            "two samples of one posterior differ",
            "the same reconstruction twice",
            hint="noise must be drawn at every call and for each image; is the posterior sampled at all?",
            diagnosis="noise_not_fresh",
        )
