"""Whether a short training run passes, and the cause of a failure.

A run whose gap is large enough fails only for what no gap makes up for: a loss that was not finite, a parameter or
statistics of batch norm that never changed, reconstructions that stay in a part of the images' range, or a channel that
never varies. Some of these have gaps just below the threshold, and pass with some seeds otherwise.

A cause is looked for in failed runs only. The thresholds of the causes lie between the values of right and of wrong
models: the reference, ten other architectures (tests/zoo/equivalent/layers.py) and tests/zoo/wrong/whole.py, one seed
each on the sample; `python -m tests.margins` prints these values.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass

from .misconceptions import by_id
from .short_run import USUAL, Z_DIM, Seen, ShortRun

PARTS = ("encoder.", "mean.", "logvar.", "decoder.")  # other parameters of a model are not checked

_CONSTANT = 0.5 * 3 * USUAL.sizes["input_size"] ** 2 * math.log(2 * math.pi)
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


def passes(run: ShortRun) -> bool:
    """Whether a run passes: its gap is large enough, and nothing is wrong that no gap makes up for."""
    defect = has_not_trained(run) or _stays_in_a_range(run) or _lacks_a_channel(run)
    return run.gap >= run.plan.threshold and not defect


def has_not_trained(run: ShortRun) -> bool:
    """Whether a run fails with any gap: its loss was not finite, or something that should learn never changed."""
    return not _is_finite(run) or bool(_frozen(run) or run.unmoved)


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


def _keeps_statistics(run: ShortRun) -> str:
    listed = ", ".join(run.unmoved[:4])
    return f"the running statistics of batch norm never changed in training: {listed}" if run.unmoved else ""


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
        return f"codes that vary in only {run.seen.directions} of {Z_DIM} directions"
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
    ("other_loss", _keeps_statistics),
    ("other_loss", _is_judged_otherwise),
    ("no_learning", _does_not_learn),
    ("same_code", _encodes_all_alike),
    ("collapse", _has_collapsed),
    ("few_dimensions", _uses_few_dimensions),
    ("no_learning", _is_no_better_than_a_constant),
)
