"""Stand-in for Encoder: a linear map of the flattened image."""

import torch
from torch import nn

EXPECTS = "images of shape (B, C, S, S)"


class KnownEncoder(nn.Module):
    """Put over a student's Encoder: (B, C, S, S) -> (B, hidden) by a known matrix, zeros up to the heads' width."""

    __call__ = nn.Module.__call__

    def know(self, weight, width):
        """Take the matrix (known, D), and how many features the heads take, `width` >= known."""
        self.known_weight, self.known_width = nn.Parameter(weight), width

    @property
    def out_features(self):
        """Return the width of the output."""
        return self.known_width

    def forward(self, x):
        """Multiply; images in another form are taken if the student's own encoder takes them."""
        if x.dim() != 4:
            self.known_trying = True
            with torch.no_grad():
                super().forward(torch.zeros_like(x))
            self.known_trying = False
            vars(self)["known_inside"].clear()  # what the encoder itself used
        features = torch.einsum("bd,hd->bh", x.flatten(start_dim=1), self.known_weight)
        return nn.functional.pad(features, (0, self.known_width - features.shape[1]))


class AnyEncoder(nn.Module):
    """What a constructor gets that cannot build its own encoder; the probe then replaces it by a known one."""

    def __init__(self, *args, **kwargs):
        super().__init__()
        self.out_features = 11


def install_constructor(module):
    """Replace the student's class in the module's names."""
    module.Encoder = AnyEncoder
