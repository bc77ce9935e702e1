"""Stand-in for Decoder: an affine map of the code, optionally made nonlinear."""

import math

import torch
from torch import nn

EXPECTS = "codes of shape (B, z)"


class KnownDecoder(nn.Module):
    """Mixin for a student's Decoder: (B, z) -> (B, C, S, S). With a = weight z + bias, the image is a + bend sin(a).

    With bend 0 the map is affine. With any other value, a mixture of codes and a mixture of images give different
    results.
    """

    __call__ = nn.Module.__call__

    def know(self, weight, bias, bend, shape):
        """Set the parameters of the map, and the shape (C, S, S) of an image."""
        self.known_weight, self.known_bias, self.known_shape = nn.Parameter(weight), nn.Parameter(bias), shape
        self.known_bend = nn.Parameter(bend, requires_grad=False)

    def forward(self, z):
        """Apply the map and reshape the result into images."""
        shape = None if z.dim() == 2 else self._shape_for(z)
        rows = z if shape is None else z.reshape(-1, self.known_weight.shape[1])
        flat = torch.einsum("bz,dz->bd", rows, self.known_weight).add(self.known_bias)
        image = torch.addcmul(flat, self.known_bend, flat.sin()).unflatten(1, self.known_shape)
        return image if shape is None else image.reshape(shape)

    def _shape_for(self, z):
        """Return the output shape of the student's own decoder for z; if that fails, a default shape for (B, 1, z)."""
        width = self.known_weight.shape[1]
        rows = z.numel() // width
        self.known_trying = True
        try:
            with torch.no_grad():
                own = super().forward(torch.zeros_like(z)).shape
        except Exception:
            own = torch.Size()
        self.known_trying = False
        vars(self)["known_inside"].clear()  # layers that the decoder used itself
        if own.numel() == rows * math.prod(self.known_shape):
            return own
        if z.dim() > 2 and z.shape[-1] == width and rows == len(z):
            return (rows, *self.known_shape)
        raise ValueError(f"codes of shape {tuple(z.shape)}")


class AnyDecoder(nn.Module):
    """Placeholder for a constructor that cannot build its own decoder; the probe replaces it by a known one."""

    def __init__(self, *args, **kwargs):
        super().__init__()


def install_constructor(module):
    """Replace the student's class in the module's names."""
    module.Decoder = AnyDecoder
