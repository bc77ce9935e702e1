"""The short training run: what is trained, its result between two closed-form anchors, and the cause of a failure.

The run uses three workers. The first one trains and returns its weights. The second one encodes held-out images. The
third one never sees these images: it decodes codes that the judge samples from the posteriors. All information that
reaches the third worker is counted in the KL term, so none can be passed on for free.

A run whose gap is large enough fails only if its loss was not finite or a parameter never changed. A cause is looked
for in failed runs only. The thresholds of the causes lie between the values of right and of wrong models: the
reference, ten other architectures (tests/zoo/equivalent/layers.py) and tests/zoo/wrong/whole.py, one seed each on the
sample; `python -m tests.margins` prints these values.
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
from .misconceptions import by_id
from .pictures import rows_of_images
from .tolerances import UNIT32

THRESHOLD = 0.6
"""The smallest gap that passes; tests/README.md lists the gaps of right and wrong models."""

SIZES = {"in_channels": 3, "decoder_features": 16, "encoder_features": 16, "z_dim": 16, "input_size": 32}
SETTINGS = {"batch_size": 64, "lr": 2e-3}
EARLY, EARLY_THRESHOLD = 80, 0.7
"""Steps of a first run, and the gap with which it is enough; tests/README.md lists the gaps at this step."""
STEPS = 200
LONGER, LONGER_THRESHOLD = 400, 0.7
"""Steps of the second run of a slow starter, and the gap that it must reach; tests/README.md lists such models."""
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
        steps: The number of steps that the run should take.
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
    steps: int
    seen: Seen | None = None
    pairs: UInt8[Tensor, "3 H W"] | None = None
    first: Mapping[str, float] = field(default_factory=dict)

    @property
    def threshold(self) -> float:
        """The smallest gap that passes."""
        return {EARLY: EARLY_THRESHOLD, STEPS: THRESHOLD}.get(self.steps, LONGER_THRESHOLD)

    @property
    def is_certain(self) -> bool:
        """Whether this early run passes: no more steps are needed, since a larger gap than the usual one is reached."""
        return self.gap >= EARLY_THRESHOLD and not has_not_trained(self)

    @property
    def starts_slowly(self) -> bool:
        """Whether the gap is half-way, and the missing part is due to the reconstructions rather than to the KL term.

        With unlucky initial weights, a right model may have learned only the mean colour of each image after 200 steps,
        and learn the rest soon after.
        """
        return _HALF_WAY <= self.gap < THRESHOLD and self.kl < self.nll - self.ppca


def prepare(train: HouseNumbers, test: HouseNumbers) -> Images:
    """Return the first images of each split, and the anchors for these images."""
    first, held_out = train.images[:IMAGES], test.images[:HELD_OUT]
    x, y = normalise(first), normalise(held_out)
    return Images(first, held_out, constant_mean_nll(x, y), ppca_nll(x, y, SIZES["z_dim"]))


def run(ask: Ask, images: Images, seed: int, steps: int = STEPS) -> ShortRun:
    """Train, encode and decode in three workers, and judge the outcome.

    Args:
        ask: Runs a probe in a fresh worker: (probe, arguments, tensors) -> (tensors, facts).
        images: Images for training and testing.
        seed: Random seed for weights, permutations and noise.
        steps: Number of steps of Adam.

    Raises:
        CheckFailed: A worker's answer cannot be judged, because of its shape, type or values.
    """
    settings = {**SETTINGS, "steps": steps, "seed": Draw(seed, "short run").seed()}
    tensors, facts = ask("train", {"sizes": SIZES, "settings": settings}, {"images": images.train})
    state = {name: tensor for name, tensor in tensors.items() if name.startswith("state.")}
    trained = Answer(tensors, facts, UNIT32)
    losses = list(trained.numbers("losses", list).values())
    moved = trained.numbers("moved", dict)
    first = dict(zip(("nll", "kl"), trained.some_numbers("first", 2), strict=True))
    if not losses or not math.isfinite(losses[-1]):
        anchors = images.constant_mean, images.ppca
        return ShortRun(losses, moved, math.inf, math.inf, -math.inf, *anchors, steps, first=first)
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
    pairs = rows_of_images(x[:8], image[:8])
    return ShortRun(losses, moved, nll, kl, gap, images.constant_mean, images.ppca, steps, seen, pairs, first)


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


PARTS = ("encoder.", "mean.", "logvar.", "decoder.")  # other parameters of a model are not checked

_CONSTANT = 0.5 * SIZES["in_channels"] * SIZES["input_size"] ** 2 * math.log(2 * math.pi)
"""Lower bound of every loss: nll of unit variance is this plus half a squared error, and kl is not negative."""


@dataclass(frozen=True)
class Cause:
    """An observation, and the misconception that it points to."""

    diagnosis: str
    seen: str

    @property
    def hint(self) -> str:
        """Return the hint of the misconception."""
        return by_id(self.diagnosis).hint


def cause(run: ShortRun) -> Cause | None:
    """Return the most specific cause of a failed run; None if none is recognised."""
    if not _is_finite(run):
        return Cause("training_diverged", _broken_off(run))
    for diagnosis, look in _CAUSES:
        if text := look(run):
            return Cause(f"training_{diagnosis}", text)
    return None


def has_not_trained(run: ShortRun) -> bool:
    """Whether a run fails with any gap, because its loss was not finite or a parameter never changed."""
    return not _is_finite(run) or bool(_frozen(run))


def _is_finite(run: ShortRun) -> bool:
    return bool(run.losses) and all(math.isfinite(loss) for loss in run.losses)


def _broken_off(run: ShortRun) -> str:
    if len(run.losses) < 2:
        return "the loss was not finite at the first step"
    return f"the loss was {run.losses[-1]} at step {len(run.losses)}, after {run.losses[-2]:.6g} at the step before"


def _frozen(run: ShortRun) -> str:
    learning = {name: change for name, change in run.moved.items() if name.startswith(PARTS)}
    if not learning:
        return "no parameter changed"
    still = [name for name, change in learning.items() if not change > 0]
    if not still:
        return ""
    decoder = {name for name in learning if name.startswith("decoder.")}
    images = " (all parameters of the decoder)" if decoder and decoder <= set(still) else ""
    return f"parameters that never changed: {', '.join(still[:4])}{', ...' if len(still) > 4 else ''}{images}"


def _ends(run: ShortRun) -> tuple[float, float]:
    """Return the mean loss of the first ten steps, and of the last ten."""
    first, last = run.losses[:10], run.losses[-10:]
    return sum(first) / len(first), sum(last) / len(last)


def _has_no_lower_bound(run: ShortRun) -> str:
    if _ends(run)[1] >= 0:
        return ""
    terms = " and ".join(f"{name} {value:.6g}" for name, value in run.first.items())
    return f"a negative loss: {run.losses[-1]:.4g} at the last step; at the first step, forward() returned {terms}"


def _is_too_low(run: ShortRun) -> str:
    low = min(run.losses)
    # One nat for rounding: in float32, the error of a sum of 3,072 terms is a thousandth of that.
    return f"a loss of {low:.6g}, below nll's constant of {_CONSTANT:.2f} nats" if low < _CONSTANT - 1 else ""


def _is_far_too_large(run: ShortRun) -> str:
    last = _ends(run)[1]
    # Right models start at 3,100 to 3,460 nats, one with a final softplus at 4,190; 30 times larger weights give 4e23.
    return f"a loss of {last:.4g} after {len(run.losses)} steps" if last > 10_000.0 else ""


def _stays_in_a_range(run: ShortRun) -> str:
    seen = run.seen
    if not seen:
        return ""
    low, high = seen.pixels
    ends = (
        ("below", seen.lowest, seen.at_lowest, seen.lowest > low + 0.1),
        ("above", seen.highest, seen.at_highest, seen.highest < high - 0.1),
    )
    for way, value, share, within in ends:
        # Right models have less than 0.1 % of their values at an end; relu, sigmoid, softplus and abs have 46 to 67 %.
        # If all reconstructions are the same, a narrow range is expected, unless it ends exactly at 0.
        if within and share > 0.05 and (not _alike(seen) or abs(value) < 1e-6):
            between = f"range {_round(seen.lowest)} to {_round(seen.highest)}"
            images = f"images range from {_round(low)} to {_round(high)}"
            at_end = f"{share:.0%} of the values at this end"
            return f"reconstructions never go {way} {_round(value)} ({between}, {at_end}); {images}"
    return ""


def _round(value: float) -> str:
    return f"{round(value, 2) + 0.0:g}"  # + 0.0 turns -0.0 into 0.0


def _alike(seen: Seen) -> bool:
    """Whether all reconstructions are the same image."""
    # The spread is 0.77 to 0.98 in right models, and below 0.02 in collapsed ones.
    return max(seen.spread) < 0.05


def _lacks_a_channel(run: ShortRun) -> str:
    if not run.seen or _alike(run.seen):
        return ""
    # In right models, the spreads of the channels differ by 5 %.
    still = [c for c, spread in enumerate(run.seen.spread) if spread < 0.1 * max(run.seen.spread)]
    return f"channel {still[0]} is the same in every reconstruction, while others vary" if still else ""


def _has_no_kl(run: ShortRun) -> str:
    # Right models have a kl of 10 to 16 nats, those trained without the KL term 139 or more.
    if run.kl > 120.0 and run.nll < run.constant_mean:
        return f"kl is {run.kl:.0f} nats per image"
    return ""


def _decodes_all_alike(run: ShortRun) -> str:
    if run.seen and _alike(run.seen) and run.kl >= 0.5 and run.seen.directions:
        return "all reconstructions are the same, although the codes differ"
    return ""


def _is_judged_otherwise(run: ShortRun) -> str:
    # In right models, nll is lower than the loss (which includes kl) by 8 to 15 nats. In collapsed ones it is higher by
    # 23, because the last batches contain other images; with batch norm statistics that are never updated, by 89.
    last = _ends(run)[1]
    if run.nll - last > 60.0:
        return f"a loss of {last:.1f} in training, but {run.nll + run.kl:.1f} from encode() and decode() in eval mode"
    return ""


def _does_not_learn(run: ShortRun) -> str:
    first, last = _ends(run)
    # In any model that learns, the loss falls by a hundred nats in the first steps.
    return (
        f"a mean loss of {first:.1f} in the first ten steps, {last:.1f} in the last ten" if last > first - 5.0 else ""
    )


def _encodes_all_alike(run: ShortRun) -> str:
    # The same up to rounding in float32. Collapsed models, whose codes carry no information either, have 1e-3.
    if run.seen and run.seen.code_spread < 1e-6:
        return "every image has the same code"
    return ""


def _has_collapsed(run: ShortRun) -> str:
    return f"kl is {run.kl:.2f} nats per image: the codes say nothing about the images" if run.kl < 0.5 else ""


def _uses_few_dimensions(run: ShortRun) -> str:
    # Right models: four or more; an encoder that sees one pixel: two.
    if run.seen and 0 < run.seen.directions <= 2:
        z_dim = SIZES["z_dim"]
        return f"codes that vary in only {run.seen.directions} of {z_dim} directions"
    return ""


def _is_no_better_than_a_constant(run: ShortRun) -> str:
    return "no better than one constant image" if -0.5 < run.gap < 0.1 else ""


_CAUSES: tuple[tuple[str, Callable[[ShortRun], str]], ...] = (
    ("too_large", _is_far_too_large),  # first, because it also makes some gradients vanish
    ("frozen", _frozen),
    ("negative", _has_no_lower_bound),
    ("too_low", _is_too_low),
    ("range", _stays_in_a_range),
    ("channel", _lacks_a_channel),
    ("no_kl", _has_no_kl),
    ("same_image", _decodes_all_alike),
    ("other_loss", _is_judged_otherwise),
    ("no_learning", _does_not_learn),
    ("same_code", _encodes_all_alike),
    ("collapse", _has_collapsed),
    ("few_dimensions", _uses_few_dimensions),
    ("no_learning", _is_no_better_than_a_constant),
)
