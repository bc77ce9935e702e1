"""Check that a Gradescope image can grade, at the end of setup.sh.

`python -m grader.platforms.gradescope_setup [/autograder]`
"""

import compileall
import os
import sys

from data.commandline import print_everywhere
from grader.grading import seeds
from grader.grading.options import ROOT
from grader.judge.offering import OfferingError, load_offering

from .container import SANDBOX
from .gradescope import root_folder

_NEEDED = ("hypothesis", "matplotlib", "psutil", "pytest", "safetensors", "scipy", "torch")


def main(argv: list[str]) -> int:
    """Check everything that a grading needs; return 0, or print one line about the problem and return 1."""
    print_everywhere()
    root = root_folder(argv, "gradescope_setup", __doc__)
    try:
        load_offering()
        seeds.find_secret({}, root / "source" / seeds.FILE_NAME)
        for package in _NEEDED:
            __import__(package)
        sandbox = _sandbox(os.environ.get(SANDBOX, "user"))
    except (OfferingError, seeds.SecretError, ImportError, ValueError) as error:
        print(f"not ready: {error}", file=sys.stderr)
        return 1
    for folder in ("grader", "data"):
        compileall.compile_dir(ROOT / folder, quiet=2)
    print(f"ready: Python {sys.version.split()[0]}, torch {sys.modules['torch'].__version__}, sandbox {sandbox}")
    return 0


def _sandbox(name: str) -> str:
    """Return the name of the sandbox if it works here.

    Raises:
        ValueError: It does not work; the message says why.
    """
    from grader.sandbox.choose import proven
    from grader.sandbox.zygote import SandboxError

    try:
        return proven(name)
    except SandboxError as error:
        raise ValueError(str(error)) from None


if __name__ == "__main__":
    sys.exit(main(sys.argv))
