"""The divergence as a Monte-Carlo mean, with an error that is derived, not tuned."""

from jaxtyping import Float64
from torch import Tensor

from .check import fail
from .draw import Draw

_DRAWS = 20_000


def expect_agrees_with_monte_carlo(
    value: Float64[Tensor, " B"], mean: Float64[Tensor, "B z"], logvar: Float64[Tensor, "B z"], draw: Draw
) -> None:
    """Demand that divergences lie within the error of E_q[log q(z) - log p(z)], estimated with 20,000 draws.

    With z = mean + std e the term of one dimension is (var e^2 + 2 mean std e + mean^2 - e^2 - logvar) / 2, of variance
    ((var - 1)^2 / 2 + mean^2 var) exactly; dimensions add up. The mean of 20,000 draws is normal to good approximation,
    and the bound of 7.5 standard errors fails a right value with probability below 1e-10 even where the sum's tails are
    exponential (Bernstein). It catches an error of about 0.1 nats at a standard deviation of 2 nats.

    Raises:
        CheckFailed: A value lies outside.
    """
    noise = draw.normal(_DRAWS, *mean.shape)
    z = mean + (0.5 * logvar).exp() * noise
    terms = 0.5 * (z**2 - noise**2 - logvar).sum(dim=2)
    variance = (0.5 * (logvar.exp() - 1) ** 2 + mean**2 * logvar.exp()).sum(dim=1)
    bound = 7.5 * (variance / _DRAWS).sqrt() + 1e-6
    excess = (value - terms.mean(dim=0)).abs() - bound
    if not bool((excess <= 0).all()):
        row = int(excess.argmax())
        estimate, error = float(terms.mean(dim=0)[row]), float(bound[row])
        fail(
            f"kl = {estimate:.4f} +- {error:.4f} at [{row}], by Monte Carlo",
            f"{float(value[row]):.4f}",
            hint="the divergence is the mean of log q(z) - log p(z) under q: which term of yours disagrees?",
        )
