"""The checks before a release: it contains no part of the reference, and it grades skeleton and reference correctly.

Texts are compared without whitespace, so that the layout does not matter; notebooks also by the text of their cells.
"""

import itertools
import json
import re
import subprocess
import sys
import tempfile
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from grader.grading.grading_process import Child, GraderFailed, last_words
from grader.grading.options import GradingOptions
from grader.judge.offering import BY_ID, Offering

from .contents import SKELETON, SOLUTION, File, lay

LONG = 30  # characters without whitespace; an equal line of this length is not a coincidence
_ANSWER = re.compile(r"^ *### BEGIN SOLUTION\n(.*?)^ *### END SOLUTION\n", re.MULTILINE | re.DOTALL)
_HEADING = re.compile(r"^ *# ## Task `(\w+)`$", re.MULTILINE)
_MARK = "### BEGIN SOLUTION"  # nbgrader's
_COMMENT = re.compile(r"(?:^|\s)#.*$", re.MULTILINE)
_RESULT = re.compile(r"^ *(?:return|\w+ =) (.+)$", re.MULTILINE)
_FORMULA = 12  # characters of a formula without whitespace and `self.`; a comment that contains it is not a coincidence


class NoAnswers(ValueError):  # noqa: N818
    """The reference marks no answers, so there is nothing to search for."""


@dataclass(frozen=True)
class Leak:
    """A piece of the reference in a file to be released.

    Attributes:
        file: Path of the file.
        piece: The piece: one line, or two consecutive lines.
    """

    file: str
    piece: str


def pieces(reference: str, written: Collection[str] = tuple(BY_ID)) -> dict[str, str]:
    """Return the pieces of answers, which must not be released; the key of a piece is its text without whitespace.

    A piece that also occurs in an answer that is handed out is left out.

    Args:
        reference: Source with answers between nbgrader's marks.
        written: The tasks whose answers students have to write.

    Raises:
        NoAnswers: The source has no marks.
    """
    every = list(marked_answers(reference))
    if not every:
        raise NoAnswers(f"the reference has no answers between {_MARK} and its end: nothing can be searched for")
    found = {_bare(piece): piece for task, code in every if task in ("", *written) for piece in _pieces(code)}
    others = [code for task, code in every if task not in ("", *written)]
    handed_out = [_bare(text) for code in others for text in (code, _COMMENT.sub("", code))]
    return {form: piece for form, piece in found.items() if not any(form in text for text in handed_out)}


def formulas(reference: str, written: Collection[str] = tuple(BY_ID)) -> dict[str, str]:
    """Return the formulas of answers that no comment of the skeleton may quote, by their text without whitespace."""
    every = [(task, _COMMENT.sub("", code)) for task, code in marked_answers(reference)]
    handed_out = "\n".join(_plain(code) for task, code in every if task not in ("", *written))
    found = [piece for task, code in every if task in ("", *written) for piece in _RESULT.findall(code)]
    return {form: piece for piece in found if len(form := _plain(piece)) >= _FORMULA and form not in handed_out}


def quoted(files: Mapping[str, bytes], forbidden: Mapping[str, str]) -> list[Leak]:
    """Return every formula of an answer that a comment in a skeleton quotes, as in a part that is handed out solved.

    Args:
        files: Contents by path.
        forbidden: The result of `formulas`.
    """
    skeletons = {path: content.decode() for path, content in files.items() if path.endswith(SKELETON)}
    comments = {path: _plain("\n".join(_COMMENT.findall(text))) for path, text in skeletons.items()}
    return [Leak(path, piece) for path, text in comments.items() for form, piece in forbidden.items() if form in text]


def _plain(text: str) -> str:
    return _bare(text).replace("self.", "")


def marked_answers(reference: str) -> Iterator[tuple[str, str]]:
    """Yield the task, as in the heading above, and the code of each answer; the task is "" without a heading."""
    for found in _ANSWER.finditer(reference):
        yield ("", *_HEADING.findall(reference, 0, found.start()))[-1], found[1]


def _pieces(answer: str) -> Iterator[str]:
    """Yield the pieces of one answer, first with and then without comments."""
    for text in (answer, _COMMENT.sub("", answer)):
        lines = [line.strip() for line in text.splitlines() if line.strip()]
        yield from (line for line in lines if len(_bare(line)) >= LONG)
        yield from (f"{first}\n{second}" for first, second in itertools.pairwise(lines))


def leaks(files: Mapping[str, bytes], forbidden: Mapping[str, str]) -> list[Leak]:
    """Return every piece of the reference that occurs in one of the files.

    Args:
        files: Contents by path.
        forbidden: The result of `pieces`.
    """
    return [Leak(path, piece) for path, content in files.items() for piece in _found(path, content, forbidden)]


def _found(path: str, content: bytes, forbidden: Mapping[str, str]) -> Iterable[str]:
    try:
        text = content.decode("utf-8")
    except UnicodeDecodeError:  # e.g. an image: search its ASCII text
        text = content.translate(None, b" \t\r\n\f\v").decode("ascii", errors="ignore")
        yield from (piece for form, piece in forbidden.items() if form in text)
        return
    texts = [text, *_cells(text)] if path.endswith(".ipynb") else [text]
    bare = [form for text in texts for form in {_bare(text), _bare(_COMMENT.sub("", text))}]
    if _MARK in text:
        yield _MARK
    yield from (piece for form, piece in forbidden.items() if any(form in text for text in bare))


def _cells(notebook: str) -> list[str]:
    """Return the text of a notebook's cells and of their output; an empty list if it is not a notebook."""
    try:
        return ["\n".join(_strings(json.loads(notebook)))]
    except ValueError:
        return []


def _strings(value: object) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, Mapping):
        for part in value.values():
            yield from _strings(part)
    elif isinstance(value, list):
        for part in value:
            yield from _strings(part)


def _bare(text: str) -> str:
    return "".join(text.split())


_PATIENCE_S = 900.0


class NotProven(Exception):  # noqa: N818
    """A grading has the wrong result; the message says which, and what to check."""


def prove(root: Path, student: Mapping[str, File], offering: Offering) -> None:
    """Grade skeleton and reference with exactly the grader to be released, in a temporary folder.

    Args:
        root: The repository, for the reference.
        student: The files for students.
        offering: Their offering.

    Raises:
        NotProven: The skeleton is out of date or earns points, or the reference does not earn all points.
        OSError: The folder cannot be written.
    """
    _skeleton_is_made_from_the_reference(root)
    offering = offering.for_students()
    with tempfile.TemporaryDirectory(prefix="vae-release-") as made:
        folder = Path(made) / "student"
        lay(folder, student)
        check_skeleton(grade(folder, folder / SKELETON), offering)
        check_reference(grade(folder, root / SOLUTION), offering)


def check_skeleton(results: Mapping[str, Any], offering: Offering) -> None:
    """Raise NotProven unless the tasks of the offering, and no others, are `not attempted`, and the score is 0."""
    extra = results["extra_data"]
    _check_tasks(extra["tasks"], offering)
    statuses = {task: entry["status"] for task, entry in extra["tasks"].items()}
    if extra["score"] != 0 or set(statuses.values()) != {"not attempted"}:
        odd = next((f"{task} is {status}" for task, status in statuses.items() if status != "not attempted"), "")
        raise NotProven(f"the skeleton has {extra['score']:g} points, not 0 {f'({odd})' if odd else ''}".strip())


def _check_tasks(tasks: Collection[str], offering: Offering) -> None:
    if tuple(tasks) != offering.graded:
        raise NotProven(f"the tasks {', '.join(tasks)} are graded, not {', '.join(offering.graded)}")


def check_reference(results: Mapping[str, Any], offering: Offering) -> None:
    """Raise NotProven unless the reference passes every task of the offering and has all points."""
    extra = results["extra_data"]
    _check_tasks(extra["tasks"], offering)
    short = [f"{task} {entry['status']}" for task, entry in extra["tasks"].items() if entry["status"] != "passed"]
    if short or not extra["score"] == extra["max_score"] == offering.total:
        where = f": {', '.join(short)}" if short else ""
        say = f"the reference has {extra['score']:g} of {extra['max_score']:g} points{where}"
        raise NotProven(f"{say}; see `pytest grader/ --submission={SOLUTION}`")


def grade(project: Path, submission: Path) -> dict[str, Any]:
    """Grade a submission with the grader in a project folder, and return its results.json.

    Raises:
        NotProven: There is no results.json, or the grader itself failed.
    """
    with tempfile.TemporaryDirectory(prefix="vae-release-results-") as folder:
        options, log = GradingOptions(submission.resolve(), results=Path(folder) / "results.json"), Path(folder) / "log"
        try:
            graded = Child(options, log, project).graded(_PATIENCE_S)
        except (GraderFailed, OSError) as error:
            raise NotProven(f"{submission} could not be graded: {error}") from None
        if graded.flawed:
            raise NotProven(f"{submission} could not be graded: the grader itself failed{last_words(log)}")
        return graded.results


def _skeleton_is_made_from_the_reference(root: Path) -> None:
    command = [sys.executable, "-B", "-m", "solution.skeleton", "--check"]
    if subprocess.run(command, cwd=root, capture_output=True, check=False).returncode != 0:
        raise NotProven(f"{SKELETON} does not match {SOLUTION}: run `python -m solution.skeleton`")
