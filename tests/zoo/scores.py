"""The scores of the equivalent submissions: 100 each, over seeds, training included."""

from collections.abc import Iterable, Iterator, Sequence

from .build import source
from .entry import Equivalent
from .grade import Graded, Job, grade


def scores(
    equivalent: Sequence[Equivalent], seeds: Iterable[int], tasks: str = ""
) -> Iterator[tuple[str, int, Graded]]:
    """Yield (title, seed, verdict) of each equivalent and seed, as they come."""
    asked = {f"{e.title} [{seed}]": (e, seed) for seed in seeds for e in equivalent}
    jobs = [Job(name, source(e), tasks, seed) for name, (e, seed) in asked.items()]
    for graded in grade(jobs):
        entry, seed = asked[graded.name]
        yield entry.title, seed, graded
