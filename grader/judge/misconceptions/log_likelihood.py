"""The wrong estimators of log p(x), simulated: their values depend on draws that the judge does not see.

On a linear model every density is known in closed form. So the judge runs each wrong estimator many times with draws
of its own, and names the one whose distribution the student's estimates fit.
"""

import math

import torch
from jaxtyping import Float64
from torch import Tensor

from ..draw import Draw
from ..known import KnownModel
from .catalogue import by_id
from .misconception import Misconception

_REPEATS = 400


def simulate_log_likelihood(
    known: KnownModel, x: Float64[Tensor, "B C S S"], K: int, draw: Draw
) -> dict[str, Float64[Tensor, "R B"]]:
    """Return R runs of each wrong estimator, by the name of its misconception."""
    repeats = max(20, min(_REPEATS, 2_000_000 // (K * len(x))))
    mean, logvar = known.head("mean", x), known.head("logvar", x)
    noise = draw.normal(repeats, K, *mean.shape)
    z = mean + (0.5 * logvar).exp() * noise
    two_pi = math.log(2 * math.pi)
    log_q = -0.5 * (noise**2 + logvar + two_pi).sum(-1)
    log_p = -0.5 * (z**2 + two_pi).sum(-1)
    log_x = _log_likelihood(known, x, z)
    mode = _log_likelihood(known, x, mean) - 0.5 * (mean**2 - logvar).sum(-1)
    right = log_x + log_p - log_q

    def log_mean(log_weight: Tensor) -> Tensor:
        return torch.logsumexp(log_weight, dim=1) - math.log(K)

    return {
        "mode_only": mode.expand(repeats, -1),
        "missing_log_k": torch.logsumexp(right, dim=1),
        "log_k_added": torch.logsumexp(right, dim=1) + math.log(K),
        "negated": -log_mean(right),
        "no_prior": log_mean(log_x - log_q),
        "no_posterior": log_mean(log_x + log_p),
        "minus_prior": log_mean(log_x - log_p - log_q),
        "plus_posterior": log_mean(log_x + log_p + log_q),
        "best_weight": right.amax(dim=1),
        "elbo": right.mean(dim=1),
        "one_sample": right[:, 0],
    }


def _log_likelihood(known: KnownModel, x: Tensor, z: Float64[Tensor, "*any B z"]) -> Float64[Tensor, "*any B"]:
    """Return log N(x; decoder(z), I), by the squared distance in the decoder's columns: no image is formed."""
    weight, bias = known.tensors["decoder_weight"], known.tensors["decoder_bias"]
    off = x.flatten(1) - bias
    square = (off**2).sum(-1) - 2 * (z * (off @ weight)).sum(-1) + ((z @ (weight.T @ weight)) * z).sum(-1)
    return -0.5 * square - 0.5 * len(bias) * math.log(2 * math.pi)


def diagnose_log_likelihood(
    actual: Float64[Tensor, " B"], known: KnownModel, x: Float64[Tensor, "B C S S"], K: int, draw: Draw
) -> Misconception | None:
    """Return the wrong estimator that fits all estimates, each within 4.5 standard deviations, their mean within 4.

    Of several the likeliest wins, with normal densities for their runs. An estimator that spreads widely fits much; it
    is named only if the estimates spread as widely. One that ignores all noise gives images that agree the same number,
    bit for bit.
    """
    runs = simulate_log_likelihood(known, x, K, draw)
    fits: dict[str, float] = {}
    for name, values in runs.items():
        off, spread = actual - values.mean(dim=0), values.std(dim=0)
        scale = spread + 0.02
        close = bool((off.abs() <= 4.5 * spread + 0.02).all())
        close &= abs(float(off.mean())) <= 4.0 * float(spread.mean()) / math.sqrt(len(actual)) + 0.01
        narrow = float(spread.max()) < 0.1 or float(off.std()) > 0.25 * float(spread.mean())
        if close and narrow:
            fits[name] = float(-(0.5 * (off / scale) ** 2 + scale.log()).sum())
    if len(actual.unique()) == len(actual):
        fits.pop("mode_only", None)
    return by_id(f"log_likelihood_{max(fits, key=lambda name: fits[name])}") if fits else None
