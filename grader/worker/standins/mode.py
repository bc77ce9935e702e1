"""Stand-in for DiagonalGaussianDistribution.mode."""

from torch.distributions import Normal


def mode(self):
    """Ask torch.distributions for the mode."""
    return Normal(self.mean, self.logvar.mul(0.5).exp(), validate_args=False).mode


def install(module):
    """Put the method onto the student's class."""
    module.DiagonalGaussianDistribution.mode = mode
