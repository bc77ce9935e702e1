"""The result of a probe, and the functions that all probes share."""

import types
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn

from ..errors import MissingName, WrongType

_GRADIENTS = "(gradients)"  # no module has a name with brackets


@dataclass(frozen=True)
class Found:
    """The result of a probe: tensors by name, and facts as JSON data."""

    tensors: dict[str, Any]
    facts: dict[str, Any] = field(default_factory=dict)


def method(owner: Any, class_name: str, name: str) -> Any:
    """Return a bound method of a student's object.

    Raises:
        MissingName: The class has no such method.
    """
    found = getattr(owner, name, None)
    if not callable(found):
        other = "" if found is None else f": `{name}` is {kind_of(found)} there. Is it a property?"
        raise MissingName(f"`{class_name}` has no method `{name}`{other}")
    return found


def need_tensor(value: Any, what: str) -> Tensor:
    """Return `value` as a plain dense Tensor; a student's subclass of Tensor is converted.

    Raises:
        WrongType: It is not a tensor, or not a dense tensor with data.
    """
    if not issubclass(type(value), Tensor):  # not isinstance, since an object can lie about its __class__
        raise refused(value, what, "a tensor")
    with torch._C.DisableTorchFunctionSubclass():
        kinds = {
            "nested": value.is_nested,
            "quantized": value.is_quantized,
            "meta": value.device.type == "meta",
            "sparse": value.layout != torch.strided,
        }
        if odd := [kind for kind, it_is in kinds.items() if it_is]:
            raise WrongType(f"{what} {_verb(what)} a {odd[0]} tensor, but an ordinary dense tensor is expected")
        return value if type(value) is Tensor else torch.Tensor.as_subclass(value, Tensor)


def attribute(distribution: Any, name: str, call: str) -> Tensor:
    """Return an attribute of a distribution that a call returned.

    Raises:
        WrongType: The object is not a distribution, or its attribute is not a tensor.
    """
    try:
        value = getattr(distribution, name, None)
    except Exception:  # reading an attribute of a student's object may run any code
        value = None
    if issubclass(type(value), Tensor):
        return need_tensor(value, f"{call}: {name}")
    if type(distribution).__name__ == "DiagonalGaussianDistribution":
        raise WrongType(f"{call} returned a distribution whose {name} is {kind_of(value)}, but a tensor is expected")
    raise refused(distribution, call, "a DiagonalGaussianDistribution")


def three_results(result: Any) -> tuple[Tensor, Tensor, Tensor]:
    """Return the three results of forward(): reconstruction, nll and kl.

    Raises:
        WrongType: The result is not a tuple or list of three tensors.
    """
    kind = next((each for each in (tuple, list) if issubclass(type(result), each)), None)
    parts = () if kind is None else tuple(kind.__iter__(result))
    if len(parts) != 3:
        raise refused(result, "forward()", "(reconstruction, nll, kl)")
    names = ("reconstruction", "nll", "kl")
    one, two, three = (need_tensor(part, f"forward(): {name}") for name, part in zip(names, parts, strict=True))
    return one, two, three


def refused(value: Any, what: str, expected: str) -> WrongType:
    """Return the error for a value that is not as `expected`; for None, the message asks about a missing `return`."""
    if value is None and what.endswith("()"):
        return WrongType(f"{what} returned None: is a `return` missing?")
    if issubclass(type(value), (types.MethodType, types.FunctionType, types.BuiltinFunctionType)):
        return WrongType(
            f"{what} {_verb(what)} {kind_of(value)}, not the result of calling it: are its parentheses missing, as in "
            "`mode` for `mode()`?"
        )
    return WrongType(f"{what} {_verb(what)} {kind_of(value)}, but {expected} is expected")


def _verb(what: str) -> str:
    return "returned" if what.endswith("()") else "is"


def kind_of(value: Any) -> str:
    """Describe the type of a value in words, without running code of the value itself."""
    if value is None:
        return "None"
    if issubclass(type(value), Tensor):
        with torch._C.DisableTorchFunctionSubclass():
            return "a nested tensor" if value.is_nested else f"a tensor of shape {tuple(value.shape)}"
    for kind in (tuple, list, dict):
        if issubclass(type(value), kind):
            count = kind.__len__(value)
            what = f"a {kind.__name__} of {count} {'value' if count == 1 else 'values'}"
            parts = list(kind.__iter__(value)) if kind is not dict and count <= 4 else []
            inside = [kind_of(part) for part in parts if issubclass(type(part), Tensor)]
            return f"{what}: {', '.join(inside)}" if parts and len(inside) == count else what
    return f"an object of type {type(value).__name__}"


def leaves(tensors: Mapping[str, Tensor | None]) -> dict[str, Tensor]:
    """Return copies that require gradients; inputs that are None are left out."""
    return {name: t.clone().requires_grad_(True) for name, t in tensors.items() if t is not None}


def pull_back(output: Tensor, cotangent: Tensor, inputs: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Return the vector-Jacobian products `grad_<name>` = cotangent . d output / d input.

    Inputs that no gradient reaches are left out, so that the judge can tell a missing gradient from a zero gradient.
    """
    if output.shape != cotangent.shape:
        raise WrongType(f"a result has shape {tuple(output.shape)}, but {tuple(cotangent.shape)} is expected")
    if not (output.requires_grad and output.is_floating_point()):
        return {}
    leaves = {name: tensor for name, tensor in inputs.items() if tensor.requires_grad}
    return {f"grad_{name}": grad for name, grad in gradients(output, cotangent, leaves).items() if grad is not None}


def gradients(output: Tensor, cotangent: Tensor, leaves: Mapping[str, Tensor]) -> dict[str, Tensor | None]:
    """Return the vector-Jacobian product of each leaf; None for a leaf that no gradient reaches.

    The gradient of a sum is computed instead of passing `grad_outputs`: with that argument, torch imports sympy, which
    takes 0.6 s in every worker.
    """
    total = (output * cotangent.to(output.dtype)).sum()
    found = torch.autograd.grad(total, list(leaves.values()), allow_unused=True, retain_graph=True)
    return dict(zip(leaves, found, strict=True))


def changed(before: Mapping[str, Tensor], after: Mapping[str, Any]) -> list[str]:
    """Return the names of the tensors that have changed."""
    return [name for name, old in before.items() if not _same(old, after.get(name))]


def _same(old: Tensor, new: Any) -> bool:
    return isinstance(new, Tensor) and old.shape == new.shape and old.dtype == new.dtype and torch.equal(old, new)


def switches(model: nn.Module) -> dict[str, bool]:
    """Return the switches that a method must restore: whether gradients are recorded, and the mode of each module."""
    return {_GRADIENTS: torch.is_grad_enabled(), **{name: module.training for name, module in model.named_modules()}}


def left_switched(before: Mapping[str, bool], model: nn.Module) -> list[str]:
    """Return which switches were not restored; also restore the recording of gradients for the next probe."""
    after = switches(model)
    torch.set_grad_enabled(before[_GRADIENTS])
    changed = {name for name, value in before.items() if after.get(name, value) != value}
    modes = ["the model is in train mode" if model.training else "the model is in eval mode"]
    return (modes if changed - {_GRADIENTS} else []) + (["gradients are off"] if _GRADIENTS in changed else [])


def snapshot(tensors: Mapping[str, Any]) -> dict[str, Tensor]:
    """Return copies of the values that are tensors."""
    return {name: t.detach().clone() for name, t in tensors.items() if isinstance(t, Tensor)}


Tensors = Mapping[str, Tensor]
Ask = Callable[[dict[str, Tensor]], Tensors]

_TRIES = 32


def sets_of(inputs: Tensors) -> list[dict[str, Tensor]]:
    """Return three sets of inputs from tensors named `<name>_0` to `<name>_2`."""
    return [{name[:-2]: t for name, t in inputs.items() if name.endswith(f"_{i}")} for i in range(3)]


def in_turn(ask: Ask, sets: Sequence[Tensors]) -> dict[str, Tensor]:
    """Return the answers of `ask` for three sets of inputs of equal shapes, as `<name of a result>_<when>`.

    The three cases find code that wrongly reuses results of earlier calls:

    * `first`, for set 0: the result is not copied, and is read after all calls, so a later call must not overwrite it.
    * `changed`, for set 1, written in place into the tensors of set 0: a cache by id() or shape is out of date.
    * `fresh`, for set 2, in new tensors with the same id() as tensors that have been freed, if possible: a cache by
      id() is out of date, although the tensors were never changed in place.
    """
    held = {name: tensor.clone() for name, tensor in sets[0].items()}
    first = ask(held)
    with torch.no_grad():
        for name, tensor in sets[1].items():
            held[name].copy_(tensor)
    second = {name: tensor.clone() for name, tensor in ask(held).items()}
    third = ask(_in_place_of(ask, sets[0], sets[2]))
    answers = {"first": first, "changed": second, "fresh": third}
    return {f"{name}_{when}": t for when, answer in answers.items() for name, t in answer.items()}


def _in_place_of(ask: Ask, before: Tensors, inputs: Tensors) -> dict[str, Tensor]:
    """Return new tensors with the same id() as freed tensors that `ask` has seen, if the interpreter allows it."""
    copies = {name: tensor.clone() for name, tensor in before.items()}
    ask(copies)
    held: list[Tensor] = []  # keeps tensors at other addresses alive, so that the next one gets a new address
    for name, tensor in inputs.items():
        wanted = id(copies.pop(name))
        for _ in range(_TRIES):
            held.append(tensor.clone())
            if id(held[-1]) == wanted:
                break
        copies[name] = held[-1]
    return copies
