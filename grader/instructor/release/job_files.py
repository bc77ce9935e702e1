"""The files for PrairieLearn and Autolab, which start a container for each submission, and run one program in it."""

import io
import tarfile
from collections.abc import Mapping
from pathlib import Path

from grader.grading.seeds import FILE_NAME as SECRET
from grader.judge.offering import Offering

from .contents import PROJECT, Course, File, file_of, project_files, secret_file, template


def prairielearn_files(root: Path, course: Course, secret: bytes) -> dict[str, File]:
    """Return the files for PrairieLearn: an image for its external grader, and a question with the secret in its tests.

    Raises:
        Missing, OSError: As in `student_files`.
    """
    return {
        "Dockerfile": template("prairielearn/Dockerfile"),
        "grade.sh": template("prairielearn/grade.sh", program=True),
        **{f"question/{name}": template(f"prairielearn/question/{name}") for name in ("info.json", "question.html")},
        f"question/tests/{SECRET}": secret_file(secret),
        **project_files(root, course, PROJECT),
    }


def autolab_files(root: Path, course: Course, secret: bytes) -> dict[str, File]:
    """Return the files for Autolab: a Makefile, an archive with the grader and the secret, and a list of problems.

    Raises:
        Missing, OSError: As in `student_files`.
    """
    folder = "vae-grader"
    return {
        "autograde-Makefile": template("autolab/autograde-Makefile"),
        "autograde.tar": File(
            tar_archive(
                {f"{folder}/{SECRET}": secret_file(secret), **project_files(root, course, f"{folder}/{PROJECT}")}
            ),
            0o600,
        ),
        "problems.yml": file_of("problems.yml", problems(course.offering).encode()),
    }


def problems(offering: Offering) -> str:
    """Return the problems of an assessment in Autolab's format: a problem for each task with points."""
    lines = [f"- name: {task}\n  max_score: {points:g}" for task, points in offering.points.items() if points]
    return "\n".join(["problems:", *lines, ""])


def tar_archive(files: Mapping[str, File]) -> bytes:
    """Return an uncompressed tar archive, whose bytes depend only on paths, contents and modes."""
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w", format=tarfile.USTAR_FORMAT) as archive:
        for path in sorted(files):
            entry = tarfile.TarInfo(path)
            entry.size, entry.mode = len(files[path].content), files[path].mode
            archive.addfile(entry, io.BytesIO(files[path].content))
    return stream.getvalue()
