"""Task `encode`: images to posteriors."""

from functools import partial

import pytest
import torch

from grader.grading.probe import Probe
from grader.judge.check import check
from grader.judge.expect import (
    expect_close,
    expect_gradient,
    expect_switched_back,
    expect_unchanged,
    expect_varies,
    own_parts,
)
from grader.judge.inputs import MANY_ROWS, Draw
from grader.judge.known_models import AS_STUDENTS_SAY, KnownModel, random_model, short_axes
from grader.judge.memory import Exact, expect_no_memory, sent, three_sets
from grader.judge.misconceptions import right_only, short_axis
from grader.judge.recover_models import of_model

pytestmark = pytest.mark.encode

HEADS = "The posterior must come from the heads self.mean and self.logvar. Does encode use {} too, or instead of them?"


def posterior(known: KnownModel, x: torch.Tensor) -> dict[str, Exact]:
    """Return mean and log-variance of the posterior, clamped as the constructor does."""
    mean, logvar = known.head("mean", x), known.head("logvar", x).clamp(-30, 20)
    return {
        "mean": Exact(mean, known.head_size("mean", x), "the posterior's mean"),
        "logvar": Exact(logvar, known.head_size("logvar", x), "the posterior's logvar"),
    }


def head_gradients(known: KnownModel, head: str, x: torch.Tensor, cotangent: torch.Tensor) -> dict[str, torch.Tensor]:
    """Return the gradients of a head's output.

    They are sums of products, so the gradients of the model of absolute values are their sizes (judge/sizes.py).
    """
    hidden = x.flatten(1) @ known.tensors["encoder_weight"].T
    to_hidden = cotangent @ known.tensors[f"{head}_weight"]
    return {
        f"{head}_weight": cotangent.T @ hidden,
        "encoder_weight": to_hidden.T @ x.flatten(1),
        "x": (to_hidden @ known.tensors["encoder_weight"]).unflatten(1, known.image_shape),
    }


@check("shape", 20)
def test_shape_and_dtype(probe: Probe, draw: Draw) -> None:
    """encode() returns a distribution over codes, (B, C, S, S) -> (B, z)"""
    known = random_model(draw)
    for batch in (4, 1):
        for dtype in (torch.float32, torch.float64):
            x = draw.uniform(-1, 1, batch, *known.image_shape, dtype=dtype)
            answer = probe("encode", sizes=known.sizes, x=x, train=batch > 1, **known.as_dtype(dtype))
            expect_switched_back(answer, "encode()")
            shape = (batch, known.sizes["z_dim"])
            short, what = short_axis(shape), "the posterior's"
            mean = answer.tensor("mean", shape, f"{what} mean", dtype=dtype, otherwise=short)
            answer.tensor("logvar", shape, f"{what} logvar", dtype=dtype, finite=True, otherwise=short)
            expect_varies(mean, "a posterior")


@check("value", 60)
def test_posterior(probe: Probe, draw: Draw) -> None:
    """encode() returns the posterior with the mean and log-variance that the two heads predict"""
    tame, wild = random_model(draw), random_model(draw, logvar_scale=16.0, mean_scale=1000.0)
    double, single = torch.float64, torch.float32
    for known, batch, train, dtype, kind in [
        (tame, 1, False, double, None),
        (tame, 4, False, double, right_only("alone")),
        (tame, 3, True, double, right_only("in_eval")),
        (tame, 4, False, single, right_only("in_float64")),
        (wild, 4, False, double, right_only("moderate")),
        (tame, MANY_ROWS, False, double, right_only("in_small_batches")),
        *((small, batch, False, double, right_only("longer_axes")) for small, batch in short_axes(draw)),
    ]:
        x, first = draw.uniform(-1, 1, batch, *known.image_shape), draw.uniform(-1, 1, 2, *known.image_shape)
        inputs = {"x": x.to(dtype), "first": first.to(dtype), **known.as_dtype(dtype)}
        answer = probe("encode", sizes=known.sizes, train=train, **inputs)
        expect_unchanged(answer, "encode()")
        exact = posterior(known, x)
        otherwise = own_parts(answer, HEADS) or kind
        for name, each in exact.items():
            recover = partial(of_model, "encode", name, probe.attempt, draw, train)
            expect_close(answer, name, each.value, each.what, size=each.size, otherwise=otherwise, recover=recover)
    sets = three_sets(lambda: {"x": draw.uniform(-1, 1, 3, *tame.image_shape)})
    tensors = tame.as_dtype(torch.float64)
    answer = probe("model_remembered", task="encode", sizes=tame.sizes, **sent(sets), **tensors)
    exacts = [posterior(tame, each["x"]) for each in sets]
    expect_no_memory(answer, {name: [each[name] for each in exacts] for name in ("mean", "logvar")})


@check("gradient", 20)
def test_gradient(probe: Probe, draw: Draw) -> None:
    """Gradients flow from the posterior to both heads, the encoder and the image"""
    known = random_model(draw)
    for train in (False, True):
        x = draw.uniform(-1, 1, 3, *known.image_shape)
        cotangent = draw.normal(3, known.sizes["z_dim"])
        answer = probe(
            "encode",
            sizes=known.sizes,
            x=x,
            train=train,
            cotangent_mean=cotangent,
            cotangent_logvar=cotangent,
            **known.as_dtype(torch.float64),
        )
        for head in ("mean", "logvar"):
            size = head_gradients(known.absolute(), head, x.abs(), cotangent.abs())
            for name, gradient in head_gradients(known, head, x, cotangent).items():
                of, by = f"the posterior's {head}", AS_STUDENTS_SAY[name]
                expect_gradient(answer, f"{head}_grad_{name}", gradient, of, by, size=size[name])
