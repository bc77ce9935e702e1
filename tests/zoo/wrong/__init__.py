"""The wrong submissions, task by task: one misconception each."""

from ..entry import Wrong
from . import (
    distribution_kl,
    distribution_mode,
    distribution_nll,
    distribution_sample,
    layers,
    vae_decode,
    vae_encode,
    vae_forward,
    vae_log_likelihood,
    vae_sample,
    walk,
    whole,
)

_MODULES = (
    layers,
    distribution_sample,
    distribution_kl,
    distribution_nll,
    distribution_mode,
    vae_encode,
    vae_decode,
    vae_sample,
    vae_forward,
    vae_log_likelihood,
    walk,
    whole,
)

WRONG: tuple[Wrong, ...] = tuple(entry for module in _MODULES for entry in module.WRONG)
