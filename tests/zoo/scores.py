"""The scores of the equivalent submissions, over seeds, training included: 100, less what an entry must lose."""

from collections.abc import Iterable, Iterator, Sequence

from tests.zoo.build import source
from tests.zoo.entry import Equivalent
from tests.zoo.grade import Graded, Job, grade


def scores(
    equivalent: Sequence[Equivalent], seeds: Iterable[int], tasks: str = ""
) -> Iterator[tuple[Equivalent, int, Graded]]:
    """Yield (entry, seed, verdict) of each equivalent and seed, as they come."""
    asked = {f"{e.title} [{seed}]": (e, seed) for seed in seeds for e in equivalent}
    jobs = [Job(name, source(e), tasks, seed) for name, (e, seed) in asked.items()]
    for graded in grade(jobs):
        entry, seed = asked[graded.name]
        yield entry, seed, graded
