"""Which mutants lose no point, and why each of these is equivalent to the reference."""

from collections.abc import Iterator, Sequence

from .grade import Job, grade
from .mutants import Mutant

REASONS: dict[str, str] = {}


def survivors(mutants: Sequence[Mutant]) -> Iterator[Mutant]:
    """Yield the mutants that keep all points: first judged in their own task, then, if that stands, in all."""
    by_title = {mutant.title: mutant for mutant in mutants}
    for tasks in ("", "all"):
        jobs = [Job(m.title, m.source, "" if tasks else m.task) for m in by_title.values()]
        by_title = {g.name: by_title[g.name] for g in grade(jobs) if not g.fell}
    yield from by_title.values()
