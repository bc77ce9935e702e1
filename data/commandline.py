"""What all commands of this project share: errors of one line, kinds of options, output, and an orderly end.

Needs the standard library only: options are read before torch is imported.
"""

import argparse
import contextlib
import math
import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from io import TextIOWrapper
from pathlib import Path
from typing import Any, NoReturn

SOURCES = ("sample", "svhn")  # images that have a name; all others have a path
_LONGEST = 100  # characters of a value in a message
_LIKE_CTRL_C = ("SIGTERM", "SIGHUP")  # Windows has no SIGHUP
_ROOMS = {"assignment", "solution", "grader", "data", "tests"}


class Parser(argparse.ArgumentParser):
    """A parser whose errors are one line, and whose epilog stays as it was written."""

    def __init__(self, *arguments: Any, **options: Any):
        options.setdefault("formatter_class", argparse.RawDescriptionHelpFormatter)
        options.setdefault("allow_abbrev", False)  # an option that comes later must not change what a script means
        super().__init__(*arguments, **options)

    def error(self, message: str) -> NoReturn:
        """Say what is wrong in one line, and where to read on; exit with status 2."""
        self.exit(2, f"{self.prog}: {_visible(message)}; see {self.prog} --help\n")


def print_everywhere() -> None:
    """Let characters that the terminal cannot show be printed one by one as their numbers, and end no command."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")


def quoted(value: object) -> str:
    """Return a value as messages show it: in quotes, so that blanks are seen, on one line, and not too long."""
    text = _visible(str(value))
    return f"'{text}'" if len(text) <= _LONGEST else f"'{text[: _LONGEST // 2]}...{text[-_LONGEST // 2 :]}'"


def _visible(text: str) -> str:
    """Return text on one line, with escapes for what cannot be seen, and for "##[", which GitHub's runner obeys."""
    seen = "".join(c if c.isprintable() else c.encode("unicode_escape").decode("ascii") for c in text)
    return seen.replace("##", "#\\x23")


# ## Kinds of options: each takes the text and returns the value, or says what is allowed
def path(text: str) -> Path:
    """Return a path; `~` is the home folder, which shells leave as it is in `--out=~/results`."""
    if not text.strip():
        raise argparse.ArgumentTypeError(f"must be a path, not {quoted(text)}")
    expanded = os.path.expanduser(text)  # noqa: PTH111 - a Path would take "./~" for the home folder, too
    if expanded.startswith("~"):
        raise argparse.ArgumentTypeError(f"there is no home folder {quoted(text)}; write the path in full")
    found = Path(expanded)
    try:
        found.exists()  # a name may be too long, or a folder above it out of reach
    except OSError as error:
        raise argparse.ArgumentTypeError(f"cannot use the path {quoted(text)}: {error.strerror}") from None
    return found


def file(text: str) -> Path:
    """Return the path of a file that is there; a pipe is one, too."""
    found = path(text)
    if not found.exists() or found.is_dir():
        raise argparse.ArgumentTypeError(f"must be a file that exists, not {quoted(text)}")
    return found


def file_or_folder(text: str) -> Path:
    """Return the path of a file or folder that is there."""
    found = path(text)
    if not (found.exists() or found.is_symlink()):
        raise argparse.ArgumentTypeError(f"must be a file or folder that exists, not {quoted(text)}")
    return found


def folder(text: str) -> Path:
    """Return the path of a folder that is there."""
    found = path(text)
    if not found.is_dir():
        raise argparse.ArgumentTypeError(f"must be a folder that exists, not {quoted(text)}")
    return found


def image_source(text: str) -> str:
    """Return what `data.load` takes: a name, or the path of a file or folder that is there."""
    if text in SOURCES:
        return text
    if not text.strip() or not path(text).exists():
        names = ", ".join(SOURCES)
        raise argparse.ArgumentTypeError(f"must be {names}, or a file or folder that exists, not {quoted(text)}")
    return str(path(text))


def whole(least: int | None = None, most: int | None = None) -> Callable[[str], int]:
    """Return the kind of option that takes a whole number, from `least` to `most`."""
    limits = "" if least is None else f", {least} or more" if most is None else f" from {least} to {most}"

    def convert(text: str) -> int:
        try:
            number = int(text)
        except ValueError:
            number = None
        if number is None or (least is not None and number < least) or (most is not None and number > most):
            raise argparse.ArgumentTypeError(f"must be a whole number{limits}, not {quoted(text)}")
        return number

    return convert


def above_zero(text: str) -> float:
    """Return a number above 0."""
    try:
        number = float(text)
    except ValueError:
        number = math.nan
    if not 0 < number < math.inf:
        raise argparse.ArgumentTypeError(f"must be a number above 0, not {quoted(text)}")
    return number


def one_of(*names: str) -> Callable[[str], str]:
    """Return the kind of option that takes one of some names."""

    def convert(text: str) -> str:
        if text not in names:
            raise argparse.ArgumentTypeError(f"must be one of {', '.join(names)}, not {quoted(text)}")
        return text

    return convert


def words(text: str) -> str:
    """Return text that is not empty: an empty one comes from a script whose variable is not set."""
    if not text.strip():
        raise argparse.ArgumentTypeError(f"must not be empty, as {quoted(text)} is")
    return text


# ## How commands end
@contextlib.contextmanager
def like_ctrl_c() -> Iterator[None]:
    """Let SIGTERM and SIGHUP, a closed terminal, do what Ctrl-C does: temporary files are removed on the way out.

    A signal that is ignored (nohup) or has a handler already is left alone.
    """
    numbers = []
    if threading.current_thread() is threading.main_thread():  # Python sets handlers in no other
        known = [getattr(signal, name) for name in _LIKE_CTRL_C if hasattr(signal, name)]
        numbers = [number for number in known if signal.getsignal(number) is signal.SIG_DFL]
    for number in numbers:
        signal.signal(number, _interrupt)
    try:
        yield
    finally:
        for number in numbers:
            signal.signal(number, signal.SIG_DFL)


def _interrupt(*_: object) -> NoReturn:
    raise KeyboardInterrupt


def refuse_without_package(error: ModuleNotFoundError, command: str) -> NoReturn:
    """End a command whose Python lacks a package: exit status 2, after one line.

    Args:
        error: What an import raised.
        command: As the user gave it.

    Raises:
        ModuleNotFoundError: It is a module of the project's own that is missing.
    """
    package = (error.name or "").split(".")[0]
    if not package or package in _ROOMS:
        raise error
    install = f"{sys.executable} -m pip install -e ."
    print(
        f"{command}: this Python ({sys.executable}) has no package `{package}`: activate the project's environment, or"
        f" install what it needs: {install}",
        file=sys.stderr,
    )
    raise SystemExit(2)
