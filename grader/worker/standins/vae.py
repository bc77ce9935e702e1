"""Stand-in for the provided constructor of VAE, for files whose own constructor fails even with other parts."""

from torch import nn


def constructor(self, in_channels=3, decoder_features=32, encoder_features=32, z_dim=32, input_size=32, device="cpu"):
    """Create four placeholder parts, which the probe replaces by known ones."""
    nn.Module.__init__(self)
    self.z_dim = z_dim
    self.encoder, self.decoder = nn.Identity(), nn.Identity()
    self.mean, self.logvar = nn.Linear(1, z_dim), nn.Linear(1, z_dim)


def install_constructor(module):
    """Replace the constructor of the student's class and keep its methods."""
    module.VAE.__init__ = constructor
