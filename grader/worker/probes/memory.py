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
    third = ask(_in_place_of(ask, sets[0], sets[2]))
    answers = {"first": first, "changed": second, "fresh": third}
    return {f"{name}_{when}": t for when, answer in answers.items() for name, t in answer.items()}


def _in_place_of(ask: Ask, before: Tensors, inputs: Tensors) -> dict[str, Tensor]:
    """Return new tensors with the id() of some that were asked for and are gone, if the interpreter allows it."""
    copies = {name: tensor.clone() for name, tensor in before.items()}
    ask(copies)
    held: list[Tensor] = []  # keeps what came at other places, so that the next one comes elsewhere
    for name, tensor in inputs.items():
        wanted = id(copies.pop(name))
        for _ in range(_TRIES):
            held.append(tensor.clone())
            if id(held[-1]) == wanted:
                break
        copies[name] = held[-1]
    return copies
