"""The wrong submissions, task by task: one misconception each."""

from dataclasses import replace

from grader.judge.behaviours import BEHAVIOURS
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
from tests.zoo.wrong.reports import COMPUTES, NAMES

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


def _as_reported(entry: Wrong) -> Wrong:
    """Return an entry with what its report says, if no formula of the catalogue says it."""
    names = [name for name, titles in NAMES.items() if entry.title in titles]
    diagnosis, *also = [entry.diagnosis, *names] if entry.diagnosis else names or [""]
    if "by the id" in entry.name:  # which call such a result belongs to depends on where tensors are in memory
        also += [f"memory_{name}" for name, *_ in BEHAVIOURS["memory"]]
    return replace(
        entry, diagnosis=diagnosis, also=(*entry.also, *also), computes=COMPUTES.get(entry.title, entry.computes)
    )


WRONG: tuple[Wrong, ...] = tuple(_as_reported(entry) for module in _MODULES for entry in module.WRONG)
