"""Find tensors that are created on the default device and then combined with others; this would fail on a GPU.

No GPU is needed and no result changes: every call of torch is observed. A tensor that the student's code creates
without a device, for example with torch.zeros(3), is marked with the line that created it. A tensor computed only from
marked tensors is marked too. When an operation that needs all its tensors on one device combines a marked tensor with
an unmarked one, the line of the marked tensor is recorded. Operations that also work on a GPU are ignored: numbers
(tensors without dimensions), indices, copies into a tensor, and tensors of which only the shape is used. Constructors
of modules may create any tensor, since `model.to(device)` moves it later.
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
    """A context manager that observes all calls of torch inside of it.

    Args:
        submission: The student's file.

    Attributes:
        lines: Numbers of the lines that create such tensors.
    """

    def __init__(self, submission: Path):
        super().__init__()
        self._submission = submission
        self.lines: set[int] = set()
        # A file that sets a default device has chosen one explicitly.
        self._chosen = getattr(getattr(torch, "_GLOBAL_DEVICE_CONTEXT", None), "device_context", None) is not None

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        """Compute as usual, record lines that mix devices, and mark the result."""
        kwargs = kwargs or {}
        result, name = func(*args, **kwargs), getattr(func, "__name__", "")
        operands = list(_tensors([*args, *kwargs.values()]))
        if self._chosen or name == "copy_":
            return result
        long = [tensor for tensor in operands if tensor.dim()]
        marked = {line for tensor in long if (line := getattr(tensor, _MARK, 0))}
        if name not in _ALLOWS_TWO_DEVICES and marked and not all(getattr(tensor, _MARK, 0) for tensor in long):
            self.lines |= marked
        line = 0
        if not _names_a_device(name, args, kwargs):
            lines = [getattr(tensor, _MARK, 0) for tensor in operands] if operands else [self._line(sys._getframe(1))]
            line = lines[0] if all(lines) else 0
        for tensor in _tensors([result]):
            _mark(tensor, line)
        return result

    def _line(self, frame: FrameType | None) -> int:
        """Return the student's line that creates a tensor; 0 if other code or a module's constructor creates it."""
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
    """Whether a call specifies the device of its result; `to` may also change only the dtype."""
    elsewhere = any(isinstance(value, (Tensor, str, torch.device, int)) for value in args[1:])
    return kwargs.get("device") is not None or name == "cuda" or (name in _MOVES and elsewhere)


def _mark(tensor: Tensor, line: int) -> None:
    if line:
        setattr(tensor, _MARK, line)
    elif hasattr(tensor, _MARK):
        delattr(tensor, _MARK)
