"""The judge's inputs: everything random is drawn from (seed, check), so that a verdict can be repeated."""

import hashlib

import torch
from torch import Tensor


def single(exact: Tensor) -> Tensor:
    """Return float64 numbers rounded to those that float32 holds: sent in either dtype, they are the same numbers."""
    return exact.float().double()


class Draw:
    """A source of inputs for one check. All of them are numbers that float32 holds, see `single`.

    Args:
        seed: The submission's seed (`--seed`, or derived from the offering's secret).
        name: Name of the check; checks draw independently of each other and of their order.
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
        """Return a fresh seed for a worker."""
        return self.integer(0, 2**31 - 1)
