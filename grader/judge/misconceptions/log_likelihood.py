"""The wrong estimators of log p(x), at the very codes that a submission decoded.

On a linear model every density is known in closed form, and a probe tells which codes went through the decoder. So the
judge knows each importance weight, and what each wrong way to put the weights together would have given.
"""

import math

import torch
from jaxtyping import Float64
from torch import Tensor

from ..known import KnownModel
from .catalogue import by_id
from .distribution import Known, named
from .misconception import Misconception

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
    """Return what each misconception of `log_likelihood` would give for one image, (1,), had it drawn these K codes."""
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
    """Return the misconception of an image for which not K different codes were decoded; None if none could be seen."""
    if len(codes) in (0, K):
        return None
    if len(codes) > 1:
        return by_id("log_likelihood_wrong_count")
    at_mode = torch.allclose(codes, known.head("mean", x), rtol=1e-4, atol=1e-4)
    return by_id("log_likelihood_mode_only" if at_mode else "log_likelihood_one_sample")
