"""What a page can show of a failed check, as data of bounded size: noise, numbers, images.

These functions take whatever numbers a submission returned: nan, infinite and huge ones are counted, not drawn.
"""

import io
import math

import torch
from jaxtyping import Bool, Float64, UInt8
from torch import Tensor

from .result import Histogram, Scatter, Strip

BINS, POINTS, IMAGES, PAIRS = 32, 200, 7, 5
"""The bins of a histogram; the most points of a scatter plot, images of a strip, and pairs of numbers in words."""

SHADE = 5
"""The step between two shades of a strip's images, of 255: it makes them two thirds as long."""

_HUGE = 1e30
_TINY = 1e-60  # a variance that counts as none, so that no quotient overflows
_FLAT = 1e-9  # a range that counts as a single number, as a share of its ends


def png(pixels: UInt8[Tensor, "C H W"]) -> bytes:
    """Return an image of three channels, or of one, as a PNG file."""
    from PIL import Image  # here, because a grading without files needs no images

    stream = io.BytesIO()
    array = pixels.permute(1, 2, 0).squeeze(-1).contiguous().numpy()
    Image.fromarray(array).save(stream, "png", optimize=True)
    return stream.getvalue()


def rows_of_images(*rows: Float64[Tensor, "N C S S"]) -> UInt8[Tensor, "C H W"]:
    """Return images in [-1, 1] as bytes, each batch in a row of its own; nan is grey."""
    lines = [torch.cat(list(row), dim=2) for row in rows]
    return ((torch.cat(lines, dim=1).nan_to_num(nan=0.0).clamp(-1, 1) + 1) * 127.5).round().to(torch.uint8)


def histogram(noise: Float64[Tensor, "..."]) -> Histogram | None:
    """Return the distribution of noise; None if no number is finite."""
    flat = noise.flatten()
    flat = flat[flat.abs() < _HUGE]
    if not len(flat):
        return None
    # A few numbers far away must not make the rest too narrow to see.
    edge = float(max(4, math.ceil(flat.abs().quantile(0.99))))
    counts = torch.histc(flat, BINS, -edge, edge)
    return Histogram(
        counts=tuple(int(count) for count in counts),
        edge=edge,
        total=len(flat),
        distinct=len(flat.round(decimals=5).unique()),
        mean=round(float(flat.mean()), 4),
        std=round(float(flat.std(correction=0)), 4),
        smallest=round(float(flat.min()), 4),
        largest=round(float(flat.max()), 4),
        within=(_share(flat.abs() <= 1), _share(flat.abs() <= 2)),
    )


def scatter(
    got: Float64[Tensor, "*shape"], expected: Float64[Tensor, "*shape"], wrong: Bool[Tensor, "*shape"]
) -> Scatter | None:
    """Return numbers beside the expected ones; None if fewer than three can be drawn."""
    total, amiss = got.numel(), int(wrong.sum())
    drawable = ((got.abs() < _HUGE) & (expected.abs() < _HUGE)).flatten()
    unseen = total - int(drawable.sum())
    if total - unseen < 3:
        return None
    got, expected, wrong = (each.flatten()[drawable] for each in (got, expected, wrong))
    order = expected.argsort(stable=True)
    some = order[_evenly(len(got), POINTS)]
    range_x = _range(expected)
    range_y = _range(torch.cat([expected, got]))
    places = [_places(expected[some], range_x), _places(got[some], range_y), wrong[some].to(torch.uint8)]
    few = order[_evenly(len(got), PAIRS)]
    return Scatter(
        points=bytes(torch.stack(places, dim=1).flatten().tolist()),
        expected=range_x,
        got=range_y,
        total=total,
        wrong=amiss,
        unseen=unseen,
        line=_line(expected, got),
        pairs=tuple((_rounded(float(expected[i])), _rounded(float(got[i]))) for i in few),
    )


def strip(got: Float64[Tensor, "N C S S"], expected: Float64[Tensor, "N C S S"]) -> Strip:
    """Return images of a path above the expected ones, in the brightness of the expected ones."""
    total = len(got)
    some = _evenly(total, IMAGES)
    few, scale = got[some].clamp(-_HUGE, _HUGE), max(float(expected.abs().max()), 1e-6)
    # The usual way, by a product of matrices, would lose the digits of small distances.
    exact = "donot_use_mm_for_euclid_dist"
    off = torch.cdist(few.flatten(1), expected.flatten(1), compute_mode=exact).nan_to_num(nan=_HUGE)
    off = off / math.sqrt(got[0].numel())
    nearest = off.argmin(dim=1)
    channels = slice(None) if got.shape[1] == 3 else slice(0, 1)
    return Strip(
        image=png(rows_of_images(few[:, channels] / scale, expected[some, channels] / scale) // SHADE * SHADE),
        shown=tuple(some.tolist()),
        total=total,
        off=tuple(round(float(off[row, i]), 4) for row, i in enumerate(some)),
        nearest=tuple(nearest.tolist()),
        nearest_off=tuple(round(float(off[row, i]), 4) for row, i in enumerate(nearest)),
    )


def _evenly(count: int, most: int) -> Tensor:
    """Return at most `most` positions from the first to the last of `count`, evenly spread."""
    return torch.linspace(0, count - 1, min(count, most), dtype=torch.float64).round().long()


def _range(numbers: Float64[Tensor, " n"]) -> tuple[float, float]:
    """Return the range of an axis for numbers; it is never empty."""
    low, high = float(numbers.min()), float(numbers.max())
    room = 0.0 if high - low > _FLAT * max(abs(low), abs(high)) else max(abs(low), 1.0)
    return _rounded(low - room, 12), _rounded(high + room, 12)


def _places(numbers: Float64[Tensor, " n"], ends: tuple[float, float]) -> UInt8[Tensor, " n"]:
    low, high = ends
    return (255 * (numbers - low) / (high - low)).round().clamp(0, 255).to(torch.uint8)


def _line(x: Float64[Tensor, " n"], y: Float64[Tensor, " n"]) -> tuple[float, float, float]:
    """Return slope, offset and correlation of the line that fits best; zeros if x or y is constant."""
    dx, dy = x - x.mean(), y - y.mean()
    xx, yy, xy = (float(product.mean()) for product in (dx * dx, dy * dy, dx * dy))
    if not (xx > _TINY and yy > _TINY):
        return 0.0, _rounded(float(y.mean())), 0.0
    slope = xy / xx
    return _rounded(slope), _rounded(float(y.mean()) - slope * float(x.mean())), _rounded(slope * (xx / yy) ** 0.5)


def _share(of: Bool[Tensor, " n"]) -> float:
    return round(float(of.double().mean()), 4)


def _rounded(value: float, digits: int = 5) -> float:
    """Return a number with as many significant digits as a page needs."""
    return float(f"{value:.{digits}g}")
