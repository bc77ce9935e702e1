"""Text from a submission is hostile in every format: here it becomes harmless, and short."""

import re
from collections.abc import Sequence

_ESCAPE = r"\x1b(?:\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b]*(?:\x07|\x1b\\)|[@-_])"
_ANSI = re.compile(_ESCAPE)
# Control characters but tab and newline; marks of direction and separators; halves of surrogate pairs.
_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff]")
# A line of a log is an order to GitHub's runner if it begins with "::", whatever blanks are before that, or if it holds
# "##["; other runners know "##vso[" and the like.
_ORDER = re.compile(r"^[^!-~\n]*::.*|##(?=\w*\[)", re.MULTILINE)
_PIECE = re.compile(
    rf"\x1b\[(?P<count>\d{{0,3}})(?P<move>[ABDK])|{_ESCAPE}|(?P<sign>[\n\r\b])|(?P<text>[^\x1b\n\r\b]+|\x1b)"
)


def harmless(text: str) -> str:
    """Return text without terminal escapes, control characters and changes of direction; no line orders a CI runner."""
    seen = _CONTROL.sub("\N{REPLACEMENT CHARACTER}", _ANSI.sub("", text.replace("\r\n", "\n")))
    return _ORDER.sub(lambda order: order[0].replace("::", ": :").replace("##", "# #"), seen)


def one_line(text: str, width: int = 1000) -> str:
    """Return text of unknown origin as one harmless line of at most `width` characters, and say what was left out."""
    lines = (line.strip() for line in text.splitlines())
    return shortened(harmless(" ".join(line for line in lines if line)), lines=1, width=width)


def settled(text: str) -> str:
    """Return what a terminal shows in the end of text that writes over itself, as progress bars do."""
    rows, row, column = [""], 0, 0
    for piece in _PIECE.finditer(text):
        written, sign, move = piece["text"], piece["sign"], piece["move"]
        if written:
            rows[row] = f"{rows[row][:column]:<{column}}{written}{rows[row][column + len(written) :]}"
            column += len(written)
        elif sign == "\n":
            row, column = row + 1, 0
            rows += [""] * (row == len(rows))
        elif sign == "\r":
            column = 0
        elif sign == "\b" or move == "D":
            column = max(0, column - int(piece["count"] or 1))
        elif move == "A":
            row = max(0, row - int(piece["count"] or 1))
        elif move == "B":
            row = min(len(rows) - 1, row + int(piece["count"] or 1))
        elif move == "K":
            rows[row] = rows[row][:column] if piece["count"] in ("", "0") else ""
    return "\n".join(line.rstrip() for line in rows)


def some(names: Sequence[str], most: int = 5) -> str:
    """Return the first of some names as one harmless line, and how many more there are."""
    shown = ", ".join(harmless(" ".join(name.split())) for name in names[:most])
    return f"{shown} and {len(names) - most} more" if len(names) > most else shown


def shortened(text: str, lines: int = 8, width: int = 160) -> str:
    """Return at most `lines` lines of at most `width` characters, and say what was left out."""
    all_lines = text.splitlines()
    kept = [
        line if len(line) <= width else f"{line[:width]}... ({len(line) - width} more characters)"
        for line in all_lines[:lines]
    ]
    if len(all_lines) > lines:
        kept.append(f"... ({len(all_lines) - lines} more lines)")
    return "\n".join(kept)


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


def two_decimals(hundredths: int) -> str:
    """Return hundredths of points as points with two decimals; no rounding is left to do."""
    return f"{'-' if hundredths < 0 else ''}{abs(hundredths) // 100}.{abs(hundredths) % 100:02}"


def points_text(hundredths: int) -> str:
    """Return hundredths of points without needless digits: 100, 61.5, 3.25."""
    return two_decimals(hundredths).rstrip("0").rstrip(".")
