"""Ctrl-C for a command under test, however the tests themselves were started."""

import signal


def listen() -> None:
    """Undo, in a child before it runs its command, that SIGINT is ignored: shells do that to jobs in the background."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    signal.signal(signal.SIGHUP, signal.SIG_DFL)  # nohup does the same with this one
