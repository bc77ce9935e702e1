"""Models with known linear parts: what the judge sends, the exact answers, and their sizes (for rounding errors)."""

import math
from dataclasses import dataclass

import torch
from jaxtyping import Float64
from torch import Tensor

from . import oracles, sizes
from .inputs import Draw, single
from .normality import FALSE_FAILURE, uniform_distance

# All widths differ, so that swapped dimensions are detected.
SIZES = {"in_channels": 3, "decoder_features": 6, "encoder_features": 4, "z_dim": 5, "input_size": 16}
HIDDEN = 11

AS_STUDENTS_SAY = {  # names, in reports, of what a gradient is taken with respect to
    "encoder_weight": "the weights of self.encoder",
    "mean_weight": "self.mean.weight",
    "logvar_weight": "self.logvar.weight",
    "decoder_weight": "the weights of self.decoder",
    "x": "x",
    "z": "z",
}


@dataclass(frozen=True)
class KnownModel:
    """A VAE whose encoder, heads and decoder are linear, all in float64.

    Attributes:
        sizes: Keyword arguments of VAE.
        tensors: The parameters, by the names that the probes know.
    """

    sizes: dict[str, int]
    tensors: dict[str, Tensor]

    @property
    def image_shape(self) -> tuple[int, int, int]:
        """(C, S, S)."""
        return (self.sizes["in_channels"], self.sizes["input_size"], self.sizes["input_size"])

    def as_dtype(self, dtype: torch.dtype) -> dict[str, Tensor]:
        """Return the parameters in a dtype, to send them to a worker."""
        return {name: tensor.to(dtype) for name, tensor in self.tensors.items()}

    def single(self) -> "KnownModel":
        """Return the same model with every parameter rounded to what float32 holds."""
        return KnownModel(self.sizes, {name: single(tensor) for name, tensor in self.tensors.items()})

    def absolute(self) -> "KnownModel":
        """Return the model of absolute values: from sizes of inputs, it gives the sizes of this model's answers."""
        return KnownModel(self.sizes, {name: tensor.abs() for name, tensor in self.tensors.items()})

    def head(self, name: str, x: Float64[Tensor, "B C S S"]) -> Float64[Tensor, "B z"]:
        """Return the output of the head `mean` or `logvar` for images."""
        hidden = x.flatten(1) @ self.tensors["encoder_weight"].T
        return hidden @ self.tensors[f"{name}_weight"].T + self.tensors[f"{name}_bias"]

    def decode(self, z: Float64[Tensor, "B z"]) -> Float64[Tensor, "B C S S"]:
        """Return the mean image of codes."""
        flat = z @ self.tensors["decoder_weight"].T + self.tensors["decoder_bias"]
        return (flat + self.tensors["decoder_bend"] * flat.sin()).unflatten(1, self.image_shape)

    def head_size(self, name: str, x: Float64[Tensor, "B C S S"]) -> Float64[Tensor, "B z"]:
        """Return the size of the output of a head for exact images."""
        return self.absolute().head(name, x.abs())

    def decode_size(self, z_size: Float64[Tensor, "B z"]) -> Float64[Tensor, "B C S S"]:
        """Return the size of the image of codes that have these sizes."""
        flat = z_size @ self.tensors["decoder_weight"].abs().T + self.tensors["decoder_bias"].abs()
        return (flat + self.tensors["decoder_bend"].abs() * (flat + 1)).unflatten(1, self.image_shape)

    def stretched(self, x: Float64[Tensor, "B C S S"], largest: float) -> "KnownModel":
        """Return the same model with log-variances scaled: for images x, their largest absolute value is `largest`."""
        scale = largest / self.head("logvar", x).abs().max()
        heads = {name: scale * self.tensors[name] for name in ("logvar_weight", "logvar_bias")}
        return KnownModel(self.sizes, {**self.tensors, **heads}).single()

    def codes(self, images: Float64[Tensor, "B C S S"]) -> Float64[Tensor, "B z"]:
        """Return the codes that decode to `images`, by least squares; only for a decoder without bend."""
        pinv = torch.linalg.pinv(self.tensors["decoder_weight"])
        return (images.flatten(1) - self.tensors["decoder_bias"]) @ pinv.T

    def loss_gradients(
        self, x: Float64[Tensor, "B C S S"], noise: Float64[Tensor, "B z"], result: str
    ) -> dict[str, Tensor]:
        """Return the gradient of the sum of `reconstruction`, `nll` or `kl` with respect to each parameter."""
        leaves = {name: tensor.clone().requires_grad_(True) for name, tensor in self.tensors.items()}
        copy = KnownModel(self.sizes, leaves)
        mean, logvar = copy.head("mean", x), copy.head("logvar", x)
        image = copy.decode(oracles.sample(mean, logvar, noise))
        nll = oracles.nll(image, torch.zeros_like(image), x, [1, 2, 3])
        return _gradients({"reconstruction": image, "nll": nll, "kl": oracles.kl(mean, logvar)}[result], leaves)

    def gradient_sizes(
        self, x: Float64[Tensor, "B C S S"], noise: Float64[Tensor, "B z"], result: str
    ) -> dict[str, Tensor]:
        """Return the sizes of `loss_gradients`.

        They are the gradients of the same sums of products with every number replaced by its absolute value. The
        factors std and var, which are exponentials of a log-variance, are replaced by their own sizes.
        """
        leaves = {name: tensor.abs().requires_grad_(True) for name, tensor in self.tensors.items()}
        absolute = KnownModel(self.sizes, leaves)
        mean, logvar = absolute.head("mean", x.abs()), absolute.head("logvar", x.abs())
        exact, size = self.head("logvar", x), logvar.detach()
        std, var = sizes.exp(0.5 * exact, 0.5 * size), sizes.exp(exact, size)
        z = mean + std * noise.abs() * (1 + 0.5 * (logvar - size))
        image = absolute.decode_size(z)
        nll, kl = 0.5 * (image + x.abs()) ** 2, 0.5 * (mean**2 + (var + 1) * logvar)
        return _gradients({"reconstruction": image, "nll": nll, "kl": kl}[result], leaves)


def _gradients(result: Tensor, leaves: dict[str, Tensor]) -> dict[str, Tensor]:
    gradients = torch.autograd.grad(result.sum(), list(leaves.values()), allow_unused=True)
    return {name: g for name, g in zip(leaves, gradients, strict=True) if g is not None}


def random_model(
    draw: Draw,
    *,
    bend: float = 0.0,
    logvar_scale: float = 0.3,
    logvar_shift: float = 0.0,
    head_scale: float = 1.0,
    mean_scale: float = 1.0,
    **sizes: int,
) -> KnownModel:
    """Return a model with random linear parts: means and log-variances of order one, images of order one.

    With a `bend` other than 0, the decoder is not linear. A `logvar_scale` of 16 gives log-variances of order 30, and
    `logvar_shift` is added to all of them. A small `head_scale` gives posteriors close to the prior, a large
    `mean_scale` posteriors far from it.
    """
    sizes = {**SIZES, **sizes}
    pixels, z_dim = sizes["in_channels"] * sizes["input_size"] ** 2, sizes["z_dim"]
    return KnownModel(
        sizes,
        {
            "encoder_weight": draw.normal(HIDDEN, pixels, scale=1.0 / math.sqrt(pixels)),
            "mean_weight": draw.normal(z_dim, HIDDEN, scale=head_scale * mean_scale),
            "mean_bias": draw.normal(z_dim, scale=head_scale * mean_scale),
            "logvar_weight": draw.normal(z_dim, HIDDEN, scale=head_scale * logvar_scale),
            "logvar_bias": single(draw.normal(z_dim, scale=head_scale * 0.5) + logvar_shift),
            "decoder_weight": draw.normal(pixels, z_dim, scale=0.5),
            "decoder_bias": draw.normal(pixels, scale=0.3),
            "decoder_bend": torch.tensor(bend, dtype=torch.float64),
        },
    )


def smooth_decoder(known: KnownModel) -> KnownModel:
    """Return the same model with a decoder whose images people can tell apart: waves of pale colours, no bias."""
    channels, size, _ = known.image_shape
    place = math.pi * (torch.arange(size, dtype=torch.float64) + 0.5) / size
    waves = []
    for i in range(known.sizes["z_dim"]):
        down, across = divmod(i + 1, 3)  # 0 and 1, 0 and 2, 1 and 0, ... half periods
        pattern = torch.outer((down * place).cos(), (across * place).cos())
        colour = 0.7 + 0.3 * torch.cos(torch.arange(channels, dtype=torch.float64) * 2 + i)
        waves.append((colour[:, None, None] * pattern).flatten())
    weight = torch.stack(waves, dim=1)
    return KnownModel(known.sizes, {**known.tensors, "decoder_weight": weight, "decoder_bias": 0 * weight[:, 0]})


def short_axes(draw: Draw, bend: float = 0.0) -> list[tuple[KnownModel, int]]:
    """Return random models with batch sizes: with one channel, with one code dimension, and with both and one image."""
    grey, narrow = {"in_channels": 1}, {"z_dim": 1}
    chosen = [(grey, 3), (narrow, 3), (grey | narrow, 1)]
    return [(random_model(draw, bend=bend, **sizes), batch) for sizes, batch in chosen]


def true_posterior_model(draw: Draw, *, inflation: float = 1.0, gain: float = 3.0, **sizes: int) -> KnownModel:
    """Return a linear model whose encoder gives its true posterior, with the variance multiplied by `inflation`.

    The columns of the decoder's matrix W are orthogonal and have length `gain`, so the posterior is diagonal: its
    variance is 1 / (1 + gain^2) in every dimension, its mean W^T (x - b) / (1 + gain^2). With an inflation of 1, every
    importance weight equals p(x), for any samples (Tipping and Bishop 1999, equation 7).
    """
    sizes = {**SIZES, **sizes}
    pixels, z_dim = sizes["in_channels"] * sizes["input_size"] ** 2, sizes["z_dim"]
    weight = draw.orthonormal(pixels, z_dim) * gain
    bias = draw.normal(pixels, scale=0.3)
    precision, hidden = 1.0 + gain**2, max(HIDDEN, z_dim + 1)
    return KnownModel(
        sizes,
        {
            "encoder_weight": torch.cat([weight.T, torch.zeros(hidden - z_dim, pixels, dtype=weight.dtype)]),
            "mean_weight": torch.eye(z_dim, hidden, dtype=weight.dtype) / precision,
            "mean_bias": -(bias @ weight) / precision,
            "logvar_weight": torch.zeros(z_dim, hidden, dtype=weight.dtype),
            "logvar_bias": torch.full((z_dim,), math.log(inflation / precision), dtype=weight.dtype),
            "decoder_weight": weight,
            "decoder_bias": bias,
            "decoder_bend": torch.zeros((), dtype=weight.dtype),
        },
    )


_LOG_2_PI = math.log(2 * math.pi)


def log_weight_size(
    known: KnownModel, x: Float64[Tensor, "B C S S"], codes: Float64[Tensor, "B z"]
) -> Float64[Tensor, " B"]:
    """Return the size of log p(x|z) + log p(z) - log q(z|x), for each image at one code (see sizes.py).

    A code is as exact as the mean of its posterior. To compute its distance from that mean again loses digits if the
    posterior is narrow: the error is divided by the standard deviation, and the size includes this.
    """
    mean, logvar = known.head("mean", x), known.head("logvar", x)
    std = (0.5 * logvar).exp()
    z_size, distance = codes.abs() + known.head_size("mean", x), (codes - mean).abs() / std
    image = known.decode(codes)
    likelihood = sizes.nll(image, torch.zeros_like(image), x, [1, 2, 3], known.decode_size(z_size))
    prior = 0.5 * codes**2 + codes.abs() * z_size + 0.5 * _LOG_2_PI
    posterior = 0.5 * (distance**2 + known.head_size("logvar", x) + _LOG_2_PI) + distance * z_size / std
    return likelihood + (prior + posterior).sum(dim=1)


def typical_codes(known: KnownModel, x: Float64[Tensor, "B C S S"]) -> Float64[Tensor, "B z"]:
    """Return codes two standard deviations from the posterior's mean, at which the size of a weight is computed."""
    return known.head("mean", x) + 2 * (0.5 * known.head("logvar", x)).exp()


def inflated_bounds(factor: float, z_dim: int, samples: int) -> tuple[float, float]:
    """Return bounds, in nats, on log mean weight - log p(x), each exceeded with probability at most 1e-10.

    If the variance is the true posterior's variance multiplied by c, the normalised weights w / p(x) are in [0, M] with
    M = c^(z/2), and have mean 1 and second moment m = (c / sqrt(2c - 1))^z. Bernstein's inequality bounds the mean of K
    of them: P(|mean - 1| >= t) <= 2 exp(-K t^2 / (2 (m - 1) + 2 M t / 3)). With c = 2, z = 2 and K = 2000, the bounds
    are about +- 0.1 nats, while the ELBO is 0.31 nats lower and the largest weight 0.69 nats higher.
    """
    largest = factor ** (z_dim / 2)
    variance = (factor / math.sqrt(2 * factor - 1)) ** z_dim - 1
    log_term = math.log(2 / FALSE_FAILURE)
    # Solve K t^2 = log_term (2 variance + 2 largest t / 3) for t.
    a, b, c = samples, -2 * largest * log_term / 3, -2 * variance * log_term
    t = (-b + math.sqrt(b * b - 4 * a * c)) / (2 * a)
    return math.log1p(-t), math.log1p(t)


def single_weight_distance(excess: Float64[Tensor, " n"]) -> float:
    """Return the Kolmogorov-Smirnov distance of log w - log p(x) from its exact distribution, for c = 2 and z = 2.

    In units of the true posterior's standard deviation, a code of the inflated posterior differs from the mean by e,
    which is normal with variance c. Then log w - log p(x) = z/2 log c - (1 - 1/c) |e|^2 / 2, which for c = 2 and z = 2
    is log 2 - Exp(1).
    """
    exponential = (math.log(2.0) - excess).sort().values.clamp(min=0.0)
    return uniform_distance(-torch.expm1(-exponential))


def single_weight_bound(n: int) -> float:
    """Return the distance that n right weights exceed with probability 1e-10 (Dvoretzky, Kiefer and Wolfowitz)."""
    return math.sqrt(math.log(2 / FALSE_FAILURE) / (2 * n)) + 0.01
