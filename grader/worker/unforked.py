"""Where no process can be forked: one interpreter serves task after task, and the file is imported again for each.

After each task, everything that can be put back is put back: settings of torch, the working directory, the environment,
warning filters, streams. Then the interpreter is compared with how it was before the first task. If anything is left,
it is not used again, so that what a file does in one task cannot change the verdict of another:

* a name in any module or class has another function or class, or there is a new name;
* something still refers to the student's code: a hook, a registry, a callback, a thread;
* a setting that cannot be put back.

The judge looks for what can be seen from outside: processes, memory, files. A student who wants to can leave something
that is not found. So this is only for gradings at home, and `training` does not rely on it.
"""

import contextlib
import gc
import locale
import operator
import os
import signal
import sys
import typing
import warnings
import weakref
from collections.abc import Callable
from dataclasses import dataclass
from importlib.machinery import PathFinder
from pathlib import Path
from types import ModuleType
from typing import IO, Any

import numpy as np
import torch

from . import wire
from .confine import confine, limit_cpu
from .serve import serve_task
from .submission import MODULE_NAME, draw_without_windows, own_command_line
from .wire import Message
from .zygote import reopen_streams, trace_on_signal, warm_up


def run_unforked(preload: list[str], trace_fd: int | None) -> None:
    """Serve tasks on standard input and output; the student's code cannot use these two streams any more.

    Args:
        preload: Well-known packages that the submission imports.
        trace_fd: Descriptor for the stack trace of a worker that exceeds its time; None for no trace.
    """
    reader, writer = os.fdopen(os.dup(0), "rb"), os.fdopen(os.dup(1), "wb")
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, 0)
    os.dup2(2, 1)  # the student's output goes to standard error, which the judge logs
    warm_up(preload)
    request = wire.read(reader)
    wire.write(writer, Message({"id": request.header["id"]}))  # now torch has been imported
    with contextlib.suppress(EOFError):
        serve_tasks(reader, writer, trace_fd)
    os._exit(0)  # a normal exit takes half a second after torch has been imported


def serve_tasks(reader: IO[bytes], writer: IO[bytes], trace_fd: int | None) -> None:
    """Serve one task after another until the judge closes the channel.

    A task begins with the request that `serve` describes. It ends with a request that names no probe; the answer says
    in `left` what the task has left behind. If that is not empty, the judge ends this interpreter.

    Args:
        reader, writer: The channel to the judge.
        trace_fd: Descriptor for the stack trace of a worker that exceeds its time; None for no trace.

    Raises:
        EOFError: The judge has closed the channel.
    """
    start = wire.read(reader)
    path = Path(start.header["path"])
    limits: dict[str, Any] = start.header["limits"]
    unlimited = {name: value for name, value in limits.items() if name != "cpu_s"}  # the limit is set for each task
    confine(Path(start.header["folder"]), unlimited, *(start.header[key] for key in ("readable", "writable")))
    draw_without_windows(path)
    before = Before()
    while True:
        limit_cpu(start.header["limits"]["cpu_s"])
        reopen_streams()
        trace_on_signal(trace_fd)
        with own_command_line(path):
            end = serve_task(reader, writer, start, path)
        left = before.put_back()
        wire.write(writer, Message({"id": end.header["id"], "left": left}))
        start = wire.read(reader)


# ## Settings
def _set_environment(value: dict[str, str]) -> None:
    os.environ.clear()
    os.environ.update(value)


def _flushes_small_numbers() -> bool:
    return not bool((torch.tensor(1e-310, dtype=torch.float64) * 1.0).item())


def _limits() -> list[Any]:
    with contextlib.suppress(ImportError):  # Windows has none
        import resource

        names = [name for name in dir(resource) if name.startswith("RLIMIT_") and name != "RLIMIT_CPU"]
        return [resource.getrlimit(getattr(resource, name)) for name in names]
    return []


@dataclass(frozen=True)
class _Setting:
    """A setting of this process that a task may change.

    Attributes:
        read: Returns its value.
        write: Sets it; None if it cannot be put back.
    """

    read: Callable[[], Any]
    write: Callable[[Any], Any] | None = None


_SETTINGS = {
    "working directory": _Setting(os.getcwd, os.chdir),
    "environment": _Setting(lambda: dict(os.environ), _set_environment),
    "import path": _Setting(lambda: list(sys.path), lambda value: operator.setitem(sys.path, slice(None), value)),
    "finders": _Setting(lambda: list(sys.meta_path), lambda value: operator.setitem(sys.meta_path, slice(None), value)),
    "recursion": _Setting(sys.getrecursionlimit, sys.setrecursionlimit),
    "default dtype": _Setting(torch.get_default_dtype, torch.set_default_dtype),
    "default device": _Setting(torch.get_default_device, lambda _: torch.set_default_device(None)),
    "threads": _Setting(torch.get_num_threads),
    "gradients": _Setting(torch.is_grad_enabled, torch.set_grad_enabled),
    "inference mode": _Setting(torch.is_inference_mode_enabled),
    "anomaly": _Setting(torch.is_anomaly_enabled, torch.autograd.set_detect_anomaly),
    "deterministic": _Setting(torch.are_deterministic_algorithms_enabled, torch.use_deterministic_algorithms),
    "precision": _Setting(torch.get_float32_matmul_precision, torch.set_float32_matmul_precision),
    "small numbers": _Setting(_flushes_small_numbers, torch.set_flush_denormal),
    "autocast": _Setting(lambda: torch.is_autocast_enabled("cpu")),
    "modes": _Setting(lambda: (torch._C._len_torch_function_stack(), torch._C._len_torch_dispatch_stack())),
    "numpy": _Setting(np.geterr, lambda value: np.seterr(**value)),
    "locale": _Setting(lambda: locale.setlocale(locale.LC_ALL)),
    "garbage collection": _Setting(gc.isenabled),
    "tracing": _Setting(lambda: (sys.gettrace(), sys.getprofile())),
    "signals": _Setting(lambda: [signal.getsignal(number) for number in signal.valid_signals()]),
    "streams": _Setting(lambda: [(status.st_dev, status.st_ino) for status in map(os.fstat, range(3))]),
    "limits": _Setting(_limits),
    "threads of Python": _Setting(lambda: len(sys._current_frames())),
}


# ## Names
_COMPUTING = ("torch", "numpy", "math")  # packages of which all values are compared


class Before:
    """How the interpreter was before the first task."""

    def __init__(self) -> None:
        self._settings = {name: setting.read() for name, setting in _SETTINGS.items()}
        self._filters = list(warnings.filters)
        self._folder = str(Path.cwd())
        self._modules = dict(sys.modules)
        self._names = [(owner, dict(vars(owner))) for owner in _owners()]
        gc.collect()
        gc.freeze()  # a collection looks only at what tasks create, which takes milliseconds

    def put_back(self) -> str:
        """Put back what a task has changed; return what is left, or an empty string."""
        module = sys.modules.pop(MODULE_NAME, None)
        # The functions of a module hold its names, and its names hold its spec, also when the module itself is gone.
        spec = getattr(module, "__spec__", None)
        code = None if spec is None else weakref.ref(spec)
        del module, spec
        warnings.resetwarnings()  # Python forgets which warnings it has shown, so each task shows its own
        warnings.filters[:] = self._filters  # type: ignore[index]
        for clear in getattr(typing, "_cleanups", ()):  # as in `Optional[Encoder]`, which typing remembers
            clear()
        gc.collect()
        left = ["student's code"] if code is None or code() is not None else []
        left += [*self._left_settings(), *self._changed_modules(), *self._changed_names()]
        return ", ".join(left[:4])

    def _left_settings(self) -> list[str]:
        """Put back all settings that differ; return those that still do."""
        left = []
        for name, setting in _SETTINGS.items():
            if setting.write is not None and setting.read() != self._settings[name]:
                setting.write(self._settings[name])
            if setting.read() != self._settings[name]:
                left.append(name)
        return left

    def _changed_modules(self) -> list[str]:
        """Return which modules were replaced, removed, or made by the student."""
        changed = [name for name, module in self._modules.items() if sys.modules.get(name) is not module]
        new = [name for name in sys.modules if name not in self._modules]
        return changed + [name for name in new if self._is_made_by_the_file(name)]

    def _is_made_by_the_file(self, name: str) -> bool:
        """Whether a new module was written by the file into its folder, or hides a module that could be imported."""
        module, parent = sys.modules[name], sys.modules.get(name.rpartition(".")[0])
        origin = getattr(getattr(module, "__spec__", None), "origin", None)
        if isinstance(module, ModuleType) and origin:
            return str(origin).startswith(self._folder)
        # Compiled packages make modules without a file too; these have names that nothing else has.
        path = None if parent is None else getattr(parent, "__path__", [])
        return PathFinder.find_spec(name, path) is not None

    def _changed_names(self) -> list[str]:
        """Return which names of modules and classes are new, gone, or have another value."""
        changed = []
        for owner, names in self._names:
            now = vars(owner)
            if len(now) == len(names) and all(map(operator.is_, now.values(), names.values())):
                continue
            for name in names.keys() | now.keys():
                values = [known[name] for known in (names, now) if name in known]
                if values[0] is not values[-1] or len(values) == 1:
                    changed += [f"{_name(owner)}.{name}"] if any(_matters(owner, value) for value in values) else []
        return changed


def _owners() -> list[Any]:
    """Return all modules that have been imported, and the classes in them."""
    modules = [module for module in sys.modules.values() if isinstance(module, ModuleType)]
    values = [value for module in modules for value in list(vars(module).values())]
    # Not isinstance: some objects of torch warn when their class is read.
    return list({id(owner): owner for owner in [*modules, *(v for v in values if issubclass(type(v), type))]}.values())


def _name(owner: Any) -> str:
    return owner.__name__ if isinstance(owner, ModuleType) else f"{owner.__module__}.{owner.__qualname__}"


def _matters(owner: Any, value: Any) -> bool:
    """Whether a name with such a value can change what other code computes; counters and imported modules cannot."""
    package = _name(owner).partition(".")[0]
    return type(value) is not int and not isinstance(value, ModuleType) and (callable(value) or package in _COMPUTING)
