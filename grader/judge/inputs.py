"""The judge's inputs: random numbers from (seed, check), for fixed sizes or for sizes chosen by hypothesis."""

import contextlib
import hashlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeVar
from unittest import mock

import torch
from torch import Tensor


def single(exact: Tensor) -> Tensor:
    """Return float64 numbers rounded to float32, so that they are the same numbers in both dtypes."""
    return exact.float().double()


class Draw:
    """A source of inputs for one check. All of them can be represented in float32, see `single`.

    Args:
        seed: The submission's seed (`--seed`, or derived from the offering's secret).
        name: Name of the check; the inputs of a check do not depend on other checks or on their order.
    """

    def __init__(self, seed: int, name: str):
        digest = hashlib.sha256(f"{seed}/{name}".encode()).digest()
        self._generator = torch.Generator().manual_seed(int.from_bytes(digest[:7], "big"))

    def normal(self, *shape: int, scale: float = 1.0, dtype: torch.dtype = torch.float64) -> Tensor:
        """Return normal numbers of mean 0 and standard deviation `scale`."""
        return single(torch.randn(shape, generator=self._generator, dtype=torch.float64).mul(scale)).to(dtype)

    def uniform(self, low: float, high: float, *shape: int, dtype: torch.dtype = torch.float64) -> Tensor:
        """Return uniform numbers from [low, high]."""
        unit = torch.rand(shape, generator=self._generator, dtype=torch.float64)
        return single(unit.mul(high - low).add(low)).to(dtype)

    def integer(self, low: int, high: int) -> int:
        """Return an integer from low to high, both included."""
        return int(torch.randint(low, high + 1, (1,), generator=self._generator))

    def orthonormal(self, rows: int, columns: int) -> Tensor:
        """Return a float64 matrix (rows, columns) of orthonormal columns; these are not rounded to float32."""
        return torch.linalg.qr(self.normal(rows, columns)).Q

    def seed(self) -> int:
        """Return a new seed for a worker."""
        return self.integer(0, 2**31 - 1)


if TYPE_CHECKING:
    from hypothesis.strategies import SearchStrategy

_T = TypeVar("_T")


def examples(strategy: "SearchStrategy[_T]", count: int, seed: int) -> list[_T]:
    """Return about `count` different examples of a strategy, the same for the same seed.

    The examples are used outside hypothesis: after a failure, hypothesis would retry and shrink them in a worker that
    may have ended, and a failure should give one verdict. (`derandomize=True` would ignore the seed.)
    """
    import hypothesis  # here, because the import takes a second and the training run should start before
    from hypothesis import HealthCheck, Phase

    drawn: list[_T] = []

    @hypothesis.seed(seed)
    @hypothesis.settings(
        max_examples=count,
        database=None,
        deadline=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @hypothesis.given(strategy)
    def collect(example: _T) -> None:
        drawn.append(example)

    with nothing_from_loaded_modules():
        collect()
    return drawn


def nothing_from_loaded_modules() -> contextlib.AbstractContextManager[object]:
    """Keep hypothesis from using constants that it finds in the source of loaded project modules.

    Recent versions do so. A seed would then give other inputs in a class run, which loads other modules than
    `pytest grader/`. Hypothesis has no option to turn this off.
    """
    from hypothesis.internal.conjecture import providers

    if not hasattr(providers, "_get_local_constants"):  # older versions do not look at modules
        return contextlib.nullcontext()
    none = providers.Constants()
    return mock.patch.object(providers, "_get_local_constants", return_value=none)


if TYPE_CHECKING:
    from hypothesis.strategies import SearchStrategy


@dataclass(frozen=True)
class Parameters:
    """How to draw the parameters of a batch of distributions.

    Attributes:
        shape: (B, z).
        mean_scale: Standard deviation of the means; 0 for means of 0.
        logvar_scale: Standard deviation of the log-variances; 0 for unit variances.
        logvar_shift: Added to the log-variances: far below 0 for narrow, far above for wide distributions.
    """

    shape: tuple[int, int]
    mean_scale: float
    logvar_scale: float
    logvar_shift: float

    def __str__(self) -> str:
        """Return a description for reports."""
        means = _around(0.0, self.mean_scale)
        log_variances = _around(self.logvar_shift, self.logvar_scale)
        return f"(mean and logvar of shape {self.shape}; means {means}, log-variances {log_variances})"

    def fill(self, draw: Draw) -> tuple[Tensor, Tensor]:
        """Return mean and logvar, float64; log-variances are in the range to which the constructor clamps."""
        mean = draw.normal(*self.shape, scale=self.mean_scale)
        logvar = draw.normal(*self.shape, scale=self.logvar_scale) + self.logvar_shift
        return mean, single(logvar).clamp(-30.0, 20.0)


def _around(center: float, scale: float) -> str:
    """Return mean and scale of normal numbers as text; without the scale if it is 0."""
    return f"{center:g} +- {scale:g}" if scale else f"{center:g}"


MANY_ROWS = 131  # a prime number above usual chunk sizes
EXTREMES = (  # near the prior, narrow, wide, far from the prior: these reveal a clamp or an epsilon in every grading
    Parameters((4, 3), mean_scale=0.01, logvar_scale=0.01, logvar_shift=0.0),
    Parameters((4, 3), mean_scale=0.3, logvar_scale=1.0, logvar_shift=-25.0),
    Parameters((4, 3), mean_scale=1.0, logvar_scale=1.0, logvar_shift=16.0),
    Parameters((4, 3), mean_scale=1e3, logvar_scale=0.3, logvar_shift=0.0),
)

MANY_DIMENSIONS = (  # a product of 3,072 variances is beyond float64, in both directions
    Parameters((2, 3072), mean_scale=1.0, logvar_scale=1.0, logvar_shift=3.0),
    Parameters((2, 3072), mean_scale=1.0, logvar_scale=1.0, logvar_shift=-3.0),
)
SHORT_AXES = (  # these reveal a squeeze, or a sum over the wrong axis
    Parameters((1, 5), mean_scale=1.0, logvar_scale=1.0, logvar_shift=0.0),
    Parameters((5, 1), mean_scale=1.0, logvar_scale=1.0, logvar_shift=0.0),
    Parameters((1, 1), mean_scale=1.0, logvar_scale=1.0, logvar_shift=0.0),
)


def parameters() -> "SearchStrategy[Parameters]":
    """Return a strategy for batches of 1 to 6 distributions with 1 to 9 dimensions, from moderate to extreme."""
    from hypothesis import strategies as st

    return st.builds(
        Parameters,
        shape=st.tuples(st.integers(1, 6), st.integers(1, 9)),
        mean_scale=st.sampled_from([0.0, 0.3, 1.0, 5.0, 100.0]),
        logvar_scale=st.sampled_from([0.0, 0.3, 1.0, 3.0]),
        logvar_shift=st.sampled_from([-25.0, -4.0, 0.0, 4.0, 15.0]),
    )
