"""The terminal of `python -m grader watch`: single keys and a whole screen, or plain lines if it is no terminal."""

import contextlib
import os
import shutil
import sys
import threading
from collections.abc import Callable, Iterator

from grader.report.screen import View, screen

_HOME, _CLEAR_LINE, _CLEAR_REST, _CLEAR = "\x1b[H", "\x1b[K", "\x1b[J", "\x1b[2J"


class Console:
    """Where reports go to, and where keys come from.

    Args:
        interactive: Whether there is a terminal. If not, reports are printed one below the other, and no key is read.
    """

    def __init__(self, interactive: bool):
        self._interactive = interactive
        self._drawn = ""

    def listen(self, pressed: Callable[[str], None]) -> None:
        """Call a function with each key, from a thread. At the end of the input, `q` is pressed."""

        def read() -> None:
            while key := _read_key():
                pressed(key)
            pressed("q")

        if self._interactive:
            threading.Thread(target=read, daemon=True).start()

    def say(self, text: str) -> None:
        """Print a report or a message, if there is no screen that shows it."""
        if not self._interactive:
            print(text, flush=True)

    def draw(self, view: View) -> None:
        """Show the screen, if there is one."""
        if not self._interactive:
            return
        size = shutil.get_terminal_size()
        text = screen(view, size.columns, size.lines, color="NO_COLOR" not in os.environ)
        if text != self._drawn:
            first = "" if self._drawn else _CLEAR
            self._drawn = text
            lines = f"{_CLEAR_LINE}\n".join(text.split("\n"))
            sys.stdout.write(f"{first}{_HOME}{lines}{_CLEAR_REST}")
            sys.stdout.flush()


@contextlib.contextmanager
def open_console() -> Iterator[Console]:
    """Return the console; on a terminal, keys are read one by one and not shown, until the end of the block."""
    if not (sys.stdin and sys.stdin.isatty() and sys.stdout.isatty()):
        yield Console(interactive=False)
        return
    if sys.platform == "win32":
        os.system("")  # enables escape sequences in the console of Windows
        yield Console(interactive=True)
        return
    import termios
    import tty

    before = termios.tcgetattr(sys.stdin)
    tty.setcbreak(sys.stdin)  # Ctrl-C still is a signal
    try:
        yield Console(interactive=True)
    finally:
        termios.tcsetattr(sys.stdin, termios.TCSADRAIN, before)
        print()


def _read_key() -> str:
    """Wait for a key and return it; empty at the end of the input."""
    if sys.platform == "win32":
        import msvcrt

        return msvcrt.getwch()
    try:
        return os.read(sys.stdin.fileno(), 1).decode("ascii", errors="replace")
    except OSError:  # the terminal is gone
        return ""
