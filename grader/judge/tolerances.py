"""How far a right answer may be from the exact one, in units of the size of the numbers that were added up.

The size of an answer is the sum of the absolute values of its terms (`judge/sizes.py`), never the answer itself, which
may be near 0 by cancellation. Rounding errs by a few units of the round-off times that size (Higham 2002, section 3.1):
the round-off is 1.1e-16 in float64 and 6.0e-8 in float32. `python -m tests.calibrate --headroom` measures how much of
each tolerance right work uses; it must stay below a tenth.
"""

import torch

UNIT64 = 1e-6
"""float64 answers. A constant such as log(2 pi) may have been made in float32, which costs 2e-8 of the size."""

UNIT32 = 1e-5
"""float32 answers: 170 round-offs. A sum of 3,072 terms in a plain loop errs by up to 30 of them."""

UNIT_LOG_WEIGHT = 2e-6
"""float32 log-likelihoods, 34 round-offs: terms are large here (a thousand nats), and mistakes may be small."""

UNIT_NEAR_ZERO = 1e-9
"""float64 answers that are near 0 although their terms are not; no constant of kl is rounded."""

UNIT_ALONE = 1e-4
"""A row alone against the same row in a batch, of the largest value: convolutions add up in another order there, and an
architecture of many layers passes rounding on. It is far below what one image of a batch could tell another."""

UNIT_INTEGRAL = 1e-4
"""The integral of a density over a grid: rounding of float32 is 1e-6 of it, a forgotten factor is 1 or more."""

UNIT_SAME = 1e-6
"""Two results are the same if they differ by at most this share of the largest number: it tells whether a repeated call
agrees, and whether an input matters at all. It is above rounding, and nothing that learns is below it."""

NATS_OF_A_NAME = 2e-3
"""Nats by which a wrong log-likelihood may miss the formula that is named for it; narrower than what the check allows,
since of a dozen wrong numbers one is easily met by chance."""


def unit_of(dtype: torch.dtype) -> float:
    """Return the unit for answers computed in `dtype`."""
    return UNIT64 if dtype == torch.float64 else UNIT32
