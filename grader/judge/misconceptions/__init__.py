"""The catalogue of misconceptions: known wrong formulas, and the hint that each deserves.

A hint points to the cause and never gives the answer. A failed value check recomputes the wrong formulas of its task
on its own inputs; the one whose values came names the mistake.
"""

from .catalogue import CATALOGUE, by_id
from .distribution import wrong_kl, wrong_mode, wrong_nll, wrong_sample
from .log_likelihood import log_densities, miscounted, wrong_log_likelihood
from .misconception import Misconception, match
from .model import (
    wrong_decode,
    wrong_encode,
    wrong_forward,
    wrong_interpolate,
    wrong_prior_sample,
)

__all__ = [
    "CATALOGUE",
    "Misconception",
    "by_id",
    "log_densities",
    "match",
    "miscounted",
    "wrong_decode",
    "wrong_encode",
    "wrong_forward",
    "wrong_interpolate",
    "wrong_kl",
    "wrong_log_likelihood",
    "wrong_mode",
    "wrong_nll",
    "wrong_prior_sample",
    "wrong_sample",
]
