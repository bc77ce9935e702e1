"""Build a model from a submission, and put the stand-ins of other tasks onto it."""

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.parameter import is_lazy

from .errors import WrongType
from .submission import Submission

Sizes = dict[str, int]


def build(submission: Submission, sizes: Sizes) -> Any:
    """Return VAE(**sizes) on the CPU.

    The student's own parts are tried first. Where a constructor fails, those that this task may lean on are replaced,
    one after the other, so that a mistake in `Encoder` costs nobody else anything; what still fails is raised.
    """
    vae_class = submission.find("VAE")
    try:
        return _checked(vae_class(**sizes, device=torch.device("cpu")))
    except Exception as error:
        failure = error
    for part in ("decoder", "encoder", "vae"):
        if part not in submission.standins:
            continue
        submission.standins[part].install_constructor(submission.module)
        try:
            return _checked(vae_class(**sizes, device=torch.device("cpu")))
        except Exception as error:
            failure = error
    raise failure


def _checked(model: Any) -> Any:
    if not isinstance(model, nn.Module):
        raise WrongType("VAE(...) is not an nn.Module")
    return model


def lean_on_standins(submission: Submission) -> None:
    """Put the stand-ins of methods onto the student's own classes, so that helpers beside them stay reachable."""
    for standin in submission.standins.values():
        if hasattr(standin, "install"):
            standin.install(submission.module)


def build_known(submission: Submission, sizes: Sizes, known: dict[str, Tensor], dtype: torch.dtype) -> Any:
    """Return a model whose encoder, heads and decoder are known linear maps.

    Args:
        submission: The submission.
        sizes: Keyword arguments of VAE.
        known: `encoder_weight` (hidden, D), `mean_weight` and `logvar_weight` (z, hidden), their biases `*_bias`,
            `decoder_weight` (D, z), `decoder_bias` (D,), `decoder_bend` ().
        dtype: Of all parameters.
    """
    model = build(submission, sizes)
    lean_on_standins(submission)
    shape = (sizes["in_channels"], sizes["input_size"], sizes["input_size"])
    decoder = [known[f"decoder_{name}"] for name in ("weight", "bias", "bend")]
    parts: dict[str, nn.Module] = {
        "encoder": submission.standins["encoder"].LinearEncoder(known["encoder_weight"]),
        "decoder": submission.standins["decoder"].LinearDecoder(*decoder, shape),
    }
    for head in ("mean", "logvar"):
        parts[head] = nn.Linear(known["encoder_weight"].shape[0], sizes["z_dim"])
        parts[head].load_state_dict({"weight": known[f"{head}_weight"], "bias": known[f"{head}_bias"]})
    _put_in_place(model, parts)
    with torch.no_grad():  # the formulas have no parameters: one that starts without effect must not stay unseen
        for parameter in own_parameters(model).values():
            parameter.add_(torch.randn_like(parameter))
    return model.to(dtype)


def own_parameters(model: nn.Module) -> dict[str, Tensor]:
    """Return, by name, the parameters that learn and are none of encoder, heads and decoder."""
    parts = (getattr(model, name) for name in ("encoder", "mean", "logvar", "decoder"))
    known = {id(parameter) for part in parts for parameter in part.parameters()}
    every = model.named_parameters()
    return {name: p for name, p in every if p.requires_grad and id(p) not in known and not is_lazy(p)}


def _put_in_place(model: nn.Module, parts: dict[str, nn.Module]) -> None:
    """Turn the model's own parts into known ones.

    A part keeps its identity: what else holds it, as a list, a property or an nn.Sequential, holds the known one too.
    """
    own = {name: getattr(model, name, None) for name in parts}
    for name, part in parts.items():
        module = own[name]
        if isinstance(module, nn.Module) and sum(other is module for other in own.values()) == 1:
            module.__class__ = type(part)
            vars(module).clear()
            vars(module).update(vars(part))
        else:
            setattr(model, name, part)
