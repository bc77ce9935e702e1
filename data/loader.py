"""`load`: read house numbers from any source as tensors, split into training and test images."""

from pathlib import Path

import numpy as np
import torch

from data import mat, official
from data.house_numbers import SPLITS, DataError, HouseNumbers

SAMPLE = Path(__file__).parent / "sample"
TRAIN_SHARE = 0.8  # share of training images, for sources without a split


def load(source: str | Path = "sample", split: str = "train") -> HouseNumbers:
    """Load one split of a set of house numbers.

    If a source has no split, its images are put into a fixed random order; the first 80 % are `train`, the others
    `test`. The two never share an image, and both are the same in every run.

    Args:
        source: What to load:
            "sample", the synthetic house numbers of this project;
            "svhn", the official files, after `python -m data fetch`;
            a .mat file in SVHN's format, which is split as above;
            a folder of such files. If some names contain "train" and others "test", these are the splits, and other
            files (such as SVHN's "extra") are ignored. Otherwise all files are joined, sorted by name, and split as
            above. For a folder called sample or svhn, write the path with a slash: "./sample".
        split: "train" or "test".

    Raises:
        DataError: The source does not exist, or cannot be used.
    """
    if split not in SPLITS:
        raise DataError(f'no split {split!r}; choose "train" or "test"')
    if source == "sample":
        return mat.read(SAMPLE / f"{split}_32x32.mat")
    if source == "svhn":
        return mat.read(official.find(split, official.FOLDER))
    path = Path(source).expanduser()
    if not path.is_dir():
        if not path.exists():
            raise DataError(f'{path}: there is no such file or folder; give a path, "sample" or "svhn"')
        return _part(mat.read(path), split, path)
    files = _mat_files(path)
    if not files:
        raise DataError(f"{path}: the folder holds no .mat file; see data/README.md for the format")
    divided = {name: _named(files, name) for name in SPLITS}
    if all(divided.values()):
        return _concatenate(divided[split])
    return _part(_concatenate(files), split, path)


def _mat_files(folder: Path) -> list[Path]:
    """Return the .mat files of a folder, sorted by name, without hidden files (macOS creates "._x.mat")."""
    try:
        files = sorted(folder.iterdir())
    except OSError as error:
        raise DataError(f"{folder}: cannot be read ({error.strerror or error}); check its permissions") from error
    return [file for file in files if file.suffix.lower() == ".mat" and not file.name.startswith(".")]


def _named(files: list[Path], split: str) -> list[Path]:
    """Return the files whose names contain the name of this split, and not that of the other."""
    return [file for file in files if [name for name in SPLITS if name in file.stem.lower()] == [split]]


def _concatenate(files: list[Path]) -> HouseNumbers:
    """Read several files and join them."""
    parts = [mat.read(file) for file in files]
    return HouseNumbers(torch.cat([part.images for part in parts]), torch.cat([part.labels for part in parts]))


def _part(numbers: HouseNumbers, split: str, path: Path) -> HouseNumbers:
    """Return one split of images that have no split of their own.

    Raises:
        DataError: There are fewer than two images.
    """
    count = len(numbers)
    if count < 2:
        raise DataError(f"{path}: one image cannot be split into train and test; give two or more")
    train = min(max(round(TRAIN_SHARE * count), 1), count - 1)
    # numpy guarantees that the numbers of RandomState never change; newer generators and torch do not.
    order = np.random.RandomState(0).permutation(count)
    chosen = torch.from_numpy(order[:train] if split == "train" else order[train:])
    return HouseNumbers(numbers.images[chosen], numbers.labels[chosen])
