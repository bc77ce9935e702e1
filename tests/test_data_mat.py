"""SVHN's file format: what is written is read again, and what cannot be used is refused in one clear line."""

import struct
from pathlib import Path

import numpy as np
import pytest
import torch
from scipy.io import loadmat, savemat

from data import DataError, HouseNumbers, mat
from data.mat import CLASSES, variables
from tests.data import noise


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "numbers.mat"


def save(path: Path, **changes: object) -> None:
    """Write a right file of three images with some of its variables replaced; None leaves one out."""
    variables = {
        "X": np.zeros((32, 32, 3, 3), dtype=np.uint8),
        "y": np.array([[1], [10], [2]], dtype=np.uint8),
    } | changes
    savemat(path, {name: value for name, value in variables.items() if value is not None})


@pytest.mark.parametrize("count", [1, 2, 13])
def test_what_is_written_is_read_again(file: Path, count: int) -> None:
    numbers = noise(count)
    mat.write(file, numbers)
    again = mat.read(file)
    assert torch.equal(again.images, numbers.images)
    assert torch.equal(again.labels, numbers.labels)
    assert again.images.is_contiguous()
    assert (again.images.dtype, again.labels.dtype, len(again)) == (torch.uint8, torch.int64, count)


def test_the_file_is_laid_out_like_svhn(file: Path) -> None:
    numbers = noise(11)
    mat.write(file, numbers)
    content = loadmat(file)
    assert content["X"].shape == (32, 32, 3, 11)
    assert content["X"].dtype == content["y"].dtype == np.uint8
    assert content["y"].ravel().tolist() == [10, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10]
    row, column, colour, image = 5, 30, 2, 7
    assert content["X"][row, column, colour, image] == numbers.images[image, colour, row, column]


def test_the_same_images_give_the_same_bytes_at_any_time(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    mat.write(file, noise(3))
    first = file.read_bytes()
    monkeypatch.setattr("scipy.io.matlab._mio5.time.asctime", lambda: "Thu Jan  1 00:00:00 1970")
    mat.write(file, noise(3))
    assert file.read_bytes() == first
    assert b"Created" not in first[:128]


def test_the_file_is_compressed(file: Path) -> None:
    black = HouseNumbers(torch.zeros(10, 3, 32, 32, dtype=torch.uint8), torch.zeros(10, dtype=torch.int64))
    mat.write(file, black)
    assert file.stat().st_size < 2_000


def test_a_single_image_whose_last_axis_matlab_dropped(file: Path) -> None:
    image = np.random.RandomState(0).randint(0, 256, (32, 32, 3)).astype(np.uint8)
    save(file, X=image, y=np.array([[10]], dtype=np.uint8))
    numbers = mat.read(file)
    assert np.array_equal(numbers.images.numpy(), image.transpose(2, 0, 1)[np.newaxis])
    assert numbers.labels.tolist() == [0]


def test_labels_as_doubles_which_matlab_makes_of_plain_numbers(file: Path) -> None:
    save(file, y=np.array([[1.0], [10.0], [2.0]]))
    assert mat.read(file).labels.tolist() == [1, 0, 2]


@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        ({"X": None}, "holds no variable X"),
        ({"y": None}, "holds no variable y"),
        ({"X": None, "y": None, "images": np.zeros(3)}, "holds no variable X and no y"),
        ({"X": np.zeros((32, 32, 3, 3))}, "X must hold bytes (uint8), not float64"),
        ({"X": "a string"}, "X must hold bytes (uint8)"),
        ({"X": np.zeros((3, 32, 32, 3), dtype=np.uint8)}, "X must have the shape (32, 32, 3, N)"),
        ({"X": np.zeros((28, 28, 1, 3), dtype=np.uint8)}, "X must have the shape (32, 32, 3, N)"),
        ({"X": np.zeros((32, 32, 3), dtype=np.uint8)}, "X must have the shape (32, 32, 3, N)"),
        ({"X": np.zeros((32, 32, 3, 0), dtype=np.uint8), "y": np.zeros((0, 1), dtype=np.uint8)}, "holds no images"),
        ({"y": np.array([[1], [2]], dtype=np.uint8)}, "y must have the shape (3, 1)"),
        ({"y": np.array([[1], [2], [11]], dtype=np.uint8)}, "labels from 1 to 10 (10 is the digit 0), not 11"),
        ({"y": np.array([[1], [-1], [2]], dtype=np.int16)}, "labels from 1 to 10 (10 is the digit 0), not -1"),
        ({"y": np.array([[1.0], [1.5], [2.0]])}, "labels from 1 to 10 (10 is the digit 0), not 1.5"),
        ({"y": np.array([[1.0], [np.nan], [2.0]])}, "labels from 1 to 10 (10 is the digit 0), not nan"),
        ({"y": ["one", "two", "six"]}, "y must hold numbers"),
    ],
)
def test_a_file_of_another_kind_is_refused(file: Path, changes: dict[str, object], problem: str) -> None:
    save(file, **changes)
    assert problem in refusal(file)


@pytest.mark.parametrize("content", [b"", b"not a MATLAB file", b"\x89HDF\r\n\x1a\n" + bytes(600), bytes(4096)])
def test_bytes_of_any_other_sort_are_refused(file: Path, content: bytes) -> None:
    file.write_bytes(content)
    refusal(file)


def test_a_file_that_is_cut_off_is_refused_wherever_it_ends(file: Path) -> None:
    mat.write(file, noise(2))
    whole = file.read_bytes()
    for size in [*range(0, 200, 7), *range(200, len(whole) - 1, 311), len(whole) - 1]:
        file.write_bytes(whole[:size])
        refusal(file)


def test_a_damaged_file_is_refused(file: Path) -> None:
    mat.write(file, noise(2))
    whole = bytearray(file.read_bytes())
    whole[len(whole) // 2] ^= 0xFF
    file.write_bytes(whole)
    assert "damaged" in refusal(file)


@pytest.mark.parametrize("compressed", [True, False])
def test_wrong_bytes_anywhere_are_an_error_at_most(file: Path, compressed: bool) -> None:
    """With scipy.io.loadmat, changes like these end the whole process."""
    savemat(file, {"X": np.zeros((32, 32, 3, 2), np.uint8), "y": np.ones((2, 1), np.uint8)}, do_compression=compressed)
    whole = file.read_bytes()
    random = np.random.RandomState(0)
    refusals = []
    for _ in range(400):
        wrong = bytearray(whole)
        for place in random.randint(120, min(len(whole), 260), size=3):
            wrong[place] = random.randint(256)
        file.write_bytes(wrong)
        try:
            mat.read(file)
        except DataError as error:
            refusals.append(str(error))
    assert len(refusals) > 100
    assert not any("\n" in line for line in refusals)


@pytest.mark.parametrize("compressed", [True, False])
def test_every_type_of_number_is_read_as_scipy_reads_it(file: Path, compressed: bool) -> None:
    written = {f"v_{kind}": np.arange(-3, 9).astype(kind).reshape(2, 3, 2) for kind in CLASSES.values()}
    savemat(file, written | {"one": 1.0, "none": np.zeros((0, 1)), "text": "abc"}, do_compression=compressed)
    ours, theirs = variables(file.read_bytes()), loadmat(file)
    assert ours.pop("text") == "text"
    assert set(ours) == {*written, "one", "none"}
    for name, value in ours.items():
        assert isinstance(value, np.ndarray)
        assert value.dtype == theirs[name].dtype
        assert np.array_equal(value, theirs[name])


def test_a_file_from_a_machine_of_the_other_byte_order(file: Path) -> None:
    """Written by hand after the format's description; scipy only writes the machine's own order."""

    def element(kind: int, data: bytes) -> bytes:
        return struct.pack(">II", kind, len(data)) + data + bytes(-len(data) % 8)

    def variable(name: bytes, kind: int, shape: tuple[int, ...], data: bytes) -> bytes:
        dims = struct.pack(f">{len(shape)}i", *shape)
        return element(14, element(6, struct.pack(">II", kind, 0)) + element(5, dims) + element(1, name) + data)

    image = np.arange(3072, dtype=np.uint8)
    y = struct.pack(">HH4s", 1, 2, b"\x0a\0\0\0")  # a small element: one byte, the label 10
    content = variable(b"X", 9, (32, 32, 3, 1), element(2, image.tobytes())) + variable(b"y", 6, (1, 1), y)
    file.write_bytes(b"by hand".ljust(124) + b"\x01\x00MI" + content)
    numbers = mat.read(file)
    assert numbers.labels.tolist() == [0]
    row, column, colour = 5, 30, 2
    assert numbers.images[0, colour, row, column] == image[row + 32 * column + 1024 * colour]


def test_a_missing_file_and_a_folder_are_refused(file: Path) -> None:
    assert "no such file" in refusal(file)
    file.mkdir()
    assert "cannot be read" in refusal(file)


def test_a_place_that_cannot_be_written_is_refused_and_left_as_it_was(file: Path) -> None:
    file.write_text("something else")
    with pytest.raises(DataError, match="cannot be written"):
        mat.write(file / "below" / "a.mat", noise(1))
    assert file.read_text() == "something else"


def test_a_failed_write_keeps_the_older_file(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    mat.write(file, noise(1))
    before = file.read_bytes()

    def full(self: Path, content: bytes) -> int:
        with self.open("wb") as stream:
            stream.write(content[:100])
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "write_bytes", full)
    with pytest.raises(DataError, match="No space left"):
        mat.write(file, noise(5))
    assert file.read_bytes() == before
    assert list(file.parent.iterdir()) == [file]


def refusal(path: Path) -> str:
    """Return the one line that a file is refused with; it names the file."""
    with pytest.raises(DataError) as caught:
        mat.read(path)
    message = str(caught.value)
    assert str(path) in message
    assert "\n" not in message
    return message
