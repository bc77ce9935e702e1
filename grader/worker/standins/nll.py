"""Stand-in for DiagonalGaussianDistribution.nll."""

from torch.distributions import Normal


def nll(self, sample, dims=(1, 2, 3)):
    """Ask torch.distributions for the log-density."""
    log_density = Normal(self.mean, self.logvar.mul(0.5).exp(), validate_args=False).log_prob(sample)
    return log_density.neg().sum(dim=dims if isinstance(dims, int) else tuple(dims))


def install(module):
    """Put the method onto the student's class."""
    module.DiagonalGaussianDistribution.nll = nll
