"""Ask for several things in turn, as somebody who remembers earlier answers by the wrong key would get them wrong."""

from collections.abc import Callable, Mapping, Sequence

import torch
from torch import Tensor

Tensors = Mapping[str, Tensor]
Ask = Callable[[dict[str, Tensor]], Tensors]

_TRIES = 32


def sets_of(inputs: Tensors) -> list[dict[str, Tensor]]:
    """Return three sets of inputs from tensors called `<name>_0` to `<name>_2`."""
    return [{name[:-2]: t for name, t in inputs.items() if name.endswith(f"_{i}")} for i in range(3)]


def in_turn(ask: Ask, sets: Sequence[Tensors]) -> dict[str, Tensor]:
    """Return what `ask` answers for three sets of inputs of equal shapes, as `<name of a result>_<when>`.

    * `first`, for set 0, is kept as it was given and read when all is done: no result may be overwritten later.
    * `changed`, for set 1, which is written into the very tensors of set 0: a memory by id() or shape is out of date.
    * `fresh`, for set 2, in new tensors that stand where others of their kind were freed, if they can be had: those
      have the same id(), and were never changed in place.
    """
    held = {name: tensor.clone() for name, tensor in sets[0].items()}
    first = ask(held)
    with torch.no_grad():
        for name, tensor in sets[1].items():
            held[name].copy_(tensor)
    second = {name: tensor.clone() for name, tensor in ask(held).items()}
    ids = _asked_and_freed(ask, sets[0])
    third = ask({name: _at(ids[name], tensor) for name, tensor in sets[2].items()})
    answers = {"first": first, "changed": second, "fresh": third}
    return {f"{name}_{when}": t for when, answer in answers.items() for name, t in answer.items()}


def _asked_and_freed(ask: Ask, inputs: Tensors) -> dict[str, int]:
    """Ask for some inputs in tensors that are gone afterwards; return what their id() was."""
    copies = {name: tensor.clone() for name, tensor in inputs.items()}
    ask(copies)
    return {name: id(tensor) for name, tensor in copies.items()}


def _at(wanted: int, tensor: Tensor) -> Tensor:
    """Return a copy whose id() is `wanted`, if the interpreter gives that place away again soon."""
    held = []
    for _ in range(_TRIES):
        held.append(tensor.clone())
        if id(held[-1]) == wanted:
            break
    return held[-1]
