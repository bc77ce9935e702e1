"""The trials as one submission, whose kl() makes the one whose number it is given."""

import textwrap

from .trials import TRIALS

FIND_REMAINS = len(TRIALS)
"""Number of the code that looks for what an earlier worker left."""

_FIND_REMAINS = """
said = " ".join(
    folder for folder in ("/tmp", "/dev/shm", "/var/tmp", os.path.dirname(os.getcwd()), OUTSIDE)
    if os.path.isdir(folder) and os.access(folder, os.R_OK)
    for found, _, files in os.walk(folder) if "left-" + TOKEN in files
)
libc = ctypes.CDLL(None)
if (left := libc.shmget(0x7AE, 4096, 0)) >= 0:
    said += " shared memory"
    libc.shmctl(left, 0, 0)  # and away with it
"""


def hostile_file(known: dict[str, str | int]) -> str:
    """Return the text of a submission that makes the trial whose number is the first mean, when kl() is called."""
    codes = [textwrap.dedent(code) for code in (*(trial.code for trial in TRIALS), _FIND_REMAINS)]
    names = "".join(f"{name} = {value!r}\n" for name, value in known.items())
    return f"""
import ctypes, importlib, mmap, os, signal, socket, sys, time
import torch
{names}
CODES = {codes!r}
said = ""

class DiagonalGaussianDistribution:
    def __init__(self, mean, logvar=None):
        self.number = int(mean[0, 0])

    def kl(self):
        global said
        said = ""
        try:
            exec(CODES[self.number], globals())
        except OSError:
            pass
        return torch.tensor(list(said.encode()), dtype=torch.uint8)
"""
