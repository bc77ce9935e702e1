"""Cells of CSV files: spreadsheets run what looks like a formula, wherever it came from."""

from .text import harmless

# The last four are full-width forms, which some spreadsheets read as the plain ones.
_STARTS_A_FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠")


def safe_cell(text: str) -> str:
    """Return text as one harmless line that no spreadsheet takes for a formula.

    Text that could be one gets an apostrophe in front. For text only: a negative number is no formula. Write the file
    with `csv.QUOTE_ALL`, or a program that splits cells at semicolons finds new beginnings inside them.
    """
    line = harmless(text).replace("\n", " ").replace("\t", " ")
    dangerous = text.startswith(_STARTS_A_FORMULA) or line.lstrip().startswith(_STARTS_A_FORMULA)
    return f"'{line}" if dangerous else line
