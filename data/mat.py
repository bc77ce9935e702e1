"""SVHN's file format: a MATLAB file (level 5) with images X and labels y.

X holds bytes of shape (32, 32, 3, N): row, column, colour, image. y holds the labels, (N, 1), where 10 stands for the
digit 0, because MATLAB counts from 1.
"""

import io
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from data import level5
from data.house_numbers import DataError, HouseNumbers

HEADER_TEXT = b"MATLAB 5.0 MAT-file, house numbers in the format of SVHN"
HEADER_TEXT_BYTES = 116  # the free text at the start of every level 5 file; the rest of the header has a meaning


def read(path: Path) -> HouseNumbers:
    """Read a file in SVHN's format.

    Raises:
        DataError: There is no such file, it is damaged, or it holds something else.
    """
    variables = _variables(path)
    missing = [name for name in ("X", "y") if name not in variables]
    if missing:
        raise _refusal(path, f"holds no variable {' and no '.join(missing)}")
    X, y = variables["X"], variables["y"]
    if isinstance(X, str) or X.dtype != np.uint8:
        raise _refusal(path, f"X must hold bytes (uint8), not {X if isinstance(X, str) else X.dtype}")
    if isinstance(y, str):
        raise _refusal(path, f"y must hold numbers, not {y}")
    if X.ndim == 3 and y.size == 1:  # MATLAB drops a last axis of length 1: this is a single image
        X = X[..., np.newaxis]
    if X.shape[:-1] != (32, 32, 3):
        raise _refusal(path, f"X must have the shape (32, 32, 3, N), not {X.shape}")
    count = X.shape[-1]
    if count == 0:
        raise _refusal(path, "holds no images")
    if y.shape not in {(count, 1), (1, count)}:
        raise _refusal(path, f"y must have the shape ({count}, 1), one label for each image, not {y.shape}")
    return HouseNumbers(_images(X), _labels(path, y))


def write(path: Path, numbers: HouseNumbers) -> None:
    """Write a file in SVHN's format, compressed; the same images and labels always give the same bytes.

    The file appears under its name only when it is complete: a full disk costs no older file.

    Raises:
        DataError: The file cannot be written.
    """
    from scipy.io import savemat

    X = numbers.images.permute(2, 3, 1, 0).numpy()
    y = torch.where(numbers.labels == 0, 10, numbers.labels).to(torch.uint8).unsqueeze(1).numpy()
    buffer = io.BytesIO()
    savemat(buffer, {"X": X, "y": y}, do_compression=True)
    content = bytearray(buffer.getvalue())
    content[:HEADER_TEXT_BYTES] = HEADER_TEXT.ljust(HEADER_TEXT_BYTES)  # scipy writes the time of day there
    partial = path.with_name(path.name + ".partial")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        partial.write_bytes(content)
        partial.replace(path)
    except OSError as error:
        raise DataError(f"{path}: cannot be written ({error.strerror or error}); choose another folder") from error
    finally:
        with suppress(OSError):  # gone already if all went well
            partial.unlink()


def _variables(path: Path) -> dict[str, Any]:
    """Return the variables of a MATLAB file."""
    try:
        content = path.read_bytes()
    except FileNotFoundError:
        raise DataError(f"{path}: there is no such file; check the path") from None
    except OSError as error:
        reason = error.strerror or error
        raise DataError(f"{path}: cannot be read ({reason}); check the path and its permissions") from error
    if not content:
        raise DataError(f"{path}: the file is empty (0 bytes); download or copy it again")
    try:
        return level5.variables(content)
    except level5.DamagedError as error:
        problem = f"not a whole MATLAB file of level 5 ({error})"
        raise DataError(f"{path}: {problem}; if it is damaged or cut off, download or copy it again") from error


def _images(X: npt.NDArray[Any]) -> torch.Tensor:
    """(32, 32, 3, N) -> a contiguous tensor (N, 3, 32, 32)."""
    return torch.from_numpy(np.ascontiguousarray(X.transpose(3, 2, 0, 1)))


def _labels(path: Path, y: npt.NDArray[Any]) -> torch.Tensor:
    """(N, 1) of 1 to 10 -> (N,) of 0 to 9. Also takes 0 for 0, which files made by hand often hold."""
    known = np.isin(y, np.arange(11))
    if not known.all():
        raise _refusal(path, f"y must hold labels from 1 to 10 (10 is the digit 0), not {y[~known][0]}")
    return torch.from_numpy(y.reshape(-1).astype(np.int64) % 10)


def _refusal(path: Path, problem: str) -> DataError:
    return DataError(f"{path}: {problem}; the file must be in SVHN's format, see data/README.md")
