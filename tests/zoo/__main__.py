"""Print the kill matrix, or the mutants that survive; exit status 1 where something is not as it must be."""

import argparse
import sys

from .equivalent import EQUIVALENT
from .matrix import header, rows, summary
from .wrong import WRONG


def main() -> int:
    """Run what is asked for."""
    parser = argparse.ArgumentParser(prog="python -m tests.zoo", description=__doc__)
    parser.add_argument("--only", default="", metavar="TEXT", help="entries whose title holds TEXT")
    parser.add_argument("--own", action="store_true", help="judge only the tasks that must fall (quick)")
    parser.add_argument("--training", action="store_true", help="judge training too, for every entry")
    options = parser.parse_args()
    wrong = [w for w in WRONG if options.only in w.title]
    print(header())
    table = []
    for row in rows(wrong, "" if options.training else "not training", options.own):
        print(row.line(), flush=True)
        table.append(row)
    print(summary(table))
    return 0 if all(row.as_expected for row in table) else 1


if __name__ == "__main__":
    sys.exit(main())
