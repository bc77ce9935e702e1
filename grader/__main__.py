"""`python -m grader`: the grader's commands. `--help` lists them, and `COMMAND --help` describes each one."""

import argparse
import contextlib
import importlib
import os
import shlex
import sys
from dataclasses import replace

from data.commandline import (
    Parser,
    file_or_folder,
    like_ctrl_c,
    path,
    print_everywhere,
    refuse_without_package,
    whole,
)
from grader.grading.options import (
    FOLDER,
    ROOT,
    add_shared_options,
    clean_environment,
    of_command_line,
    refuse,
    selected,
)
from grader.sandbox import SANDBOXES

# Commands of instructors, each with its module in grader/instructor, which students do not get.
_INSTRUCTORS = {
    "class": "class_runs.class_command",
    "export": "gradebooks.export_command",
    "release": "release.release_command",
    "doctor": "doctor.doctor",
}
_OWN_CHECKS = "own_checks"
_DAY = """an instructor's day:
  python -m grader doctor                                        test what the sandboxes of this machine prevent
  python -m grader grade solution/VAE_Model.py                   check the installation: expect full points
  python -m grader class submissions/ --out class-results/       grade the class, then read class-results/index.html
  python -m grader export class-results/ --format csv            export the grades to a gradebook
  python -m grader release --out dist/                           build what students and platforms get

"""
_HELP = """`python -m grader COMMAND --help` shows its options, their defaults, examples and the exit status.
"""
_GRADE = """examples:
  python -m grader grade solution/VAE_Model.py
  python -m grader grade submission.py -m "kl or nll"
  python -m grader grade submission.py --results=results.json --seed=7

exit status: 0 full points; 1 points are missing; 2 or more nothing was graded, or an option is wrong
"""


def main(argv: list[str] | None = None) -> int:
    """Run a subcommand; returns the exit status."""
    from grader.grading import watch  # needs a package, and whether it is there is asked below

    print_everywhere()
    here = _INSTRUCTORS if (FOLDER / "instructor").is_dir() else {}
    parser: argparse.ArgumentParser = Parser(
        prog="python -m grader",
        description="Grade submissions of the VAE assignment.",
        epilog=(_DAY if here else "") + _HELP,
    )
    commands = parser.add_subparsers(dest="command", required=True, title="commands", metavar="COMMAND")
    _add_grade(commands)
    watch.add_to(commands)
    run = {"grade": _grade, "watch": watch.main}
    for name, module in here.items():
        command = importlib.import_module(f"grader.instructor.{module}")
        command.add_to(commands)
        run[name] = command.main
    own = importlib.import_module(f"grader.instructor.{_OWN_CHECKS}") if here else None
    if own:
        own.add_to([commands.choices[name] for name in ("grade", "class", "export", "release")])
    arguments = sys.argv[1:] if argv is None else argv
    options = parser.parse_args(arguments)
    options.again = shlex.join(["python", "-m", "grader", *arguments])
    try:
        with like_ctrl_c():
            if own and (status := own.run_in_copy(options, arguments)) is not None:
                return int(status)
            return run[options.command](options)
    except KeyboardInterrupt:
        print(f"python -m grader {options.command}: interrupted", file=sys.stderr)
        return 130


def _add_grade(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    grade = commands.add_parser(
        "grade",
        help="grade one file",
        description="Grade any one file with the checks of `pytest grader/`. Files next to it are never read.",
        epilog=_GRADE,
    )
    grade.add_argument(
        "file", type=file_or_folder, metavar="FILE", help="a VAE_Model.py, or a folder, .zip or .tar.gz with one"
    )
    add_shared_options(grade)
    grade.add_argument(
        "--results", type=path, metavar="FILE", help="write the results to this file, in Gradescope's format [no file]"
    )
    grade.add_argument("--report", type=path, metavar="FILE", help="write the report to this file as a page [no file]")
    grade.add_argument("--seed", type=whole(), default=0, metavar="N", help="random seed for the test inputs [0]")
    grade.add_argument(
        "--sandbox", choices=SANDBOXES, default="auto", help="isolation method for the student's code [auto]"
    )
    grade.add_argument(
        "--no-fork",
        action="store_true",
        help="run one task after another in the same Python interpreter [only where fork is unsafe]",
    )


def _grade(options: argparse.Namespace) -> int:
    """Run pytest on the checks, with the configuration of this project only, never from the folder of the file."""
    alone = clean_environment()
    os.environ.clear()
    os.environ.update(alone)
    import pytest

    grading = replace(
        of_command_line(options, options.file),
        results=options.results.absolute() if options.results else None,
        report=options.report.absolute() if options.report else None,
        tasks=options.tasks or "",
    )
    try:
        selected(grading.tasks, grading.read_offering())
    except ValueError as error:  # also from the offering
        return refuse("grade", error)
    with contextlib.chdir(ROOT):
        return int(pytest.main(grading.arguments()))


if __name__ == "__main__":
    try:
        sys.exit(main())
    except ModuleNotFoundError as error:
        refuse_without_package(error, "python -m grader")
