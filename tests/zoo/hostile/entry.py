"""What the hostile part of the zoo holds: a file, and what it may earn."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from textwrap import dedent, indent

from tests.zoo.build import REGIONS, reference, with_answers

JUDGED = ("kl", "nll", "mode")
"""The tasks in which hostile files are judged: one that most of them attack, and two neighbours."""

RIGHT = {
    "kl": "return 0.5 * torch.sum(self.mean**2 + self.var - 1.0 - self.logvar, dim=1)",
    "mode": "return self.mean",
}
WRONG_KL = "return torch.sum(self.mean**2 + self.var - 1.0 - self.logvar, dim=1)"
SHAPE_OF_KL = 2.0
"""What a kl of right shape and wrong value earns."""

Earned = Mapping[str, tuple[float, str]]
"""Points and status by task."""

AS_ANSWERED: Earned = {"kl": (10, "passed"), "nll": (0, "not attempted"), "mode": (2, "passed")}
WRONG: Earned = {**AS_ANSWERED, "kl": (SHAPE_OF_KL, "failed")}


@dataclass(frozen=True)
class Hostile:
    """A hostile file.

    Attributes:
        name: What it does.
        content: The file. `@NAME@` stands for what the doctor calls NAME: TOKEN, CANARY, OUTSIDE, PROJECT, PORT,
            DECOY.
        earned: Points and status, by task.
        words: What the report must say, in the outputs of the failed checks.
        never: What the report must not say.
    """

    name: str
    content: str | bytes
    earned: Earned
    words: tuple[str, ...] = ()
    never: tuple[str, ...] = field(default=("Traceback", "grader's own"))


def none(status: str) -> Earned:
    """Return that no task earns anything, for the same reason."""
    return dict.fromkeys(JUDGED, (0, status))


def kl(points: float, status: str) -> Earned:
    """Return what kl earns, and the neighbours as they were answered."""
    return {**AS_ANSWERED, "kl": (points, status)}


def lines(*parts: str) -> str:
    """Return statements one after the other, each part with its own margin taken away."""
    return "".join(dedent(part).strip("\n") + "\n" for part in parts)


def file(*top: str, of_kl: str = RIGHT["kl"]) -> str:
    """Return the reference with `kl` and `mode` answered and all else a TODO; `top` stands after the imports."""
    todo = 'raise NotImplementedError("TODO: this")'
    answers = {**dict.fromkeys(REGIONS, todo), "kl": of_kl, "mode": RIGHT["mode"]}
    text = with_answers(reference(), answers)
    head = "from torch import Tensor, nn\n"
    usual = "import ctypes, gc, json, os, re, signal, socket, struct, subprocess, sys, threading, time, types\n"
    assert text.count(head) == 1
    return text.replace(head, head + usual + lines(*top))


def before_kl(*code: str, answer: str = RIGHT["kl"]) -> str:
    """Return a file whose kl does something before it answers."""
    return file(of_kl=lines(*code, answer))


def shielded(code: str) -> str:
    """Return statements that go on where one is refused."""
    return "try:\n" + indent(lines(code), "    ") + "except Exception:\n    pass\n"
