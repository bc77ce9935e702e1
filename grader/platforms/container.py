"""Grade in a container of a platform: Gradescope, PrairieLearn, Autolab. Its memory is limited, and it has a secret."""

import contextlib
import os
import traceback
from collections.abc import Callable
from pathlib import Path

from grader.grading import seeds

from .official_grading import FAILED, OfficialVerdict, judge, ungraded

LEAST_MIB = 1024
"""Measured: the reference needs about 830 MiB; with 768 MiB, the kernel kills processes of correct submissions."""
_LIMITS = ("memory.max", "memory/memory.limit_in_bytes")  # of control groups, version 2 and version 1
SANDBOX = "VAE_GRADER_SANDBOX"
"""Environment variable to select another sandbox. Tests need it if only the owner can read the Python installation."""
_TOO_SMALL = "Nothing was graded: {}. This is not your mistake: please tell your instructor."


def too_small(groups: Path = Path("/sys/fs/cgroup")) -> str:
    """Return a message for the instructor if the container has too little memory; empty if it is enough or unknown.

    Args:
        groups: Folder with the limits of the container's own control group.
    """
    for name in _LIMITS:
        with contextlib.suppress(OSError, ValueError):  # no such file, or its content is "max"
            mib = int((groups / name).read_text(encoding="ascii")) >> 20
            if mib < LEAST_MIB:
                return f"this container has {mib} MiB of memory, and the grader needs 1.5 GB: choose a larger one"
    return ""


def judge_in_container(submission: Path, find_secret: Callable[[], bytes], sandbox: str) -> OfficialVerdict:
    """Grade a submission in this container. Never raises; details of a failure are printed for the instructor.

    Args:
        submission: A file, or a folder or an archive with one VAE_Model.py in it.
        find_secret: Returns the secret of the offering.
        sandbox: Name of the sandbox, unless the environment selects another one.
    """
    try:
        os.environ.pop(seeds.VARIABLE, None)
        secret = find_secret()
        if reason := too_small():  # grade nothing rather than take points away for lack of memory
            print(reason, flush=True)
            return ungraded(_TOO_SMALL.format(reason), "out of memory", sound=False)
        # One lane, so that only one worker runs at a time: containers have little memory.
        return judge(submission, secret, sandbox=os.environ.get(SANDBOX, sandbox), lanes=1)
    except Exception:  # e.g. the secret is missing: the container was set up incorrectly
        traceback.print_exc()
        return ungraded(FAILED, "crashed", sound=False)
