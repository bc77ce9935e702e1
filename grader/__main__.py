"""`python -m grader grade FILE` runs the very tests of `pytest grader/` on one file, `class` on a folder of them."""

import argparse
import importlib
import importlib.util
import sys
from pathlib import Path

from grader import arguments
from grader.sandbox.names import SANDBOXES

_OF_INSTRUCTORS = {"class": "classrun", "release": "release"}  # subcommand: its package, which students do not have

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
    run = {"grade": _grade}
    for name, package in _OF_INSTRUCTORS.items():
        if _is_here(f"grader.{package}.command"):
            command = importlib.import_module(f"grader.{package}.command")
            command.add_to(commands)
            run[name] = command.main
    if _is_here("grader.doctor.command"):
        doctor = commands.add_parser("doctor", help="show what this machine's sandboxes prevent, by trying it")
        doctor.add_argument(
            "--sandbox", choices=SANDBOXES[:-1], default="auto", help="only this one [all that work here]"
        )
        run["doctor"] = _doctor
    options = parser.parse_args(argv)
    return run[options.command](options)


def _is_here(module: str) -> bool:
    package = module.rpartition(".")[0]
    return importlib.util.find_spec(package) is not None and importlib.util.find_spec(module) is not None


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
