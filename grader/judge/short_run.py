"""The short training run: what is trained, and its result between two closed-form anchors.

The run uses three workers. The first one trains and returns its weights. The second one encodes held-out images. The
third one never sees these images: it decodes codes that the judge samples from the posteriors. All information that
reaches the third worker is counted in the KL term, so none can be passed on for free.

Whether a run passes, and why not, is in short_run_causes.py.
"""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import torch
from jaxtyping import Float64, UInt8
from torch import Tensor

from data import HouseNumbers, constant_mean_nll, normalise, ppca_nll

from . import oracles
from .answer import Answer
from .inputs import Draw
from .pictures import rows_of_images
from .tolerances import UNIT32

Z_DIM = 16


@dataclass(frozen=True)
class Plan:
    """What is trained, and what it must reach; tests/README.md lists the gaps of right and wrong models.

    Attributes:
        threshold: The smallest gap that passes.
        steps: Steps of Adam.
        batch_size: Images of a step.
        lr: Learning rate.
        features: `decoder_features` and `encoder_features` of the model.
    """

    threshold: float
    steps: int
    batch_size: int = 64
    lr: float = 2e-3
    features: int = 16

    @property
    def sizes(self) -> dict[str, int]:
        """Return the keyword arguments of VAE."""
        widths = {"decoder_features": self.features, "encoder_features": self.features}
        return {"in_channels": 3, **widths, "z_dim": Z_DIM, "input_size": 32}


USUAL = Plan(threshold=0.6, steps=200)
SMALL = Plan(threshold=0.7, steps=100, batch_size=32, lr=3e-3, features=8)
"""A first run, which is enough for most: it takes a sixth of the time of the usual one."""
LONGER = Plan(threshold=0.7, steps=400)
"""The run of a slow starter."""
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
    """Statistics of the codes and the reconstructions of the held-out images, used to name the cause of a failed run.

    Attributes:
        lowest, highest: The smallest and the largest value in the reconstructions.
        at_lowest, at_highest: The shares of values within 0.02 of these two.
        pixels: The smallest and the largest value in the images.
        spread: For each channel, the standard deviation over the reconstructions, averaged over the pixels and divided
            by the same quantity of the images.
        code_spread: The largest standard deviation of a dimension of the posteriors' means over the images, divided by
            the largest absolute value of these means.
        directions: The number of orthogonal directions of the code space in which these means vary with a variance
            above 0.01 (Burda et al. 2016 call such a dimension active).
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
    """The result of the run.

    Attributes:
        losses: The loss of each step, as the worker reports them; they do not enter the gap.
        moved: Largest change of each parameter, as the worker reports it.
        nll, kl: Means over the held-out images, in nats, computed by the judge.
        constant_mean, ppca: The anchors.
        gap: (constant mean - (nll + kl)) / (constant mean - PPCA): 0 for a constant, 1 for PPCA.
        plan: What was trained, and the gap that passes.
        unmoved: Batch norm layers that have seen batches, and whose statistics never changed, as the worker reports.
        seen: Statistics of codes and reconstructions; None if there are none.
        pairs: uint8 (3, 64, 256): eight held-out images, and their reconstructions below them; None if there are none.
        first: The mean nll and kl that forward() returned at the first step, as the worker reports them.
    """

    losses: list[float]
    moved: dict[str, float]
    nll: float
    kl: float
    gap: float
    constant_mean: float
    ppca: float
    plan: Plan = USUAL
    seen: Seen | None = None
    pairs: UInt8[Tensor, "3 H W"] | None = None
    first: Mapping[str, float] = field(default_factory=dict)
    unmoved: tuple[str, ...] = ()

    @property
    def starts_slowly(self) -> bool:
        """Whether the gap is half-way, and the missing part is due to the reconstructions rather than to the KL term.

        With unlucky initial weights, a right model may have learned only the mean colour of each image after 200 steps,
        and learn the rest soon after.
        """
        return _HALF_WAY <= self.gap < USUAL.threshold and self.kl < self.nll - self.ppca


def prepare(train: HouseNumbers, test: HouseNumbers) -> Images:
    """Return the first images of each split, and the anchors for these images."""
    first, held_out = train.images[:IMAGES], test.images[:HELD_OUT]
    x, y = normalise(first), normalise(held_out)
    return Images(first, held_out, constant_mean_nll(x, y), ppca_nll(x, y, Z_DIM))


def run(ask: Ask, images: Images, seed: int, plan: Plan = USUAL) -> ShortRun:
    """Train, encode and decode in three workers, and judge the outcome.

    Args:
        ask: Runs a probe in a fresh worker: (probe, arguments, tensors) -> (tensors, facts).
        images: Images for training and testing.
        seed: Random seed for weights, permutations and noise.
        plan: What is trained.

    Raises:
        CheckFailed: A worker's answer cannot be judged, because of its shape, type or values.
    """
    settings = {"steps": plan.steps, "batch_size": plan.batch_size, "lr": plan.lr}
    arguments = {"sizes": plan.sizes, "settings": settings | {"seed": Draw(seed, "short run").seed()}}
    tensors, facts = ask("train", arguments, {"images": images.train})
    state = {name: tensor for name, tensor in tensors.items() if name.startswith("state.")}
    trained = Answer(tensors, facts, UNIT32)
    losses = list(trained.numbers("losses", list).values())
    moved = trained.numbers("moved", dict)
    first = dict(zip(("nll", "kl"), trained.some_numbers("first", 2), strict=True))
    unmoved = tuple(trained.names("unmoved"))
    anchors = images.constant_mean, images.ppca
    if not losses or not math.isfinite(losses[-1]):
        return ShortRun(losses, moved, math.inf, math.inf, -math.inf, *anchors, plan, first=first, unmoved=unmoved)
    posterior = Answer(*ask("posteriors", {"sizes": plan.sizes}, {"images": images.held_out, **state}), UNIT32)
    shape = (len(images.held_out), Z_DIM)
    mean, logvar = (
        posterior.tensor(name, shape, f"after training, the posterior's {name}", finite=True).double()
        for name in ("mean", "logvar")
    )
    mean, logvar = mean.clamp(-1e6, 1e6), logvar.clamp(-30.0, 20.0)
    z = oracles.sample(mean, logvar, Draw(seed, "posterior noise").normal(*shape))
    decoded = Answer(*ask("decoded", {"sizes": plan.sizes}, {"z": z.float(), **state}), UNIT32)
    x = normalise(images.held_out).double()
    image = decoded.tensor("mean", x.shape, "after training, the likelihood's mean", finite=True).double()
    nll = float(oracles.nll(image, torch.zeros_like(image), x, [1, 2, 3]).mean())
    kl = float(oracles.kl(mean, logvar).mean())
    gap = (images.constant_mean - nll - kl) / (images.constant_mean - images.ppca)
    seen = look(mean, image, x)
    pairs = rows_of_images(x[:8], image[:8])
    return ShortRun(losses, moved, nll, kl, gap, *anchors, plan, seen, pairs, first, unmoved)


def look(mean: Float64[Tensor, "N z"], image: Float64[Tensor, "N C S S"], x: Float64[Tensor, "N C S S"]) -> Seen | None:
    """Return statistics of posterior means and reconstructions of images x; None if they are not finite."""
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
