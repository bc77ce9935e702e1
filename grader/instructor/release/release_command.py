"""`python -m grader release`: the options, the order of the steps, and the messages at the end."""

import argparse
import os
import sys
from pathlib import Path

from data.commandline import file, path, quoted
from grader.grading import seeds
from grader.grading.options import ROOT, refuse
from grader.judge.offering import OFFERING, OfferingError

_EXAMPLES = """examples:
  python -m grader release
  python -m grader release --out dist/spring-2027
  python -m grader release --offering grader/offerings/first_lab.toml --out dist/first_lab
  python -m grader release --secret-file ~/vae-secret

OUT then contains
  student.zip        for students: assignment, data, grader and a README to start with
  gradescope.zip     for Gradescope's "Configure Autograder"; contains the secret
  github-classroom/  a template repository with a grading workflow; commit it, or keep it as a repository
  prairielearn.zip   for PrairieLearn: an image that grades, and a question; contains the secret
  autolab/           for Autolab's autograder: a Makefile, autograde.tar (contains the secret) and the list of problems
  README.md          for instructors: how to use each of these
  offering.toml      the offering, for class runs and exports: --offering OUT/offering.toml
  secret             the secret of the offering, for the seeds of final grading; readable by you only

The same repository and secret give the same bytes. Before anything is written, the artefacts are searched for pieces of
the reference, and the grader that students get grades the reference and the skeleton. They are released only if the
reference has all points and the skeleton none. This takes half a minute.

The secret comes from $VAE_GRADER_SECRET or --secret-file; without either, the file OUT/secret is used, or created.
Keep it, and do not show it to students: with the secret, anyone can compute the inputs of final grading in advance. For
class runs, use `python -m grader class ... --offering OUT/offering.toml --secret-file OUT/secret`.

`wheel_index` in the offering sets the index from which Gradescope and Classroom install PyTorch.

exit status: 0 everything is written; 1 nothing is written, because the reference or the skeleton has the wrong score or
a part of the reference would leak; 2 an option is wrong, or a file cannot be read or written; 130 interrupted
"""


class _Unusable(ValueError):  # noqa: N818
    """The release cannot be built; the message says what to do."""


def add_to(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add the subcommand to the parser of `python -m grader`."""
    parser = commands.add_parser(
        "release",
        help="build the files for students, Gradescope, GitHub Classroom, PrairieLearn and Autolab",
        description="Build what students and the platforms get: Gradescope, GitHub Classroom, PrairieLearn, Autolab.",
        epilog=_EXAMPLES,
    )
    parser.add_argument("--out", type=path, default=Path("dist"), metavar="OUT", help="output folder [dist]")
    parser.add_argument("--offering", type=file, metavar="FILE", help="tasks, points and limits [grader/offering.toml]")
    parser.add_argument(
        "--secret-file", type=file, metavar="FILE", help="file with the secret of the offering [OUT/secret]"
    )


def main(options: argparse.Namespace, root: Path = ROOT) -> int:
    """Run the subcommand; returns the exit status."""
    from . import build, release_checks
    from .build import NotOurs, check_ours
    from .contents import Missing, course_of
    from .release_checks import NoAnswers

    try:
        out = _usable(options.out, root)
        check_ours(out / build.CLASSROOM, build.WORKFLOW)
        given = _given(options.secret_file, out)
        # Everything is built and checked before the first file is written, so also before a secret is created.
        course = course_of(root, options.offering or OFFERING)
        release = build.build_release(root, course, given or b"made only once all is proven")
        print("grading skeleton and reference with the grader that students get ...", file=sys.stderr)
        release_checks.prove(root, release.student, course.offering)
        out.mkdir(parents=True, exist_ok=True)
        secret = seeds.find_secret({}, home=out) if given is None else _kept(given, out)
        written = build.write_release(out, build.with_secret(release, root, course, secret), course)
    except (build.Leaking, release_checks.NotProven) as error:
        return refuse("release", f"{error}; nothing was written", 1)
    except (_Unusable, Missing, NoAnswers, NotOurs, OfferingError, seeds.SecretError) as error:
        return refuse("release", error)
    except OSError as error:
        where = quoted(error.filename or options.out)
        return refuse("release", f"{where}: {error.strerror}; choose another folder with --out")
    except KeyboardInterrupt:
        return refuse("release", "interrupted; run it again", 130)
    print(*(str(path) for path in written), sep="\n")
    print(f"how to use each of these: {out / build.README}", file=sys.stderr)
    return 0


def _usable(out: Path, root: Path) -> Path:
    """Return the output folder if a release may be written there.

    Raises:
        _Unusable: The path is not a folder, or a later release would take it for a part of the repository.
    """
    if out.exists() and not out.is_dir():
        raise _Unusable(f"{quoted(out)} is not a folder: choose another one with --out")
    below = out.resolve().relative_to(root.resolve()).parts if out.resolve().is_relative_to(root.resolve()) else None
    if below is not None and (not below or (root / below[0] / "__init__.py").exists()):
        raise _Unusable(f"{quoted(out)} contains the sources: choose another folder with --out, for example dist")
    return out


def _given(file: Path | None, out: Path) -> bytes | None:
    """Return the given secret or the one in the output folder; None if a new one must be created.

    Raises:
        SecretError: The secret cannot be used.
        _Unusable: The output folder holds another secret.
    """
    kept = out / seeds.FILE_NAME
    if file is None and seeds.VARIABLE not in os.environ:
        return seeds.find_secret({}, kept) if kept.exists() else None
    secret = seeds.find_secret(os.environ, file)
    if kept.exists() and seeds.find_secret({}, kept) != secret:
        raise _Unusable(f"{quoted(kept)} is another secret: remove it to change the secret, or choose another --out")
    return secret


def _kept(secret: bytes, out: Path) -> bytes:
    """Save a secret in the output folder, for class runs and the next release; return it."""
    from grader.report.files import write_whole

    write_whole(out / seeds.FILE_NAME, secret + b"\n", mode=0o600)
    return secret
