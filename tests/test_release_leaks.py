"""Nothing of the reference goes out: two finders agree, and both find what was planted."""

import itertools
import json
import re
from dataclasses import replace
from pathlib import Path

import pytest

from grader.instructor.release import build
from grader.instructor.release.contents import File
from grader.instructor.release.release_checks import LONG, NoAnswers, formulas, leaks, pieces, quoted
from grader.judge.offering import load_offering
from tests.releases import REFERENCE, SECRET, release
from tests.zoo.build import reference

_REFERENCE = """def f(x):
    ### BEGIN SOLUTION
    y = x + 1  # a remark
    z = y * 2
    return some_function_of(z, "and of a long text") + y
    ### END SOLUTION


def given(x):
    return "this line is long, and it is no part of an answer"
"""


def found(text: str, path: str = "page.md", source: str = _REFERENCE) -> set[str]:
    return {leak.piece for leak in leaks({path: text.encode()}, pieces(source))}


def plainly(text: str) -> set[str]:
    """Return the solution's pieces in a text, by comparing stripped lines and nothing cleverer."""
    regions = re.findall(r"### BEGIN SOLUTION\n(.*?)### END SOLUTION", reference(), re.DOTALL)
    stripped = [line.strip() for line in text.splitlines() if line.strip()]
    pairs, pieces = set(itertools.pairwise(stripped)), set()
    for region in regions:
        lines = [line.strip() for line in region.splitlines() if line.strip()]
        pieces |= {line for line in lines if len(re.sub(r"\s", "", line)) >= 30 and line in stripped}
        pieces |= {" / ".join(pair) for pair in itertools.pairwise(lines) if pair in pairs}
    return pieces


# ## The proof
@pytest.mark.parametrize("name", ["student", "gradescope", "classroom", "prairielearn"])
def test_no_file_holds_a_piece_of_the_reference(name: str) -> None:
    files = {path: file.content for path, file in getattr(release(), name).items()}
    assert len(files) > 100
    assert leaks(files, pieces(reference())) == []
    assert {path: plainly(content.decode("utf-8", errors="replace")) for path, content in files.items()} == {
        path: set() for path in files
    }


@pytest.mark.parametrize("remark", ["z = mean + std * noise", "by self.mean + self.std*noise, as in the paper"])
def test_a_comment_of_a_solved_part_does_not_quote_a_formula_that_students_write(remark: str) -> None:
    line = "return total - math.log(K)"
    text = reference().replace(line, f"{line}  # {remark}")
    assert text != reference()
    files = {"student.zip/assignment/VAE_Model.py": text.encode()}
    assert {leak.piece for leak in quoted(files, formulas(text, ["sample"]))} == {"self.mean + self.std * noise"}
    assert quoted(files, formulas(text, ["kl"])) == [], "`sample` is handed out there"


def test_both_finders_find_the_reference_itself() -> None:
    text = REFERENCE.read_text(encoding="utf-8")
    found = pieces(text)
    whole = {leak.piece for leak in leaks({"VAE_Model.py": text.encode()}, found)}
    assert set(found.values()) <= whole and len(found) > 50
    assert len(plainly(text)) > 50


@pytest.mark.parametrize("form", ["{}", "    {}  # with a remark", "> {}", "print('''{}''')"])
def test_each_long_line_of_the_reference_is_found_alone(form: str) -> None:
    found = pieces(reference())
    single = [piece for piece in found.values() if "\n" not in piece and not piece.startswith("#")]
    assert len(single) > 20
    for piece in single:
        assert leaks({"grader/new.py": form.format(piece).encode()}, found), piece


# ## The finder itself
def test_a_long_line_is_found_wherever_it_stands() -> None:
    line = 'return some_function_of(z, "and of a long text") + y'
    assert len(line.replace(" ", "")) >= LONG
    assert line in found(f"x = 1\n{line}\n")
    assert line in found('return some_function_of(z,\n    "and of a long text") + y')


def test_two_short_lines_are_found_when_they_follow_each_other() -> None:
    assert found("z = y * 2\n") == set()
    assert "y = x + 1  # a remark\nz = y * 2" in found("y = x + 1  # a remark\nz = y * 2")
    assert "y = x + 1\nz = y * 2" in found("   y = x+1\n\n   z = y*2")
    assert "y = x + 1\nz = y * 2" in found("y = x + 1  # another remark\nz = y * 2")
    assert found("y = x + 1\nq = 0\nz = y * 2") == set()


def test_what_was_given_is_no_leak() -> None:
    assert found('return "this line is long, and it is no part of an answer"') == set()


def test_a_notebook_is_read_as_its_reader_sees_it() -> None:
    cell = {"cell_type": "code", "source": ["y = x + 1\n", "z = y * 2\n"], "outputs": []}
    notebook = json.dumps({"cells": [cell], "metadata": {}})
    assert "y = x + 1\nz = y * 2" in found(notebook, "tutorial.ipynb")
    assert found("no notebook at all", "tutorial.ipynb") == set()


def test_a_line_between_images_is_found() -> None:
    hidden = b"\x89PNG\xff" + _REFERENCE.encode() + b"\xfe"
    found = pieces(_REFERENCE)
    assert {leak.piece for leak in leaks({"sample.png": hidden}, found)} >= {
        'z = y * 2\nreturn some_function_of(z, "and of a long text") + y'
    }


def test_a_mark_of_an_answer_is_a_leak() -> None:
    assert found("### BEGIN SOLUTION\n") == {"### BEGIN SOLUTION"}


def test_a_reference_without_marks_is_refused() -> None:
    with pytest.raises(NoAnswers, match="nothing can be searched for"):
        pieces("def f(): pass\n")


# ## A release that would leak
def test_a_planted_line_stops_the_release_and_says_where(tmp_path: Path) -> None:
    piece = next(piece for piece in pieces(reference()).values() if "\n" not in piece and "torch" in piece)
    planted = {**release().student, "data/hint.md": File(f"Try `{piece}`.\n".encode())}
    leaking = replace(release(), student=planted)
    with pytest.raises(build.Leaking, match=r"data/hint\.md in student\.zip contains a piece of the reference"):
        build.check_answers(leaking, reference(), load_offering().graded)


def test_a_planted_secret_stops_the_release_and_says_where() -> None:
    planted = {**release().classroom, ".github/notes.md": File(b"it is " + SECRET)}
    leaking = replace(release(), classroom=planted)
    with pytest.raises(build.Leaking, match=r"\.github/notes\.md in github-classroom contains the secret"):
        build.check_secret(leaking, SECRET)
