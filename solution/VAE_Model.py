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
        ### BEGIN SOLUTION
        self.layers = nn.Sequential(
            nn.Conv2d(in_channels, features, kernel_size=4, stride=2, padding=1),  # S -> S / 2
            nn.SiLU(),
            nn.Conv2d(features, 2 * features, kernel_size=4, stride=2, padding=1),  # S / 4
            nn.SiLU(),
            nn.Conv2d(2 * features, 4 * features, kernel_size=4, stride=2, padding=1),  # S / 8
            nn.SiLU(),
            nn.Conv2d(4 * features, 8 * features, kernel_size=4, stride=2, padding=1),  # S / 16
            nn.SiLU(),
            nn.Flatten(),
        )
        self.out_features = 8 * features * (input_size // 16) ** 2
        ### END SOLUTION

    def forward(self, x: Float[Tensor, "B C S S"]) -> Float[Tensor, "B hidden"]:
        """Return the features of each image."""
        ### BEGIN SOLUTION
        return self.layers(x)
        ### END SOLUTION


# ## Task `decoder`
class Decoder(nn.Module):
    """Turn codes into images, (B, z) -> (B, C, S, S), by transposed convolutions (nn.ConvTranspose2d).

    The usual decoder reverses the encoder: a linear layer turns the code into a small grid with many channels, and
    each transposed convolution of stride 2 doubles height and width. The output is the mean of a normal distribution.
    """

    def __init__(self, out_channels: int = 3, features: int = 32, z_dim: int = 32, output_size: int = 32):
        super().__init__()
        ### BEGIN SOLUTION
        grid = output_size // 16
        self.layers = nn.Sequential(
            nn.Linear(z_dim, 8 * features * grid**2),
            nn.Unflatten(1, (8 * features, grid, grid)),
            nn.SiLU(),
            nn.ConvTranspose2d(8 * features, 4 * features, kernel_size=4, stride=2, padding=1),  # S / 8
            nn.SiLU(),
            nn.ConvTranspose2d(4 * features, 2 * features, kernel_size=4, stride=2, padding=1),  # S / 4
            nn.SiLU(),
            nn.ConvTranspose2d(2 * features, features, kernel_size=4, stride=2, padding=1),  # S / 2
            nn.SiLU(),
            nn.ConvTranspose2d(features, out_channels, kernel_size=4, stride=2, padding=1),  # S
        )
        ### END SOLUTION

    def forward(self, z: Float[Tensor, "B z"]) -> Float[Tensor, "B C S S"]:
        """Return the mean image of each code."""
        ### BEGIN SOLUTION
        return self.layers(z)
        ### END SOLUTION


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
        ### BEGIN SOLUTION
        if noise is None:
            noise = torch.randn_like(self.mean)
        return self.mean + self.std * noise
        ### END SOLUTION

    # ## Task `kl`
    def kl(self) -> Float[Tensor, " B"]:
        """Return KL(q || N(0, I)) of each distribution, summed over its dimensions, in nats.

        For two normal distributions the integral has a closed form: see Kingma and Welling 2014, appendix B (which
        gives -KL). Used for codes, (B, z). The result has one number per row, also for B = 1.
        """
        ### BEGIN SOLUTION
        return 0.5 * torch.sum(self.mean**2 + self.var - 1.0 - self.logvar, dim=1)
        ### END SOLUTION

    # ## Task `nll`
    def nll(self, sample: Float[Tensor, "B *dims"], dims: Sequence[int] = (1, 2, 3)) -> Float[Tensor, "..."]:
        """Return the negative log-density -log N(sample; mean, var), summed over `dims`, in nats.

        The density of a normal distribution is equation 1.46 of Bishop 2006. Include its normalising constant.

        Args:
            sample: The point at which to evaluate the density, with the shape of the mean.
            dims: The dimensions to sum over: (1, 2, 3) for images, [1] for codes.
        """
        ### BEGIN SOLUTION
        squared_error = (sample - self.mean) ** 2
        return 0.5 * torch.sum(math.log(2.0 * math.pi) + self.logvar + squared_error / self.var, dim=tuple(dims))
        ### END SOLUTION

    # ## Task `mode`
    def mode(self) -> Float[Tensor, "B *dims"]:
        """Return the most probable value of each distribution."""
        ### BEGIN SOLUTION
        return self.mean
        ### END SOLUTION


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
        ### BEGIN SOLUTION
        hidden = self.encoder(x)
        return DiagonalGaussianDistribution(self.mean(hidden), self.logvar(hidden))
        ### END SOLUTION

    # ## Task `decode`
    def decode(self, z: Float[Tensor, "B z"]) -> DiagonalGaussianDistribution:
        """Return the likelihood p(x|z) of each code: the mean is the decoder's output, the variance is one."""
        ### BEGIN SOLUTION
        return DiagonalGaussianDistribution(self.decoder(z))
        ### END SOLUTION

    # ## Task `prior_sample`
    def sample(self, batch_size: int, noise: Float[Tensor, "B z"] | None = None) -> Float[Tensor, "B C S S"]:
        """Generate images: the modes of p(x|z) for codes z from the prior, drawn on the model's device.

        Args:
            batch_size: The number B of images.
            noise: The codes to decode. If None, new codes are drawn.
        """
        ### BEGIN SOLUTION
        z = torch.randn(batch_size, self.z_dim, device=self.mean.weight.device) if noise is None else noise
        return self.decode(z).mode()
        ### END SOLUTION

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
        ### BEGIN SOLUTION
        posterior = self.encode(x)
        likelihood = self.decode(posterior.sample(noise))
        return likelihood.mode(), likelihood.nll(x), posterior.kl()
        ### END SOLUTION

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
        ### BEGIN SOLUTION
        posterior = self.encode(x)
        batch = len(x)
        chunk = max(1, min(K, 256 // batch))  # decode about 256 images at a time, for any K: they fit into the cache
        total = torch.full((batch,), -torch.inf, dtype=x.dtype, device=x.device)
        for start in range(0, K, chunk):
            k = min(chunk, K - start)
            noise = torch.randn(k * batch, self.z_dim, dtype=x.dtype, device=x.device)
            repeated = DiagonalGaussianDistribution(posterior.mean.repeat(k, 1), posterior.logvar.repeat(k, 1))
            z = repeated.sample(noise)  # row i belongs to image i % batch
            standard_normal = DiagonalGaussianDistribution(torch.zeros_like(z))
            log_likelihood = -self.decode(z).nll(x.repeat(k, 1, 1, 1))
            log_prior = -standard_normal.nll(z, dims=[1])
            # log q(z|x) from the noise itself: computed from z, it would lose digits where std is small.
            log_posterior = -standard_normal.nll(noise, dims=[1]) - 0.5 * repeated.logvar.sum(dim=1)
            log_weight = log_likelihood + log_prior - log_posterior
            total = torch.logaddexp(total, torch.logsumexp(log_weight.view(k, batch), dim=0))
        return total - math.log(K)
        ### END SOLUTION


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
    ### BEGIN SOLUTION
    weight = torch.linspace(0.0, 1.0, n_samples, dtype=z_1.dtype, device=z_1.device).unsqueeze(1)
    return model.decode((1.0 - weight) * z_1 + weight * z_2).mode()
    ### END SOLUTION
