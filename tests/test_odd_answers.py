"""Whatever comes back from a worker, a check ends in a verdict, and what it read and was wrong never passes.

The right answers to all that the checks ask are recorded once. Then each check runs again on what was recorded, with
one tensor or fact changed into something odd: a thousand times by default, ten times as often with `-m long`.
"""

import itertools
import json
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast

import pytest
import torch
from torch import Tensor

from grader.grading.options import GradingOptions
from grader.grading.probe import Probe
from grader.grading.session import Session
from grader.grading.training_run import judged as judged_short_run
from grader.grading.verdicts import SHOW_THIS, Grading
from grader.judge import short_run
from grader.judge.answer import REAL, Answer
from grader.judge.check import CheckFailed
from grader.judge.inputs import Draw
from grader.judge.short_run import Images, ShortRun
from grader.sandbox.failure import WorkerFailed
from grader.test_training import test_short_run as check_of_short_run
from grader.worker import wire
from tests.calibrate import Check, checks
from tests.gradings import REFERENCE, ROOT
from tests.wording import misleading
from tests.zoo.build import reference

SEED = 0
STEP = 11  # of the cases of a check, as many are tried by default; it divides neither number of odd things below
CHECKS = {check.title: check for check in checks(everything=True)}


@dataclass
class Call:
    """One probe, and what it answered."""

    probe: str
    asked: frozenset[Any]
    tensors: dict[str, Tensor]
    facts: dict[str, Any]


@dataclass
class Replay:
    """A session that answers what was recorded, but for one part of one answer."""

    calls: list[Call]
    at: int = -1
    tensors: dict[str, Any] = field(default_factory=dict)
    facts: dict[str, Any] = field(default_factory=dict)
    seed: int = SEED
    asked: int = 0
    sandbox: str = "in-process"  # as in the recording, which holds no notes on devices

    def ask(self, *_: Any) -> tuple[dict[str, Any], dict[str, Any]]:
        number, self.asked = self.asked, self.asked + 1
        call = self.calls[min(number, len(self.calls) - 1)]  # who asks another model once more gets the last one again
        return (self.tensors, self.facts) if number == self.at else (call.tensors, call.facts)

    def repeated(self, *_: Any) -> frozenset[str]:
        return frozenset()


def run(check: Check, session: Any) -> None:
    check.function(Probe(cast(Session, session), check.task, check.name, check.kind), Draw(SEED, check.name))


@pytest.fixture(scope="module")
def recorded() -> Iterator[dict[str, list[Call]]]:
    """The calls of each check on the reference, by the check's title."""
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "VAE_Model.py"
        file.write_text(reference(), encoding="utf-8")
        session = Session(GradingOptions(file, seed=SEED, sandbox="in-process"))
        found: dict[str, list[Call]] = {}
        answer = session.ask

        def noting(
            task: str, probe: str, arguments: Mapping[str, Any], tensors: Mapping[str, Tensor], seed: int
        ) -> Any:
            tensors_found, facts = answer(task, probe, arguments, tensors, seed)
            # Copies, as they come over the wire: some share their memory.
            copies = {name: wire.plain(tensor) for name, tensor in tensors_found.items()}
            single = {name for name, tensor in tensors.items() if tensor.shape[:1] == (1,)}
            asked = frozenset(
                {*arguments, *tensors, ("train", arguments.get("train")), *((name, 1) for name in single)}
            )
            found[check.title].append(Call(probe, asked, copies, json.loads(json.dumps(facts))))
            return tensors_found, facts

        session.ask = noting  # type: ignore[method-assign]
        try:
            for check in CHECKS.values():
                found[check.title] = []
                run(check, session)
            yield found
        finally:
            session.close()


MISSING = object()


def last_longer(tensor: Tensor) -> Tensor:
    return torch.cat([tensor, tensor[..., :1]], dim=-1)


def first_is(value: float) -> Callable[[Tensor], Tensor]:
    """Return a function that changes the first number of a tensor."""

    def change(tensor: Tensor) -> Tensor:
        changed = tensor.clone()
        changed.view(-1)[:1] = value
        return changed

    return change


def all_are(value: float) -> Callable[[Tensor], Tensor]:
    return lambda tensor: torch.full_like(tensor, value)


ODD_TENSORS: dict[str, Callable[[Tensor], Any]] = {
    "one axis more": lambda t: t[None],
    "one axis more at the end": lambda t: t[..., None],
    "no axis": lambda t: t.flatten()[0] if t.numel() else t.sum(),
    "flat": lambda t: t.flatten(),
    "a row more": lambda t: torch.cat([t, t[:1]]),
    "a row less": lambda t: t[1:],
    "longer rows": last_longer,
    "empty rows": lambda t: t[..., :0],
    "empty": lambda t: t.new_zeros(0),
    "int64": lambda t: t.long(),
    "uint8": lambda t: t.to(torch.uint8),
    "bool": lambda t: t > 0,
    "complex": lambda t: t.to(torch.complex64),
    "half": lambda t: t.half(),
    "bfloat16": lambda t: t.bfloat16(),
    "float8": lambda t: t.to(torch.float8_e4m3fn),
    "a nan": first_is(torch.nan),
    "an inf": first_is(torch.inf),
    "all nan": all_are(torch.nan),
    "all inf": all_are(torch.inf),
    "all -inf": all_are(-torch.inf),
    "huge": all_are(1e38),
    "huge and minus huge": lambda t: torch.where(t > 0, 1e38, -1e38).to(t.dtype),
    "far too huge": lambda t: torch.full_like(t, 1e300 if t.dtype == torch.float64 else 3e38),
    "missing": lambda t: MISSING,
}
ODD_FACTS: dict[str, Any] = {
    "null": None,
    "a text": "x" * 3000,
    "a number": 3,
    "a negative number": -2.5,
    "nan": torch.nan,
    "a long number": 10**400,
    "true": True,
    "false": False,
    "a list": ["a", "b" * 3000],
    "a list of anything": [1, None, ["x"], {"y": []}],
    "nested lists": [[[[[]]]]],
    "an empty list": [],
    "an empty object": {},
    "an object": {"a": "ok"},
    "an object of anything": {"a": None, "b": [1], "c": {"d": 3}},
    "missing": MISSING,
}


def as_it_should_be(name: str, value: Any) -> bool:
    """Whether a fact is of its kind, see worker/probes: then its content decides, and it may pass."""
    if name in ("changed", "left", "own", "inside"):
        return isinstance(value, list) and all(isinstance(each, str) for each in value)
    if name == "parameters":
        return isinstance(value, dict) and all(isinstance(each, str) for each in value.values())
    if name == "transposed":
        return isinstance(value, bool)
    whole = isinstance(value, int) and not isinstance(value, bool)
    return whole or (name == "head_width" and value is None)


@pytest.fixture(autouse=True)
def taken(monkeypatch: pytest.MonkeyPatch) -> set[tuple[int, str]]:
    """What checks took from answers: the id() of the part, and the name in it."""
    found: set[tuple[int, str]] = set()
    tensor, fact = Answer.tensor, Answer.fact

    def noting_tensor(self: Answer, name: str, *given: Any, **named: Any) -> Tensor:
        found.add((id(self._tensors), name))
        return tensor(self, name, *given, **named)

    def noting_fact(self: Answer, name: str, *kinds: Any) -> Any:
        found.add((id(self._facts), name))
        return fact(self, name, *kinds)

    monkeypatch.setattr(Answer, "tensor", noting_tensor)
    monkeypatch.setattr(Answer, "fact", noting_fact)
    return found


def may_pass(check: Check, probe: str, name: str, right: Tensor, value: Tensor) -> bool:
    """Whether an odd tensor, taken, may pass.

    Codes only help to explain. Another precision of real numbers may be as good for what a check asks. Checks of
    shapes, and the one that only asks whether two calls differ, have no opinion about the sizes of numbers.
    """
    if value.dtype not in REAL:
        return False
    if name == "codes":
        return value.dim() == 2 and value.shape[-1:] == right.shape[-1:] and bool(value.isfinite().all())
    if probe == "outputs":  # of the network's own width and size; what matters is that they differ
        return value.dim() == right.dim() and len(value) == len(right) and bool(value.isfinite().all())
    if value.shape != right.shape:
        return False
    any_size = check.kind == "shape" or check.name == "test_every_call_is_fresh"
    return value.dtype != right.dtype or (any_size and bool(value.isfinite().all()))


def odd(part: Mapping[str, Any], name: str, value: Any) -> dict[str, Any]:
    """Return a part of an answer in which something odd has a name, or in which nothing has it."""
    return {key: each for key, each in {**part, name: value}.items() if each is not MISSING}


def cases(check: Check, calls: list[Call]) -> Iterator[tuple[str, Replay, str, bool]]:
    """Yield what was changed, a session that answers so, the name changed, and whether it may pass if it was taken.

    Of calls of the same probe with the same arguments the first one is changed.
    """
    seen = set()
    for at, call in enumerate(calls):
        if (call.probe, call.asked) in seen:
            continue
        seen.add((call.probe, call.asked))
        for name, tensor in call.tensors.items():
            for how, change in ODD_TENSORS.items():
                value = change(tensor)
                same = isinstance(value, Tensor) and value.shape == tensor.shape and value.dtype == tensor.dtype
                if same and torch.equal(value, tensor):
                    continue
                may = isinstance(value, Tensor) and may_pass(check, call.probe, name, tensor, value)
                yield f"{name}: {how}", Replay(calls, at, odd(call.tensors, name, value), call.facts), name, may
        for name in call.facts:
            for how, value in ODD_FACTS.items():
                may = as_it_should_be(name, value)
                yield f"{name}: {how}", Replay(calls, at, call.tensors, odd(call.facts, name, value)), name, may


def judged(check: Check, calls: list[Call], step: int, taken: set[tuple[int, str]]) -> tuple[list[str], int]:
    """Return what ended in no verdict, in a misleading one, or in one that is too good; and how many were judged."""
    wrong, count = [], 0
    for what, session, name, may in itertools.islice(cases(check, calls), 0, None, step):
        count += 1
        taken.clear()
        try:
            run(check, session)
        except (CheckFailed, WorkerFailed) as failed:
            wrong += [f"{check.title}, {what}: {each} in\n{failed}" for each in misleading(str(failed))]
            if isinstance(failed, CheckFailed) and failed.draws:
                failed.draws()  # a picture of anything, or none
        except Exception as error:
            wrong.append(f"{check.title}, {what}: {type(error).__name__}: {str(error)[:200]}")
        else:
            if not may and {(id(session.tensors), name), (id(session.facts), name)} & taken:
                wrong.append(f"{check.title}, {what}: passed")
    return wrong, count


def test_the_recorded_answers_pass(recorded: dict[str, list[Call]]) -> None:
    for title, check in CHECKS.items():
        run(check, Replay(recorded[title]))


@pytest.mark.parametrize("title", CHECKS)
def test_an_odd_answer_gets_a_verdict(recorded: dict[str, list[Call]], taken: set[tuple[int, str]], title: str) -> None:
    wrong, count = judged(CHECKS[title], recorded[title], STEP, taken)
    assert wrong == [] and count > 2


@pytest.mark.parametrize("name", ODD_FACTS)
def test_an_odd_note_on_devices_is_no_note(name: str) -> None:
    facts = odd({}, "default_device", ODD_FACTS[name])
    session = Replay([Call("distribution", frozenset(), {}, facts)], sandbox="process")
    probe = Probe(cast(Session, session), "kl", "test_gradient", "gradient")
    probe.note_devices("distribution", name="kl")
    assert probe.notes == [] and session.asked == 1


@pytest.mark.long
@pytest.mark.parametrize("title", CHECKS)
def test_every_odd_answer_gets_a_verdict(
    recorded: dict[str, list[Call]], taken: set[tuple[int, str]], title: str
) -> None:
    wrong, _ = judged(CHECKS[title], recorded[title], 1, taken)
    assert wrong == []


# ## The short run
BLACK = torch.zeros(4, 3, 32, 32, dtype=torch.uint8)
IMAGES = Images(BLACK, BLACK, constant_mean=3140.0, ppca=2880.0)
SHORT_RUN: dict[str, tuple[dict[str, Tensor], dict[str, Any]]] = {
    "train": (
        {"state.mean.weight": torch.zeros(2, 2)},
        {"losses": [3400.0, 2900.0], "moved": {"mean.weight": 0.1}, "unmoved": [], "first": [3390.0, 10.0]},
    ),
    "posteriors": ({"mean": torch.zeros(4, 16), "logvar": torch.zeros(4, 16)}, {}),
    "decoded": ({"mean": torch.full((4, 3, 32, 32), -1.0)}, {}),
}


def trained(answers: Mapping[str, tuple[dict[str, Any], dict[str, Any]]]) -> None:
    """Run the check of `training` on what three workers answer."""

    class Graded:
        def short_run(self) -> ShortRun:
            return judged_short_run(lambda probe, arguments, tensors: answers[probe], IMAGES, SEED)

    check_of_short_run(cast(Grading, Graded()))


def odd_short_runs() -> Iterator[tuple[str, dict[str, tuple[dict[str, Any], dict[str, Any]]]]]:
    for probe, (tensors, facts) in SHORT_RUN.items():
        for name, tensor in tensors.items() if probe != "train" else ():
            for how, change in ODD_TENSORS.items():
                changed = change(tensor)
                same = isinstance(changed, Tensor) and changed.shape == tensor.shape
                if not same or changed.dtype not in REAL or not changed.isfinite().all():
                    yield f"{probe}, {name}: {how}", {**SHORT_RUN, probe: (odd(tensors, name, changed), facts)}
        for name in facts:
            for how, value in {**ODD_FACTS, "a list of odd numbers": [10**400, torch.nan, torch.inf]}.items():
                if value == facts[name]:  # an empty list may be right
                    continue
                yield f"{probe}, {name}: {how}", {**SHORT_RUN, probe: (tensors, odd(facts, name, value))}


def test_the_short_run_passes_with_right_answers() -> None:
    trained(SHORT_RUN)


def test_an_odd_answer_in_the_short_run_gets_a_verdict() -> None:
    wrong = []
    for what, answers in odd_short_runs():
        try:
            trained(answers)
            wrong.append(f"{what}: passed")
        except CheckFailed as failed:
            wrong += [f"{what}: {each} in\n{failed}" for each in misleading(str(failed))]
        except Exception as error:
            wrong.append(f"{what}: {type(error).__name__}: {str(error)[:200]}")
    assert wrong == []


def test_of_the_first_worker_only_weights_travel_on() -> None:
    seen = []

    def ask(probe: str, arguments: Mapping[str, Any], tensors: Mapping[str, Tensor]) -> Any:
        seen.append(set(tensors))
        found, facts = SHORT_RUN[probe]
        return ({**found, "images": BLACK, "sizes": BLACK} if probe == "train" else found), facts

    short_run.run(ask, IMAGES, SEED)
    assert seen == [{"images"}, {"images", "state.mean.weight"}, {"z", "state.mean.weight"}]


# ## The net below all that
BROKEN = """
import sys
import pytest
from grader.judge import oracles

def broken(*given, **named):
    raise {error}("cannot be computed")

oracles.kl = broken
sys.exit(pytest.main(["grader/", "-m", "kl", "--submission={file}", "--results={results}"]))
"""


@pytest.mark.slow
@pytest.mark.parametrize(
    ("error", "status", "words"),
    [
        ("RuntimeError", 1, "got       one that led to RuntimeError: cannot be computed"),
        ("NameError", 3, "got       an error in the grader"),
    ],
)
def test_what_a_check_cannot_compute_with_fails_it_and_an_error_of_its_own_is_no_verdict(
    tmp_path: Path, error: str, status: int, words: str
) -> None:
    results = tmp_path / "results.json"
    code = BROKEN.format(error=error, file=REFERENCE, results=results)
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, timeout=300)
    assert done.returncode == status, done.stdout + done.stderr
    assert error in done.stdout.partition(SHOW_THIS)[2]
    outputs = [test["output"] for test in json.loads(results.read_text(encoding="utf-8"))["tests"]]
    assert sum(words in output for output in outputs) == 2, "two checks ask this oracle"
