"""SVHN's file format: MATLAB files of level 5 ("MAT-File Format", The MathWorks, chapter 1), images X and labels y.

scipy.io.loadmat supports more formats, but does not validate sizes: a wrong byte in a file can crash the process with
a segmentation fault (seen with scipy 1.17). Here every size is checked before it is used, so a damaged file only raises
an error.

A file is a header of 128 bytes, followed by elements. Each element is a tag (type, size in bytes) and its data. A
variable is an element of type MATRIX; its data are again elements: flags, dimensions, name, values. It may be inside an
element of type COMPRESSED.

X contains bytes of shape (32, 32, 3, N): row, column, colour, image. y contains the labels, shape (N, 1). The label 10
means the digit 0, because MATLAB counts from 1.
"""

import io
import struct
import zlib
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from data.house_numbers import DataError, HouseNumbers

MATRIX, COMPRESSED = 14, 15
COMPLEX = 0x0800  # bit in the flags of a variable

# Types of the stored values, and of the loaded variables: MATLAB stores doubles as bytes if the values allow it.
STORED = {1: "i1", 2: "u1", 3: "i2", 4: "u2", 5: "i4", 6: "u4", 7: "f4", 9: "f8", 12: "i8", 13: "u8"}
CLASSES = {6: "f8", 7: "f4", 8: "i1", 9: "u1", 10: "i2", 11: "u2", 12: "i4", 13: "u4", 14: "i8", 15: "u8"}
OTHER_CLASSES = {1: "a cell array", 2: "a struct", 3: "an object", 4: "text", 5: "a sparse matrix"}

Array = npt.NDArray[Any]


class DamagedError(Exception):
    """The bytes are not a complete level 5 file. The message describes the problem, without a full stop."""


def variables(content: bytes) -> dict[str, Array | str]:
    """Return the variables of a file by name: arrays, or a description for variables that are not numeric.

    Raises:
        DamagedError: The content is truncated, damaged or in another format.
    """
    order = {b"IM": "<", b"MI": ">"}.get(content[126:128])
    if order is None:
        raise DamagedError("it does not begin with the header of such a file")
    if struct.unpack_from(order + "H", content, 124)[0] != 0x0100:
        raise DamagedError("it has MATLAB's version 7.3; save it again with the option -v7")
    found = {}
    for kind, data in _elements(memoryview(content)[128:], order, padded=False):
        if kind == COMPRESSED:
            try:
                inside = list(_elements(memoryview(zlib.decompress(data)), order, padded=False))
            except (zlib.error, MemoryError) as error:
                raise DamagedError(str(error) or "its data do not fit into memory") from error
            if len(inside) != 1:
                raise DamagedError("a compressed element is not one variable")
            kind, data = inside[0]
        if kind != MATRIX:
            raise DamagedError(f"it holds an element of type {kind}")
        name, value = _variable(data, order)
        found[name] = value
    return found


def _elements(data: memoryview, order: str, padded: bool) -> Iterator[tuple[int, memoryview]]:
    """Yield type and data of each element. Inside a variable, elements are padded to a multiple of 8 bytes."""
    position = 0
    while position < len(data):
        if len(data) - position < 8:
            raise DamagedError("it ends inside a tag")
        kind, size = struct.unpack_from(order + "II", data, position)
        start = position + 8
        if kind >> 16:  # a small element: size and type are in the first four bytes, the data in the other four
            kind, size, start = kind & 0xFFFF, kind >> 16, position + 4
            if size > 4:
                raise DamagedError(f"a small element declares {size} bytes")
        if start + size > len(data):
            raise DamagedError(f"{start + size - len(data)} bytes are missing at its end")
        yield kind, data[start : start + size]
        position = max(start + size, position + 8)
        if padded:
            position = -(-position // 8) * 8


def _variable(data: memoryview, order: str) -> tuple[str, Array | str]:
    """Return a variable's name and value."""
    parts = list(_elements(data, order, padded=True))
    if [kind for kind, _ in parts[:3]] != [6, 5, 1] or len(parts[0][1]) != 8:
        raise DamagedError("a variable does not begin with flags, dimensions and name")
    flags = struct.unpack_from(order + "I", parts[0][1])[0]
    shape = _values(parts[1], order).tolist()
    name = bytes(parts[2][1]).decode("latin-1")
    loaded = CLASSES.get(flags & 0xFF)
    if loaded is None:
        return name, OTHER_CLASSES.get(flags & 0xFF, "of an unknown class")
    if flags & COMPLEX:
        return name, "complex numbers"
    if len(parts) != 4 or len(shape) < 2 or min(shape) < 0:
        raise DamagedError(f"variable {name!r} has no values or no shape")
    values = _values(parts[3], order)
    try:
        return name, values.astype(loaded, copy=False).reshape(shape, order="F")
    except ValueError as error:  # too few or too many values, or an impossible shape
        raise DamagedError(f"variable {name!r} has {len(values)} values, which do not fill {tuple(shape)}") from error


def _values(part: tuple[int, memoryview], order: str) -> Array:
    """Return the numbers of an element."""
    kind, data = part
    if kind not in STORED:
        raise DamagedError(f"it holds numbers of type {kind}")
    stored = np.dtype(order + STORED[kind])
    if len(data) % stored.itemsize:
        raise DamagedError("the last number is incomplete")
    return np.frombuffer(data, dtype=stored)


HEADER_TEXT = b"MATLAB 5.0 MAT-file, house numbers in the format of SVHN"
HEADER_TEXT_BYTES = 116  # length of the free text at the start of every level 5 file


def read(path: Path) -> HouseNumbers:
    """Read a file in SVHN's format.

    Raises:
        DataError: The file does not exist, is damaged, or contains something else.
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
    if X.ndim == 3 and y.size == 1:  # a single image: MATLAB drops a last axis of length 1
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
    """Write a compressed file in SVHN's format; the same images and labels always give the same bytes.

    The file is renamed to `path` only when it is complete, so a full disk does not destroy an older file.

    Raises:
        DataError: The file cannot be written.
    """
    from scipy.io import savemat

    X = numbers.images.permute(2, 3, 1, 0).numpy()
    y = torch.where(numbers.labels == 0, 10, numbers.labels).to(torch.uint8).unsqueeze(1).numpy()
    buffer = io.BytesIO()
    savemat(buffer, {"X": X, "y": y}, do_compression=True)
    content = bytearray(buffer.getvalue())
    content[:HEADER_TEXT_BYTES] = HEADER_TEXT.ljust(HEADER_TEXT_BYTES)  # scipy writes the current time there
    partial = path.with_name(path.name + ".partial")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        partial.write_bytes(content)
        partial.replace(path)
    except OSError as error:
        raise DataError(f"{path}: cannot be written ({error.strerror or error}); choose another folder") from error
    finally:
        with suppress(OSError):  # already renamed on success
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
        return variables(content)
    except DamagedError as error:
        problem = f"not a complete MATLAB file of level 5 ({error})"
        raise DataError(f"{path}: {problem}; if it is damaged or truncated, download or copy it again") from error


def _images(X: npt.NDArray[Any]) -> torch.Tensor:
    """Convert (32, 32, 3, N) to a contiguous tensor (N, 3, 32, 32)."""
    return torch.from_numpy(np.ascontiguousarray(X.transpose(3, 2, 0, 1)))


def _labels(path: Path, y: npt.NDArray[Any]) -> torch.Tensor:
    """Convert labels 1 to 10, (N, 1), to 0 to 9, (N,). 0 is also accepted, as hand-made files often use it."""
    known = np.isin(y, np.arange(11))
    if not known.all():
        raise _refusal(path, f"y must hold labels from 1 to 10 (10 is the digit 0), not {y[~known][0]}")
    return torch.from_numpy(y.reshape(-1).astype(np.int64) % 10)


def _refusal(path: Path, problem: str) -> DataError:
    return DataError(f"{path}: {problem}; the file must be in SVHN's format, see data/README.md")
