"""What travels to a judge and comes back: one submission, and the outcome of grading it."""

import base64
import json
from dataclasses import asdict, dataclass
from typing import Any


@dataclass(frozen=True)
class Job:
    """One submission to grade; it carries the content, so that judges need no file system in common.

    Attributes:
        content: The file.
        seed: Its official seed.
        sandbox: The sandbox by name, never `auto`.
        data: Images of the training task.
        tasks: Only these, as in pytest's -m; None for all.
        offering: Points and limits as text; empty for the grader's own.
        limit_s: Seconds that the grader may take in all; it has limits of its own, which are shorter.
    """

    content: bytes
    seed: int
    sandbox: str
    data: str = "sample"
    tasks: str | None = None
    offering: str = ""
    limit_s: float = 600.0

    def to_json(self) -> bytes:
        """Return one line."""
        return json.dumps({**asdict(self), "content": base64.b64encode(self.content).decode()}).encode() + b"\n"

    @staticmethod
    def from_json(line: bytes) -> "Job":
        """Return what `to_json` made a line of."""
        fields = json.loads(line)
        return Job(**{**fields, "content": base64.b64decode(fields["content"])})


@dataclass(frozen=True)
class Outcome:
    """What became of a job.

    Attributes:
        results: What the grader's results.json holds; None if there is none.
        problem: Why there is none, in one line for the instructor; empty if there is.
        again: Whether a second try may help: the grader died, rather than that it refused or took too long.
        cpu_s: CPU seconds of the grading in all.
        sandbox_cpu_s: Those of the zygote and its workers alone.
    """

    results: dict[str, Any] | None
    problem: str = ""
    again: bool = False
    cpu_s: float = 0.0
    sandbox_cpu_s: float = 0.0

    def to_json(self) -> bytes:
        """Return one line."""
        return json.dumps(asdict(self)).encode() + b"\n"

    @staticmethod
    def from_json(line: bytes) -> "Outcome":
        """Return what `to_json` made a line of."""
        return Outcome(**json.loads(line))
