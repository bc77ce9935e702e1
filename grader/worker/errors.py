"""Describe errors of a submission inside a worker, with the lines that caused them, as plain data for the judge.

If a stand-in cannot handle a call, the message describes the function that the student called, not the stand-in that
replaced it: the student knows only the function in their own file.
"""

import inspect
import re
import traceback
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import FrameType, FunctionType
from typing import Any, SupportsIndex

import torch
from torch import Tensor, nn

Frames = list[tuple[FrameType, int]]

_FILE = re.compile(r"<stand-in (\w+)>")
_PARTS = ("encoder", "decoder")
_LIKE_AN_ARGUMENT = (bool, int, float, str, list, tuple)


@dataclass(frozen=True)
class Accused:
    """A stand-in that could not handle a call, and the message about this call for the student."""

    name: str
    message: str


def is_own(frame: FrameType, submission: Path) -> bool:
    """Whether a frame runs code of the student's file."""
    return Path(frame.f_code.co_filename).name == submission.name


def up_to_a_part(frames: Frames) -> Frames:
    """Return the frames up to the first known encoder or decoder; its own calls of the student's part are left out."""
    for i, (frame, _) in enumerate(frames):
        if _standin_of(frame) in _PARTS and frame.f_code.co_name == "forward":
            return frames[: i + 1]
    return frames


def standin(
    error: BaseException, message: str, frames: Frames, submission: Path, standins: Mapping[str, type] | None
) -> Accused | None:
    """Return the stand-in that could not handle the student's last call; None if there is none.

    There are two cases. Either a frame of the stand-in follows the student's last frame; or Python refused the call,
    and then the message names the function, or a class that is not in the student's file.
    """
    own = [i for i, (frame, _) in enumerate(frames) if is_own(frame, submission)]
    if not own or not standins:
        return None
    last = frames[own[-1]][0]
    for frame, _ in frames[own[-1] + 1 :]:
        name = _standin_of(frame)
        if name in standins and not frame.f_code.co_name.startswith("__"):
            return Accused(name, _as_called(name, standins[name], frame, message))
    return _hidden_class(message, standins) or _refused_call(error, message, last, standins)


def unset_attribute(error: BaseException, frames: Frames, submission: Path) -> dict[str, str]:
    """Return `owner` and `attribute` if code needs an attribute that a student's layer did not set in __init__."""
    try:
        owner = getattr(error, "obj", None)
        own = [frame for frame, _ in frames if is_own(frame, submission)]
        if isinstance(error, AttributeError) and isinstance(owner, nn.Module) and own and error.name:
            known = own[-1].f_globals.get(type(owner).__name__)
            if known is type(owner) and own[-1].f_locals.get("self") is not owner:
                return {"owner": type(owner).__name__[:60], "attribute": str(error.name)[:60]}
    except Exception:  # reading an attribute of a student's object may run any code
        pass
    return {}


def handed_on(frames: Frames, submission: Path) -> dict[str, str]:
    """Return `maker` and `made` if a provided constructor fails on a value that a student's function passed to it."""
    try:
        own = [frame for frame, _ in frames if is_own(frame, submission)]
        last, values = own[-1], own[-1].f_locals
        if last.f_code.co_qualname == "VAE.__init__" and isinstance(encoder := values["self"].encoder, nn.Module):
            width = encoder.out_features
            if isinstance(width, Tensor) or not (isinstance(width, SupportsIndex) and width.__index__() > 0):
                made = f"out_features is {repr(width)[:40]}, of type {type(width).__name__}"
                return {"maker": f"{type(encoder).__name__}.__init__", "made": made}
        if last.f_code.co_qualname == "DiagonalGaussianDistribution.__init__" and len(own) > 1:
            seen = [_seen(name, values.get(name), precise=False) for name in ("mean", "logvar")]
            maker = own[-2].f_code.co_qualname.rpartition("<locals>.")[2]
            return {"maker": maker, "made": ", ".join(each for each in seen if each)}
    except Exception:  # reading an attribute of a student's object may run any code
        pass
    return {}


def _standin_of(frame: FrameType) -> str:
    found = _FILE.fullmatch(frame.f_code.co_filename)
    return found[1] if found else ""


def _title(name: str, standin: Mapping[str, Any]) -> str:
    """Return what a stand-in replaces, in the form that students write: self.decoder, nll(), VAE.sample()."""
    replaced = str(standin.get("REPLACES") or (f"self.{name}" if name in _PARTS else name))
    if replaced.startswith("self."):
        return replaced
    method = replaced.rpartition(".")[2]
    return f"{method if method == name else replaced}()"


def _as_called(name: str, standin: type, frame: FrameType, message: str) -> str:
    code, expects = frame.f_code, vars(standin).get("EXPECTS")
    arguments = code.co_varnames[: code.co_argcount + code.co_kwonlyargcount]
    precise = "dtype" in message or "scalar type" in message  # in this case, shapes do not explain the error
    seen = [_seen(each, frame.f_locals.get(each), precise) for each in arguments if each != "self"]
    listed = ", ".join(each for each in seen if each)
    text = f"{_title(name, vars(standin))} was called" + (f" with {listed}" if listed else "")
    mean = _mean_shape(frame.f_locals.get("self"))
    if mean:
        text += f"{',' if listed else ''} on a distribution whose mean has shape {mean}"
    return text + (f"; it expects {expects}" if expects else "")


def _seen(name: str, value: Any, precise: bool) -> str:
    """Describe an argument: the shape of a tensor, the value of a number or a list; an empty string for None."""
    try:
        if value is None:
            return ""
        if isinstance(value, Tensor):
            dtype = f" and dtype {str(value.dtype).removeprefix('torch.')}" if precise else ""
            return f"{name} of shape {tuple(int(n) for n in value.shape)}{dtype}"
        if isinstance(value, _LIKE_AN_ARGUMENT) and len(repr(value)) <= 40:
            return f"{name} = {value!r}"
        return f"{name} of type {type(value).__name__}"
    except Exception:  # reading an attribute of a student's object may run any code
        return ""


def _mean_shape(owner: Any) -> str:
    try:
        mean = getattr(owner, "mean", None)
        return str(tuple(int(n) for n in mean.shape)) if isinstance(mean, torch.Tensor) else ""
    except Exception:
        return ""


def _hidden_class(message: str, standins: Mapping[str, type]) -> Accused | None:
    """Return the stand-in whose class the message names, as in "'X' object has no attribute"; X is replaced."""
    for name in _PARTS:
        for value in vars(standins[name]).values() if name in standins else ():
            if isinstance(value, type):
                shown = re.sub(rf"\b{re.escape(value.__name__)}\b", name.capitalize(), message)
                if shown != message:
                    return Accused(name, shown)
    return None


def _refused_call(error: BaseException, message: str, last: FrameType, standins: Mapping[str, type]) -> Accused | None:
    """Return the stand-in whose function Python refused to call: "nll() got an unexpected keyword argument"."""
    found = re.match(r"([\w.]+)\(\) ", message) if isinstance(error, TypeError) else None
    if not found or isinstance(last.f_globals.get(found[1]), FunctionType):  # the file has a function of that name
        return None
    fitting = {
        name: function
        for name, each in standins.items()
        for function in _functions(each)
        if found[1] in (function.__qualname__, getattr(each, "REPLACES", None))
    }
    if not fitting:
        return None
    name = next(iter(fitting))
    title, rest = _title(name, vars(standins[name])), message[found.end() :]
    return Accused(name, f"{title} {rest}; its arguments are {_parameters(fitting[name])}")


def _functions(standin: type) -> Iterator[FunctionType]:
    for value in vars(standin).values():
        if isinstance(value, FunctionType) and _FILE.fullmatch(value.__code__.co_filename):
            yield value


def _parameters(function: Callable[..., Any]) -> str:
    every = list(inspect.signature(function).parameters.values())[1:]
    return f"({', '.join(str(each) for each in every if each.kind not in (each.VAR_POSITIONAL, each.VAR_KEYWORD))})"


class MissingName(Exception):  # noqa: N818 - named for what the student reads
    """The submission does not define a class, function or method that the assignment requires."""


class WrongType(Exception):  # noqa: N818
    """The submission returned a value of another type than the assignment requires."""


class NotAttempted(NotImplementedError):  # noqa: N818
    """A required function does nothing: the TODO was replaced by `pass`. The message begins with "TODO"."""


def describe(error: BaseException, submission: Path, standins: Mapping[str, type] | None = None) -> dict[str, Any]:
    """Return an error as JSON data: its kind, its message and the traceback lines that are in the student's file.

    Kinds: `todo` (an untouched TODO), `missing`, `type`, `memory`, `exit` (sys.exit), `exception`. If a stand-in could
    not handle a call, `standin` is its id, and the message says what was called and with which arguments. If an object
    lacks an attribute that its constructor should have set, `owner` and `attribute` name them. If a provided
    constructor fails on a value that it received, `maker` is the function that passed the value, and `made` describes
    the value.

    Args:
        error: The raised error.
        submission: The student's file.
        standins: The stand-ins of this worker, by id.
    """
    kind, message = _kind(error), _safe_str(error)[:2000]
    frames = up_to_a_part(list(traceback.walk_tb(error.__traceback__)))
    # A stand-in may have called the student's own part, which still has a TODO. This TODO belongs to another task.
    accused = None if kind in ("missing", "type", "exit") else standin(error, message, frames, submission, standins)
    if accused:
        kind, message = ("exception" if kind == "todo" else kind), accused.message[:2000]
    return {
        "kind": kind,
        "type": type(error).__name__,
        "message": message,
        "standin": accused.name if accused else "",
        "traceback": _own_lines(error, frames, submission),
        "module": getattr(error, "name", None) if isinstance(error, ModuleNotFoundError) else None,
        **(unset_attribute(error, frames, submission) or handed_on(frames, submission)),
    }


def _kind(error: BaseException) -> str:
    message = _safe_str(error)
    if isinstance(error, NotImplementedError) and message.startswith("TODO"):
        return "todo"
    if isinstance(error, MissingName):
        return "missing"
    if isinstance(error, WrongType):
        return "type"
    if isinstance(error, MemoryError) or "can't allocate memory" in message or "not enough memory" in message:
        return "memory"
    return "exit" if isinstance(error, SystemExit) else "exception"


def _safe_str(error: BaseException) -> str:
    try:
        return str(error)
    except Exception:  # a student's exception class may have a broken __str__
        return "(its message cannot be shown)"


def _own_lines(error: BaseException, frames: Frames, submission: Path) -> list[dict[str, Any]]:
    """Return the frames that are in the student's file; a syntax error has no frame, but names its line."""
    if isinstance(error, SyntaxError) and error.lineno is not None:
        return [{"line": error.lineno, "function": "", "text": (error.text or "").strip()[:200]}]
    own: list[tuple[FrameType, int]] = [(f, line) for f, line in frames if is_own(f, submission)]
    summary = traceback.StackSummary.extract(iter(own[-8:]))
    return [{"line": f.lineno, "function": f.name, "text": (f.line or "")[:200]} for f in summary]
