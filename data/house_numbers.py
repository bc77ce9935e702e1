"""Types shared by all sources of images: images with labels, the error class, and the scaling for the models."""

from dataclasses import dataclass

import torch
from jaxtyping import Float32, Int64, UInt8
from torch import Tensor

SPLITS = ("train", "test")


class DataError(Exception):
    """Images could not be read, written or downloaded. The message is one line: the file, the problem, what to do."""


@dataclass(frozen=True)
class HouseNumbers:
    """Images of house numbers, each centred on one digit.

    Attributes:
        images: Bytes from 0 (dark) to 255 (bright), channels red, green, blue; contiguous.
        labels: The digit in the middle of each image, 0 to 9.
    """

    images: UInt8[Tensor, "N 3 32 32"]
    labels: Int64[Tensor, " N"]

    def __len__(self) -> int:
        return len(self.labels)


def normalise(images: UInt8[Tensor, "N C H W"]) -> Float32[Tensor, "N C H W"]:
    """Scale bytes to [-1, 1], on the device of `images`: 0 becomes -1, 255 becomes 1."""
    return images.to(torch.float32) / 127.5 - 1.0
