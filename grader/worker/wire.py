"""Frames between judge and worker: a header in JSON, and tensors as safetensors bytes. Pickle is never used.

A frame consists of the header length (4 bytes), the tensor length (8 bytes, both big endian), the header and the
tensors. Both sides use this module. The judge reads frames that untrusted code may have written, so it checks every
length before it reads that much data. torch is imported with the first tensor: the judge starts sandboxes before that.
"""

import json
import struct
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import IO, TYPE_CHECKING, Any

if TYPE_CHECKING:
    from torch import Tensor

MAX_HEADER = 1 << 20
MAX_TENSORS = 64 << 20

_LENGTHS = struct.Struct(">IQ")


class WireError(Exception):
    """The received data is not a valid frame: it is too long, incomplete or malformed."""


@dataclass(frozen=True)
class Message:
    """One frame: `header` contains JSON data, `tensors` contains dense CPU tensors by name."""

    header: dict[str, Any] = field(default_factory=dict)
    tensors: "dict[str, Tensor]" = field(default_factory=dict)


def plain(tensor: "Tensor") -> "Tensor":
    """Return a detached, contiguous copy of class Tensor; safetensors refuses shared or strided storage."""
    import torch

    with torch._C.DisableTorchFunctionSubclass():
        return torch.Tensor.detach(tensor).as_subclass(torch.Tensor).clone(memory_format=torch.contiguous_format)


def encode(message: Message) -> bytes:
    """Return the frame of a message."""
    header = json.dumps(message.header).encode()
    tensors = b""
    if message.tensors:
        import safetensors.torch

        tensors = safetensors.torch.save({name: plain(tensor) for name, tensor in message.tensors.items()})
    return _LENGTHS.pack(len(header), len(tensors)) + header + tensors


def write(stream: IO[bytes], message: Message) -> None:
    """Write one frame and flush."""
    stream.write(encode(message))
    stream.flush()


def read(stream: IO[bytes], max_tensors: int = MAX_TENSORS) -> Message:
    """Read one frame.

    Raises:
        EOFError: The stream ended before a frame began.
        WireError: The frame is longer than allowed, incomplete or malformed.
    """
    lengths = _read_exactly(stream, _LENGTHS.size, begun=False)
    header_length, tensors_length = _LENGTHS.unpack(lengths)
    if header_length > MAX_HEADER or tensors_length > max_tensors:
        raise WireError(f"a frame of {header_length} + {tensors_length} bytes is longer than allowed")
    header_bytes = _read_exactly(stream, header_length)
    tensor_bytes = _read_exactly(stream, tensors_length)
    try:
        header = json.loads(header_bytes)
        tensors = _loaded(tensor_bytes) if tensor_bytes else {}
    except Exception as error:  # json and safetensors raise many kinds of errors
        raise WireError(f"a malformed frame: {error}") from error
    if not isinstance(header, dict):
        raise WireError("a frame's header must be a JSON object")
    return Message(header, dict(tensors))


def _loaded(data: bytes) -> "Mapping[str, Tensor]":
    import safetensors.torch

    return safetensors.torch.load(data)


def _read_exactly(stream: IO[bytes], count: int, begun: bool = True) -> bytes:
    data = bytearray()
    while len(data) < count:
        part = stream.read(count - len(data))
        if not part:
            if begun or data:
                raise WireError("a frame was cut off")
            raise EOFError("the other side is gone")
        data += part
    return bytes(data)
