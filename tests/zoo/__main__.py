"""Grade the zoo, a collection of wrong and right submissions; exit status 1 if a verdict is not as expected."""

import argparse
import sys

from data.commandline import Parser, file, one_of, whole
from tests.zoo.entry import Wrong
from tests.zoo.equivalent import EQUIVALENT
from tests.zoo.matrix import Row, header, rows, summary
from tests.zoo.mutants import mutants
from tests.zoo.scores import scores
from tests.zoo.survivors import reasons, survivors
from tests.zoo.wrong import WRONG

_EXAMPLES = """examples:
  python -m tests.zoo                              wrong and equivalent submissions (20 minutes on two cores)
  python -m tests.zoo wrong --own                  wrong ones, graded only in the tasks that must fail (3 minutes)
  python -m tests.zoo wrong --only "kl: squeezed" -v
  python -m tests.zoo equivalent --seeds 5
  python -m tests.zoo mutants                      all mutants with one change (10 minutes); lists those that survive
"""


def main() -> int:
    """Run the selected parts."""
    runs = {"wrong": _wrong, "equivalent": _equivalent, "mutants": _mutants}
    parser = Parser(
        prog="python -m tests.zoo",
        description=__doc__,
        epilog=_EXAMPLES,
    )
    parser.add_argument(
        "what", nargs="*", type=one_of(*runs), metavar="wrong|equivalent|mutants", help="what to run [wrong equivalent]"
    )
    parser.add_argument("--only", default="", metavar="TEXT", help="only entries whose title contains TEXT [all]")
    parser.add_argument("--own", action="store_true", help="wrong: grade only the tasks that must fail (fast)")
    parser.add_argument("--training", action="store_true", help="wrong: grade the task `training` too, for every entry")
    parser.add_argument(
        "--no-fork", action="store_true", help="wrong: one interpreter serves all tasks, as on Windows and macOS"
    )
    parser.add_argument("--offering", type=file, metavar="FILE", help="wrong: tasks and points [grader/offering.toml]")
    parser.add_argument("--seeds", type=whole(1), default=1, metavar="N", help="equivalent: grade with N seeds [1]")
    parser.add_argument("-v", "--verbose", action="store_true", help="wrong: print the explanations of the reports")
    options = parser.parse_args()
    what = options.what or ["wrong", "equivalent"]
    passed = [runs[name](options) for name in what]
    return 0 if all(passed) else 1


def _wrong(options: argparse.Namespace) -> bool:
    wrong: list[Wrong] = [w for w in WRONG if options.only in w.title]
    table: list[Row] = []
    print(header())
    tasks, fork = "" if options.training else "not training", not options.no_fork
    for row in rows(wrong, tasks, options.own, fork, options.offering):
        print(row.line(), flush=True)
        if options.verbose:
            _explain(row.graded.output)
        table.append(row)
    print(summary(table))
    return all(row.as_expected for row in table)


def _equivalent(options: argparse.Namespace) -> bool:
    right = True
    chosen = [e for e in EQUIVALENT if options.only in e.title]
    for entry, seed, graded in scores(chosen, range(options.seeds)):
        score, unexpected = 100 - sum(graded.lost.values()), entry.unexpected(graded.lost)
        lost = ", ".join(f"{task} -{points:g}" for task, points in graded.lost.items() if points)
        note = f"  unexpected: {', '.join(sorted(unexpected))}" if unexpected else ""
        print(f"{entry.title:<62.62} seed {seed}  {score:g}  {lost}{note}", flush=True)
        if unexpected:
            _explain(graded.output)
        right &= not unexpected
    return right


def _mutants(options: argparse.Namespace) -> bool:
    made = [m for m in mutants() if options.only in m.title]
    found, known = list(survivors(made)), reasons()
    for mutant in found:
        print(f"{mutant.title}\n    {known.get(mutant.title, 'NO REASON KNOWN')}")
    print(f"{len(made) - len(found)} of {len(made)} mutants killed, {len(found)} survive")
    return all(mutant.title in known for mutant in found)


def _explain(output: dict[tuple[str, str], str]) -> None:
    for (task, check), text in output.items():
        print(f"    {task} / {check}\n" + "\n".join(f"        {line}" for line in text.splitlines()))


if __name__ == "__main__":
    sys.exit(main())
