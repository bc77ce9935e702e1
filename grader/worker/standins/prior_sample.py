"""Stand-in for VAE.sample."""

import torch

REPLACES = "VAE.sample"
EXPECTS = "how many images to make, or codes of shape (B, z) as noise"


def sample(self, batch_size, noise=None):
    """Decode standard normal codes; the output of the decoder is the mode of p(x|z)."""
    weight = next(self.decoder.parameters())
    codes = torch.randn(batch_size, self.z_dim, dtype=weight.dtype) if noise is None else noise
    return self.decoder(codes)
