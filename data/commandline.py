"""Shared by all commands of this project: one-line errors, types of options, output, and handling of signals.

Needs only the standard library, as options are read before torch is imported.
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

SOURCES = ("sample", "svhn")  # images with a name; all others are given by a path
_LONGEST = 100  # characters of a value in a message
_LIKE_CTRL_C = ("SIGTERM", "SIGHUP")  # Windows has no SIGHUP
_PACKAGES = {"assignment", "solution", "grader", "data", "tests"}


class Parser(argparse.ArgumentParser):
    """A parser with one-line errors that prints its epilog without reformatting."""

    def __init__(self, *arguments: Any, **options: Any):
        options.setdefault("formatter_class", argparse.RawDescriptionHelpFormatter)
        options.setdefault("allow_abbrev", False)  # a new option in a later version must not break scripts
        super().__init__(*arguments, **options)

    def error(self, message: str) -> NoReturn:
        """Print the error and a pointer to --help in one line; exit with status 2."""
        self.exit(2, f"{self.prog}: {_visible(message)}; see {self.prog} --help\n")


def print_everywhere() -> None:
    """Print characters that the terminal cannot encode as escapes, instead of raising an error."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")


def quoted(value: object) -> str:
    """Return a value for use in a message: in quotes, so that spaces are visible, on one line, and not too long."""
    text = _visible(str(value))
    return f"'{text}'" if len(text) <= _LONGEST else f"'{text[: _LONGEST // 2]}...{text[-_LONGEST // 2 :]}'"


def _visible(text: str) -> str:
    """Return text on one line, with escapes for invisible characters and for "##[", a command to GitHub's runner."""
    seen = "".join(c if c.isprintable() else c.encode("unicode_escape").decode("ascii") for c in text)
    return seen.replace("##", "#\\x23")


# ## Types of options: each converts the text to a value, or raises an error that says what is allowed
def path(text: str) -> Path:
    """Return a path, with `~` expanded to the home folder: shells do not expand it in `--out=~/results`."""
    if not text.strip():
        raise argparse.ArgumentTypeError(f"must be a path, not {quoted(text)}")
    expanded = os.path.expanduser(text)  # noqa: PTH111 - Path.expanduser would also expand "./~"
    if expanded.startswith("~"):
        raise argparse.ArgumentTypeError(f"there is no home folder {quoted(text)}; write the path in full")
    found = Path(expanded)
    try:
        found.exists()  # raises if a name is too long, or a parent folder is not accessible
    except OSError as error:
        raise argparse.ArgumentTypeError(f"cannot use the path {quoted(text)}: {error.strerror}") from None
    return found


def file(text: str) -> Path:
    """Return the path of an existing file; a pipe is also accepted."""
    found = path(text)
    if not found.exists() or found.is_dir():
        raise argparse.ArgumentTypeError(f"must be a file that exists, not {quoted(text)}")
    return found


def file_or_folder(text: str) -> Path:
    """Return the path of an existing file or folder."""
    found = path(text)
    if not (found.exists() or found.is_symlink()):
        raise argparse.ArgumentTypeError(f"must be a file or folder that exists, not {quoted(text)}")
    return found


def folder(text: str) -> Path:
    """Return the path of an existing folder."""
    found = path(text)
    if not found.is_dir():
        raise argparse.ArgumentTypeError(f"must be a folder that exists, not {quoted(text)}")
    return found


def image_source(text: str) -> str:
    """Return a source for `data.load`: a name, or the path of an existing file or folder."""
    if text in SOURCES:
        return text
    if not text.strip() or not path(text).exists():
        names = ", ".join(SOURCES)
        raise argparse.ArgumentTypeError(f"must be {names}, or a file or folder that exists, not {quoted(text)}")
    return str(path(text))


def whole(least: int | None = None, most: int | None = None) -> Callable[[str], int]:
    """Return a type of option: a whole number from `least` to `most`."""
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
    """Return a type of option: one of the given names."""

    def convert(text: str) -> str:
        if text not in names:
            raise argparse.ArgumentTypeError(f"must be one of {', '.join(names)}, not {quoted(text)}")
        return text

    return convert


def words(text: str) -> str:
    """Return text that is not empty. Empty text usually comes from an unset variable in a script."""
    if not text.strip():
        raise argparse.ArgumentTypeError(f"must not be empty, but is {quoted(text)}")
    return text


# ## How commands end
@contextlib.contextmanager
def like_ctrl_c() -> Iterator[None]:
    """Handle SIGTERM, and SIGHUP from a closed terminal, like Ctrl-C, so that temporary files are removed.

    Signals that are ignored (nohup) or already have a handler are not changed.
    """
    numbers = []
    if threading.current_thread() is threading.main_thread():  # Python allows handlers only there
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


@contextlib.contextmanager
def ctrl_c_afterwards() -> Iterator[None]:
    """Hold signals that interrupt back until the end. For imports: an interrupted one may swallow the interruption."""
    numbers = []
    if threading.current_thread() is threading.main_thread():  # Python allows handlers only there
        known = [getattr(signal, name) for name in ("SIGINT", *_LIKE_CTRL_C) if hasattr(signal, name)]
        numbers = [number for number in known if callable(signal.getsignal(number))]
    held: list[int] = []
    before = {number: signal.signal(number, lambda caught, _: held.append(caught)) for number in numbers}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
        if held:
            signal.raise_signal(held[0])


def refuse_without_package(error: ModuleNotFoundError, command: str) -> NoReturn:
    """Print one line about a missing package and exit with status 2.

    Args:
        error: The error of the import.
        command: The command as the user typed it.

    Raises:
        ModuleNotFoundError: The missing module belongs to this project.
    """
    package = (error.name or "").split(".")[0]
    if not package or package in _PACKAGES:
        raise error
    install = f"{sys.executable} -m pip install -e ."
    print(
        f"{command}: this Python ({sys.executable}) has no package `{package}`: activate the project's environment, or"
        f" install its dependencies: {install}",
        file=sys.stderr,
    )
    raise SystemExit(2)
