"""The wrong submissions, task by task: one misconception each."""

from tests.zoo.entry import Wrong
from tests.zoo.wrong import (
    axes_of_one,
    distribution_kl,
    distribution_mode,
    distribution_nll,
    distribution_sample,
    ignored_inputs,
    layers,
    many_dimensions,
    remembered,
    strided,
    unseen,
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
    ignored_inputs,
    remembered,
    axes_of_one,
    many_dimensions,
    strided,
    unseen,
)

WRONG: tuple[Wrong, ...] = tuple(entry for module in _MODULES for entry in module.WRONG)
