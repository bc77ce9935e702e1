"""The figures of a page, from the pictures of a result: shapes for inline SVG, and the same in words and numbers.

A table of numbers belongs to each figure, for readers who do not see it. All text here is ours; a submission only
contributes numbers and pixels.
"""

import base64
import math
from dataclasses import dataclass

from grader.judge.result import Histogram, Picture, Scatter, Strip, TrainingPictures


@dataclass(frozen=True)
class Table:
    """Numbers of a figure: a heading for each column, and rows of texts."""

    heads: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]


@dataclass(frozen=True)
class Curve:
    """The loss curve of the training run, in pixels; and the reconstructions.

    Attributes:
        points: The polyline's points; empty if there are fewer than two losses.
        anchors: Height and label of each anchor.
        words: The curve in words.
        pairs: Address of the image of reconstructions; empty if there is none.
    """

    points: str
    anchors: tuple[tuple[float, str], ...]
    words: str
    pairs: str


@dataclass(frozen=True)
class Figure:
    """The figure of a check.

    Attributes:
        kind: `noise`, `numbers` or `path`, as the template names them.
        label: Its name.
        words: What it shows.
        table: Its numbers.
        shapes: Outlines by name, in the syntax of an SVG path, within WIDE x HIGH pixels.
        ticks: Labels: x, y, `start`, `middle` or `end`, text.
        image: Address of its image; empty if it has none.
    """

    kind: str
    label: str
    words: str
    table: Table
    shapes: tuple[tuple[str, str], ...] = ()
    ticks: tuple[tuple[float, float, str, str], ...] = ()
    image: str = ""


WIDE, HIGH = 320.0, 180.0
_CURVE_WIDE = 640.0
_FEW = 0.9  # a share of distinct numbers that is small for noise
_STRAIGHT = 0.99  # a correlation with which a straight line says something


def curve_of(training: TrainingPictures) -> Curve:
    """Return the curve of a training run."""
    low, high = training.ppca - 10.0, training.constant_mean + 0.5 * (training.constant_mean - training.ppca)

    def height(loss: float) -> float:
        return round(HIGH * (1 - _part(loss, low, high)), 1)

    last = training.steps[-1] if training.steps else 1
    points = [
        f"{round(_CURVE_WIDE * step / last, 1)},{height(loss)}"
        for step, loss in zip(training.steps, training.losses, strict=True)
    ]
    anchors = (
        (height(training.constant_mean), f"a constant image, {training.constant_mean:.0f} nats"),
        (height(training.ppca), f"PCA, {training.ppca:.0f} nats"),
    )
    ends = f"The loss begins at {training.losses[0]:.0f} nats and ends at {training.losses[-1]:.0f}." if points else ""
    return Curve(" ".join(points) if len(points) > 1 else "", anchors, ends, _address(training.pairs))


def figure_of(picture: Picture) -> Figure:
    """Return the figure of a picture."""
    if isinstance(picture, Histogram):
        return _of_noise(picture)
    return _of_numbers(picture) if isinstance(picture, Scatter) else _of_path(picture)


def _of_noise(noise: Histogram) -> Figure:
    bins = len(noise.counts) or 1
    width = 2 * noise.edge / bins
    normal = [noise.total * _normal_share((i / 4 - 0.5) * width - noise.edge, width) for i in range(4 * bins + 1)]
    scale = HIGH / max(1.0, *noise.counts, *normal)
    bars = "".join(
        f"M{WIDE * i / bins:.1f} {HIGH:g}v{-scale * count:.1f}h{WIDE / bins:.1f}V{HIGH:g}z"
        for i, count in enumerate(noise.counts)
        if count
    )
    line = " ".join(f"{WIDE * i / len(normal[1:]):.1f} {HIGH - scale * n:.1f}" for i, n in enumerate(normal))
    few = noise.distinct < _FEW * noise.total
    repeated = f" Only {noise.distinct:,} of the {noise.total:,} numbers are distinct." if few else ""
    beyond = noise.total - sum(noise.counts)
    return Figure(
        kind="noise",
        label="Histogram of the noise, with the standard normal density",
        words=f"Bars: the noise that your code used. Line: the standard normal density.{repeated}",
        table=Table(
            ("", "Your noise", "Standard normal"),
            (
                ("mean", _short(noise.mean), "0"),
                ("standard deviation", _short(noise.std), "1"),
                ("between \N{MINUS SIGN}1 and 1", f"{noise.within[0]:.0%}", "68%"),
                ("between \N{MINUS SIGN}2 and 2", f"{noise.within[1]:.0%}", "95%"),
                ("smallest and largest", f"{_short(noise.smallest)} and {_short(noise.largest)}", "no limits"),
                ("numbers", f"{noise.total:,}, {beyond:,} of them outside of the figure", ""),
            ),
        ),
        shapes=(("bars", bars), ("line", f"M{line}")),
        ticks=tuple(
            (
                WIDE * i / 4,
                HIGH + 16,
                ("start", "middle", "middle", "middle", "end")[i],
                _short(noise.edge * (i - 2) / 2),
            )
            for i in range(5)
        ),
    )


def _normal_share(low: float, width: float) -> float:
    """Return the share of standard normal numbers between `low` and `low + width`."""
    return (math.erf((low + width) / math.sqrt(2)) - math.erf(low / math.sqrt(2))) / 2


def _of_numbers(numbers: Scatter) -> Figure:
    (left, right), (low, high) = numbers.expected, numbers.got
    points = numbers.points
    dots: dict[bool, str] = {False: "", True: ""}
    for x, y, wrong in zip(points[::3], points[1::3], points[2::3], strict=False):
        dots[bool(wrong)] += f"M{WIDE * x / 255:.1f} {HIGH * (1 - y / 255):.1f}h0"
    # The ranges of `got` include those of `expected`, so the whole line is in the figure.
    equal = f"M0 {HIGH * (1 - _part(left, low, high)):.1f}L{WIDE:g} {HIGH * (1 - _part(right, low, high)):.1f}"
    slope, offset, correlation = numbers.line
    sign = "+" if offset >= 0 else "\N{MINUS SIGN}"
    line = f"got = {_short(slope)} \N{MULTIPLICATION SIGN} expected {sign} {_short(abs(offset))}"
    fits = f" Their correlation is {_short(correlation)}." if correlation else ""
    fits += f" The straight line that fits best is {line}." if abs(correlation) > _STRAIGHT else ""
    hidden = f" Not shown, because nan, infinite or huge: {numbers.unseen:,}." if numbers.unseen else ""
    return Figure(
        kind="numbers",
        label="Your numbers against the expected ones",
        words=f"From left to right the expected numbers, upwards yours; on the dashed line they are equal. "
        f"{numbers.wrong:,} of {numbers.total:,} are wrong (squares).{fits}{hidden}",
        table=Table(("Expected", "Got"), tuple((_short(e), _short(g)) for e, g in numbers.pairs)),
        shapes=(("equal", equal), ("right", dots[False]), ("wrong", dots[True])),
        ticks=(
            (0, HIGH + 18, "start", _short(left)),
            (WIDE / 2, HIGH + 18, "middle", "expected"),
            (WIDE, HIGH + 18, "end", _short(right)),
            (-10, 4, "end", _short(high)),
            (-10, HIGH / 2, "end", "got"),
            (-10, HIGH, "end", _short(low)),
        ),
    )


def _of_path(path: Strip) -> Figure:
    compared = zip(path.shown, path.off, path.nearest, path.nearest_off, strict=False)
    shown = f"{len(path.shown)} of its {path.total}" if len(path.shown) < path.total else f"its {path.total}"
    return Figure(
        kind="path",
        label="Images of the path, and below them the expected ones",
        words=f"Above: the path that your code returned, {shown} images. Below: the expected images.",
        table=Table(
            ("Image", "Off by (root mean square)", "Nearest expected image", "Off by"),
            tuple((str(i), _short(off), str(near), _short(near_off)) for i, off, near, near_off in compared),
        ),
        image=_address(path.image),
    )


def _address(png: bytes) -> str:
    return f"data:image/png;base64,{base64.b64encode(png).decode('ascii')}" if png else ""


def _part(value: float, low: float, high: float) -> float:
    """Return where a value is between two ends, from 0 to 1."""
    return (min(max(value, low), high) - low) / ((high - low) or 1.0)


def _short(value: float) -> str:
    text = f"{value:,.0f}" if 1e4 <= abs(value) < 1e7 else f"{value:.4g}"
    return text.replace("-", "\N{MINUS SIGN}")
