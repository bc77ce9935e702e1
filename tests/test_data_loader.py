"""`load`: every source gives the same kind of tensors, and splits that never share an image."""

from pathlib import Path

import pytest
import torch

from data import DataError, HouseNumbers, load, mat, normalise, official
from tests.data import noise


def rows(numbers: HouseNumbers) -> set[bytes]:
    """The images as a set: for images of noise, no two are alike."""
    return {image.numpy().tobytes() for image in numbers.images}


def both(source: str | Path) -> tuple[HouseNumbers, HouseNumbers]:
    return load(source, "train"), load(source, "test")


def test_the_sample_is_there_and_divided() -> None:
    train, test = both("sample")
    assert (len(train), len(test)) == (2048, 512)
    assert rows(train).isdisjoint(rows(test))
    for part in (train, test):
        assert part.images.shape == (len(part), 3, 32, 32)
        assert (part.images.dtype, part.labels.dtype) == (torch.uint8, torch.int64)
        assert part.images.is_contiguous()
        assert set(part.labels.tolist()) == set(range(10))


def test_the_sample_s_training_images_are_the_default() -> None:
    assert torch.equal(load().images, load("sample", "train").images)


@pytest.mark.parametrize(("count", "train"), [(2, 1), (3, 2), (5, 4), (10, 8), (103, 82)])
def test_a_file_is_divided_80_to_20_and_nothing_is_lost(tmp_path: Path, count: int, train: int) -> None:
    numbers = noise(count)
    mat.write(tmp_path / "mine.mat", numbers)
    left, right = both(tmp_path / "mine.mat")
    assert (len(left), len(right)) == (train, count - train)
    assert rows(left).isdisjoint(rows(right))
    assert rows(left) | rows(right) == rows(numbers)


def test_labels_stay_with_their_images(tmp_path: Path) -> None:
    numbers = noise(30)
    mat.write(tmp_path / "mine.mat", numbers)
    label = {image.numpy().tobytes(): int(digit) for image, digit in zip(numbers.images, numbers.labels, strict=True)}
    for part in both(tmp_path / "mine.mat"):
        for image, digit in zip(part.images, part.labels, strict=True):
            assert label[image.numpy().tobytes()] == digit


def test_a_file_is_divided_the_same_way_in_every_run_and_on_every_machine(tmp_path: Path) -> None:
    numbers = noise(10)
    mat.write(tmp_path / "mine.mat", numbers)
    assert load(tmp_path / "mine.mat").labels.tolist() == [2, 8, 4, 9, 1, 6, 7, 3]
    assert load(str(tmp_path / "mine.mat"), "test").labels.tolist() == [0, 5]


def test_a_single_image_cannot_be_divided(tmp_path: Path) -> None:
    mat.write(tmp_path / "mine.mat", noise(1))
    with pytest.raises(DataError, match=r"mine\.mat: one image cannot be split"):
        load(tmp_path / "mine.mat")


@pytest.mark.parametrize(
    ("train", "test"),
    [("train_32x32.mat", "test_32x32.mat"), ("my_train.mat", "my_test.mat"), ("Train.MAT", "Test.MAT")],
)
def test_a_folder_with_a_pair_is_taken_as_divided(tmp_path: Path, train: str, test: str) -> None:
    mat.write(tmp_path / train, noise(5, seed=1))
    mat.write(tmp_path / test, noise(1, seed=2))
    mat.write(tmp_path / "extra_32x32.mat", noise(9, seed=3))
    left, right = both(tmp_path)
    assert torch.equal(left.images, noise(5, seed=1).images)
    assert torch.equal(right.images, noise(1, seed=2).images)


@pytest.mark.parametrize("names", [("b.mat", "a.mat"), ("test_1.mat", "test_0.mat"), ("train_test.mat", "train.mat")])
def test_a_folder_without_a_pair_counts_as_one_file(tmp_path: Path, names: tuple[str, str]) -> None:
    first, second = noise(6, seed=1), noise(4, seed=2)
    mat.write(tmp_path / names[0], second)
    mat.write(tmp_path / names[1], first)
    together = HouseNumbers(torch.cat([first.images, second.images]), torch.cat([first.labels, second.labels]))
    if names[0] < names[1]:
        together = HouseNumbers(torch.cat([second.images, first.images]), torch.cat([second.labels, first.labels]))
    mat.write(tmp_path / "below" / "one.mat", together)  # folders inside the folder are not looked into
    for whole, one in zip(both(tmp_path), both(tmp_path / "below" / "one.mat"), strict=True):
        assert torch.equal(whole.images, one.images)
        assert torch.equal(whole.labels, one.labels)


def test_hidden_files_and_other_files_of_a_folder_are_passed_over(tmp_path: Path) -> None:
    mat.write(tmp_path / "mine.mat", noise(10))
    (tmp_path / "._mine.mat").write_bytes(b"what macOS leaves on a memory stick")
    (tmp_path / "notes.txt").write_text("nothing to see")
    assert len(load(tmp_path)) == 8


def test_one_bad_file_of_a_folder_is_named(tmp_path: Path) -> None:
    mat.write(tmp_path / "a.mat", noise(2))
    (tmp_path / "b.mat").write_bytes(b"")
    with pytest.raises(DataError, match=r"b\.mat: the file is empty"):
        load(tmp_path)


def test_nothing_there_is_said_clearly(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"gone: there is no such file or folder"):
        load(tmp_path / "gone")
    with pytest.raises(DataError, match=r"the folder holds no \.mat file"):
        load(tmp_path)
    with pytest.raises(DataError, match="no split 'extra'"):
        load("sample", "extra")


def test_svhn_that_has_not_been_fetched_says_how_to(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(official, "FOLDER", tmp_path)
    with pytest.raises(DataError, match="run: python -m data fetch"):
        load("svhn", "test")


def test_svhn_of_another_size_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(official, "FOLDER", tmp_path)
    mat.write(tmp_path / "test_32x32.mat", noise(3))
    with pytest.raises(DataError, match="instead of 64,275,384"):
        load("svhn", "test")


def test_svhn_is_loaded_from_where_fetch_puts_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    mat.write(tmp_path / "test_32x32.mat", noise(3))
    size = (tmp_path / "test_32x32.mat").stat().st_size
    monkeypatch.setattr(official, "FOLDER", tmp_path)
    monkeypatch.setitem(official.OFFICIAL, "test", official.OfficialFile("test_32x32.mat", size, "unread"))
    assert torch.equal(load("svhn", "test").images, noise(3).images)


def test_normalise_maps_bytes_to_minus_one_and_one() -> None:
    images = torch.tensor([0, 51, 255], dtype=torch.uint8).view(1, 3, 1, 1)
    scaled = normalise(images)
    assert scaled.dtype == torch.float32
    torch.testing.assert_close(scaled.flatten(), torch.tensor([-1.0, -0.6, 1.0]))
    assert images.flatten().tolist() == [0, 51, 255]


@pytest.mark.needs_svhn
def test_real_images_are_read_as_they_are(svhn_dir: Path) -> None:
    train, test = both(svhn_dir)
    assert len(train) == pytest.approx(4 * len(test), abs=2)
    share = torch.bincount(torch.cat([train.labels, test.labels])) / (len(train) + len(test))
    assert int(share.argmax()) == 1
    assert set(train.labels.tolist()) == set(range(10))
    # Photographs: a pixel resembles the one beside it and the one below, in each channel.
    x = normalise(train.images[:200])
    assert x.diff(dim=2).abs().mean() < 0.3 * x.std()
    assert x.diff(dim=3).abs().mean() < 0.3 * x.std()
