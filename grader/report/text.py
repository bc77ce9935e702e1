"""Make text from a submission, which is never trusted, safe and short for every output format."""

import re
from collections.abc import Sequence

_ESCAPE = r"\x1b(?:\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b]*(?:\x07|\x1b\\)|[@-_])"
_ANSI = re.compile(_ESCAPE)
# Control characters except tab and newline; direction marks and separators; lone surrogates.
_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff]")
# GitHub's runner executes a log line as a command if it starts with "::", also after blanks, or contains "##[".
# Other runners use "##vso[" and similar.
_ORDER = re.compile(r"^[^!-~\n]*::.*|##(?=\w*\[)", re.MULTILINE)
_PIECE = re.compile(
    rf"\x1b\[(?P<count>\d{{0,3}})(?P<move>[ABDK])|{_ESCAPE}|(?P<sign>[\n\r\b])|(?P<text>[^\x1b\n\r\b]+|\x1b)"
)


def harmless(text: str) -> str:
    """Return text without terminal escapes, control characters, direction marks, and commands for CI runners."""
    seen = _CONTROL.sub("\N{REPLACEMENT CHARACTER}", _ANSI.sub("", text.replace("\r\n", "\n")))
    return _ORDER.sub(lambda order: order[0].replace("::", ": :").replace("##", "# #"), seen)


def one_line(text: str, width: int = 1000) -> str:
    """Return untrusted text as one safe line, cut after `width` characters with a note on what was left out."""
    lines = (line.strip() for line in text.splitlines())
    return shortened(harmless(" ".join(line for line in lines if line)), lines=1, width=width)


def settled(text: str) -> str:
    """Return what a terminal finally shows for text that overwrites itself, such as progress bars."""
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
    """Return the first `most` names as one safe line, and the number of the others."""
    shown = ", ".join(harmless(" ".join(name.split())) for name in names[:most])
    return f"{shown} and {len(names) - most} more" if len(names) > most else shown


def shortened(text: str, lines: int = 8, width: int = 160) -> str:
    """Cut text to `lines` lines of `width` characters each, with notes on what was left out."""
    all_lines = text.splitlines()
    kept = [
        line if len(line) <= width else f"{line[:width]}... ({len(line) - width} more characters)"
        for line in all_lines[:lines]
    ]
    if len(all_lines) > lines:
        kept.append(f"... ({len(all_lines) - lines} more lines)")
    return "\n".join(kept)


# The last four are full-width forms, which some spreadsheets treat like the ASCII characters.
_STARTS_A_FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠")


def safe_cell(text: str) -> str:
    """Return text as one safe line that no spreadsheet interprets as a formula.

    Text that could be a formula gets an apostrophe in front. Use this for text only, since a negative number would get
    one too. Write the file with `csv.QUOTE_ALL`; otherwise a program that splits cells at semicolons can see the start
    of a formula inside a cell.
    """
    line = harmless(text).replace("\n", " ").replace("\t", " ")
    dangerous = text.startswith(_STARTS_A_FORMULA) or line.lstrip().startswith(_STARTS_A_FORMULA)
    return f"'{line}" if dangerous else line


def two_decimals(hundredths: int) -> str:
    """Return hundredths of points as points with exactly two decimals, without rounding."""
    return f"{'-' if hundredths < 0 else ''}{abs(hundredths) // 100}.{abs(hundredths) % 100:02}"


def points_text(hundredths: int) -> str:
    """Return hundredths of points as points without trailing zeros: 100, 61.5, 3.25."""
    return two_decimals(hundredths).rstrip("0").rstrip(".")
