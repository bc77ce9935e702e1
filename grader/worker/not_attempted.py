"""Detect work that a student has not started: required functions that are empty, or still have their TODO."""

import dis
import inspect
from collections.abc import Mapping
from types import CodeType, ModuleType
from typing import Any

from torch import nn

from .errors import NotAttempted, WrongType

_OF_NOTHING = {"RESUME", "NOP", "LOAD_CONST", "RETURN_VALUE", "RETURN_CONST"}
_OF_A_CONSTRUCTOR = {"super", "__init__", "nn", "torch", "Module", "NotImplementedError"}
_METHODS = {
    "encode": "encode",
    "decode": "decode",
    "prior_sample": "sample",
    "forward": "forward",
    "log_likelihood": "log_likelihood",
}
_TRAINING = ("train", "posteriors", "decoded")
_TRAINED = (
    *("Encoder.forward", "Decoder.forward", "VAE.encode", "VAE.decode", "VAE.forward"),
    *(f"DiagonalGaussianDistribution.{name}" for name in ("sample", "kl", "nll", "mode")),
)


def instead_of(error: BaseException, module: ModuleType, probe: str, arguments: Mapping[str, Any]) -> BaseException:
    """Return NotAttempted if a probe raised `error` because the function that it tests is empty; else `error`.

    Args:
        error: The error that the probe raised.
        module: The student's module.
        probe, arguments: The requested probe and its arguments.
    """
    if isinstance(error, Exception):
        try:
            if _is_untouched(error, module, probe, arguments):
                return NotAttempted("TODO: the function is empty")
        except Exception:  # reading an attribute of a student's object may run any code
            pass
    return error


def is_begun(module: ModuleType, probe: str, arguments: Mapping[str, Any]) -> bool:
    """Whether the function or layer that a probe tests already does something, although it still has a TODO."""
    try:
        if probe in ("layers", "outputs"):
            part = getattr(module, arguments["part"].capitalize(), None)
            forward = getattr(part, "forward", None)
            return not (_builds_nothing(part) and (forward is nn.Module.forward or _is_left(forward)))
        function = _about(module, probe, arguments)
        return function is not None and not _is_left(function)
    except Exception:  # reading an attribute of a student's object may run any code
        return False


def does_nothing(function: Any) -> bool:
    """Whether a function has no statements except `pass`, `...`, a docstring, or a `return` of None."""
    code = _code(function)
    if code is None:
        return False
    steps = list(dis.get_instructions(code))
    values = [step.argval for step in steps if step.opname in ("LOAD_CONST", "RETURN_CONST")]
    return all(step.opname in _OF_NOTHING for step in steps) and all(value is None for value in values)


def _is_untouched(error: Exception, module: ModuleType, probe: str, arguments: Mapping[str, Any]) -> bool:
    if probe in ("layers", "outputs"):
        return _is_untouched_part(getattr(module, arguments["part"].capitalize(), None), error)
    if probe in _TRAINING:
        return _is_untouched_in_training(module, error)
    return does_nothing(_about(module, probe, arguments))


def _about(module: ModuleType, probe: str, arguments: Mapping[str, Any]) -> Any:
    """Return the function that a probe tests; None for a probe that tests the whole file."""
    if probe in _TRAINING:
        return None
    if probe.startswith("distribution"):
        return _find(module, f"DiagonalGaussianDistribution.{arguments['name']}")
    task = arguments.get("task", probe)
    return _find(module, f"VAE.{_METHODS[task]}" if task in _METHODS else task)


def _is_untouched_part(part: Any, error: Exception) -> bool:
    """Whether Encoder or Decoder is empty: no `forward` is written, and the type was wrong or __init__ does nothing."""
    forward = getattr(part, "forward", None)
    if forward is not nn.Module.forward and not _is_left(forward):
        return False
    return isinstance(error, WrongType) or _builds_nothing(part)


def _is_untouched_in_training(module: ModuleType, error: Exception) -> bool:
    """Whether a function that training needs is empty, and `None` or `out_features` in the message shows the cause."""
    text = str(error)
    if "out_features" in text:
        return _is_untouched_part(getattr(module, "Encoder", None), error)
    return "None" in text and any(does_nothing(_find(module, name)) for name in _TRAINED)


def _find(module: ModuleType, path: str) -> Any:
    found: Any = module
    for name in path.split("."):
        found = getattr(found, name, None)
    return found


def _code(function: Any) -> CodeType | None:
    code = getattr(inspect.unwrap(function), "__code__", None) if callable(function) else None
    return code if isinstance(code, CodeType) else None


def _is_left(function: Any) -> bool:
    """Whether a function is empty or unchanged since the skeleton."""
    return does_nothing(function) or _is_todo(function)


def _is_todo(function: Any) -> bool:
    """Whether a function does nothing but raise NotImplementedError("TODO...")."""
    code = _code(function)
    if code is None or code.co_names != ("NotImplementedError",):
        return False
    todo = any(isinstance(constant, str) and constant.startswith("TODO") for constant in code.co_consts)
    return todo and not any("JUMP" in step.opname for step in dis.get_instructions(code))


def _builds_nothing(part: Any) -> bool:
    """Whether the constructor of a class calls the constructor of nn.Module and does nothing else."""
    constructor = getattr(part, "__init__", None)
    if constructor is nn.Module.__init__:
        return True
    code = _code(constructor)
    return code is not None and set(code.co_names) <= {*_OF_A_CONSTRUCTOR, part.__name__}
