"""Notice tensors that are made on the default device and meet others there: on a GPU the model's are elsewhere.

No GPU is needed, and nothing is computed otherwise: every call of torch is looked at on its way. A tensor that the
student's code makes without a device, as torch.zeros(3) does, bears the line where it was made, and so does what is
computed from such tensors alone. Where one meets a tensor without such a mark, in an operation that wants both on one
device, its line is noted. What a GPU allows does not count: numbers (tensors without dimensions), indices, copies into
a tensor, and tensors that only lend their shape. Constructors of modules make what they like: `model.to(device)` moves
it.
"""

import sys
from collections.abc import Iterator
from pathlib import Path
from types import FrameType
from typing import Any

import torch
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

from .errors import is_own

_MARK = "_made_at"
_MOVES = ("to", "cuda", "type_as")
_LENDS_A_SHAPE = ("expand_as", "view_as", "reshape_as", "broadcast_tensors")
_ALLOWS_TWO_DEVICES = {"copy_", "__setitem__", "__getitem__", *_LENDS_A_SHAPE, *_MOVES}


class DefaultDevice(TorchFunctionMode):
    """Watches while it is entered.

    Args:
        submission: The student's file.

    Attributes:
        lines: Numbers of the lines that make such tensors.
    """

    def __init__(self, submission: Path):
        super().__init__()
        self._submission = submission
        self.lines: set[int] = set()
        # Whoever has set a default device has chosen one.
        self._chosen = getattr(getattr(torch, "_GLOBAL_DEVICE_CONTEXT", None), "device_context", None) is not None

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        """Compute as usual, and see who met whom."""
        kwargs = kwargs or {}
        result, name = func(*args, **kwargs), getattr(func, "__name__", "")
        given = list(_tensors([*args, *kwargs.values()]))
        if self._chosen or name == "copy_":
            return result
        long = [tensor for tensor in given if tensor.dim()]
        marked = {line for tensor in long if (line := getattr(tensor, _MARK, 0))}
        if name not in _ALLOWS_TWO_DEVICES and marked and not all(getattr(tensor, _MARK, 0) for tensor in long):
            self.lines |= marked
        line = 0
        if not _names_a_device(name, args, kwargs):
            lines = [getattr(tensor, _MARK, 0) for tensor in given] if given else [self._line(sys._getframe(1))]
            line = lines[0] if all(lines) else 0
        for tensor in _tensors([result]):
            _mark(tensor, line)
        return result

    def _line(self, frame: FrameType | None) -> int:
        """Return the student's line that makes a tensor; 0 if another one's does, or a module's constructor."""
        own: list[FrameType] = []
        while frame is not None:
            if not own and frame.f_code.co_filename.startswith("<stand-in"):
                return 0
            if is_own(frame, self._submission):
                own.append(frame)
            frame = frame.f_back
        if any(f.f_code.co_name == "__init__" and isinstance(f.f_locals.get("self"), nn.Module) for f in own):
            return 0
        return own[0].f_lineno if own else 0


def _tensors(values: Any) -> Iterator[Tensor]:
    for value in values:
        if isinstance(value, Tensor):
            yield value
        elif isinstance(value, (list, tuple)):
            yield from _tensors(value)


def _names_a_device(name: str, args: Any, kwargs: Any) -> bool:
    """Whether a call says on which device its result is; `to` may also be asked for another dtype only."""
    elsewhere = any(isinstance(value, (Tensor, str, torch.device, int)) for value in args[1:])
    return kwargs.get("device") is not None or name == "cuda" or (name in _MOVES and elsewhere)


def _mark(tensor: Tensor, line: int) -> None:
    if line:
        setattr(tensor, _MARK, line)
    elif hasattr(tensor, _MARK):
        delattr(tensor, _MARK)
