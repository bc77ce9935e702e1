"""What every source of images hands over: images with labels, the one error, and the scale that the models see."""

from dataclasses import dataclass

import torch
from jaxtyping import Float32, Int64, UInt8
from torch import Tensor

SPLITS = ("train", "test")


class DataError(Exception):
    """Images could not be read, made or fetched. The message is one line: which file, what is wrong, what to do."""


@dataclass(frozen=True)
class HouseNumbers:
    """Pictures of house numbers, each centred on one digit.

    Attributes:
        images: Bytes, 0 black to 255 full colour, channels red, green, blue; contiguous.
        labels: The digit in the middle of each image, 0 to 9.
    """

    images: UInt8[Tensor, "N 3 32 32"]
    labels: Int64[Tensor, " N"]

    def __len__(self) -> int:
        return len(self.labels)


def normalise(images: UInt8[Tensor, "N C H W"]) -> Float32[Tensor, "N C H W"]:
    """Scale bytes to [-1, 1], on whatever device they live: 0 becomes -1, 255 becomes 1."""
    return images.to(torch.float32) / 127.5 - 1.0
