"""Stand-in for VAE.decode."""

import sys

REPLACES = "VAE.decode"
EXPECTS = "codes of shape (B, z)"


def decode(self, z):
    """Apply the decoder; its output is the mean, and the variance is one."""
    image = self.decoder(z)
    return sys.modules[type(self).__module__].DiagonalGaussianDistribution(mean=image)
