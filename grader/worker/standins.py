"""Correct stand-ins for the tasks that other tasks depend on, one class per task.

The judge reads this file as text. It sends a worker the imports and the classes of its stand-ins, but never that of the
task being checked, so workers do not need access to this file. Stand-ins use torch.distributions and import nothing of
the project. They read only mean and logvar of a distribution: if a student's `std` and `var` are wrong, no other task
fails because of them.

A stand-in accepts the inputs that a typical student's solution accepts. For a method, REPLACES names the class and the
method; the stand-in has a function of that name. For a part of the model, the stand-in has a mixin for the student's
own class, so that the student's attributes and helper methods still work. EXPECTS describes the valid arguments; it is
used in the message about a call that the stand-in cannot handle.
"""

# mypy: disable-error-code="attr-defined, arg-type"
# Each `self` is an object of the student's class.

import math
import sys

import torch
from torch import nn
from torch.distributions import AffineTransform, Independent, Normal, kl_divergence


class Encoder:
    """Stand-in for Encoder: a linear map of the flattened image."""

    EXPECTS = "images of shape (B, C, S, S)"

    class KnownEncoder(nn.Module):
        """Mixin for a student's Encoder: (B, C, S, S) -> (B, width), times a known matrix, padded with zeros."""

        __call__ = nn.Module.__call__

        def know(self, weight, width):
            """Set the matrix (known, D), and the number of features that the heads take, `width` >= known."""
            self.known_weight, self.known_width = nn.Parameter(weight), width

        @property
        def out_features(self):
            """Return the width of the output."""
            return self.known_width

        def forward(self, x):
            """Apply the matrix; images of another shape are accepted if the student's own encoder accepts them."""
            if x.dim() != 4:
                self.known_trying = True
                with torch.no_grad():
                    super().forward(torch.zeros_like(x))
                self.known_trying = False
                vars(self)["known_inside"].clear()  # layers that the encoder used itself
            features = torch.einsum("bd,hd->bh", x.flatten(start_dim=1), self.known_weight)
            return nn.functional.pad(features, (0, self.known_width - features.shape[1]))

    class AnyEncoder(nn.Module):
        """Placeholder for a constructor that cannot build its own encoder; the probe replaces it by a known one."""

        def __init__(self, *args, **kwargs):
            super().__init__()
            self.out_features = 11

    @classmethod
    def install_constructor(cls, module):
        """Replace the student's class in the module's names."""
        module.Encoder = cls.AnyEncoder


class Decoder:
    """Stand-in for Decoder: an affine map of the code, optionally made nonlinear."""

    EXPECTS = "codes of shape (B, z)"

    class KnownDecoder(nn.Module):
        """Mixin for a student's Decoder: (B, z) -> (B, C, S, S).

        With a = weight z + bias, the image is a + bend sin(a). With bend 0 the map is affine. With any other value, a
        mixture of codes and a mixture of images give different results.
        """

        __call__ = nn.Module.__call__

        def know(self, weight, bias, bend, shape):
            """Set the parameters of the map, and the shape (C, S, S) of an image."""
            self.known_weight, self.known_bias, self.known_shape = nn.Parameter(weight), nn.Parameter(bias), shape
            self.known_bend = nn.Parameter(bend, requires_grad=False)

        def forward(self, z):
            """Apply the map and reshape the result into images."""
            shape = None if z.dim() == 2 else self._shape_for(z)
            rows = z if shape is None else z.reshape(-1, self.known_weight.shape[1])
            flat = torch.einsum("bz,dz->bd", rows, self.known_weight).add(self.known_bias)
            image = torch.addcmul(flat, self.known_bend, flat.sin()).unflatten(1, self.known_shape)
            return image if shape is None else image.reshape(shape)

        def _shape_for(self, z):
            """Return the output shape of the student's own decoder for z; if that fails, a default for (B, 1, z)."""
            width = self.known_weight.shape[1]
            rows = z.numel() // width
            self.known_trying = True
            try:
                with torch.no_grad():
                    own = super().forward(torch.zeros_like(z)).shape
            except Exception:
                own = torch.Size()
            self.known_trying = False
            vars(self)["known_inside"].clear()  # layers that the decoder used itself
            if own.numel() == rows * math.prod(self.known_shape):
                return own
            if z.dim() > 2 and z.shape[-1] == width and rows == len(z):
                return (rows, *self.known_shape)
            raise ValueError(f"codes of shape {tuple(z.shape)}")

    class AnyDecoder(nn.Module):
        """Placeholder for a constructor that cannot build its own decoder; the probe replaces it by a known one."""

        def __init__(self, *args, **kwargs):
            super().__init__()

    @classmethod
    def install_constructor(cls, module):
        """Replace the student's class in the module's names."""
        module.Decoder = cls.AnyDecoder


class Sample:
    """Stand-in for DiagonalGaussianDistribution.sample."""

    REPLACES = "DiagonalGaussianDistribution.sample"
    EXPECTS = "noise of the shape of the mean, or none"

    def sample(self, noise=None):
        """Draw a sample by an affine transform of standard normal noise."""
        zeros = torch.zeros_like(self.mean)
        base = Normal(zeros, zeros + 1.0, validate_args=False)
        return AffineTransform(self.mean, self.logvar.mul(0.5).exp())(base.sample() if noise is None else noise)


class Kl:
    """Stand-in for DiagonalGaussianDistribution.kl."""

    REPLACES = "DiagonalGaussianDistribution.kl"
    EXPECTS = "no argument"

    def kl(self):
        """Compute the KL divergence with torch.distributions, summed over all dimensions except the first."""
        events = self.mean.dim() - 1
        posterior = Normal(self.mean, self.logvar.mul(0.5).exp(), validate_args=False)
        prior = Normal(torch.zeros_like(self.mean), torch.ones_like(self.mean), validate_args=False)
        return kl_divergence(*(Independent(each, events, validate_args=False) for each in (posterior, prior)))


class Nll:
    """Stand-in for DiagonalGaussianDistribution.nll."""

    REPLACES = "DiagonalGaussianDistribution.nll"
    EXPECTS = "a sample of the shape of the mean, and the dimensions to sum over"

    def nll(self, sample, dims=(1, 2, 3)):
        """Compute the negative log-density with torch.distributions.

        Dimensions that do not exist are ignored, since codes have no dimensions 2 and 3: a student whose own method
        sums over all dimensions except the batch never passes `dims` for codes.
        """
        log_density = Normal(self.mean, self.logvar.mul(0.5).exp(), validate_args=False).log_prob(sample)
        asked = (1, 2, 3) if dims is None else (dims,) if isinstance(dims, int) else tuple(dims)
        present = tuple(dim for dim in asked if -log_density.dim() <= dim < log_density.dim())
        return log_density.neg().sum(dim=present or asked)


class Mode:
    """Stand-in for DiagonalGaussianDistribution.mode."""

    REPLACES = "DiagonalGaussianDistribution.mode"
    EXPECTS = "no argument"

    def mode(self):
        """Compute the mode with torch.distributions."""
        return Normal(self.mean, self.logvar.mul(0.5).exp(), validate_args=False).mode


class Distribution:
    """Stand-in for the provided part of DiagonalGaussianDistribution, for files that do not define the class."""

    class DiagonalGaussianDistribution:
        """Mean, clamped log-variance, standard deviation and variance; other stand-ins define the methods."""

        def __init__(self, mean, logvar=None):
            self.mean = mean
            self.logvar = mean.new_zeros(mean.shape) if logvar is None else logvar.clamp(min=-30.0, max=20.0)
            self.var = self.logvar.exp()
            self.std = torch.sqrt(self.var)

    @classmethod
    def install(cls, module):
        """Add the class to the module if it does not define one."""
        if not hasattr(module, "DiagonalGaussianDistribution"):
            module.DiagonalGaussianDistribution = cls.DiagonalGaussianDistribution


class Encode:
    """Stand-in for VAE.encode."""

    REPLACES = "VAE.encode"
    EXPECTS = "images of shape (B, C, S, S)"

    def encode(self, x):
        """Apply the encoder, then both heads."""
        features = self.encoder(x)
        heads = {"mean": self.mean(features), "logvar": self.logvar(features)}
        return sys.modules[type(self).__module__].DiagonalGaussianDistribution(**heads)


class Decode:
    """Stand-in for VAE.decode."""

    REPLACES = "VAE.decode"
    EXPECTS = "codes of shape (B, z)"

    def decode(self, z):
        """Apply the decoder; its output is the mean, and the variance is one."""
        image = self.decoder(z)
        return sys.modules[type(self).__module__].DiagonalGaussianDistribution(mean=image)


class PriorSample:
    """Stand-in for VAE.sample."""

    REPLACES = "VAE.sample"
    EXPECTS = "how many images to make, or codes of shape (B, z) as noise"

    def sample(self, batch_size, noise=None):
        """Decode standard normal codes; the output of the decoder is the mode of p(x|z)."""
        weight = next(self.decoder.parameters())
        codes = torch.randn(batch_size, self.z_dim, dtype=weight.dtype) if noise is None else noise
        return self.decoder(codes)


class Vae:
    """Stand-in for the provided constructor of VAE, for files whose own constructor fails even with other parts."""

    def constructor(
        self, in_channels=3, decoder_features=32, encoder_features=32, z_dim=32, input_size=32, device="cpu"
    ):
        """Create four placeholder parts, which the probe replaces by known ones."""
        nn.Module.__init__(self)
        self.z_dim = z_dim
        self.encoder, self.decoder = nn.Identity(), nn.Identity()
        self.mean, self.logvar = nn.Linear(1, z_dim), nn.Linear(1, z_dim)

    @classmethod
    def install_constructor(cls, module):
        """Replace the constructor of the student's class and keep its methods."""
        module.VAE.__init__ = cls.constructor
