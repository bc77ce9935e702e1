"""Files that try to reach the process that forked them, or the next submission. They are bounded, and loopback only.

What would hurt other people's processes where there is no process namespace runs only inside one.
"""

from tests.zoo.hostile.entry import AS_ANSWERED, Hostile, before_kl, file, kl, shielded

_IN_A_NAMESPACE = "if os.getppid() == 1:\n    namespaced()\n"

SIBLINGS = (
    Hostile(
        "writes to files that others read",
        before_kl(
            """
            program = sys.modules["worker"].__path__[0]
            for path in (torch.__file__, json.__file__, __file__, program + "/serve.py", sys.executable):
                for act in (
                    lambda: open(path, "r+b").write(b"raise SystemExit"),
                    lambda: os.chmod(path, 0o777),
                    lambda: os.truncate(path, 0),
                    lambda: os.replace(path, path + ".old"),
                    lambda: os.unlink(path),
                    lambda: open(os.path.dirname(path) + "/sitecustomize.py", "w").write("raise SystemExit"),
                ):
                    try:
                        act()
                    except OSError:
                        pass
            """
        ),
        AS_ANSWERED,
    ),
    Hostile(
        "changes libraries in memory",
        before_kl(
            """
            libc = ctypes.CDLL(None)
            address = ctypes.cast(libc.labs, ctypes.c_void_p).value
            if libc.mprotect(ctypes.c_void_p(address & ~4095), 8192, 7) == 0:
                ctypes.memset(address, 0, 8)
            """
        ),
        AS_ANSWERED,
    ),
    Hostile(
        "signals everybody",
        file(
            """
            def namespaced():
                for pid in (1, *range(2, 2000), -1):
                    for number in (signal.SIGSTOP, signal.SIGINT, signal.SIGTERM, signal.SIGKILL):
                        try:
                            if pid not in (os.getpid(), -1) or number != signal.SIGSTOP and pid != os.getpid():
                                os.kill(pid, number)
                        except OSError:
                            pass
            """,
            _IN_A_NAMESPACE,
        ),
        AS_ANSWERED,
    ),
    Hostile(
        "speaks to the parent",
        before_kl(
            shielded(
                """
                commands = [{"do": "end", "number": ""}, {"do": "open", "number": ""}, {"refused": "", "number": ""}]
                for descriptor in range(256):
                    try:
                        found = socket.socket(fileno=os.dup(descriptor))
                        if found.type == socket.SOCK_SEQPACKET:
                            for command in commands:
                                found.send(json.dumps(command).encode())
                    except OSError:
                        pass
                for line in open("/proc/net/unix"):
                    try:
                        name = line.split()[7].replace("@", chr(0), 1)
                        for kind in (socket.SOCK_SEQPACKET, socket.SOCK_STREAM):
                            found = socket.socket(socket.AF_UNIX, kind)
                            found.settimeout(0.1)
                            found.connect(name)
                            found.send(json.dumps(commands[0]).encode())
                    except (OSError, IndexError):
                        pass
                """
            )
        ),
        AS_ANSWERED,
    ),
    Hostile(
        "reaches into other processes",
        file(
            """
            def namespaced():
                libc = ctypes.CDLL(None)
                for pid in [name for name in os.listdir("/proc") if name.isdigit() and int(name) != os.getpid()]:
                    for name in ("mem", "environ", "maps", "oom_score_adj", "clear_refs", "root/tmp/left-by-a-sibling"):
                        try:
                            with open(f"/proc/{pid}/{name}", "r+b", buffering=0) as opened:
                                opened.write(b"1000")
                        except OSError:
                            pass
                    libc.ptrace(16, int(pid), 0, 0)
                    libc.setpriority(0, int(pid), 19)
                    libc.prlimit(int(pid), 0, ctypes.byref((ctypes.c_ulong * 2)(1, 1)), None)
                for folder in ("/vae-sandbox/kernel", "/proc/1/root", "/proc/1/cwd", "/proc/1/fd"):
                    try:
                        if os.listdir(folder) and "kernel" in folder:
                            print(folder, "is not empty")
                    except OSError:
                        pass
            """,
            _IN_A_NAMESPACE,
        ),
        AS_ANSWERED,
    ),
    Hostile(
        "enters new namespaces",
        before_kl(
            """
            libc = ctypes.CDLL(None)
            clone, clone3 = {"x86_64": (56, 435)}.get(os.uname().machine, (220, 435))
            reached = [libc.unshare(1 << bit) for bit in (17, 25, 26, 27, 28, 29, 30)]
            for bit in (17, 25, 26, 27, 28, 29, 30):
                pid = libc.syscall(clone, ctypes.c_ulong(1 << bit | signal.SIGCHLD), None, None, None, None)
                if pid == 0:
                    os._exit(0)
                reached.append(pid)
            arguments = (ctypes.c_uint64 * 11)(1 << 28, 0, 0, 0, signal.SIGCHLD)
            pid = libc.syscall(clone3, ctypes.byref(arguments), 88)
            if pid == 0:
                os._exit(0)
            reached.append(pid)
            for name in ("user", "mnt", "pid", "net", "ipc"):
                try:
                    reached.append(libc.setns(os.open(f"/proc/1/ns/{name}", os.O_RDONLY), 0))
                except OSError:
                    pass
            for target in (b"/", b"/tmp", b"/proc", b"/vae-sandbox/kernel", b"/vae-sandbox/submission"):
                reached += [libc.umount2(target, 2), libc.mount(b"tmpfs", target, b"tmpfs", 0, None)]
                reached += [libc.mount(None, target, None, 32 | 4096, None)]
            reached += [libc.chroot(b"/tmp"), libc.pivot_root(b"/tmp", b"/tmp") if hasattr(libc, "pivot_root") else -1]
            if any(result >= 0 for result in reached):
                raise ValueError(f"reached {reached}")
            """
        ),
        AS_ANSWERED,
    ),
    Hostile(
        "leaves all kinds of things",
        file(
            """
            libc = ctypes.CDLL(None)
            for folder in ("/tmp", "/dev/shm", "/var/tmp", "/vae-sandbox", "/vae-sandbox/submission", "..", "."):
                try:
                    os.symlink("/proc/1/root", folder + "/left-by-a-sibling.link")
                    open(folder + "/left-by-a-sibling", "w").write("x")
                    os.chmod(folder, 0)
                except OSError:
                    pass
            libc.shmget(0x7AE, 4096, 0o1666)
            libc.sem_open(b"/left-by-a-sibling", os.O_CREAT, 0o666, 1)
            try:
                held = socket.socket(socket.AF_UNIX)
                held.bind(chr(0) + "left-by-a-sibling")
            except OSError:
                pass
            if os.fork() == 0:
                os.setsid()
                if os.fork() == 0:
                    time.sleep(600)
                os._exit(0)
            """
        ),
        AS_ANSWERED,
    ),
    Hostile(
        "uses up process ids",
        before_kl(
            """
            for _ in range(2000):
                if os.fork() == 0:
                    os.setsid()
                    os._exit(0)
            time.sleep(1000)
            """
        ),
        kl(0, "crashed"),
        ("processes and threads",),
    ),
)

INNOCENT = before_kl(
    """
    found = []
    for folder in ("/tmp", "/dev/shm", "/var/tmp", "/vae-sandbox", os.path.dirname(__file__), "..", "."):
        if os.path.isdir(folder):
            found += [name for name in os.listdir(folder) if name.startswith("left-by-a-sibling")]
            if folder in ("/tmp", "/dev/shm") and os.getppid() == 1:
                found += os.listdir(folder)
    libc = ctypes.CDLL(None)
    if not any(ctypes.string_at(ctypes.cast(libc.labs, ctypes.c_void_p).value, 8)):
        found.append("a changed library")
    if libc.shmget(0x7AE, 4096, 0) >= 0:
        found.append("shared memory")
    try:
        socket.socket(socket.AF_UNIX).bind(chr(0) + "left-by-a-sibling")
    except OSError:
        found.append("a socket")
    pids = sorted(int(name) for name in os.listdir("/proc") if name.isdigit())
    if os.getppid() == 1 and pids != [1, os.getpid()]:
        found.append(f"processes {pids}")
    if found:
        raise ValueError(f"found {found}")
    """
)
"""A file with the same answers that looks for what an earlier submission left; `kl` loses its points if it finds it."""
