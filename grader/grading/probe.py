"""Call probes for a check, in the worker of its task. If the submission raises an error, call them in another way."""

from dataclasses import replace
from typing import Any

import torch
from torch import Tensor

from grader.grading.session import NoWorker, Session, probe_seed
from grader.judge.answer import Answer
from grader.judge.behaviours import CRASHED_IF_STRIDED
from grader.judge.offering import BY_ID
from grader.judge.result import Kind
from grader.judge.tolerances import unit_of
from grader.sandbox.failure import Failure, WorkerFailed, hint_of_crash

_DEFAULT_DEVICE = (
    "tensors are created on the default device, but the model may be on another one (this does not change the points)"
)
_FLOAT64 = "This works in float32 and fails in float64. Do all tensors that you create get the dtype of an input?"

# Arguments of probes that are passed to the student's code, or are parameters of the distribution that it is called on.
_OF_THE_STUDENT = ("mean", "logvar", "sample", "noise", "x", "z", "z_1", "z_2")


class Probe:
    """Call probes for one check; see grader/worker/probes for the arguments and results of each probe.

    Args:
        session: The session of the submission.
        task: The task whose worker is called.
        check: Name of the check.
        kind: Kind of the check. Checks of kind `shape` require float64 to work; the others fall back to float32.

    Attributes:
        notes: Notes for the student that do not affect points.
        answered: Whether there has been an answer.
    """

    def __init__(self, session: Session, task: str, check: str, kind: Kind):
        self._session, self._task, self._check, self._kind = session, task, check, kind
        self._calls = 0
        self.notes: list[str] = []
        self.answered = False

    def __call__(self, name: str, /, **arguments: Any) -> Answer:
        """Run a probe. Tensors among the arguments are sent as tensors, all other arguments as JSON.

        If the submission raises an exception, the call is repeated in other ways: with the student's own methods
        instead of stand-ins, because stand-ins may be stricter; and in float32, because code may not support float64.

        Raises:
            WorkerFailed: There was no answer.
        """
        self._calls += 1
        try:
            return self._ask(name, arguments)
        except WorkerFailed as error:
            failure = error.failure
        if failure.fatal or failure.status == "not attempted":
            raise WorkerFailed(failure)
        if answer := self._with_own_methods(name, arguments, failure):
            return answer
        if any(_is_float64(value) for value in arguments.values()):
            narrowed = {k: v.float() if _is_float64(v) else v for k, v in arguments.items()}
            if answer := self._another_way(name, narrowed):
                if self._kind == "shape":
                    raise WorkerFailed(replace(failure, hint=_FLOAT64))
                return answer
        if arguments.get("strided") and self._another_way(name, arguments | {"strided": False}):
            raise WorkerFailed(replace(failure, hint=CRASHED_IF_STRIDED))
        raise WorkerFailed(failure)

    def attempt(self, name: str, /, **arguments: Any) -> Answer | None:
        """Run a probe once more to find out what is wrong; None if there is no answer, for whatever reason."""
        try:
            return self(name, **arguments)
        except WorkerFailed:
            return None

    def note_devices(self, name: str, /, **arguments: Any) -> None:
        """Run a probe once more, and note the lines that create tensors which would fail with a model on a GPU.

        The note does not affect points: such code is correct on a CPU, and code that selects one device for the whole
        file may be correct too. If there is no answer for any reason, there is no note. The failed call may end the
        worker, so this is the last call in the last check of a task.
        """
        if self._session.sandbox == "in-process":  # there the student's code may be running in a debugger
            return
        tensors, plain = _apart(arguments)
        try:
            seed = probe_seed(self._session.seed, self._check, self._calls + 1)
            _, facts = self._session.ask(self._task, name, plain | {"watched": True}, tensors, seed)
        except WorkerFailed:
            return
        lines = facts.get("default_device")
        if isinstance(lines, list) and lines and all(type(line) is int for line in lines):
            at = ", ".join(str(line) for line in lines[:4])
            self.notes.append(f"line{'s' if len(lines) > 1 else ''} {at}: {_DEFAULT_DEVICE}")

    def _ask(self, name: str, arguments: dict[str, Any]) -> Answer:
        tensors, plain = _apart(arguments)
        seed = probe_seed(self._session.seed, self._check, self._calls)
        try:
            found, facts = self._session.ask(self._task, name, plain, tensors, seed)
        except NoWorker:
            raise  # nothing was called
        except WorkerFailed as error:
            failure = self._described(error.failure, arguments)
            if failure.fatal:
                self._session.note_end(self._task, failure)
            raise WorkerFailed(failure) from None
        self.answered = True
        dtypes = {tensor.dtype for tensor in tensors.values()}
        unit = unit_of(torch.float64 if torch.float64 in dtypes else torch.float32)
        return Answer(found, facts, unit, _sizes_of(arguments), self._session.repeated(self._task, found))

    def _another_way(self, name: str, arguments: dict[str, Any]) -> Answer | None:
        """Return the answer to a second call; None if it fails too."""
        try:
            return self._ask(name, arguments)
        except WorkerFailed as error:
            if error.failure.fatal:
                raise
            return None

    def _with_own_methods(self, name: str, arguments: dict[str, Any], failure: Failure) -> Answer | None:
        """Call again with the student's own method instead of the stand-in that failed; if none did, instead of all."""
        standins = BY_ID[self._task].leans_on
        own = [failure.standin] if failure.standin in standins else list(standins)
        return self._another_way(name, arguments | {"own": own}) if standins else None

    def _described(self, failure: Failure, arguments: dict[str, Any]) -> Failure:
        """Add to a failure the shapes of the tensors in the call, and which parts were replaced during the call."""
        if failure.status not in ("timed out", "out of memory", "crashed"):
            return failure
        tensors = {name: value for name, value in arguments.items() if isinstance(value, Tensor)}
        shapes = [f"{name} {tuple(t.shape)} {_dtype(t)}" for name, t in tensors.items() if name in _OF_THE_STUDENT]
        called = f"; called with {', '.join(shapes)}" if shapes else ""
        return replace(
            failure,
            message=f"{failure.message}{called}",
            hint=failure.hint or self._replaced() or hint_of_crash(failure.message),
        )

    def _replaced(self) -> str:
        """Return a sentence on which parts of the student are replaced while this task is judged; empty if none."""
        methods = [name for name in BY_ID[self._task].leans_on if name in BY_ID]
        if len(methods) < 2:  # a network needs the stand-in for the other network only if its constructor fails
            return ""
        heads = "the heads self.mean and self.logvar"
        parts = f"encoder, decoder and {heads} are small linear maps, and " if "decoder" in methods else ""
        return f"While `{self._task}` is judged, {parts}your other tasks are replaced by right ones."


def _apart(arguments: dict[str, Any]) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """Split arguments into tensors and others; arguments that are None are not sent."""
    tensors = {k: v for k, v in arguments.items() if isinstance(v, Tensor)}
    return tensors, {k: v for k, v in arguments.items() if not isinstance(v, Tensor) and v is not None}


def _sizes_of(arguments: dict[str, Any]) -> dict[str, int]:
    """Return the sizes of a call by the names that the handout has for them."""
    inputs = [arguments[name] for name in ("mean", "x", "z") if isinstance(arguments.get(name), Tensor)]
    batch = arguments.get("batch_size") or (inputs[0].shape[0] if inputs and inputs[0].dim() else None)
    model = arguments.get("sizes") or {}
    found = {"B": batch, "K": arguments.get("K"), "n_samples": arguments.get("n_samples")}
    if "mean" in arguments and not model:
        names = {2: ("z",), 4: ("C", "H", "W")}.get(inputs[0].dim(), ())
        found |= dict(zip(names, inputs[0].shape[1:], strict=True))
    found |= {"C": model.get("in_channels"), "S": model.get("input_size"), "z": model.get("z_dim")} if model else {}
    return {name: int(size) for name, size in found.items() if size is not None}


def _is_float64(value: Any) -> bool:
    return isinstance(value, Tensor) and value.dtype == torch.float64


def _dtype(tensor: Tensor) -> str:
    return str(tensor.dtype).removeprefix("torch.")
