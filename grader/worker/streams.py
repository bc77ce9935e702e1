"""The standard streams as the student's code sees them: UTF-8 whatever the console is, and never an error."""

import os
import sys


def reopen() -> None:
    """Make sys.stdin, stdout and stderr anew from descriptors 0, 1 and 2."""
    sys.stdin = open(0, encoding="utf-8", closefd=False)  # noqa: SIM115 - they live as long as the process
    sys.stdout = open(1, "w", encoding="utf-8", errors="backslashreplace", buffering=1, closefd=False)  # noqa: SIM115
    sys.stderr = open(2, "w", encoding="utf-8", errors="backslashreplace", buffering=1, closefd=False)  # noqa: SIM115


def redirect(output: int) -> None:
    """Point descriptor 0 at nothing, 1 and 2 at `output`, and reopen the streams."""
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, 0)
    os.dup2(output, 1)
    os.dup2(output, 2)
    os.close(nothing)
    reopen()
