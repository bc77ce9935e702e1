"""How often do the checks fail right work? `python -m tests.calibrate` grades it with many seeds, without training.

Every seed draws all inputs and all noise anew. The bounds behind the checks promise less than one false failure in 1e9;
a thousand seeds can not show that, but they show a bound that is wrong by orders of magnitude, a tolerance that is too
tight, and an equivalent that is no longer one.
"""

import argparse
import sys
from collections import Counter
from collections.abc import Sequence

from tests.zoo.build import reference, source
from tests.zoo.equivalent import EQUIVALENT
from tests.zoo.grade import Job, grade


def jobs(reference_seeds: int, equivalent_seeds: int, first_seed: int = 0) -> list[Job]:
    """Return the gradings: the reference with many seeds, each equivalent with some."""
    made = [
        Job(f"reference/{seed}", reference(), seed=seed) for seed in range(first_seed, first_seed + reference_seeds)
    ]
    for equivalent in EQUIVALENT:
        text = source(equivalent)
        made += [Job(f"{equivalent.title}/{seed}", text, seed=seed) for seed in range(equivalent_seeds)]
    return made


def failures(to_grade: Sequence[Job], parallel: int = 2) -> tuple[int, Counter[str]]:
    """Return how many gradings there were, and how often each check failed one, by "name: task / check"."""
    count, failed = 0, Counter[str]()
    for graded in grade(to_grade, parallel):
        count += 1
        name = graded.name.rpartition("/")[0]
        failed.update(f"{name}: {task} / {check}" for task, check in graded.output)
        for (task, check), text in graded.output.items():
            print(f"{graded.name}: {task} / {check}\n{text}", flush=True)
        if count % 100 == 0:
            print(f"{count} of {len(to_grade)} graded, {sum(failed.values())} failures", flush=True)
    return count, failed


def main() -> int:
    """Grade, and print what failed; returns 1 if anything did."""
    parser = argparse.ArgumentParser(prog="python -m tests.calibrate", description=__doc__)
    parser.add_argument("--seeds", type=int, default=1000, help="of the reference [1000]")
    parser.add_argument("--each", type=int, default=50, help="seeds of each equivalent [50]")
    parser.add_argument("--first-seed", type=int, default=0, help="where the reference's seeds begin [0]")
    parser.add_argument("--jobs", type=int, default=2, help="gradings at a time [2]")
    options = parser.parse_args()
    count, failed = failures(jobs(options.seeds, options.each, options.first_seed), options.jobs)
    print(f"{count} gradings, {sum(failed.values())} failures")
    for what, times in failed.most_common():
        print(f"{times:6} {what}")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
