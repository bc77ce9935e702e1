"""A variational autoencoder (VAE) for SVHN house numbers.

The model describes an image x by a latent code z (Kingma and Welling 2014, "Auto-Encoding Variational Bayes"):

    prior       p(z)    = N(0, I)                       codes are standard normal
    likelihood  p(x|z)  = N(decoder(z), I)              the decoder predicts the mean image; the variance is one
    posterior   q(z|x)  = N(mean(h), exp(logvar(h)))    the encoder, h = encoder(x), infers the code

Training maximises the evidence lower bound (ELBO). This is the same as minimising

    -ELBO(x) = E_q(z|x)[-log p(x|z)] + KL(q(z|x) || p(z))  >=  -log p(x)
                 reconstruction: nll       regulariser: kl

Names of sizes in the signatures: B images (or codes) in a batch, C channels, S x S pixels scaled to [-1, 1],
`hidden` features of the encoder, `z` latent dimensions. Float[Tensor, "B z"] is a floating-point tensor of shape
(B, z). All information is measured in nats.
"""

import math
from collections.abc import Sequence

import torch
from jaxtyping import Float
from torch import Tensor, nn


# ## Task `encoder`
class Encoder(nn.Module):
    """Turn images into features, (B, C, S, S) -> (B, hidden), by strided convolutions.

    Any architecture that processes each image of a batch independently will do. The usual one has a few convolutions
    of stride 2, each of which halves height and width and increases the number of channels. The result is flattened.

    Attributes:
        out_features: The width `hidden` of the output. `VAE` uses it to build its two heads.
    """

    out_features: int

    def __init__(self, in_channels: int = 3, features: int = 32, input_size: int = 32):
        super().__init__()
        raise NotImplementedError("TODO: encoder")

    def forward(self, x: Float[Tensor, "B C S S"]) -> Float[Tensor, "B hidden"]:
        """Return the features of each image."""
        raise NotImplementedError("TODO: encoder")


# ## Task `decoder`
class Decoder(nn.Module):
    """Turn codes into images, (B, z) -> (B, C, S, S), by transposed convolutions (nn.ConvTranspose2d).

    The usual decoder reverses the encoder: a linear layer turns the code into a small grid with many channels, and
    each transposed convolution of stride 2 doubles height and width. The output is the mean of a normal distribution.
    """

    def __init__(self, out_channels: int = 3, features: int = 32, z_dim: int = 32, output_size: int = 32):
        super().__init__()
        raise NotImplementedError("TODO: decoder")

    def forward(self, z: Float[Tensor, "B z"]) -> Float[Tensor, "B C S S"]:
        """Return the mean image of each code."""
        raise NotImplementedError("TODO: decoder")


class DiagonalGaussianDistribution:
    """A batch of normal distributions with independent dimensions, N(mean, diag(exp(logvar))).

    It is used as the posterior over codes, with mean and logvar of shape (B, z), and as the likelihood over images,
    with shape (B, C, S, S). Networks predict log-variances, because every real number is a valid log-variance. The
    clamp keeps exp finite.

    Args:
        mean: The means, one row (or image) per distribution.
        logvar: The logarithms of the variances, with the shape of `mean`. If None, they are zero: unit variance.
    """

    def __init__(self, mean: Float[Tensor, "B *dims"], logvar: Float[Tensor, "B *dims"] | None = None):
        self.mean = mean
        self.logvar = torch.zeros_like(mean) if logvar is None else torch.clamp(logvar, -30.0, 20.0)
        self.std = torch.exp(0.5 * self.logvar)
        self.var = torch.exp(self.logvar)

    # ## Task `sample`
    def sample(self, noise: Float[Tensor, "B *dims"] | None = None) -> Float[Tensor, "B *dims"]:
        """Draw one sample per distribution with the reparameterisation trick (Kingma and Welling 2014, section 2.4).

        The sample is a differentiable function of mean, logvar and `noise`. The noise does not depend on mean or
        logvar.

        Args:
            noise: Standard normal noise with the shape of the mean. If None, new noise is drawn.
        """
        raise NotImplementedError("TODO: sample")

    # ## Task `kl`
    def kl(self) -> Float[Tensor, " B"]:
        """Return KL(q || N(0, I)) of each distribution, summed over its dimensions, in nats.

        For two normal distributions the integral has a closed form: see Kingma and Welling 2014, appendix B (which
        gives -KL). Used for codes, (B, z). The result has one number per row, also for B = 1.
        """
        raise NotImplementedError("TODO: kl")

    # ## Task `nll`
    def nll(self, sample: Float[Tensor, "B *dims"], dims: Sequence[int] = (1, 2, 3)) -> Float[Tensor, "..."]:
        """Return the negative log-density -log N(sample; mean, var), summed over `dims`, in nats.

        The density of a normal distribution is equation 1.46 of Bishop 2006. Include its normalising constant.

        Args:
            sample: The point at which to evaluate the density, with the shape of the mean.
            dims: The dimensions to sum over: (1, 2, 3) for images, [1] for codes.
        """
        raise NotImplementedError("TODO: nll")

    # ## Task `mode`
    def mode(self) -> Float[Tensor, "B *dims"]:
        """Return the most probable value of each distribution."""
        raise NotImplementedError("TODO: mode")


class VAE(nn.Module):
    """The variational autoencoder: encoder, two linear heads and decoder.

    Args:
        in_channels: Channels C of an image.
        decoder_features: Width of the decoder's last hidden layer.
        encoder_features: Width of the encoder's first layer.
        z_dim: Latent dimensions `z`.
        input_size: Height and width S of an image in pixels, a multiple of 16.
        device: The device of the parameters.
    """

    def __init__(
        self,
        in_channels: int = 3,
        decoder_features: int = 32,
        encoder_features: int = 32,
        z_dim: int = 32,
        input_size: int = 32,
        device: torch.device | str = "cpu",
    ):
        super().__init__()
        self.z_dim = z_dim
        self.encoder = Encoder(in_channels, encoder_features, input_size)
        self.mean = nn.Linear(self.encoder.out_features, z_dim)
        self.logvar = nn.Linear(self.encoder.out_features, z_dim)
        self.decoder = Decoder(in_channels, decoder_features, z_dim, input_size)
        self.to(device)

    # ## Task `encode`
    def encode(self, x: Float[Tensor, "B C S S"]) -> DiagonalGaussianDistribution:
        """Return the posterior q(z|x) of each image, a distribution over codes, from the encoder and the heads."""
        raise NotImplementedError("TODO: encode")

    # ## Task `decode`
    def decode(self, z: Float[Tensor, "B z"]) -> DiagonalGaussianDistribution:
        """Return the likelihood p(x|z) of each code: the mean is the decoder's output, the variance is one."""
        raise NotImplementedError("TODO: decode")

    # ## Task `prior_sample`
    def sample(self, batch_size: int, noise: Float[Tensor, "B z"] | None = None) -> Float[Tensor, "B C S S"]:
        """Generate images: the modes of p(x|z) for codes z from the prior, drawn on the model's device.

        Args:
            batch_size: The number B of images.
            noise: The codes to decode. If None, new codes are drawn.
        """
        raise NotImplementedError("TODO: prior_sample")

    # ## Task `forward`
    def forward(
        self, x: Float[Tensor, "B C S S"], noise: Float[Tensor, "B z"] | None = None
    ) -> tuple[Float[Tensor, "B C S S"], Float[Tensor, " B"], Float[Tensor, " B"]]:
        """Return (reconstruction, nll, kl), which training needs; the loss is (nll + kl).mean().

        The expectation in the ELBO (Kingma and Welling 2014, equation 7) is estimated with one sample z of the
        posterior. `reconstruction` is the mode of p(x|z), `nll` is -log p(x|z), and `kl` is KL(q(z|x) || p(z)).

        Args:
            x: Images.
            noise: The noise for the sample of the posterior. If None, new noise is drawn.
        """
        raise NotImplementedError("TODO: forward")

    # ## Task `log_likelihood`
    def log_likelihood(self, x: Float[Tensor, "B C S S"], K: int = 100) -> Float[Tensor, " B"]:
        """Estimate log p(x) of each image by importance sampling, with the posterior as proposal, in nats.

        K codes z_k are drawn from q(z|x). Each has an importance weight w_k = p(x|z_k) p(z_k) / q(z_k|x). The
        estimate is the logarithm of the mean of the K weights (Burda et al. 2016, equation 8). The weights themselves
        are far below the smallest floating-point number: always work with their logarithms.

        Args:
            x: Images.
            K: The number of codes drawn for each image.
        """
        raise NotImplementedError("TODO: log_likelihood")


# ## Task `interpolate`
def interpolate(
    model: VAE, z_1: Float[Tensor, "1 z"], z_2: Float[Tensor, "1 z"], n_samples: int
) -> Float[Tensor, "n_samples C S S"]:
    """Return images along the straight line from one code to another.

    The codes are evenly spaced on the line from z_1 to z_2, end points included. Each is decoded to the mode of
    p(x|z). The first image belongs to z_1, the last to z_2.

    Args:
        model: The trained model.
        z_1: The first code.
        z_2: The last code.
        n_samples: The number of images, two or more.
    """
    raise NotImplementedError("TODO: interpolate")
