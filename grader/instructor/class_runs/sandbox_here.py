"""Choose the sandbox on this machine for a value of --sandbox: `chosen_here(NAME)`, or this file run as a program.

The choice is made in a separate process: it imports torch, and 300 MB of it would remain in every dask worker.
A sandbox is chosen only after it was started with all packages. Otherwise each submission of a class would fail in it.
"""

import subprocess
import sys

from grader.grading.options import ROOT


class NoSuchSandbox(Exception):  # noqa: N818
    """The requested sandbox does not work here; the message says why."""


def chosen_here(name: str) -> str:
    """Return the name of the sandbox to use here; for `auto`, the best one that works.

    Raises:
        NoSuchSandbox: The requested sandbox does not work here.
    """
    command = [sys.executable, "-m", "grader.instructor.class_runs.sandbox_here", name]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, stdin=subprocess.DEVNULL, check=False)
    if done.returncode != 0:
        raise NoSuchSandbox((done.stderr.strip().splitlines() or [f"--sandbox={name} does not work here"])[-1])
    return done.stdout.strip()


def main() -> None:
    """Print the name of the sandbox."""
    from grader.sandbox import choose
    from grader.sandbox.zygote import SandboxError

    try:
        print(choose.proven(sys.argv[1]))
    except SandboxError as error:
        sys.exit(str(error))


if __name__ == "__main__":
    main()
