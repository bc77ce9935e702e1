"""One worker: load the submission once, then answer one probe after another until the judge closes the channel."""

import contextlib
import random
import sys
import warnings
from pathlib import Path
from typing import IO, Any

import numpy as np
import torch

from . import not_attempted, wire
from .confine import confine
from .devices import DefaultDevice
from .errors import WrongType, describe
from .probes import PROBES
from .probes.common import need_tensor
from .submission import LoadedSubmission, draw_without_windows, load_submission, own_command_line, standin_from_source
from .wire import Message


def serve(reader: IO[bytes], writer: IO[bytes]) -> None:
    """Serve one task, until the judge closes the channel.

    The first request describes the worker: `path` of the submission, `folder` to work in, `limits`, `readable` and
    `writable` (see confine.py), `standins` (source texts by task id). Each later request names a `probe`, a `seed` and
    the arguments; it also contains the tensors by name.
    """
    start = wire.read(reader)
    path = Path(start.header["path"])
    confine(Path(start.header["folder"]), *(start.header[key] for key in ("limits", "readable", "writable")))
    draw_without_windows(path)
    with own_command_line(path), contextlib.suppress(EOFError):
        serve_task(reader, writer, start, path)


def serve_task(reader: IO[bytes], writer: IO[bytes], start: Message, path: Path) -> Message:
    """Import the file, then answer one probe after another; return the first request that names no probe.

    Raises:
        EOFError: The judge has closed the channel.
    """
    try:
        seed_everything(start.header["seed"])
        submission = open_submission(path, start.header["standins"])
        wire.write(writer, Message({"id": start.header["id"], "ready": True}))
    except BaseException as error:  # SystemExit too, to report a file that calls sys.exit() on import
        wire.write(writer, Message({"id": start.header["id"], "error": describe(error, path)}))
        return wire.read(reader)
    while "probe" in (request := wire.read(reader)).header:
        wire.write(writer, answer(submission, path, request))
    return request


def answer(submission: LoadedSubmission, path: Path, request: Message) -> Message:
    """Run one probe and return its tensors, or the error that was raised."""
    number = request.header["id"]
    try:
        seed_everything(request.header["seed"])
        arguments = dict(request.header["arguments"])
        submission.own = frozenset(arguments.pop("own", ()))
        watch = DefaultDevice(path) if arguments.pop("watched", False) else None
        with watch or contextlib.nullcontext():
            found = PROBES[request.header["probe"]](submission, **arguments, **request.tensors)
        facts = found.facts if watch is None else {"default_device": sorted(watch.lines)}
        tensors = {name: _tensor(name, value) for name, value in found.tensors.items()}
        size = sum(t.numel() * t.element_size() for t in tensors.values())
        if size > wire.MAX_TENSORS - wire.MAX_HEADER:
            most = f"at most {wire.MAX_TENSORS >> 20} MiB are allowed, weights included"
            raise WrongType(f"an answer of {size >> 20} MiB; {most}")
        plain = {name: wire.plain(tensor) for name, tensor in tensors.items()}  # only now: expanding needs memory
        return Message({"id": number, "facts": facts}, plain)
    except BaseException as error:
        probe, arguments = request.header["probe"], request.header["arguments"]
        error = not_attempted.instead_of(error, submission.module, probe, arguments)
        described = describe(error, path, submission.standins)
        described["begun"] = not_attempted.is_begun(submission.module, probe, arguments)
        return Message({"id": number, "error": described})
    finally:
        sys.stdout.flush()
        sys.stderr.flush()


def seed_everything(seed: int) -> None:
    """Seed all common random generators; done before each probe, so that no result depends on the order of checks."""
    random.seed(seed)
    np.random.seed(seed % (1 << 32))
    torch.manual_seed(seed)


def open_submission(path: Path, sources: dict[str, str]) -> LoadedSubmission:
    """Import the file, without its warnings, and create the stand-ins from their source texts."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        module = load_submission(path)
    # Override the file's own setting: limits are in CPU seconds, and workers share the cores of the machine.
    torch.set_num_threads(1)
    standins = {name: standin_from_source(name, source) for name, source in sources.items()}
    for standin in standins.values():
        # Python uses this name in the message when it refuses a call.
        if "." in (replaced := getattr(standin, "REPLACES", "")):
            getattr(standin, replaced.rpartition(".")[2]).__qualname__ = replaced
    return LoadedSubmission(module, standins)


def _tensor(name: str, value: Any) -> torch.Tensor:
    return need_tensor(value, f"`{name.removeprefix('state.')}` of the model's state")
