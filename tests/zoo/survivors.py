"""Which mutants lose no point, and why each of these is equivalent to the reference."""

import re
from collections.abc import Iterator, Sequence
from pathlib import Path

from tests.zoo.grade import Job, grade
from tests.zoo.mutants import Mutant

LIST = Path(__file__).resolve().parent / "SURVIVORS.md"


def reasons() -> dict[str, str]:
    """Return why each known survivor is equivalent, by the mutant's title, from SURVIVORS.md."""
    found: dict[str, str] = {}
    heading = ""
    for line in LIST.read_text(encoding="utf-8").splitlines():
        if line.startswith("## "):
            heading = line.removeprefix("## ")
        elif match := re.fullmatch(r"- `(.*)`", line):
            found[match.group(1)] = heading
    return found


def survivors(mutants: Sequence[Mutant]) -> Iterator[Mutant]:
    """Yield the mutants that keep all points: first judged in their own task, then, if that stands, in all."""
    alive = {mutant.title: mutant for mutant in mutants}
    for everything in (False, True):
        jobs = [Job(m.title, m.source, "" if everything else m.task) for m in alive.values()]
        alive = {graded.name: alive[graded.name] for graded in grade(jobs) if not graded.fell}
    yield from (mutant for mutant in mutants if mutant.title in alive)
