"""Synthetic house numbers: the same for everyone, and statistically like real ones."""

from pathlib import Path

import pytest
import torch

from data import HouseNumbers, load, mat
from data.anchors import statistics
from data.synthetic import CANVAS, FACES, LABEL_COUNTS, _digits, _font_file, house_number, house_numbers


def first(numbers: HouseNumbers, count: int) -> HouseNumbers:
    return HouseNumbers(numbers.images[:count], numbers.labels[:count])


def test_an_image_depends_on_its_seed_and_index_alone() -> None:
    together = house_numbers(5, range(6))
    alone = house_numbers(5, [4])
    assert torch.equal(together.images[4], alone.images[0])
    assert together.labels[4] == alone.labels[0]
    image, label = house_number(5, 4)
    assert torch.equal(torch.from_numpy(image).permute(2, 0, 1), alone.images[0])
    assert label == alone.labels[0]


def test_seeds_and_indices_give_different_images() -> None:
    images = torch.cat([house_numbers(seed, range(4)).images for seed in (0, 1)])
    assert len(torch.unique(images.flatten(1), dim=0)) == 8


def test_the_contract_s_shapes() -> None:
    numbers = house_numbers(0, range(3))
    assert numbers.images.shape == (3, 3, 32, 32)
    assert (numbers.images.dtype, numbers.labels.dtype) == (torch.uint8, torch.int64)
    assert numbers.images.is_contiguous()


def test_drawing_leaves_everyone_s_random_numbers_alone() -> None:
    import numpy as np

    torch.manual_seed(1)
    np.random.seed(1)
    expected = torch.rand(1), np.random.rand()
    torch.manual_seed(1)
    np.random.seed(1)
    house_numbers(0, range(2))
    assert (torch.rand(1), np.random.rand()) == expected


@pytest.mark.parametrize("face", FACES)
def test_every_typeface_draws_ten_different_figures(face: str) -> None:
    from PIL import ImageFont

    font = ImageFont.truetype(_font_file(face), 40, layout_engine=ImageFont.Layout.BASIC)
    drawn = {bytes(font.getmask(str(digit))) for digit in range(10)}
    assert len(drawn) == 10
    missing = bytes(font.getmask("\ue123"))  # of private use: the box that stands for an unknown character
    assert missing not in drawn


def test_the_labelled_digit_stands_in_the_middle() -> None:
    import numpy as np

    for i in range(20):
        ink = _digits(np.random.RandomState(i), [1], 0)
        across = (ink.sum(axis=0) * np.arange(CANVAS)).sum() / ink.sum()
        down = (ink.sum(axis=1) * np.arange(CANVAS)).sum() / ink.sum()
        assert abs(across - CANVAS / 2) < 10
        assert abs(down - CANVAS / 2) < 10


def test_labels_are_as_frequent_as_svhn_s() -> None:
    labels = load("sample").labels
    found = torch.bincount(labels, minlength=10) / len(labels)
    expected = torch.tensor(LABEL_COUNTS) / sum(LABEL_COUNTS)
    # Six standard deviations of a share in 2,048 draws: the sample is what it is, this cannot fail by chance.
    assert ((found - expected).abs() < 6 * (expected * (1 - expected) / len(labels)).sqrt()).all()


def test_the_sample_is_what_the_generator_draws() -> None:
    for shipped, start in ((load("sample", "train"), 0), (load("sample", "test"), 2048)):
        drawn = house_numbers(0, range(start, start + 40))
        assert torch.equal(drawn.labels, shipped.labels[:40])
        # Another version of FreeType moves the edges of the digits by a fraction of a pixel, and no more than that.
        difference = (drawn.images.int() - shipped.images[:40].int()).abs().float().mean(dim=(1, 2, 3))
        assert difference.median() < 1.5
        assert difference.max() < 8.0


def test_drawing_twice_writes_the_same_bytes(tmp_path: Path) -> None:
    for name in ("a.mat", "b.mat"):
        mat.write(tmp_path / name, house_numbers(7, range(20)))
    assert (tmp_path / "a.mat").read_bytes() == (tmp_path / "b.mat").read_bytes()


def test_statistics_of_a_chequered_image_are_what_one_can_work_out() -> None:
    black_and_white = torch.zeros(2, 3, 32, 32, dtype=torch.uint8)
    black_and_white[:, :, :, ::2] = 255
    numbers = HouseNumbers(black_and_white, torch.zeros(2, dtype=torch.int64))
    grey = HouseNumbers(torch.randint_like(black_and_white, 120, 130), numbers.labels)
    found = statistics(numbers, numbers)
    assert found["mean of red"] == pytest.approx(127.5)
    assert found["step to the next pixel across"] == pytest.approx(255.0)
    assert found["step to the next pixel down"] == 0.0
    assert found["spread between channels"] == 0.0
    assert found["correlation red-blue"] == pytest.approx(1.0)
    assert found["nats: each image's own mean colour"] == pytest.approx(3072 / 2)  # 1 from the mean everywhere
    assert found["nats: constant mean"] == pytest.approx(0.0, abs=1e-6)
    assert statistics(numbers, grey)["nats: constant mean"] == pytest.approx(3072 / 2, rel=0.1)


@pytest.mark.slow
@pytest.mark.needs_svhn
def test_the_sample_is_statistically_like_svhn(svhn_dir: Path) -> None:
    ours, theirs = (
        statistics(first(load(source), 2048), first(load(source, "test"), 512)) for source in ("sample", svhn_dir)
    )
    for name, value in ours.items():
        assert value == pytest.approx(theirs[name], rel=0.15), name
