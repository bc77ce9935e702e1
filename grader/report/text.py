"""Text from a submission is hostile in every format: here it becomes harmless, and short."""

import re
from collections.abc import Sequence

_ANSI = re.compile(r"\x1b(?:\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b]*(?:\x07|\x1b\\)|[@-_])")
# Control characters but tab and newline; marks of direction and separators; halves of surrogate pairs.
_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff]")


def harmless(text: str) -> str:
    """Return text without terminal escapes, control characters and changes of direction."""
    return _CONTROL.sub("\N{REPLACEMENT CHARACTER}", _ANSI.sub("", text.replace("\r\n", "\n")))


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
