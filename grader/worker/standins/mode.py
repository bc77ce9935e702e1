"""Stand-in for DiagonalGaussianDistribution.mode."""

from torch.distributions import Normal

REPLACES = "DiagonalGaussianDistribution.mode"
EXPECTS = "no argument"


def mode(self):
    """Compute the mode with torch.distributions."""
    return Normal(self.mean, self.logvar.mul(0.5).exp(), validate_args=False).mode
