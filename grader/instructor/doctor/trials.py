"""The trials of the doctor: what a hostile file would try, and how the judge detects success."""

import textwrap
from collections.abc import Callable
from dataclasses import dataclass

from grader.sandbox.failure import Failure
from grader.sandbox.worker import Ceilings, WorkerLimits

MIB = 1 << 20
LIMITS = WorkerLimits(cpu_s=2.0, wall_s=20.0, memory_bytes=1024 * MIB, file_bytes=64 * MIB)
CEILINGS = Ceilings(memory_bytes=1536 * MIB, threads=64, folder_bytes=64 * MIB)


@dataclass(frozen=True)
class TrialOutcome:
    """The outcome of a trial.

    Attributes:
        said: What the file claims to have reached; empty if everything was refused.
        failure: How its task failed; None if it did not.
        afterwards: Traces of the trial that a later worker of the same submission found.
        token_seen: Whether the judge saw, outside the sandbox, that the trial had broken out.
        zygote_lost: Whether the process that forks the workers had to be replaced.
    """

    said: str
    failure: Failure | None
    afterwards: str
    token_seen: bool
    zygote_lost: bool


@dataclass(frozen=True)
class Trial:
    """An attempt that must not succeed.

    Attributes:
        id: Name of the trial.
        title: What it tries to do.
        code: Statements that set `said` to what they reached. They can use these variables: TOKEN, a secret of the
            judge; CANARY, a file outside that contains it; OUTSIDE, a folder where everyone may write; PROJECT, the
            root folder of the project; PORT, where the judge listens; DECOY, the pid of a process of the judge's user.
        enforced: Function that returns whether an outcome shows that the attempt was prevented.
    """

    id: str
    title: str
    code: str
    enforced: Callable[[TrialOutcome], bool]


def _refused(outcome: TrialOutcome) -> bool:
    return not outcome.said and not outcome.token_seen


def _ended_as(status: str) -> Callable[[TrialOutcome], bool]:
    return lambda outcome: outcome.failure is not None and outcome.failure.status == status


def _nothing_left(outcome: TrialOutcome) -> bool:
    return not outcome.afterwards and not outcome.token_seen


TRIALS = (
    Trial("read", "read a file outside", "said = open(CANARY).read()", _refused),
    Trial(
        "read-project",
        "read the solution, the judge, the points",
        """
        for path in ("solution/VAE_Model.py", "grader/judge/oracles.py", "grader/offering.toml",
                     "grader/worker/standins.py", "tests/zoo/build.py"):
            try:
                open(os.path.join(PROJECT, path)).read()
                said += path + " "
            except OSError:
                pass
        """,
        _refused,
    ),
    Trial(
        "import-project",
        "import the solution or the judge",
        """
        sys.path[:0] = [PROJECT, os.getcwd()]
        for name in ("solution.VAE_Model", "grader.judge.oracles", "data", "tests.zoo"):
            try:
                importlib.import_module(name)
                said += name + " "
            except ImportError:
                pass
        """,
        _refused,
    ),
    Trial(
        "environment",
        "read the environment of other processes",
        """
        for pid in os.listdir("/proc"):
            try:
                if TOKEN in open(f"/proc/{pid}/environ").read():
                    said += pid + " "
            except (OSError, ValueError):
                pass
        """,
        _refused,
    ),
    Trial(
        "connect",
        "connect to a server of this machine",
        "socket.create_connection(('127.0.0.1', PORT), 1).sendall(TOKEN.encode())\nsaid = 'connected'",
        _refused,
    ),
    Trial(
        "write",
        "write outside",
        "open(os.path.join(OUTSIDE, TOKEN), 'w').write('x')\nsaid = 'written'",
        _refused,
    ),
    Trial("compute", "compute without end", "while True: pass", _ended_as("timed out")),
    Trial("memory", "allocate too much", "said = str(len(bytearray(2 << 30)))", _ended_as("out of memory")),
    Trial(
        "memory-together",
        "allocate too much in several processes",
        """
        for _ in range(8):
            if os.fork() == 0:
                block = mmap.mmap(-1, 512 << 20)
                for page in range(0, len(block), 4096):
                    block[page] = 1
                time.sleep(30)
                os._exit(0)
        time.sleep(15)
        said = "8 x 512 MiB"
        """,
        _ended_as("out of memory"),
    ),
    Trial(
        "fork",
        "start too many processes",
        """
        for _ in range(400):
            if os.fork() == 0:
                time.sleep(30)
                os._exit(0)
        time.sleep(10)
        said = "400 processes"
        """,
        lambda outcome: not outcome.said,
    ),
    Trial(
        "files",
        "fill the disk",
        """
        for number in range(256):
            with open(f"file-{number}", "wb") as file:
                file.write(bytes(1 << 20))
        time.sleep(3)
        said = "256 MiB"
        """,
        lambda outcome: not outcome.said,
    ),
    Trial(
        "survive",
        "keep running after the end of the task",
        """
        if os.fork() == 0:
            os.setsid()
            for number in (signal.SIGHUP, signal.SIGTERM, signal.SIGINT):
                signal.signal(number, signal.SIG_IGN)
            if os.fork() == 0:
                os.execv(sys.executable, [sys.executable, "-ISc", "import time; time.sleep(60)", TOKEN])
            os._exit(0)
        time.sleep(0.5)
        """,
        _nothing_left,
    ),
    Trial(
        "leave",
        "leave something for the next task",
        """
        for folder in (os.getcwd(), "/tmp", "/dev/shm", "/var/tmp", OUTSIDE):
            try:
                open(os.path.join(folder, "left-" + TOKEN), "w").write("x")
            except OSError:
                pass
        libc = ctypes.CDLL(None)
        libc.shmget(0x7AE, 4096, 0o1666)  # System V shared memory has no file, and remains after its processes end
        """,
        _nothing_left,
    ),
    Trial(
        "kill",
        "end the process that started it, and others",
        """
        for pid in (os.getppid(), DECOY):
            for number in (signal.SIGSTOP, signal.SIGKILL):
                try:
                    os.kill(pid, number)
                except OSError:
                    pass
        time.sleep(0.3)
        """,
        lambda outcome: not outcome.zygote_lost and not outcome.token_seen,
    ),
    Trial(
        "look",
        "inspect the process that started it",
        """
        PTRACE_ATTACH = 16
        for pid in (os.getppid(), DECOY):
            if ctypes.CDLL(None).ptrace(PTRACE_ATTACH, pid, 0, 0) == 0:
                said += "ptrace "
            try:
                open(f"/proc/{pid}/mem", "rb")
                said += "memory "
            except OSError:
                pass
        """,
        _refused,
    ),
)


FIND_REMAINS = len(TRIALS)
"""Number of the code that looks for traces of an earlier worker."""

_FIND_REMAINS = """
said = " ".join(
    folder for folder in ("/tmp", "/dev/shm", "/var/tmp", os.path.dirname(os.getcwd()), OUTSIDE)
    if os.path.isdir(folder) and os.access(folder, os.R_OK)
    for found, _, files in os.walk(folder) if "left-" + TOKEN in files
)
libc = ctypes.CDLL(None)
if (left := libc.shmget(0x7AE, 4096, 0)) >= 0:
    said += " shared memory"
    libc.shmctl(left, 0, 0)  # delete it
"""


def hostile_file(known: dict[str, str | int]) -> str:
    """Return the source of a hostile submission: kl() runs the trial whose number is the first entry of `mean`."""
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
