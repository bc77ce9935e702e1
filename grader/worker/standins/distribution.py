"""Stand-in for the provided part of DiagonalGaussianDistribution, for files that do not define the class."""

import torch


class DiagonalGaussianDistribution:
    """Mean, clamped log-variance, standard deviation and variance; other stand-ins define the methods."""

    def __init__(self, mean, logvar=None):
        self.mean = mean
        self.logvar = mean.new_zeros(mean.shape) if logvar is None else logvar.clamp(min=-30.0, max=20.0)
        self.var = self.logvar.exp()
        self.std = torch.sqrt(self.var)


def install(module):
    """Add the class to the module if it does not define one."""
    if not hasattr(module, "DiagonalGaussianDistribution"):
        module.DiagonalGaussianDistribution = DiagonalGaussianDistribution
