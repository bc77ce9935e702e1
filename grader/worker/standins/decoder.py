"""Stand-in for Decoder: an affine map of the code, bent on request."""

import torch
from torch import nn


class LinearDecoder(nn.Module):
    """(B, z) -> (B, C, S, S): a = weight z + bias, then a + bend sin(a), folded into an image.

    With bend 0 it is affine; with another it tells a mix of codes from a mix of images.
    """

    def __init__(self, weight, bias, bend, shape):
        super().__init__()
        self.weight, self.bias, self.shape = nn.Parameter(weight), nn.Parameter(bias), shape
        self.bend = nn.Parameter(bend, requires_grad=False)

    def forward(self, z):
        """Multiply, add, bend, and fold into an image."""
        flat = torch.einsum("bz,dz->bd", z, self.weight).add(self.bias)
        return torch.addcmul(flat, self.bend, flat.sin()).unflatten(1, self.shape)


class AnyDecoder(nn.Module):
    """What a constructor gets that cannot build its own decoder; the probe then replaces it by a known one."""

    def __init__(self, *args, **kwargs):
        super().__init__()


def install_constructor(module):
    """Replace the student's class in the module's names."""
    module.Decoder = AnyDecoder
