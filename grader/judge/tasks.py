"""The thirteen tasks, in the order of the handout, and what each may lean on."""

from dataclasses import dataclass

_DISTRIBUTION = ("distribution", "sample", "kl", "nll", "mode")
_PARTS = ("decoder", "encoder", "vae")


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


def _leaning(task: str, *others: str) -> tuple[str, ...]:
    return tuple(name for name in (*_DISTRIBUTION, *_PARTS, *others) if name != task)


TASKS = (
    Task("encoder", "Encoder", ("decoder",)),
    Task("decoder", "Decoder", ("encoder",)),
    Task("sample", "DiagonalGaussianDistribution.sample"),
    Task("kl", "DiagonalGaussianDistribution.kl"),
    Task("nll", "DiagonalGaussianDistribution.nll"),
    Task("mode", "DiagonalGaussianDistribution.mode"),
    Task("encode", "VAE.encode", _leaning("encode")),
    Task("decode", "VAE.decode", _leaning("decode")),
    Task("prior_sample", "VAE.sample", _leaning("prior_sample", "encode", "decode")),
    Task("forward", "VAE.forward", _leaning("forward", "encode", "decode")),
    Task("log_likelihood", "VAE.log_likelihood", _leaning("log_likelihood", "encode", "decode")),
    Task("interpolate", "interpolate", _leaning("interpolate", "encode", "decode")),
    Task("training", "the whole file trains"),
)

BY_ID = {task.id: task for task in TASKS}
