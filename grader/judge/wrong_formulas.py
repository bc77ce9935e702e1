"""The wrong formulas of all tasks, computed on the inputs of a check.

In a linear model every density has a closed form, and a probe records which codes went through the decoder. So the
judge can compute each importance weight, and the result of each wrong way to combine the weights.
"""

import math
from collections.abc import Callable

import torch
from jaxtyping import Float64
from torch import Tensor

from .known_models import KnownModel
from .misconceptions import Misconception, by_id

Known = list[tuple[Misconception, Tensor]]


def named(task: str, formulas: dict[str, Tensor]) -> Known:
    """Return values paired with their misconceptions, which are given by their names within the task."""
    return [(by_id(f"{task}_{name}"), values) for name, values in formulas.items()]


_LOG_2_PI = math.log(2 * math.pi)


def log_densities(
    known: KnownModel, x: Float64[Tensor, "1 C S S"], codes: Float64[Tensor, "n z"]
) -> tuple[Float64[Tensor, " n"], Float64[Tensor, " n"], Float64[Tensor, " n"]]:
    """Return log p(x|z), log p(z) and log q(z|x) of one image at each code, in nats."""
    mean, logvar = known.head("mean", x), known.head("logvar", x)
    off = (known.decode(codes) - x).flatten(1)
    log_x = -0.5 * (off**2 + _LOG_2_PI).sum(dim=1)
    log_p = -0.5 * (codes**2 + _LOG_2_PI).sum(dim=1)
    log_q = -0.5 * ((codes - mean) ** 2 / logvar.exp() + logvar + _LOG_2_PI).sum(dim=1)
    return log_x, log_p, log_q


def wrong_log_likelihood(
    known: KnownModel, x: Float64[Tensor, "1 C S S"], codes: Float64[Tensor, "n z"], K: int
) -> Known:
    """Return what each misconception of `log_likelihood` would give for one image, (1,), with these K codes."""
    if len(codes) < 1:
        return []
    log_x, log_p, log_q = log_densities(known, x, codes)
    right = log_x + log_p - log_q

    def log_mean(log_weights: Tensor) -> Tensor:
        return torch.logsumexp(log_weights, dim=0) - math.log(K)

    formulas = {
        "negated": -log_mean(right),
        "no_prior": log_mean(log_x - log_q),
        "no_posterior": log_mean(log_x + log_p),
        "minus_prior": log_mean(log_x - log_p - log_q),
        "plus_posterior": log_mean(log_x + log_p + log_q),
        "likelihood_only": log_mean(log_x),
        "posterior_scale": log_mean(right - 0.5 * known.head("logvar", x).sum()),
    }
    if K > 1:  # a single weight is its own mean, sum and maximum
        formulas |= {
            "missing_log_k": torch.logsumexp(right, dim=0),
            "log_k_added": torch.logsumexp(right, dim=0) + math.log(K),
            "elbo": right.mean(),
            "best_weight": right.max(),
        }
    return named("log_likelihood", {name: value.reshape(1) for name, value in formulas.items()})


def miscounted(
    known: KnownModel, x: Float64[Tensor, "1 C S S"], codes: Float64[Tensor, "n z"], K: int
) -> Misconception | None:
    """Return the misconception if the number of distinct codes is not K; None if it is, or no code was observed."""
    if len(codes) in (0, K):
        return None
    if len(codes) > 1:
        return by_id("log_likelihood_wrong_count")
    at_mode = torch.allclose(codes, known.head("mean", x), rtol=1e-4, atol=1e-4)
    return by_id("log_likelihood_mode_only" if at_mode else "log_likelihood_one_sample")


def wrong_encode(mean: Tensor, logvar: Tensor) -> tuple[Known, Known]:
    """Return what misconceptions of `encode` would give for the posterior's mean, and then for its log-variance."""
    return (
        named("encode", {"swapped_heads": logvar, "tanh_mean": mean.tanh()}),
        named(
            "encode",
            {
                "no_logvar": torch.zeros_like(logvar),
                "same_head": mean,
                "var_as_logvar": logvar.exp(),
                "log_of_var": logvar.log(),
                "logvar_doubled": 2 * logvar,
                "logvar_halved": 0.5 * logvar,
            },
        ),
    )


def wrong_decode(image: Tensor) -> tuple[Known, Known]:
    """Return what misconceptions of `decode` would give for the likelihood's mean and for its log-variance."""
    means = {"sigmoid": image.sigmoid(), "tanh": image.tanh(), "clamped": image.clamp(-1, 1), "negated": -image}
    return named("decode", means), named("decode", {"mean_as_logvar": image})


def wrong_prior_sample(image: Tensor, image_of_zero: Tensor, image_of_double: Tensor) -> Known:
    """Return what misconceptions of `prior_sample` would give for given noise."""
    return named(
        "prior_sample", {"noise_ignored": image_of_zero, "noise_scaled": image_of_double, "sigmoid": image.sigmoid()}
    )


def wrong_forward(
    mean: Tensor, std: Tensor, noise: Tensor, kl: Tensor, x: Tensor, decode: Callable[[Tensor], Tensor]
) -> dict[str, Known]:
    """Return what misconceptions of `forward` would give, by the name of the result that they change."""

    def nll(center: Tensor, point: Tensor) -> Tensor:
        pixels = center[0].numel()
        return 0.5 * ((point - center) ** 2).flatten(1).sum(1) + 0.5 * pixels * math.log(2 * math.pi)

    image = decode(mean + std * noise)
    right, constant = nll(image, x), nll(x, x)
    return {
        "reconstruction": named(
            "forward",
            {
                "mean_decoded": decode(mean),
                "prior_decoded": decode(noise),
                "var_for_std": decode(mean + std**2 * noise),
                "reconstruction_is_x": x,
            },
        ),
        "nll": named(
            "forward",
            {
                "swapped": kl,
                "mean_decoded": nll(decode(mean), x),
                "mean_over_pixels": right / x[0].numel(),
                "negated_nll": -right,
                "nll_of_reconstruction": nll(image, image),
                "averaged": right.mean().expand_as(right),
                "squared_error": 2 * (right - constant),
                "half_squared_error": right - constant,
            },
        ),
        "kl": named("forward", {"swapped": right, "averaged": kl.mean().expand_as(kl)}),
    }


def wrong_interpolate(z_1: Tensor, z_2: Tensor, n_samples: int, decode: Callable[[Tensor], Tensor]) -> Known:
    """Return what misconceptions of `interpolate` would give."""
    weight = torch.linspace(0, 1, n_samples, dtype=z_1.dtype)[:, None]
    inner = torch.linspace(0, 1, n_samples + 2, dtype=z_1.dtype)[1:-1, None]
    open_end = torch.arange(n_samples, dtype=z_1.dtype)[:, None] / n_samples
    ends = decode(torch.cat([z_1, z_2]))
    blend = weight[:, :, None, None]
    angle = torch.acos(torch.nn.functional.cosine_similarity(z_1, z_2)).item()
    arc = (torch.sin((1 - weight) * angle) * z_1 + torch.sin(weight * angle) * z_2) / math.sin(angle)
    return named(
        "interpolate",
        {
            "reversed": decode(weight * z_1 + (1 - weight) * z_2),
            "without_ends": decode((1 - inner) * z_1 + inner * z_2),
            "without_last": decode((1 - open_end) * z_1 + open_end * z_2),
            "in_pixels": (1 - blend) * ends[:1] + blend * ends[1:],
            "spherical": decode(arc),
            "constant": decode(z_1.expand(n_samples, -1)),
            "weights_add": decode(z_1 + weight * z_2),
        },
    )
