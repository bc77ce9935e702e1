"""Files that end, hang or exhaust: themselves, and nobody else."""

from tests.zoo.hostile.entry import AS_ANSWERED, Hostile, before_kl, file, kl, none, shielded

ENDS = (
    Hostile(
        "os._exit(0) on import",
        file("os._exit(0)\n"),
        none("crashed"),
        ("your code ended its process while your file was imported, with exit status 0",),
    ),
    Hostile("os._exit(0) in kl", before_kl("os._exit(0)"), kl(0, "crashed"), ("ended its process in this task",)),
    Hostile("sys.exit on import", file("sys.exit(0)\n"), none("crashed"), ("sys.exit() was called",)),
    Hostile("sys.exit in kl", before_kl("sys.exit(0)"), kl(0, "crashed"), ("sys.exit() was called in your code",)),
    Hostile("os._exit at the end", file("import atexit\natexit.register(os._exit, 0)\n"), AS_ANSWERED),
    Hostile("KeyboardInterrupt", before_kl("raise KeyboardInterrupt"), kl(0, "crashed"), ("KeyboardInterrupt",)),
    Hostile("pytest's own exit", before_kl("import pytest\npytest.exit('done', 0)"), kl(0, "crashed"), ("Exit",)),
    Hostile("segmentation fault", before_kl("ctypes.string_at(0)"), kl(0, "crashed"), ("by signal 11",)),
    Hostile(
        "recursion without end",
        before_kl("sys.setrecursionlimit(10**9)", "x = []", "for _ in range(10**6):\n    x = [x]", "repr(x)"),
        kl(0, "crashed"),
        ("by signal 11",),
    ),
    Hostile("aborts", before_kl("os.abort()"), kl(0, "crashed"), ("by signal 6",)),
    Hostile("loop in Python", before_kl("while True: pass"), kl(0, "timed out"), ("CPU seconds in this task",)),
    Hostile("loop in C", before_kl("re.match('(a+)+$', 'a' * 40 + 'b')"), kl(0, "timed out"), ("CPU seconds",)),
    Hostile("loop on import", file("while True: pass\n"), none("timed out"), ("while your file was imported",)),
    Hostile(
        "loop that ignores signals",
        before_kl(
            """
            for number in range(1, 65):
                try:
                    signal.signal(number, signal.SIG_IGN)
                except (OSError, ValueError):
                    pass
            while True:
                pass
            """
        ),
        kl(0, "timed out"),
    ),
    Hostile("sleeps", before_kl("time.sleep(1000)"), kl(0, "timed out"), ("more than",)),
    Hostile(
        "raises its own limits",
        before_kl("import resource\nresource.setrlimit(resource.RLIMIT_CPU, (10**6, 10**6))"),
        kl(0, "crashed"),
        ("ValueError",),
    ),
    Hostile("memory at once", before_kl("x = bytearray(8 << 30)"), kl(0, "out of memory"), ("more memory",)),
    Hostile("memory in a tensor", before_kl("torch.ones(2 << 30)"), kl(0, "out of memory"), ("more memory",)),
    Hostile(
        "memory in many processes",
        before_kl(
            """
            import mmap
            for _ in range(12):
                if os.fork() == 0:
                    block = mmap.mmap(-1, 512 << 20)
                    for page in range(0, len(block), 4096):
                        block[page] = 1
                    time.sleep(1000)
            time.sleep(1000)
            """
        ),
        kl(0, "out of memory"),
        ("MiB together",),
    ),
    Hostile(
        "fork storm",
        before_kl("for _ in range(10):\n    os.fork()\ntime.sleep(1000)"),
        kl(0, "crashed"),
        ("processes and threads",),
    ),
    Hostile(
        "thread storm",
        before_kl(
            """
            threading.stack_size(1 << 16)
            for _ in range(2000):
                threading.Thread(target=time.sleep, args=(1000,), daemon=True).start()
            time.sleep(1000)
            """
        ),
        kl(0, "crashed"),
    ),
    Hostile(  # 20 MB a call: ten times as much takes all of a task's CPU seconds, where two cores share a pipe
        "output flood",
        before_kl("for _ in range(200):\n    print('x' * 100_000)"),
        AS_ANSWERED,
    ),
    Hostile(
        "fills the disk",
        before_kl(
            """
            for number in range(1000):
                with open(str(number), "wb") as f:
                    f.write(bytes(1 << 20))
            time.sleep(1000)
            """
        ),
        kl(0, "crashed"),
    ),
    Hostile(
        "folders in folders",
        file(
            """
            for _ in range(1500):
                os.mkdir("d")
                os.chdir("d")
            os.chmod(".", 0)
            """
        ),
        AS_ANSWERED,
    ),
    Hostile(
        "closes every descriptor",
        before_kl("os.closerange(0, 256)"),
        kl(0, "crashed"),
    ),
    Hostile(
        "a daemon that stays",
        file(
            """
            if os.fork() == 0:
                os.setsid()
                for number in (signal.SIGHUP, signal.SIGTERM, signal.SIGINT):
                    signal.signal(number, signal.SIG_IGN)
                if os.fork() == 0:
                    os.execv(sys.executable, [sys.executable, "-ISc", "import time; time.sleep(600)", "@TOKEN@"])
                os._exit(0)
            """
        ),
        AS_ANSWERED,
    ),
    Hostile(
        "kills who started it",
        before_kl(
            shielded(
                """
                for pid in (os.getppid(), @DECOY@):
                    for number in (signal.SIGSTOP, signal.SIGKILL):
                        try:
                            os.kill(pid, number)
                        except OSError:
                            pass
                """
            )
        ),
        AS_ANSWERED,
    ),
)
