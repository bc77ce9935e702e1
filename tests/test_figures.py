"""The pictures: which pixels are where, and which numbers the curves run through."""

import numpy as np
import pytest
import torch
from matplotlib.figure import Figure

from assignment import figures
from data import normalise
from solution.VAE_Model import VAE, interpolate


@pytest.fixture(scope="module")
def model() -> VAE:
    torch.manual_seed(0)
    return VAE(z_dim=3, encoder_features=2, decoder_features=2, input_size=16)


@pytest.fixture(scope="module")
def images() -> torch.Tensor:
    return torch.randint(0, 256, (4, 3, 16, 16), generator=torch.Generator().manual_seed(0), dtype=torch.uint8)


def pixels(figure: Figure) -> torch.Tensor:
    """What the figure's picture shows, (H, W, C) in [0, 1]."""
    return torch.as_tensor(np.asarray(figure.axes[0].images[0].get_array()))


def shown(images: torch.Tensor, i: int) -> torch.Tensor:
    """How image i, scaled to [-1, 1], looks in a picture."""
    return (images[i].detach().clamp(-1, 1).permute(1, 2, 0) + 1) / 2


def patch(figure: Figure, row: int, column: int, gap: int = 2, extra: int = 0, size: int = 16) -> torch.Tensor:
    """The image in a row and column of a figure."""
    top, left = row * (size + gap), column * (size + gap) + extra
    return pixels(figure)[top : top + size, left : left + size]


def test_tiles_lie_row_by_row_with_white_between():
    images = torch.tensor([-1.0, 0.0, 1.0]).view(3, 1, 1, 1).expand(3, 1, 2, 2)
    picture = figures.tile(images, columns=2, gap=1)
    assert picture[..., 0].tolist() == [
        [0.0, 0.0, 1.0, 0.5, 0.5],
        [0.0, 0.0, 1.0, 0.5, 0.5],
        [1.0, 1.0, 1.0, 1.0, 1.0],
        [1.0, 1.0, 1.0, 1.0, 1.0],
        [1.0, 1.0, 1.0, 1.0, 1.0],
    ]


def test_what_a_decoder_overshoots_is_clipped():
    picture = figures.tile(torch.tensor([-7.0, 9.0]).view(2, 1, 1, 1), columns=2, gap=0)
    assert picture.flatten().tolist() == [0.0, 1.0]


def test_pairs_are_set_apart():
    picture = figures.tile(-torch.ones(4, 1, 1, 1), columns=4, gap=1, wide_gap_every=2)
    assert picture[0, :, 0].tolist() == [0, 1, 0, 1, 1, 1, 0, 1, 0]


def test_samples_are_the_images_of_the_codes(model):
    codes = torch.randn(9, 3, generator=torch.Generator().manual_seed(1))
    figure = figures.samples(model, codes)
    decoded = model.decoder(codes)
    torch.testing.assert_close(patch(figure, 0, 7), shown(decoded, 7))
    torch.testing.assert_close(patch(figure, 1, 0), shown(decoded, 8))


def test_reconstructions_stand_beside_their_originals(model, images):
    figure = figures.reconstructions(model, images)
    x = normalise(images)
    decoded = model.decoder(model.encode(x).mean)
    torch.testing.assert_close(patch(figure, 0, 0), shown(x, 0))
    torch.testing.assert_close(patch(figure, 0, 1), shown(decoded, 0))
    torch.testing.assert_close(patch(figure, 0, 2, extra=4), shown(x, 1))
    torch.testing.assert_close(patch(figure, 0, 3, extra=4), shown(decoded, 1))


def test_the_copy_to_hand_on_shows_decoded_images_only(model, images):
    figure = figures.reconstructions(model, images, originals=False)
    decoded = model.decoder(model.encode(normalise(images)).mean)
    for i in range(4):
        torch.testing.assert_close(patch(figure, 0, i), shown(decoded, i))
    assert (pixels(figure)[:, 4 * 18 :] == 1.0).all(), "beside the four there is only white"


def test_each_row_of_an_interpolation_leads_from_one_image_to_the_next(model, images):
    figure = figures.interpolation(model, interpolate, images, steps=5)
    decoded = model.decoder(model.encode(normalise(images)).mean)
    for row in (0, 1):
        torch.testing.assert_close(patch(figure, row, 0), shown(decoded, 2 * row))
        torch.testing.assert_close(patch(figure, row, 4), shown(decoded, 2 * row + 1))


def test_pictures_of_grey_images_can_be_drawn():
    model = VAE(in_channels=1, z_dim=3, encoder_features=2, decoder_features=2, input_size=16)
    assert figures.png(figures.samples(model, torch.zeros(1, 3))).startswith(b"\x89PNG")


def test_curves_run_through_the_metrics_and_lines_mark_the_anchors():
    metrics = [
        {f"{split}_{term}": epoch * scale for split in ("train", "test") for term, scale in (("nll", 2.0), ("kl", 1.0))}
        | {"epoch": epoch, "train_elbo": -3.0 * epoch, "test_elbo": -4.0 * epoch}
        for epoch in (1, 2, 3)
    ]
    figure = figures.curves(metrics, {"constant_mean_log_likelihood": -20.0, "ppca_log_likelihood": -2.0})
    lines = [{line.get_label(): np.asarray(line.get_ydata()).tolist() for line in axes.lines} for axes in figure.axes]
    assert lines[0]["train"] == [3.0, 6.0, 9.0]
    assert lines[0]["test"] == [4.0, 8.0, 12.0]
    assert lines[0]["constant mean"] == [20.0, 20.0]
    assert lines[0]["PPCA (linear)"] == [2.0, 2.0]
    assert lines[1] == {"train": [2.0, 4.0, 6.0], "test": [2.0, 4.0, 6.0]}
    assert lines[2] == {"train": [1.0, 2.0, 3.0], "test": [1.0, 2.0, 3.0]}
    assert figures.png(figure).startswith(b"\x89PNG")
