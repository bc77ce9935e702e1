"""The vocabulary of hypothesis strategies: shapes, and the scale of what fills them."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

from torch import Tensor

from .draw import Draw, single

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

    def __str__(self) -> str:
        """Say what is drawn, for a report."""
        means = _around(0.0, self.mean_scale)
        log_variances = _around(self.logvar_shift, self.logvar_scale)
        return f"(mean and logvar of shape {self.shape}; means {means}, log-variances {log_variances})"

    def fill(self, draw: Draw) -> tuple[Tensor, Tensor]:
        """Return mean and logvar, float64, log-variances within the range that the constructor keeps."""
        mean = draw.normal(*self.shape, scale=self.mean_scale)
        logvar = draw.normal(*self.shape, scale=self.logvar_scale) + self.logvar_shift
        return mean, single(logvar).clamp(-30.0, 20.0)


def _around(center: float, scale: float) -> str:
    """Return where normal numbers lie, in words; those of no scale are all the same."""
    return f"{center:g} +- {scale:g}" if scale else f"{center:g}"


MANY_ROWS = 131  # a prime number above common sizes of chunks
EXTREMES = (  # close to the prior, narrow, wide and far: where a clamp or an epsilon shows, in every grading
    Parameters((4, 3), mean_scale=0.01, logvar_scale=0.01, logvar_shift=0.0),
    Parameters((4, 3), mean_scale=0.3, logvar_scale=1.0, logvar_shift=-25.0),
    Parameters((4, 3), mean_scale=1.0, logvar_scale=1.0, logvar_shift=16.0),
    Parameters((4, 3), mean_scale=1e3, logvar_scale=0.3, logvar_shift=0.0),
)

MANY_DIMENSIONS = (  # a product of 3,072 variances is beyond float64, in both directions
    Parameters((2, 3072), mean_scale=1.0, logvar_scale=1.0, logvar_shift=3.0),
    Parameters((2, 3072), mean_scale=1.0, logvar_scale=1.0, logvar_shift=-3.0),
)
SHORT_AXES = (  # where a squeeze, or a sum over the wrong axis, shows
    Parameters((1, 5), mean_scale=1.0, logvar_scale=1.0, logvar_shift=0.0),
    Parameters((5, 1), mean_scale=1.0, logvar_scale=1.0, logvar_shift=0.0),
    Parameters((1, 1), mean_scale=1.0, logvar_scale=1.0, logvar_shift=0.0),
)


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
