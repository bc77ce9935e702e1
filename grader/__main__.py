"""`python -m grader grade FILE` runs the very tests of `pytest grader/` on one file, `class` on a folder of them."""

import argparse
import sys
from pathlib import Path

from grader import arguments
from grader.classrun import command as class_command
from grader.sandbox.names import SANDBOXES

_EXAMPLES = """examples:
  python -m grader grade solution/VAE_Model.py
  python -m grader grade submission.py --results=results.json --seed=7

exit status: 0 full points, 1 points are missing, 2 or more there is nothing to grade or an option is wrong
"""


def main(argv: list[str] | None = None) -> int:
    """Run a subcommand; returns the exit status."""
    parser = argparse.ArgumentParser(prog="python -m grader", description="Grade submissions of the VAE assignment.")
    commands = parser.add_subparsers(dest="command", required=True)
    grade = commands.add_parser(
        "grade", help="grade one file", epilog=_EXAMPLES, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    grade.add_argument("file", type=Path, help="a VAE_Model.py, wherever it lies and whatever lies beside it")
    grade.add_argument("-m", dest="tasks", metavar="TASK", help="only these tasks, as in pytest -m: `kl or nll`")
    grade.add_argument("--results", metavar="FILE", help="write Gradescope's results.json here")
    grade.add_argument("--seed", type=int, default=0, help="what all inputs are drawn from [0]")
    grade.add_argument(
        "--data", default="sample", metavar="sample|svhn|PATH", help="images of the training task [sample]"
    )
    grade.add_argument("--sandbox", choices=SANDBOXES, default="auto", help="how the submission is kept apart [auto]")
    grade.add_argument("--no-fork", action="store_true", help="start a fresh interpreter per task (slower)")
    class_command.add_to(commands)
    doctor = commands.add_parser("doctor", help="show what this machine's sandboxes prevent, by trying it")
    doctor.add_argument("--sandbox", choices=SANDBOXES[:-1], default="auto", help="only this one [all that work here]")
    options = parser.parse_args(argv)
    return {"grade": _grade, "class": class_command.main, "doctor": _doctor}[options.command](options)


def _doctor(options: argparse.Namespace) -> int:
    from grader.doctor.command import doctor

    return doctor(options.sandbox)


def _grade(options: argparse.Namespace) -> int:
    """Run pytest on the checks with its configuration from this project alone, never from beside the file."""
    import pytest

    results = Path(options.results).absolute() if options.results else None
    given = arguments.grading(
        options.file,
        seed=options.seed,
        data=options.data,
        sandbox=options.sandbox,
        results=results,
        tasks=options.tasks,
    )
    return int(pytest.main([*given, *(["--no-fork"] if options.no_fork else [])]))


if __name__ == "__main__":
    sys.exit(main())
