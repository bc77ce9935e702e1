"""How far an answer may be from the exact one, as a share of the size of the numbers that were added up.

The size of an answer is the sum of the absolute values of its terms (`judge/sizes.py`), never the answer itself, which
may be near 0 by cancellation. Rounding errors are a few times the round-off times that size (Higham 2002, section 3.1);
the round-off is 1.1e-16 in float64 and 6.0e-8 in float32. `python -m tests.calibrate --headroom` measures how much of
each tolerance right work uses; it must stay below a tenth.
"""

import torch

UNIT64 = 1e-6
"""float64 answers. A constant such as log(2 pi) may have been computed in float32: an error of 2e-8 of the size."""

UNIT32 = 1e-5
"""float32 answers: 170 round-offs. The error of a sum of 3,072 terms in a plain loop is up to 30 of them."""

UNIT_LOG_WEIGHT = 2e-6
"""float32 log-likelihoods: 34 round-offs. Terms are large here (a thousand nats), and mistakes may be small."""

UNIT_NEAR_ZERO = 1e-9
"""float64 answers that are near 0 although their terms are not. The constants of kl need no rounding."""

UNIT_ALONE = 1e-4
"""A row alone compared with the same row in a batch, as a share of the largest value. Convolutions add in another order
in a batch, and many layers amplify rounding. The effect of other images in a batch is far larger than this."""

UNIT_INTEGRAL = 1e-4
"""The integral of a density over a grid. Rounding in float32 changes it by 1e-6, a forgotten factor by 1 or more."""

UNIT_SAME = 1e-6
"""Two results are the same if they differ by at most this share of the largest number. It decides whether two calls
agree, and whether an input has any effect. Rounding errors are smaller, and effects in a model that learns larger."""

SAME_DRAW = 1e-3
"""Rows of noise or codes that differ by less than this in every number are the same draw. Each check states how
unlikely that is by chance for its sizes; right work in float32 reproduces a draw to 1e-5."""

SAME_NOISE = 1e-4
"""The same as a distance, for noise that was computed from images: 800 rows of 5 numbers are compared in pairs, and two
independent ones are this close with a probability below 1e-15."""

SAME_ESTIMATE = 2e-3
"""Nats by which two random estimates of a log-likelihood differ at least, if each draws its own codes: with 3 weights
they differ by about 0.5 nats, and 128 pairs are compared."""


HALVES = (torch.float16, torch.bfloat16)
"""Types of lower precision: float32 numbers that one of them holds exactly were rounded to it."""

UNIT_FORMULA = 1e-5
"""Answers that a formula explains, as a share of the size of its terms. Code may round to float32 on the way; a fit of
the wrong terms to 20 or more random numbers misses some of them by a hundredth or more."""

UNIT_NICE = 1e-4
"""A factor that least squares found is 1/2 or log(2 pi) if it differs by less than this share of it."""


def unit_of(dtype: torch.dtype) -> float:
    """Return the unit for answers computed in `dtype`."""
    return UNIT64 if dtype == torch.float64 else UNIT32
