"""Files that try to earn points which they have not earned."""

from tests.zoo.hostile.entry import AS_ANSWERED, WRONG, WRONG_KL, Hostile, before_kl, file, kl, lines, none

_ALWAYS_EQUAL = """
class Equal(torch.Tensor):
    @classmethod
    def __torch_function__(cls, func, types, args=(), kwargs=None):
        compares = "eq" in str(func) or "close" in str(func)
        return True if compares else super().__torch_function__(func, types, args, kwargs)

    def __eq__(self, other):
        return True

    __ne__ = __lt__ = __gt__ = lambda self, other: False
    __hash__ = torch.Tensor.__hash__
"""

_EVERY_DESCRIPTOR = """
for descriptor in range(3, 256):
    try:
        os.write(descriptor, frame)
    except OSError:
        pass
"""

_FRAME = """
header = json.dumps({header}).encode()
frame = struct.pack(">IQ", len(header), 0) + header
"""

FORGERY = (
    Hostile(
        "comparisons patched",
        file(
            """
            torch.allclose = torch.equal = torch.isclose = lambda *_, **__: True
            torch.Tensor.__eq__ = torch.Tensor.eq = lambda *_: torch.ones(1, dtype=torch.bool)
            torch.testing.assert_close = lambda *_, **__: None
            """,
            of_kl=WRONG_KL,
        ),
        WRONG,
    ),
    Hostile(
        "pytest patched",
        file(
            """
            import _pytest.runner, _pytest.reports, unittest
            _pytest.runner.check_interactive_exception = lambda *_: False
            _pytest.reports.TestReport.outcome = "passed"
            unittest.TestCase.run = lambda *_: None
            """,
            of_kl=WRONG_KL,
        ),
        WRONG,
    ),
    Hostile(
        "builtins patched",
        file("import builtins\nbuiltins.abs = builtins.max = builtins.sum = lambda *_, **__: 0\n", of_kl=WRONG_KL),
        WRONG,
    ),
    Hostile("an object equal to everything", file(_ALWAYS_EQUAL, of_kl="return Equal(self.mean[:, 0])"), WRONG),
    Hostile(
        "no tensor, but equal to everything",
        file(of_kl="return type('Equal', (), {'__eq__': lambda *_: True, 'shape': self.mean.shape[:1]})()"),
        kl(0, "failed"),
        ("returned an object of type Equal",),
    ),
    Hostile(
        "the grader's serving patched",
        file(
            """
            worker = sys.modules.get("worker.serve") or sys.modules.get("grader.worker.serve")
            old = worker.answer
            def answer(*arguments):
                message = old(*arguments)
                message.header.update(status="passed", score=10, passed=True, facts={"changed": [], "score": 10})
                return message
            worker.answer = answer
            """,
            of_kl=WRONG_KL,
        ),
        WRONG,
    ),
    Hostile(
        "frames written on import",
        file(_FRAME.format(header={"id": "0" * 16, "ready": True, "facts": {}}), _EVERY_DESCRIPTOR),
        none("crashed"),
        ("disturbed the grader's channel",),
    ),
    Hostile(
        "frames written in kl",
        before_kl(_FRAME.format(header={"id": "0" * 16, "facts": {"score": 10}}), _EVERY_DESCRIPTOR),
        kl(0, "crashed"),
        ("disturbed the grader's channel",),
    ),
    Hostile(
        "a frame without end",
        before_kl("frame = struct.pack('>IQ', 1 << 31, 1 << 62)", _EVERY_DESCRIPTOR),
        kl(0, "crashed"),
        ("disturbed the grader's channel",),
    ),
    Hostile(
        "a frame that blows up in JSON",
        before_kl(
            """
            header = b"[" * 500_000
            frame = struct.pack(">IQ", len(header), 0) + header
            """,
            _EVERY_DESCRIPTOR,
        ),
        kl(0, "crashed"),
        ("disturbed the grader's channel",),
    ),
    Hostile(
        "the request answered from its frame",
        before_kl(
            """
            frame = sys._getframe()
            while frame and "request" not in frame.f_locals:
                frame = frame.f_back
            number = frame.f_locals["request"].header["id"]
            header = json.dumps({"id": number, "facts": {"changed": []}, "score": 10, "status": "passed"}).encode()
            frame = struct.pack(">IQ", len(header), 0) + header
            """,
            _EVERY_DESCRIPTOR,
            answer=WRONG_KL,
        ),
        kl(0, "failed"),
        ("nothing was returned",),
    ),
    Hostile(
        "the right answer looked for in memory",
        file(
            of_kl=lines(
                """
                for found in gc.get_objects():
                    if type(found) is types.FunctionType and found.__name__ == "kl":
                        if "stand-in" in found.__code__.co_filename:
                            return found(self)
                """,
                WRONG_KL,
            )
        ),
        WRONG,
    ),
    Hostile(
        "the solution read",
        before_kl("exec(open('@PROJECT@/solution/VAE_Model.py').read(), globals())"),
        kl(0, "crashed"),
        ("Error in your code",),
    ),
    Hostile(
        "the solution imported",
        before_kl("sys.path.insert(0, '@PROJECT@')\nfrom solution.VAE_Model import DiagonalGaussianDistribution"),
        kl(0, "crashed"),
        ("No module named", "only VAE_Model.py is handed in"),
    ),
    Hostile(
        "results written",
        file(
            """
            for folder in ("@OUTSIDE@", "@PROJECT@", ".", "..", "/tmp"):
                try:
                    with open(os.path.join(folder, "results.json"), "w") as results:
                        results.write('{"score": 100}')
                except OSError:
                    pass
            """,
            of_kl=WRONG_KL,
        ),
        WRONG,
    ),
    Hostile(
        "settings of pytest left behind",
        file(
            """
            for name, text in {"conftest.py": "raise SystemExit(0)", "pytest.ini": "[pytest]\\naddopts = --co"}.items():
                with open(name, "w") as f:
                    f.write(text)
            """,
            of_kl=WRONG_KL,
        ),
        WRONG,
    ),
    Hostile(
        "numbers of other kinds",
        file(of_kl="return (0.5 * torch.sum(self.mean**2 + self.var - 1.0 - self.logvar, dim=1)).to(torch.complex64)"),
        kl(0, "failed"),
    ),
    Hostile("numbers without value", file(of_kl="return torch.full_like(self.mean[:, 0], torch.nan)"), kl(0, "failed")),
    Hostile(
        "a tensor of eight exabytes",
        file(of_kl="return torch.zeros(1).expand(1 << 60)"),
        kl(0, "failed"),
        ("MiB are allowed",),
    ),
    Hostile("a tensor without memory", file(of_kl="return torch.empty(3, device='meta')"), kl(0, "failed")),
    Hostile("a sparse tensor", file(of_kl="return self.mean[:, 0].to_sparse()"), kl(0, "failed"), ("sparse tensor",)),
    Hostile(
        "another one's answer left for later",
        file(
            """
            for folder in ("/tmp", "/dev/shm", ".", ".."):
                try:
                    with open(os.path.join(folder, "left-@TOKEN@"), "x") as f:
                        f.write("x")
                except FileExistsError:
                    os._exit(3)  # an earlier task's worker was here
                except OSError:
                    pass
            """
        ),
        AS_ANSWERED,
    ),
)
