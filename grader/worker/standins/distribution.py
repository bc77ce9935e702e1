"""Stand-in for the given part of DiagonalGaussianDistribution, for files that lack the class altogether."""

import torch


class DiagonalGaussianDistribution:
    """Mean, clamped log-variance, standard deviation and variance; the methods are other stand-ins' business."""

    def __init__(self, mean, logvar=None):
        self.mean = mean
        self.logvar = mean.new_zeros(mean.shape) if logvar is None else logvar.clamp(min=-30.0, max=20.0)
        self.var = self.logvar.exp()
        self.std = torch.sqrt(self.var)


def install(module):
    """Give the module the class if it has none."""
    if not hasattr(module, "DiagonalGaussianDistribution"):
        module.DiagonalGaussianDistribution = DiagonalGaussianDistribution
