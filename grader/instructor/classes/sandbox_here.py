"""Which sandbox a name stands for on this machine: `chosen(NAME)`, or this file as a program.

Asked in a process of its own: to look, the sandboxes import torch, and 300 MB of it would stay in every dask worker.
Each is started, packages and all, before it is chosen: a class must not find out one by one that it cannot be graded.
"""

import subprocess
import sys

from grader.grading.options import ROOT


class NoSuchSandbox(Exception):  # noqa: N818
    """The sandbox asked for does not work here; the message says why."""


def chosen_here(name: str) -> str:
    """Return the name of the sandbox that `name` stands for here: `auto` is the best that works.

    Raises:
        NoSuchSandbox: The one asked for does not work here.
    """
    command = [sys.executable, "-m", "grader.instructor.classes.sandbox_here", name]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, stdin=subprocess.DEVNULL, check=False)
    if done.returncode != 0:
        raise NoSuchSandbox((done.stderr.strip().splitlines() or [f"--sandbox={name} does not work here"])[-1])
    return done.stdout.strip()


def main() -> None:
    """Print the answer."""
    from grader.sandbox import choose
    from grader.sandbox.zygote import SandboxError

    try:
        print(choose.proven(sys.argv[1]))
    except SandboxError as error:
        sys.exit(str(error))


if __name__ == "__main__":
    main()
