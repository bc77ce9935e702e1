"""Stand-in for VAE.decode."""

import sys


def decode(self, z):
    """Apply the decoder; its output is the mean, the variance is one."""
    image = self.decoder(z)
    return sys.modules[type(self).__module__].DiagonalGaussianDistribution(mean=image)


def install(module):
    """Put the method onto the student's class."""
    module.VAE.decode = decode
