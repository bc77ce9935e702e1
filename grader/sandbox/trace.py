"""The judge's reading of where a worker was when its time was up. A submission may have written it: it is only shown.

Of what it says nothing is believed but numbers of lines and names of functions; the text of a line comes from the
judge's own copy of the file.
"""

import contextlib
import os
import re
import tempfile
from pathlib import Path
from typing import IO, Any

_LINE = re.compile(r'VAE_Model\.py", line (\d{1,7}) in (\w{1,80}|<\w{1,20}>)$', re.MULTILINE | re.ASCII)
_BYTES = 16 << 10
_LINES = 8


def lines(trace: str, copy: Path) -> list[dict[str, Any]]:
    """Return the student's lines of a trace, the outermost first, as a traceback has them.

    Args:
        trace: What faulthandler wrote: the innermost frame comes first.
        copy: The judge's copy of the file.
    """
    source = copy.read_text(encoding="utf-8", errors="replace").split("\n")
    found = [(int(number), function) for number, function in _LINE.findall(trace)[:_LINES]]
    return [
        {"line": number, "function": function, "text": source[number - 1].strip()[:200]}
        for number, function in reversed(found)
        if 0 < number <= len(source)
    ]


def new() -> IO[bytes] | None:
    """Return a file without a name for a worker to write its trace to; None where a worker cannot inherit one."""
    return tempfile.TemporaryFile() if os.name == "posix" else None


def taken(file: IO[bytes] | None) -> str:
    """Return what a worker wrote to such a file, and close it."""
    if file is None:
        return ""
    with file, contextlib.suppress(OSError, ValueError):
        return os.pread(file.fileno(), _BYTES, 0).decode("ascii", errors="replace")
    return ""
