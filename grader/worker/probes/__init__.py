"""The probes, by name. A probe calls part of a submission and returns tensors and facts; it does not judge them."""

from collections.abc import Callable

from . import distribution, layers, model, training
from .common import Found

PROBES: dict[str, Callable[..., Found]] = {
    "distribution": distribution.call,
    "distribution_remembered": distribution.remembered,
    "layers": layers.call,
    "outputs": layers.outputs,
    "encode": model.encode,
    "decode": model.decode,
    "prior_sample": model.prior_sample,
    "forward": model.forward,
    "log_likelihood": model.log_likelihood,
    "interpolate": model.interpolate,
    "model_remembered": model.remembered,
    "train": training.train,
    "posteriors": training.posteriors,
    "decoded": training.decoded,
}

__all__ = ["PROBES", "Found"]
