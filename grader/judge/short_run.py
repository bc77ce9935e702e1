"""The short training run: what is trained, and how far it came between two closed-form anchors.

Three workers take part: one trains and hands over its weights, a second one encodes held-out images, a third one,
which never saw these images, decodes the codes that the judge drew from the posteriors. What passes from the second to
the third is paid for in KL, so nothing can be smuggled past it.
"""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import torch
from jaxtyping import Float64, UInt8
from torch import Tensor

from data import HouseNumbers, constant_mean_nll, normalise, ppca_nll

from . import oracles
from .answer import Answer
from .draw import Draw
from .tolerances import UNIT32

THRESHOLD = 0.6
"""Least gap that passes; tests/README.md shows how far right and wrong models lie from it."""

SIZES = {"in_channels": 3, "decoder_features": 16, "encoder_features": 16, "z_dim": 16, "input_size": 32}
SETTINGS = {"batch_size": 64, "lr": 2e-3}
STEPS = 200
LONGER, LONGER_THRESHOLD = 400, 0.7
"""Steps of a slow starter, and the gap that it must reach then; tests/README.md shows whom that helps."""
_HALF_WAY = 0.3
_NEAR, _ACTIVE = 0.02, 0.01
IMAGES, HELD_OUT = 2048, 512

Ask = Callable[[str, Mapping[str, Any], Mapping[str, Tensor]], tuple[dict[str, Tensor], dict[str, Any]]]


@dataclass(frozen=True)
class Images:
    """Images of the short run and their anchors, in nats per held-out image.

    Attributes:
        train: uint8 (2048, 3, 32, 32).
        held_out: uint8 (512, 3, 32, 32).
        constant_mean: NLL of predicting the training mean with unit variance.
        ppca: NLL of probabilistic PCA with as many latent dimensions as the model.
    """

    train: UInt8[Tensor, "N 3 S S"]
    held_out: UInt8[Tensor, "M 3 S S"]
    constant_mean: float
    ppca: float


@dataclass(frozen=True)
class Seen:
    """What the codes and the reconstructions of the held-out images look like: to name the cause where a run fails.

    Attributes:
        lowest, highest: Of all values of the reconstructions.
        at_lowest, at_highest: Shares of their values that are no farther than 0.02 from these.
        pixels: The lowest and the highest value of the images.
        spread: Of each channel, the standard deviation from one reconstruction to another, on average over the pixels,
            divided by that of the images.
        code_spread: The largest standard deviation of a dimension of the posteriors' means from image to image, divided
            by the largest of these means.
        directions: In how many orthogonal directions of the space of codes these means vary, with a variance above 0.01
            (Burda et al. 2016 call a dimension active from there on).
    """

    lowest: float
    highest: float
    at_lowest: float
    at_highest: float
    pixels: tuple[float, float]
    spread: tuple[float, ...]
    code_spread: float
    directions: int


@dataclass(frozen=True)
class ShortRun:
    """What came of it.

    Attributes:
        losses: Of each step, as the worker reports them: for the message only.
        moved: Largest change of each parameter, as the worker reports it.
        nll, kl: Means over the held-out images, in nats, computed by the judge.
        constant_mean, ppca: The anchors.
        gap: (constant mean - (nll + kl)) / (constant mean - PPCA): 0 for a constant, 1 for PPCA.
        steps: How many it was to take.
        seen: What codes and reconstructions look like; None if there are none.
    """

    losses: list[float]
    moved: dict[str, float]
    nll: float
    kl: float
    gap: float
    constant_mean: float
    ppca: float
    steps: int
    seen: Seen | None = None

    @property
    def threshold(self) -> float:
        """The least gap that passes."""
        return THRESHOLD if self.steps <= STEPS else LONGER_THRESHOLD

    @property
    def starts_slowly(self) -> bool:
        """Whether it has come half-way and lacks reconstruction rather than that it spends too much on codes.

        With unlucky first weights a right model can know no more than each image's mean colour after so many steps, and
        learn the rest soon after.
        """
        return _HALF_WAY <= self.gap < THRESHOLD and self.kl < self.nll - self.ppca


def prepare(train: HouseNumbers, test: HouseNumbers) -> Images:
    """Return the first images of each split, and the anchors of exactly these."""
    first, held_out = train.images[:IMAGES], test.images[:HELD_OUT]
    x, y = normalise(first), normalise(held_out)
    return Images(first, held_out, constant_mean_nll(x, y), ppca_nll(x, y, SIZES["z_dim"]))


def run(ask: Ask, images: Images, seed: int, steps: int = STEPS) -> ShortRun:
    """Train, encode and decode in three workers, and judge the outcome.

    Args:
        ask: Runs a probe in a fresh worker: (probe, arguments, tensors) -> (tensors, facts).
        images: What to train and to test on.
        seed: Of weights, permutations and noise.
        steps: Of Adam.

    Raises:
        CheckFailed: An answer is none that can be judged.
    """
    settings = {**SETTINGS, "steps": steps, "seed": Draw(seed, "short run").seed()}
    tensors, facts = ask("train", {"sizes": SIZES, "settings": settings}, {"images": images.train})
    state = {name: tensor for name, tensor in tensors.items() if name.startswith("state.")}
    trained = Answer(tensors, facts, UNIT32)
    losses, moved = list(trained.numbers("losses", list).values()), trained.numbers("moved", dict)
    if not losses or not math.isfinite(losses[-1]):
        return ShortRun(losses, moved, math.inf, math.inf, -math.inf, images.constant_mean, images.ppca, steps)
    posterior = Answer(*ask("posteriors", {"sizes": SIZES}, {"images": images.held_out, **state}), UNIT32)
    shape = (len(images.held_out), SIZES["z_dim"])
    mean, logvar = (
        posterior.tensor(name, shape, f"after training, the posterior's {name}", finite=True).double()
        for name in ("mean", "logvar")
    )
    mean, logvar = mean.clamp(-1e6, 1e6), logvar.clamp(-30.0, 20.0)
    z = oracles.sample(mean, logvar, Draw(seed, "posterior noise").normal(*shape))
    decoded = Answer(*ask("decoded", {"sizes": SIZES}, {"z": z.float(), **state}), UNIT32)
    x = normalise(images.held_out).double()
    image = decoded.tensor("mean", x.shape, "after training, the likelihood's mean", finite=True).double()
    nll = float(oracles.nll(image, torch.zeros_like(image), x, [1, 2, 3]).mean())
    kl = float(oracles.kl(mean, logvar).mean())
    gap = (images.constant_mean - nll - kl) / (images.constant_mean - images.ppca)
    seen = look(mean, image, x)
    return ShortRun(losses, moved, nll, kl, gap, images.constant_mean, images.ppca, steps, seen)


def look(mean: Float64[Tensor, "N z"], image: Float64[Tensor, "N C S S"], x: Float64[Tensor, "N C S S"]) -> Seen | None:
    """Return what posterior means and reconstructions of images x look like; None if they are not finite."""
    if not (mean.isfinite().all() and image.isfinite().all()):
        return None
    lowest, highest = float(image.min()), float(image.max())
    spread = image.std(dim=0).mean(dim=(1, 2)) / x.std(dim=0).mean(dim=(1, 2)).clamp(min=1e-6)
    return Seen(
        lowest,
        highest,
        float((image <= lowest + _NEAR).double().mean()),
        float((image >= highest - _NEAR).double().mean()),
        (float(x.min()), float(x.max())),
        tuple(spread.tolist()),
        float(mean.std(dim=0).max() / mean.abs().max().clamp(min=1e-30)),
        int((torch.linalg.eigvalsh(torch.cov(mean.T)) > _ACTIVE).sum()),
    )
