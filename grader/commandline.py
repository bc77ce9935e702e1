"""What all commands of `python -m grader` share: how they refuse. Their options are read by data/commandline.py."""

import sys

from data.commandline import (
    Parser,
    file,
    file_or_folder,
    folder,
    image_source,
    path,
    print_everywhere,
    quoted,
    whole,
    words,
)
from grader.report.text import one_line

__all__ = [
    "Parser",
    "file",
    "file_or_folder",
    "folder",
    "image_source",
    "path",
    "print_everywhere",
    "quoted",
    "refuse",
    "whole",
    "words",
]


def refuse(command: str, message: object, status: int = 2) -> int:
    """Print why a command did nothing, in one line, whatever names are in it; returns the exit status."""
    print(f"python -m grader {command}: {one_line(str(message))}", file=sys.stderr)
    return status
