"""Figures of a model: samples, reconstructions, interpolations and training curves.

Functions that draw return a matplotlib Figure. A notebook displays it, and `png` converts it to a PNG file.
"""

import io
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING

import torch
from jaxtyping import Float, UInt8
from torch import Tensor

from assignment.evaluate import Model
from data import normalise

if TYPE_CHECKING:
    from matplotlib.figure import Figure

DPI = 120
ZOOM = 2  # screen pixels for each pixel of an image
MARGIN, HEADLINE = 12, 38  # screen pixels around a picture, and above it

INK, GREY, BLUE, ORANGE = "#222222", "#9a9a9a", "#1f6f9f", "#d9822b"


def png(figure: "Figure") -> bytes:
    """Return the figure as the content of a PNG file."""
    file = io.BytesIO()
    figure.savefig(file, format="png", facecolor="white")
    return file.getvalue()


def tile(
    images: Float[Tensor, "N C S S"], columns: int, gap: int = 2, wide_gap_every: int = 0
) -> Float[Tensor, "H W C"]:
    """Arrange images scaled to [-1, 1] in rows on a white background. Return one picture scaled to [0, 1].

    Args:
        images: The images, row by row. Values outside [-1, 1] are clipped.
        columns: The number of images in a row.
        gap: The number of pixels between images.
        wide_gap_every: Triple the gap after every `wide_gap_every` columns. If 0, all gaps are equal.
    """
    N, C, S, _ = images.shape
    rows = -(-N // columns)
    extra = [2 * gap * (i // wide_gap_every) if wide_gap_every else 0 for i in range(columns)]
    canvas = torch.ones(rows * (S + gap) - gap, columns * (S + gap) - gap + extra[-1], C)
    pixels = (images.detach().cpu().float().clamp(-1.0, 1.0) + 1.0) / 2.0
    for i, image in enumerate(pixels):
        top = i // columns * (S + gap)
        left = i % columns * (S + gap) + extra[i % columns]
        canvas[top : top + S, left : left + S] = image.permute(1, 2, 0)
    return canvas


def picture(pixels: Float[Tensor, "H W C"], title: str) -> "Figure":
    """Return a figure that shows the pixels without smoothing, with a title above them."""
    from matplotlib.figure import Figure

    height, width = ZOOM * pixels.shape[0], ZOOM * pixels.shape[1]
    full_width, full_height = width + 2 * MARGIN, height + MARGIN + HEADLINE
    figure = Figure(figsize=(full_width / DPI, full_height / DPI), dpi=DPI)
    axes = figure.add_axes((MARGIN / full_width, MARGIN / full_height, width / full_width, height / full_height))
    axes.imshow(pixels.squeeze(-1).numpy(), cmap="gray", vmin=0.0, vmax=1.0, interpolation="nearest", aspect="auto")
    axes.set_axis_off()
    figure.text(MARGIN / full_width, 1.0 - 26 / full_height, title, color=INK, fontsize=9)
    return figure


@torch.no_grad()
def samples(model: Model, codes: Float[Tensor, "B z"]) -> "Figure":
    """Show the images of codes from the prior, 8 in a row.

    Args:
        model: The model. It is in eval mode afterwards.
        codes: Standard normal codes, on the model's device. Use the same codes to compare two models.
    """
    model.eval()
    return picture(tile(model.sample(len(codes), codes), columns=8), "Samples: the images of random codes z ~ N(0, I)")


@torch.no_grad()
def reconstructions(model: Model, images: UInt8[Tensor, "B C S S"], originals: bool = True) -> "Figure":
    """Show the reconstruction of each image from its most probable code.

    Args:
        model: The model. It is in eval mode afterwards.
        images: The images, on the model's device.
        originals: Show each image to the left of its reconstruction. Use False for images that must not be published.
    """
    model.eval()
    x = normalise(images)
    decoded = model.decode(model.encode(x).mode()).mode()
    if not originals:
        return picture(tile(decoded, columns=8), "Reconstructions of test images")
    pairs = torch.stack([x, decoded], dim=1).flatten(0, 1)
    return picture(
        tile(pairs, columns=12, wide_gap_every=2),
        "Reconstructions: each test image, with its reconstruction on the right",
    )


@torch.no_grad()
def interpolation(
    model: Model,
    interpolate: Callable[..., Float[Tensor, "n C S S"]],
    images: UInt8[Tensor, "B C S S"],
    steps: int = 12,
) -> "Figure":
    """Show interpolations between the most probable codes of pairs of images, one row for each pair.

    The first row goes from the first image to the second, the next row from the third image to the fourth, and so on.

    Args:
        model: The model. It is in eval mode afterwards.
        interpolate: The function `interpolate` of the model's VAE_Model.py.
        images: An even number of images, or one, on the model's device.
        steps: The number of images in a row.
    """
    model.eval()
    codes = model.encode(normalise(images)).mode()
    if len(codes) == 1:  # interpolate from the image to itself
        codes = codes.repeat(2, 1)
    rows = [interpolate(model, codes[i : i + 1], codes[i + 1 : i + 2], steps) for i in range(0, len(codes) - 1, 2)]
    return picture(
        tile(torch.cat(rows), columns=steps), "Interpolation: straight lines between the codes of two test images"
    )


def curves(metrics: Sequence[Mapping[str, float]], anchors: Mapping[str, float] | None = None) -> "Figure":
    """Show -ELBO, nll and kl over the epochs, and the anchors as horizontal lines.

    Args:
        metrics: The rows of metrics.csv.
        anchors: The result of `assignment.evaluate.anchors`.
    """
    from matplotlib.figure import Figure
    from matplotlib.ticker import MaxNLocator

    figure = Figure(figsize=(10.5, 3.4), dpi=DPI, layout="constrained")
    epochs = [row["epoch"] for row in metrics]
    panels = {
        "elbo": "-ELBO: the training loss",
        "nll": "nll: reconstruction error",
        "kl": "kl: information in the code",
    }
    for axes, (name, title) in zip(figure.subplots(1, 3), panels.items(), strict=True):
        sign = -1.0 if name == "elbo" else 1.0
        for split, colour in (("train", GREY), ("test", BLUE)):
            values = [sign * row[f"{split}_{name}"] for row in metrics]
            axes.plot(epochs, values, color=colour, linewidth=1.6, marker="o", markersize=2.5, label=split)
        if name == "elbo" and anchors:
            constant_mean, ppca = anchors["constant_mean_log_likelihood"], anchors["ppca_log_likelihood"]
            axes.axhline(-constant_mean, color=INK, linewidth=0.9, linestyle=":", label="constant mean")
            axes.axhline(-ppca, color=ORANGE, linewidth=1.1, linestyle="--", label="PPCA (linear)")
        axes.set_title(title, loc="left", fontsize=9, color=INK)
        axes.set_xlabel("epoch", fontsize=8)
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))
        axes.ticklabel_format(axis="y", useOffset=False)
        axes.tick_params(labelsize=8, colors=INK)
        axes.grid(axis="y", color="#e6e6e6", linewidth=0.6)
        axes.spines[["top", "right"]].set_visible(False)
        if name == "elbo":
            axes.set_ylabel("nats per image", fontsize=8)
            axes.legend(fontsize=8, frameon=False)
    return figure
