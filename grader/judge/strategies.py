"""The vocabulary of hypothesis strategies: shapes, and the scale of what fills them."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

from torch import Tensor

from .draw import Draw

if TYPE_CHECKING:
    from hypothesis.strategies import SearchStrategy


@dataclass(frozen=True)
class Parameters:
    """How to draw the parameters of a batch of distributions.

    Attributes:
        shape: (B, z).
        mean_scale: Standard deviation of the means; 0 puts them at the origin.
        logvar_scale: Standard deviation of the log-variances; 0 makes unit variances.
        logvar_shift: Added to the log-variances: far below 0 for narrow, above for wide distributions.
    """

    shape: tuple[int, int]
    mean_scale: float
    logvar_scale: float
    logvar_shift: float

    def fill(self, draw: Draw) -> tuple[Tensor, Tensor]:
        """Return mean and logvar, float64, log-variances within the range that the constructor keeps."""
        mean = draw.normal(*self.shape, scale=self.mean_scale)
        logvar = draw.normal(*self.shape, scale=self.logvar_scale) + self.logvar_shift
        return mean, logvar.clamp(-30.0, 20.0)


def parameters() -> "SearchStrategy[Parameters]":
    """Return a strategy for batches of 1 to 6 distributions of 1 to 9 dimensions, from tame to extreme."""
    from hypothesis import strategies as st

    return st.builds(
        Parameters,
        shape=st.tuples(st.integers(1, 6), st.integers(1, 9)),
        mean_scale=st.sampled_from([0.0, 0.3, 1.0, 5.0, 100.0]),
        logvar_scale=st.sampled_from([0.0, 0.3, 1.0, 3.0]),
        logvar_shift=st.sampled_from([-25.0, -4.0, 0.0, 4.0, 15.0]),
    )
