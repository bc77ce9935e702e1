"""Synthetic house numbers: images similar to SVHN's, free of copyright and reproducible.

There is one function per step: choose a number and paint it on a wall (digits in some typeface, the labelled one in the
middle, its neighbours cut off at the sides), turn and slant it, add uneven light, and blur it. Each image is drawn at
64 x 64 pixels and averaged down to 32 x 32.

The constants below were chosen so that the statistics of the images are close to SVHN's: see `python -m data compare`.
"""

from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from data.house_numbers import HouseNumbers

CANVAS = 64  # width and height of the drawing, in pixels
SIDE = 32  # width and height of the final image, in pixels

# Number of SVHN's 73,257 training images with each label from 0 to 9.
LABEL_COUNTS = (4948, 13861, 10585, 8497, 7458, 6882, 5727, 5595, 5045, 4659)

# Matplotlib's typefaces with ordinary digits. Do not use all of its typefaces: "LastResort" claims to contain every
# character, but draws a box.
FACES = (
    *("DejaVuSans", "DejaVuSans-Bold", "DejaVuSans-Oblique", "DejaVuSans-BoldOblique"),
    *("DejaVuSansMono", "DejaVuSansMono-Bold", "DejaVuSansMono-Oblique", "DejaVuSansMono-BoldOblique"),
    *("DejaVuSerif", "DejaVuSerif-Bold", "DejaVuSerif-Italic", "DejaVuSerif-BoldItalic"),
    *("STIXGeneral", "STIXGeneralBol", "STIXGeneralItalic", "STIXGeneralBolIta"),
    *("cmr10", "cmb10", "cmss10", "cmti10", "cmtt10"),
)

Random = np.random.RandomState  # numpy guarantees that its numbers never change; those of newer generators may
Array = npt.NDArray[Any]


def house_numbers(seed: int, indices: Sequence[int]) -> HouseNumbers:
    """Draw images. Image i depends only on (seed, i) and the version of FreeType.

    Args:
        seed: Random seed, from 0 to 2^32 - 1.
        indices: Indices of the images to draw, from 0 to 2^32 - 1; at least one.
    """
    drawn = [house_number(seed, i) for i in indices]
    images = np.stack([image for image, _ in drawn]).transpose(0, 3, 1, 2)
    return HouseNumbers(torch.from_numpy(np.ascontiguousarray(images)), torch.tensor([label for _, label in drawn]))


def house_number(seed: int, i: int) -> tuple[Array, int]:
    """Draw one image: ((32, 32, 3) bytes, the digit in the middle)."""
    from PIL import Image, ImageFilter

    rng = Random([seed, i])
    digits, middle = _number(rng)
    wall, ink = _colours(rng)
    picture = _surface(rng, wall)
    ink_here = _digits(rng, digits, middle)
    picture = _lay(picture, *_shadow(rng, ink_here, wall))
    picture = _lay(picture, ink_here, ink)
    picture += _light(rng)
    focus = ImageFilter.GaussianBlur(float(np.clip(rng.lognormal(0.4, 0.55), 0.5, 6.0)))
    small = Image.fromarray(_bytes(picture)).filter(focus).reduce(CANVAS // SIDE)
    grain = rng.normal(0.0, rng.choice([0.0, 2.0, 5.0], p=[0.9, 0.05, 0.05]), (SIDE, SIDE, 3))
    return _bytes(np.asarray(small) + grain), digits[middle]


def _number(rng: Random) -> tuple[list[int], int]:
    """Choose the digits of a number, and the index of the labelled digit."""
    share = np.array(LABEL_COUNTS) / sum(LABEL_COUNTS)
    length = rng.choice([1, 2, 3, 4], p=[0.08, 0.37, 0.40, 0.15])
    return [int(digit) for digit in rng.choice(10, size=length, p=share)], int(rng.randint(length))


def _colours(rng: Random) -> tuple[Array, Array]:
    """Choose the colours of wall and digits: nearly grey, as in most photographs, and with the same tint."""
    tint = _chroma(rng, 0.8) + np.array([-1.5, -1.5, 3.0])
    between = rng.choice([-1.0, 1.0]) * np.clip(rng.lognormal(4.4, 0.45), 35.0, 230.0)
    middle = np.clip(rng.normal(116.0, 43.0), 25.0, 235.0)
    wall = middle - 0.4 * between + tint + _chroma(rng, 0.8)
    ink = middle + 0.6 * between + tint + _chroma(rng, 0.8)
    return wall, ink


def _chroma(rng: Random, scale: float) -> Array:
    """Draw a random deviation from grey: usually small, sometimes large, and mostly between red and blue."""
    strength = 8.5 * scale * np.clip(rng.standard_t(3), -4.0, 4.0)
    hue = rng.normal(0.0, [1.0, 0.4])
    return strength * (hue[0] * np.array([1.0, 0.0, -1.0]) + hue[1] * np.array([-0.5, 1.0, -0.5]))


def _surface(rng: Random, wall: Array) -> Array:
    """Paint the wall, (64, 64, 3), often with the edge of a plate or a door frame along a side."""
    picture = np.broadcast_to(wall, (CANVAS, CANVAS, 3)).copy()
    down, across = np.mgrid[-1 : 1 : CANVAS * 1j, -1 : 1 : CANVAS * 1j]
    for _ in range(rng.choice([0, 1, 2], p=[0.5, 0.35, 0.15])):
        angle = rng.randint(4) * np.pi / 2 + rng.normal(0.0, 0.1)
        beyond = across * np.cos(angle) + down * np.sin(angle) > rng.uniform(0.65, 0.95)
        picture[beyond] = wall + rng.normal(0.0, 40.0) + _chroma(rng, 1.0)
    return picture


def _digits(rng: Random, digits: list[int], middle: int) -> Array:
    """Draw the number with its labelled digit in the middle; return the share of ink per pixel, (64, 64) in [0, 1]."""
    from PIL import Image, ImageDraw, ImageFont

    height = rng.uniform(38.0, 58.0)
    face = _font_file(FACES[rng.randint(len(FACES))])
    font = ImageFont.truetype(face, round(height / 0.72), layout_engine=ImageFont.Layout.BASIC)
    stroke = int(rng.choice([0, 1, 2, 3], p=[0.4, 0.3, 0.2, 0.1]))
    advance = font.getlength("0") + 2 * stroke + rng.normal(2.0, 3.0)
    centre = 3 * CANVAS  # enough space for three neighbours on each side
    canvas = Image.new("L", (2 * centre, 2 * centre))
    draw = ImageDraw.Draw(canvas)
    for place, digit in enumerate(digits):
        left, top, right, bottom = font.getbbox(str(digit))
        x = centre + (place - middle) * advance - (left + right) / 2
        draw.text((x, centre - (top + bottom) / 2), str(digit), fill=255, font=font, stroke_width=stroke)
    # Map a pixel of the image to a pixel of the canvas: rotated, slanted, narrowed and not exactly centred.
    turn, slant = rng.normal(0.0, 0.09), rng.normal(0.0, 0.12)
    narrow = rng.uniform(0.9, 1.6)
    a, b = np.cos(turn) * narrow, -np.sin(turn) * narrow + slant
    c, d = np.sin(turn), np.cos(turn)
    off = CANVAS / 2 + rng.normal(0.0, 1.5, 2)
    affine = (a, b, centre - a * off[0] - b * off[1], c, d, centre - c * off[0] - d * off[1])
    seen = canvas.transform((CANVAS, CANVAS), Image.Transform.AFFINE, affine, Image.Resampling.BILINEAR)
    return np.asarray(seen, dtype=np.float64) / 255.0


def _shadow(rng: Random, ink: Array, wall: Array) -> tuple[Array, Array]:
    """Return coverage and colour of the shadow of raised digits."""
    strength = rng.choice([0.0, 0.6], p=[0.7, 0.3])
    down, across = rng.randint(0, 5), rng.randint(-4, 5)
    return strength * np.roll(ink, (down, across), axis=(0, 1)), wall - 50.0


def _lay(picture: Array, coverage: Array, colour: Array) -> Array:
    """Blend a colour into a picture; `coverage` is the opacity of each pixel."""
    return picture + coverage[:, :, np.newaxis] * (colour - picture)


def _light(rng: Random) -> Array:
    """Draw uneven light, (64, 64, 1): a linear gradient, mostly horizontal."""
    down, across = np.mgrid[-1 : 1 : CANVAS * 1j, -1 : 1 : CANVAS * 1j]
    slope = rng.normal(0.0, 15.0) * across + rng.normal(0.0, 8.0) * down
    return slope[:, :, np.newaxis]


def _bytes(picture: Array) -> Array:
    """Round to bytes; values outside 0 to 255 are clipped."""
    return np.clip(np.rint(picture), 0, 255).astype(np.uint8)


@cache
def _font_file(face: str) -> Path:
    """Return the path of a typeface in matplotlib."""
    import matplotlib

    return Path(matplotlib.get_data_path()) / "fonts" / "ttf" / f"{face}.ttf"
