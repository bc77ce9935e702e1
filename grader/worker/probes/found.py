"""What a probe brings home, and the small vocabulary that probes share."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor

from ..errors import MissingName, WrongType


@dataclass(frozen=True)
class Found:
    """Tensors by name, and facts that JSON can hold."""

    tensors: dict[str, Any]
    facts: dict[str, Any] = field(default_factory=dict)


def method(owner: Any, class_name: str, name: str) -> Any:
    """Return a bound method of a student's object.

    Raises:
        MissingName: The class has no such method.
    """
    if not callable(getattr(owner, name, None)):
        raise MissingName(f"`{class_name}` has no method `{name}`")
    return getattr(owner, name)


def need_tensor(value: Any, what: str) -> Tensor:
    """Return `value` if it is a tensor.

    Raises:
        WrongType: It is something else.
    """
    if not isinstance(value, Tensor):
        raise WrongType(f"{what} returned {_article(type(value).__name__)}, but a tensor is expected")
    return value


def _article(name: str) -> str:
    return "None" if name == "NoneType" else f"an object of type {name}"


def leaves(tensors: Mapping[str, Tensor | None]) -> dict[str, Tensor]:
    """Return copies that record gradients; what is None is left out."""
    return {name: t.clone().requires_grad_(True) for name, t in tensors.items() if t is not None}


def pull_back(output: Tensor, cotangent: Tensor, inputs: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Return the vector-Jacobian products `grad_<name>` = cotangent . d output / d input.

    What no gradient reaches is left out: the judge tells "cut" from "zero".
    """
    if output.shape != cotangent.shape:
        raise WrongType(f"a result of shape {tuple(output.shape)}, where {tuple(cotangent.shape)} is expected")
    if not output.requires_grad:
        return {}
    leaves = {name: tensor for name, tensor in inputs.items() if tensor.requires_grad}
    return {f"grad_{name}": grad for name, grad in gradients(output, cotangent, leaves).items() if grad is not None}


def gradients(output: Tensor, cotangent: Tensor, leaves: Mapping[str, Tensor]) -> dict[str, Tensor | None]:
    """Return the vector-Jacobian product of each leaf; None where no gradient reaches it.

    The product is taken of a sum: given `grad_outputs`, torch imports sympy first, 0.6 s in every worker.
    """
    total = (output * cotangent.to(output.dtype)).sum()
    found = torch.autograd.grad(total, list(leaves.values()), allow_unused=True, retain_graph=True)
    return dict(zip(leaves, found, strict=True))


def changed(before: Mapping[str, Tensor], after: Mapping[str, Any]) -> list[str]:
    """Return the names of the tensors that are no longer what they were."""
    return [name for name, old in before.items() if not _same(old, after.get(name))]


def _same(old: Tensor, new: Any) -> bool:
    return isinstance(new, Tensor) and old.shape == new.shape and old.dtype == new.dtype and torch.equal(old, new)


def snapshot(tensors: Mapping[str, Any]) -> dict[str, Tensor]:
    """Return copies of those values that are tensors."""
    return {name: t.detach().clone() for name, t in tensors.items() if isinstance(t, Tensor)}
