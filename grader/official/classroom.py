"""One grading on GitHub Classroom: `python -m grader.official.classroom`, which the workflow calls.

Reads the secret from $VAE_GRADER_SECRET, writes the result to the file that $GITHUB_OUTPUT names, and a report into a
folder. A fork and a student's own run have no secret: they grade with the public seed, and say so.
"""

import contextlib
import json
import os
import secrets
import sys
from collections.abc import Iterator
from pathlib import Path

from grader import arguments, seeds
from grader.commandline import Parser, path, print_everywhere, quoted
from grader.report import classroom, reading
from grader.report.files import write_whole

from .verdict import FAILED, Verdict, judge, ungraded

_PUBLIC = f"""no secret: graded with the public seed 0, as at home. An instructor sets the repository or organisation
secret {seeds.VARIABLE} for official seeds; forks do not see it."""


def main(argv: list[str] | None = None) -> int:
    """Grade the file of this repository; returns 0 once the result is written, 2 if it cannot be."""
    print_everywhere()
    parser = Parser(prog="python -m grader.official.classroom", description=__doc__)
    default = arguments.ROOT / "assignment" / "VAE_Model.py"
    parser.add_argument("--submission", type=path, default=default, metavar="FILE", help="[assignment/VAE_Model.py]")
    parser.add_argument("--report", type=path, default=Path("report"), metavar="DIR", help="for results.json [report]")
    options = parser.parse_args(argv)
    verdict = _verdict(options.submission)
    result = reading.result(verdict.results, "assignment/VAE_Model.py")
    line = f"result={classroom.encoded(result, verdict.notice, verdict.sound)}\n"
    try:
        write_whole(options.report / "results.json", json.dumps(verdict.results, indent=1, ensure_ascii=True))
        if told := os.environ.get("GITHUB_OUTPUT"):
            with Path(told).open("a", encoding="utf-8") as output:
                output.write(line)
        else:
            print(line, end="")
    except OSError as error:
        where = quoted(error.filename or options.report)
        print(f"the result cannot be written: {where}: {error.strerror}", file=sys.stderr)
        return 2
    return 0


def _verdict(submission: Path) -> Verdict:
    given = os.environ.pop(seeds.VARIABLE, "")  # nothing that is started from here on inherits it
    try:
        secret = seeds.find({seeds.VARIABLE: given}) if given.strip() else None
    except seeds.SecretError as error:
        print(error, flush=True)
        return ungraded(FAILED, "crashed", sound=False)
    if secret is None:
        print(_PUBLIC, flush=True)
    with _no_orders():
        return judge(submission, secret, sandbox="auto")


@contextlib.contextmanager
def _no_orders() -> Iterator[None]:
    """Keep GitHub's runner from obeying what a submission prints: lines of a log can be orders to it."""
    word = secrets.token_hex(16)
    print(f"::stop-commands::{word}", flush=True)
    try:
        yield
    finally:
        print(f"::{word}::", flush=True)


if __name__ == "__main__":
    sys.exit(main())
