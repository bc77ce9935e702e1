"""Stand-in for VAE.encode."""

import sys

REPLACES = "VAE.encode"
EXPECTS = "images of shape (B, C, S, S)"


def encode(self, x):
    """Apply the encoder, then both heads."""
    features = self.encoder(x)
    heads = {"mean": self.mean(features), "logvar": self.logvar(features)}
    return sys.modules[type(self).__module__].DiagonalGaussianDistribution(**heads)
