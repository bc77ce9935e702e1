"""Stand-in for VAE.encode."""

import sys


def encode(self, x):
    """Apply the encoder, then both heads."""
    features = self.encoder(x)
    heads = {"mean": self.mean(features), "logvar": self.logvar(features)}
    return sys.modules[type(self).__module__].DiagonalGaussianDistribution(**heads)


def install(module):
    """Put the method onto the student's class."""
    module.VAE.encode = encode
