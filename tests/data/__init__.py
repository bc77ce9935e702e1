"""What the tests of `data` share."""

import torch

from data import HouseNumbers


def noise(count: int, seed: int = 0) -> HouseNumbers:
    """Images of noise: each one is different, so that a test can tell which is which."""
    generator = torch.Generator().manual_seed(seed)
    images = torch.randint(0, 256, (count, 3, 32, 32), dtype=torch.uint8, generator=generator)
    return HouseNumbers(images, torch.arange(count) % 10)
