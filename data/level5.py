"""A strict reader for numeric variables in MATLAB files of level 5 ("MAT-File Format", The MathWorks, chapter 1).

scipy.io.loadmat reads more, but trusts what it reads: a wrong byte in a file can end the whole process with a
segmentation fault (seen with scipy 1.17). Here every size is checked before it is used, so that a damaged file is an
error like any other.

A file is a header of 128 bytes and then elements, each a tag (type, size in bytes) and its data. A variable is an
element of type MATRIX, whose data are elements again: flags, dimensions, name, values. It may lie inside an element
of type COMPRESSED.
"""

import struct
import zlib
from collections.abc import Iterator
from typing import Any

import numpy as np
import numpy.typing as npt

MATRIX, COMPRESSED = 14, 15
COMPLEX = 0x0800  # a bit of a variable's flags

# How values are stored, and what they are when loaded: MATLAB stores doubles as bytes where these are enough.
STORED = {1: "i1", 2: "u1", 3: "i2", 4: "u2", 5: "i4", 6: "u4", 7: "f4", 9: "f8", 12: "i8", 13: "u8"}
CLASSES = {6: "f8", 7: "f4", 8: "i1", 9: "u1", 10: "i2", 11: "u2", 12: "i4", 13: "u4", 14: "i8", 15: "u8"}
OTHER_CLASSES = {1: "a cell array", 2: "a struct", 3: "an object", 4: "text", 5: "a sparse matrix"}

Array = npt.NDArray[Any]


class DamagedError(Exception):
    """The bytes are not a whole level 5 file. The message says what was met, without a full stop."""


def variables(content: bytes) -> dict[str, Array | str]:
    """Return the variables of a file by name: arrays, or for what is not numeric, a word for what it is.

    Raises:
        DamagedError: The content is cut off, damaged or of another format.
    """
    order = {b"IM": "<", b"MI": ">"}.get(content[126:128])
    if order is None:
        raise DamagedError("it does not begin with the header of one")
    if struct.unpack_from(order + "H", content, 124)[0] != 0x0100:
        raise DamagedError("it is of MATLAB's version 7.3, save it again with the option -v7")
    found = {}
    for kind, data in _elements(memoryview(content)[128:], order, padded=False):
        if kind == COMPRESSED:
            try:
                inside = list(_elements(memoryview(zlib.decompress(data)), order, padded=False))
            except (zlib.error, MemoryError) as error:
                raise DamagedError(str(error) or "it claims to be huge") from error
            if len(inside) != 1:
                raise DamagedError("a compressed element is not one variable")
            kind, data = inside[0]
        if kind != MATRIX:
            raise DamagedError(f"it holds an element of type {kind}")
        name, value = _variable(data, order)
        found[name] = value
    return found


def _elements(data: memoryview, order: str, padded: bool) -> Iterator[tuple[int, memoryview]]:
    """Yield type and data of each element. Inside a variable they are padded to a multiple of 8 bytes."""
    position = 0
    while position < len(data):
        if len(data) - position < 8:
            raise DamagedError("it ends within a tag")
        kind, size = struct.unpack_from(order + "II", data, position)
        start = position + 8
        if kind >> 16:  # a small element: size and type share the first four bytes, the data are the other four
            kind, size, start = kind & 0xFFFF, kind >> 16, position + 4
            if size > 4:
                raise DamagedError(f"a small element claims {size} bytes")
        if start + size > len(data):
            raise DamagedError(f"it ends {start + size - len(data)} bytes too early")
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
    except ValueError as error:  # too few values, too many, or a shape beyond all bounds
        raise DamagedError(f"variable {name!r} has {len(values)} values, which do not fill {tuple(shape)}") from error


def _values(part: tuple[int, memoryview], order: str) -> Array:
    """Return the numbers of an element."""
    kind, data = part
    if kind not in STORED:
        raise DamagedError(f"it holds numbers of type {kind}")
    stored = np.dtype(order + STORED[kind])
    if len(data) % stored.itemsize:
        raise DamagedError("a number is cut in two")
    return np.frombuffer(data, dtype=stored)
