"""The thirteen tasks, in the order of the handout, and what each may lean on."""

from dataclasses import dataclass

_METHODS = ("sample", "kl", "nll", "mode")
_MODEL = ("distribution", *_METHODS, "decoder", "encoder", "vae", "encode", "decode", "prior_sample")


@dataclass(frozen=True)
class Task:
    """One task.

    Attributes:
        id: Marker, section of the handout and name in every report.
        what: What the student writes, in a few words.
        leans_on: Stand-ins that its worker gets, in the order of their installation; never its own.
    """

    id: str
    what: str
    leans_on: tuple[str, ...] = ()


def _all_but(task: str, names: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(name for name in names if name != task)


TASKS = (
    Task("encoder", "Encoder", ("decoder",)),
    Task("decoder", "Decoder", ("encoder",)),
    Task("sample", "DiagonalGaussianDistribution.sample", _all_but("sample", _METHODS)),
    Task("kl", "DiagonalGaussianDistribution.kl", _all_but("kl", _METHODS)),
    Task("nll", "DiagonalGaussianDistribution.nll", _all_but("nll", _METHODS)),
    Task("mode", "DiagonalGaussianDistribution.mode", _all_but("mode", _METHODS)),
    Task("encode", "VAE.encode", _all_but("encode", _MODEL)),
    Task("decode", "VAE.decode", _all_but("decode", _MODEL)),
    Task("prior_sample", "VAE.sample", _all_but("prior_sample", _MODEL)),
    Task("forward", "VAE.forward", _MODEL),
    Task("log_likelihood", "VAE.log_likelihood", _MODEL),
    Task("interpolate", "interpolate", _MODEL),
    Task("training", "the whole file trains"),
)

BY_ID = {task.id: task for task in TASKS}
