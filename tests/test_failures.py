"""What a student reads about a failure: it is about his own code, and where it was, whatever stands in for the rest."""

import os
import platform
import re
import sys
import tempfile
import textwrap
import time
from collections.abc import Iterator
from importlib import metadata
from pathlib import Path
from typing import Any

import pytest
import torch

from grader.grading.session import standin_sources
from grader.grading.verdicts import explanation_of
from grader.judge.inputs import Draw
from grader.judge.known_models import random_model
from grader.sandbox.bubblewrap import Bubblewrap
from grader.sandbox.failure import LEFT_EMPTY, RETURNED_NONE, Failure, from_error, trace_lines
from grader.sandbox.process import PlainProcess
from grader.sandbox.submission import take
from grader.sandbox.unforked import UnforkedProcess
from grader.sandbox.worker import WorkerLimits
from grader.worker.errors import describe
from grader.worker.not_attempted import does_nothing
from grader.worker.submission import load_submission
from grader.worker.zygote import new_trace, taken_trace
from tests.acts import SMALL, failure, why_not
from tests.wording import numbers
from tests.zoo.build import reference

OURS = re.compile(r"einsum|Known|Linear(En|De)coder|Any(En|De)coder|stand-in|standin|worker|\.py")
EMPTY = ("pass", "...", "return None", "return", '"""Only a docstring."""')

posix = pytest.mark.skipif(os.name != "posix", reason="needs signals")


def method(owner: str, name: str, arguments: str, body: str) -> str:
    """Return statements that give a class another method."""
    text = textwrap.indent(textwrap.dedent(body).strip("\n"), "    ")
    return f"def {name}({arguments}):\n{text}\n{owner}.{name} = {name}"


def kl(body: str) -> str:
    return method("DiagonalGaussianDistribution", "kl", "self", body)


def forward(body: str) -> str:
    return method("VAE", "forward", "self, x, noise=None", body)


def decode(body: str) -> str:
    return method("VAE", "decode", "self, z", body)


def part(name: str, init: str, forward: str) -> str:
    """Return statements that put another Encoder or Decoder in the place of the file's own."""
    return "\n".join(
        [
            f"global {name}",
            f"class {name}(nn.Module):",
            "    def __init__(self, *sizes):",
            *(f"        {line}" for line in init.splitlines()),
            "    def forward(self, x):",
            *(f"        {line}" for line in forward.splitlines()),
        ]
    )


ONLY_SUPER = "super().__init__()"
FULL_ENCODER = "super().__init__()\nself.out_features = 4"
TODO = 'raise NotImplementedError("TODO: encoder")'
KL = "return 0.5 * torch.sum(self.mean**2 + self.var - 1.0 - self.logvar, dim=1)"

# What the file is, by name: each a few lines that run when it is imported.
VARIANTS = {
    "right": "pass",
    # Calls that a stand-in cannot answer.
    "narrow codes": decode("return DiagonalGaussianDistribution(self.decoder(z[:, :-1]))"),
    "more codes": decode("return DiagonalGaussianDistribution(self.decoder(z[:, None].repeat(1, 3, 1)))"),
    "two arguments": decode("return DiagonalGaussianDistribution(self.decoder(z, 1))"),
    "another dtype": decode("return DiagonalGaussianDistribution(self.decoder(z.half()))"),
    "posterior": forward("return self.decode(self.encode(x))"),
    "crop": method("VAE", "encode", "self, x", "return self.encoder(x[:, :, 1:])"),
    "keyword": forward("return self.decode(self.encode(x).mean).nll(x, reduce=1)"),
    "positions": forward("return self.decode(self.encode(x).mean).nll(x, 1, 2, 3)"),
    "noise": forward("return self.encode(x).sample(torch.zeros(7, 2))"),
    "other shape": forward("return self.decode(self.encode(x).mean).nll(x[:, :2])"),
    "draws": "def interpolate(model, *codes):\n    return model.sample(3, temperature=1)\nglobals().update(locals())",
    # Mistakes of his own.
    "own mistake": decode("raise ValueError('my own mistake')"),
    "own function": decode("return nll(z, reduce=1)") + "\nglobals()['nll'] = lambda z: z",
    "no width": part("Encoder", "super().__init__()\nself.layers = nn.Flatten()", "return self.layers(x)"),
    "float width": part("Encoder", FULL_ENCODER.replace("4", "16 / 4"), "return x.flatten(1)"),
    "width of a shape": part("Encoder", FULL_ENCODER.replace("4", "torch.zeros(1, 4).shape"), "return x.flatten(1)"),
    "width of nothing": part("Encoder", FULL_ENCODER.replace("4", "4 // 16 - 1"), "return x.flatten(1)"),
    "a pair as mean": method("VAE", "encode", "self, x", "return DiagonalGaussianDistribution((self.encoder(x), x))"),
    "a layer as logvar": decode("return DiagonalGaussianDistribution(self.decoder(z), self.logvar)"),
    "no return in encode": method("VAE", "encode", "self, x", "mean = self.mean(self.encoder(x))"),
    "no return in forward": forward("q = self.encode(x)"),
    "no return in kl": kl("value = self.mean.sum()"),
    # Not attempted.
    **{f"kl: {body}": kl(body) for body in EMPTY},
    **{
        f"empty {name}": method("DiagonalGaussianDistribution", name, "self, *given, **named", "pass")
        for name in ("sample", "nll", "mode")
    },
    **{
        f"empty {task}": method("VAE", {"prior_sample": "sample"}.get(task, task), "self, *given, noise=None", body)
        for task, body in zip(("encode", "decode", "prior_sample", "forward", "log_likelihood"), EMPTY, strict=True)
    },
    "empty interpolate": "def interpolate(*given):\n    pass\nglobals().update(locals())",
    "empty encoder": part("Encoder", ONLY_SUPER, "pass"),
    "encoder without a line": part("Encoder", "pass", "..."),
    "half a TODO": part("Encoder", ONLY_SUPER, TODO),
    "one of two TODOs": part("Encoder", FULL_ENCODER, TODO),
    "the other of two TODOs": part("Encoder", f"{ONLY_SUPER}\n{TODO}", "return x.flatten(1)"),
    "a case left": kl(f"if len(self.mean) < 3:\n    return self.mean.sum(1)\n{TODO}"),
    "empty encoder.forward": part("Encoder", FULL_ENCODER, "return None"),
    "begun encoder": part("Encoder", "super().__init__()\nself.layers = nn.Linear(features, 3)", "pass"),
    "empty decoder": part("Decoder", ONLY_SUPER, "pass"),
    "decoder without return": part("Decoder", ONLY_SUPER, "x = x + 1"),
    # Ends.
    "loop": kl("while True:\n    pass\n" + KL),
    "loop in another": kl("spin()\n" + KL) + "\ndef spin():\n    while True: torch.ones(9)\nglobals().update(locals())",
    "sleep": kl("import time\ntime.sleep(100)\n" + KL),
    "deaf sleep": kl("import signal, time\nsignal.signal(signal.SIGXCPU, signal.SIG_IGN)\ntime.sleep(100)"),
    "deaf loop": kl("import signal\nsignal.signal(signal.SIGXCPU, lambda *_: None)\nwhile True:\n    pass"),
    "loop on import": "while True:\n    pass",
    "memory": kl("x = torch.ones(2 << 30)\n" + KL),
    "array": kl("import numpy\nx = numpy.ones(2 << 30)\n" + KL),
    "forged": kl(
        """
        import faulthandler, os, signal
        faulthandler.unregister(signal.SIGXCPU)
        for fd in os.listdir("/proc/self/fd"):
            try:
                if "memfd:trace" in os.readlink(f"/proc/self/fd/{fd}"):
                    os.pwrite(int(fd), FORGED.encode().ljust(16 << 10, b"\\0"), 0)
            except OSError:
                pass
        while True:
            pass
        """
    ),
}  # fmt: skip
NUMBER = {name: number for number, name in enumerate(VARIANTS)}
FORGED = "\n".join(
    [
        'File "VAE_Model.py", line 1 in kl',
        'File "/etc/VAE_Model.py", line 99999 in kl',
        'File "VAE_Model.py", line 0 in kl',
        'File "VAE_Model.py", line 3 in <script>alert(1)</script>',
        'File "VAE_Model.py", line 3 in kl: you passed',
        'File "VAE_Model.py", line -1 in kl\x1b[2J',
        'File "/etc/passwd", line 2 in kl',
        "score 100 / 100",
    ]
)


def source() -> str:
    functions = [f"def variant_{i}():\n{textwrap.indent(body, '    ')}\n" for i, body in enumerate(VARIANTS.values())]
    choice = f"[{', '.join(f'variant_{i}' for i in range(len(VARIANTS)))}][torch.initial_seed()]()\n"
    return "\n".join([reference(), f"FORGED = {FORGED!r}", *functions, choice])


@pytest.fixture(scope="module")
def base() -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="failures-") as folder:
        Path(folder).chmod(0o711)
        yield Path(folder)


def opened(kind: Any, folder: Path) -> Iterator[Any]:
    if reason := why_not(kind):
        pytest.skip(f"no sandbox `{kind.name}` here: {reason}")
    for name in ("home", "copy", "work"):
        (folder / name).mkdir(parents=True)
    (folder / "home" / "VAE_Model.py").write_text(source(), encoding="utf-8")
    made = kind(take(folder / "home" / "VAE_Model.py", folder / "copy"), folder / "work")
    yield made
    made.close()


@pytest.fixture(scope="module", params=[PlainProcess, Bubblewrap], ids=lambda kind: kind.__name__)
def sandbox(request: pytest.FixtureRequest, base: Path) -> Iterator[Any]:
    yield from opened(request.param, base / request.param.__name__)


@pytest.fixture(scope="module")
def plain(base: Path) -> Iterator[Any]:
    yield from opened(PlainProcess, base / "plain")


def asked(worker: Any, task: str) -> Any:
    """Ask a worker what a check of a task asks it."""
    known, draw = random_model(Draw(7, "failures")), Draw(7, "more")
    single = {"sizes": known.sizes}, known.as_dtype(torch.float32)
    x = draw.uniform(-1, 1, 3, *known.image_shape, dtype=torch.float32)
    z = draw.normal(3, known.sizes["z_dim"], dtype=torch.float32)
    if task in ("sample", "kl", "nll", "mode"):
        given = {"mean": z} | ({"sample": z} if task == "nll" else {})
        return worker.ask("distribution", {"name": task} | ({"dims": [1]} if task == "nll" else {}), given, seed=7)
    if task in ("encoder", "decoder"):
        return worker.ask("layers", {"part": task, **single[0]}, {"x": x if task == "encoder" else z}, seed=7)
    if task == "training":
        images = torch.zeros(4, *known.image_shape, dtype=torch.uint8)
        settings = {"steps": 2, "batch_size": 2, "lr": 1e-3, "seed": 1}
        return worker.ask("train", {"settings": settings, **single[0]}, {"images": images}, seed=7)
    tensors = {"decode": {"z": z}, "interpolate": {"z_1": z[:1], "z_2": z[1:2]}, "prior_sample": {}}.get(task, {"x": x})
    more = {"interpolate": {"n_samples": 4}, "prior_sample": {"batch_size": 3}, "log_likelihood": {"K": 3}}.get(
        task, {}
    )
    return worker.ask(task, {**single[0], **more}, {**tensors, **single[1]}, seed=7)


def start(sandbox: Any, variant: str, task: str, limits: WorkerLimits = SMALL) -> Any:
    return sandbox.start(limits, standin_sources(task), seed=NUMBER[variant])


def failed(sandbox: Any, variant: str, task: str, limits: WorkerLimits = SMALL) -> Failure:
    worker = start(sandbox, variant, task, limits)
    try:
        return failure(lambda: asked(worker, task))
    finally:
        worker.close()


# ## The text of a failure
def test_a_hint_is_printed_after_the_lines() -> None:
    lines = [{"line": 3, "function": "kl", "text": "x = 1"}]
    text = explanation_of(Failure("crashed", "it broke", lines, hint="is it so?")).text()
    assert text.splitlines() == ["got       it broke", "          line 3, in kl: x = 1", "hint      is it so?"]
    assert not explanation_of(Failure("crashed", "it broke", lines)).hint


def test_only_a_stand_in_that_was_sent_can_be_named() -> None:
    told = {"kind": "exception", "type": "ValueError", "message": "m", "standin": "nll"}
    assert from_error(told, frozenset(), False).standin == ""
    assert from_error(told, frozenset(), False, frozenset({"nll"})).standin == "nll"
    for forged in (["nll"], {"a": 1}, None, "nll\n", 3):
        assert from_error({**told, "standin": forged}, frozenset(), False, frozenset({"nll"})).standin == ""


# ## Calls that a stand-in cannot answer
@pytest.mark.parametrize(
    ("variant", "task", "standin", "words", "functions"),
    [
        (
            "narrow codes", "decode", "decoder",
            "self.decoder was called with z of shape (3, 4); it expects codes of shape (B, z). While this task is "
            "judged, a correct `decoder` replaces yours", ["decode"],
        ),
        ("more codes", "decode", "decoder", "self.decoder was called with z of shape (3, 3, 5); it", ["decode"]),
        ("two arguments", "decode", "decoder", "Decoder.forward() takes 2 positional arguments but 3 were", ["decode"]),
        ("another dtype", "decode", "decoder", "with z of shape (3, 5) and dtype float16; it expects", ["decode"]),
        ("posterior", "forward", "decode", "decode() was called with z of type DiagonalGaussianD", ["forward"]),
        ("crop", "encode", "encoder", "self.encoder was called with x of shape (3, 3, 15, 16)", ["encode"]),
        ("keyword", "forward", "nll", "nll() got an unexpected keyword argument 'reduce'; its argum", ["forward"]),
        ("positions", "forward", "nll", "nll() takes from 2 to 3 positional arguments but 5 were given", ["forward"]),
        (
            "noise", "forward", "sample",
            "sample() was called with noise of shape (7, 2), on a distribution whose mean has shape (3, 5)",
            ["forward"],
        ),
        ("other shape", "forward", "nll", "nll() was called with sample of shape (3, 2, 16, 16), dims = ", ["forward"]),
        ("draws", "interpolate", "prior_sample", "VAE.sample() got an unexpected keyword arg", ["interpolate"]),
    ],
)  # fmt: skip
def test_a_call_that_a_stand_in_cannot_answer_is_told_in_the_words_of_the_student(
    plain: Any, variant: str, task: str, standin: str, words: str, functions: list[str]
) -> None:
    told = failed(plain, variant, task)
    assert (told.status, told.standin, told.fatal) == ("crashed", standin, False)
    assert words in told.message
    assert not OURS.search(told.message)
    assert f"a correct `{standin}` replaces yours" in told.message
    assert told.hint
    assert [line["function"] for line in told.traceback] == functions, "the student's own lines, and no others"


def test_a_stand_in_istold_of_in_every_sandbox(sandbox: Any) -> None:
    assert failed(sandbox, "narrow codes", "decode").standin == "decoder"


@pytest.mark.parametrize(
    ("variant", "words"),
    [
        ("own mistake", "ValueError in your code: my own mistake"),
        ("own function", "got an unexpected keyword argument 'reduce'"),
    ],
)
def test_a_mistake_of_his_own_stays_his_own(plain: Any, variant: str, words: str) -> None:
    told = failed(plain, variant, "decode")
    assert (told.status, told.standin) == ("crashed", "")
    assert words in told.message
    assert "replaces" not in told.message


@pytest.mark.parametrize(
    ("variant", "task", "words"),
    [
        ("float width", "encoder", "`Encoder.__init__`: out_features is 4.0, of type float."),
        ("float width", "training", "`Encoder.__init__`: out_features is 4.0, of type float."),
        ("width of a shape", "encoder", "out_features is torch.Size([1, 4]), of type Size."),
        ("width of nothing", "encoder", "out_features is -1, of type int."),
        ("a pair as mean", "encode", "`encode`: mean of type tuple."),
        ("a pair as mean", "training", "`encode`: mean of type tuple."),
        ("a layer as logvar", "decode", "`decode`: mean of shape (3, 3, 16, 16), logvar of type Linear."),
    ],
)
def test_a_line_that_was_given_names_the_function_whose_result_it_works_on(
    plain: Any, variant: str, task: str, words: str
) -> None:
    told = failed(plain, variant, task)
    assert told.status == "crashed"
    assert words in told.hint


# ## Another version, no display
def imported(text: str, folder: Path) -> Failure:
    """Return what becomes of a file that cannot be imported."""
    file = folder / "VAE_Model.py"
    file.write_text(text, encoding="utf-8")
    with pytest.raises((SyntaxError, ImportError, AttributeError, RuntimeError, EOFError)) as raised:
        load_submission(file)
    return from_error(describe(raised.value, file), frozenset(), importing=True)


@pytest.mark.skipif(sys.version_info >= (3, 12), reason="this Python knows the syntax of 3.12")
@pytest.mark.parametrize(
    "text",
    [
        "x = f'{{}['a']}'",
        'x = f"{"a".join([])}"',
        'x = f"{"\\n".join([])}"',
        "type X = int",
        "def f[T](x): return x",
        "class A[T]:\n    pass",
        "import typing\nx = typing.no_such_name",
        "from typing import no_such_name",
    ],
)
def test_what_a_newer_python_may_know_says_which_one_runs(text: str, tmp_path: Path) -> None:
    assert imported(text, tmp_path).hint.startswith(f"Python {platform.python_version()} runs here. ")


@pytest.mark.parametrize(
    "text", ["x = (1,", "def f(:", "return 3", "x = 'a", "print 'a'", "if x = 3: pass", "x = int.y"]
)
def test_a_plain_mistake_is_no_question_of_versions(text: str, tmp_path: Path) -> None:
    assert "Python" not in imported(text, tmp_path).hint


def test_a_name_that_another_torch_may_have_says_which_one_is_installed(tmp_path: Path) -> None:
    for text in ("import torch\ntorch.no_such_name", "from torch.nn import no_such_name"):
        assert imported(text, tmp_path).hint.startswith(f"torch {metadata.version('torch')} is installed here. ")
    assert not imported("import torch.no_such_module", tmp_path).hint


@pytest.mark.parametrize(
    ("error", "words"),
    [
        ("ImportError(\"Cannot load backend 'TkAgg' which requires the 'tk' interactive framework\")", "no display"),
        ("RuntimeError('no display name and no $DISPLAY environment variable')", "no display"),
        ("EOFError('EOF when reading a line')", "no keyboard"),
    ],
)
def test_what_needs_somebody_in_front_of_it_is_hinted_at(error: str, words: str, tmp_path: Path) -> None:
    assert words in imported(f"raise {error}", tmp_path).hint


# ## Not attempted
def test_what_does_nothing_is_known() -> None:
    def decorated(function: Any) -> Any:
        import functools

        return functools.wraps(function)(lambda *given: function(*given))

    namespace: dict[str, Any] = {"decorated": decorated}
    for i, body in enumerate(EMPTY):
        exec(f"def empty_{i}(self):\n    '''What it is for.'''\n    {body}\n", namespace)
        exec(f"@decorated\ndef wrapped_{i}(self):\n    {body}\n", namespace)
        assert does_nothing(namespace[f"empty_{i}"]) and does_nothing(namespace[f"wrapped_{i}"])
    for i, body in enumerate(("return 3", "x = 1", "self.x", "print()", "raise ValueError", "yield", "return self")):
        exec(f"def full_{i}(self):\n    {body}\n", namespace)
        assert not does_nothing(namespace[f"full_{i}"]), body
    assert not does_nothing(None) and not does_nothing(3) and not does_nothing(len)


@pytest.mark.parametrize(
    ("variant", "task"),
    [
        *((f"kl: {body}", "kl") for body in EMPTY),
        *((f"empty {task}", task) for task in ("sample", "nll", "mode", "encode", "decode", "prior_sample")),
        *((f"empty {task}", task) for task in ("forward", "log_likelihood", "interpolate", "encoder", "decoder")),
        *((name, "encoder") for name in ("encoder without a line", "half a TODO", "empty encoder.forward")),
        *((name, "training") for name in ("kl: pass", "empty encode", "empty forward", "empty sample", "half a TODO")),
        *((name, "training") for name in ("empty encoder", "empty encoder.forward", "empty decoder")),
    ],
)
def test_an_empty_function_is_not_attempted(plain: Any, variant: str, task: str) -> None:
    told = failed(plain, variant, task)
    assert (told.status, told.fatal) == ("not attempted", False)
    assert told.message == LEFT_EMPTY


def test_an_empty_function_of_another_task_costs_nothing(plain: Any) -> None:
    for variant, task in [("kl: pass", "forward"), ("empty encoder", "decode"), ("empty interpolate", "training")]:
        worker = start(plain, variant, task)
        asked(worker, task)
        worker.close()


@pytest.mark.parametrize(
    ("variant", "task", "function"),
    [
        ("one of two TODOs", "encoder", "forward"),
        ("the other of two TODOs", "encoder", "__init__"),
        ("a case left", "kl", "kl"),
    ],
)
def test_of_a_task_that_was_begun_the_todo_that_is_left_is_named(
    plain: Any, variant: str, task: str, function: str
) -> None:
    told = failed(plain, variant, task)
    assert (told.status, told.fatal) == ("not attempted", False)
    assert [(line["function"], line["text"]) for line in told.traceback] == [(function, TODO)]


@pytest.mark.parametrize(
    ("variant", "task", "words"),
    [
        ("no return in kl", "kl", "kl() returned None: is a `return` missing?"),
        ("no return in encode", "encode", "encode() returned None: is a `return` missing?"),
        ("no return in forward", "forward", "forward() returned None: is a `return` missing?"),
        ("no return in forward", "training", "forward() returned None: is a `return` missing?"),
        ("decoder without return", "decoder", "decoder() returned None: is a `return` missing?"),
    ],
)
def test_a_missing_return_is_asked_for(plain: Any, variant: str, task: str, words: str) -> None:
    told = failed(plain, variant, task)
    assert (told.status, told.message) == ("failed", words)


def test_what_was_begun_and_fails_is_no_empty_function(plain: Any) -> None:
    told = failed(plain, "begun encoder", "encoder")
    assert told.status == "crashed"
    assert "NameError in your code" in told.message


def test_none_that_travels_on_is_hinted_at(plain: Any) -> None:
    told = failed(plain, "no return in encode", "training")
    assert told.status == "crashed"
    assert "NoneType" in told.message
    assert told.hint == RETURNED_NONE


def test_an_attribute_that_given_code_misses_names_the_constructor(plain: Any) -> None:
    told = failed(plain, "no width", "encoder")
    assert told.status == "crashed"
    assert "`Encoder.__init__`" in told.hint and "`out_features`" in told.hint


# ## Out of time, out of memory
@posix
@pytest.mark.parametrize(
    ("variant", "functions", "texts"),
    [("loop", ["kl"], ("pass", "while True:")), ("loop in another", ["kl", "spin"], ("while True: torch.ones(9)",))],
)
def test_the_line_that_used_up_the_cpu_seconds_is_shown(
    sandbox: Any, variant: str, functions: list[str], texts: tuple[str, ...]
) -> None:
    told = failed(sandbox, variant, "kl", WorkerLimits(cpu_s=1, wall_s=60))
    assert (told.status, told.fatal) == ("timed out", True)
    assert numbers(told.message) == ["1"] and "CPU" in told.message
    assert [line["function"] for line in told.traceback] == functions
    assert told.traceback[-1]["text"] in texts
    assert "K" in told.hint


@posix
def test_the_line_that_waited_too_long_is_shown(sandbox: Any) -> None:
    worker = start(sandbox, "sleep", "kl")
    worker._wall_left = 1.0
    told = failure(lambda: asked(worker, "kl"))
    assert (told.status, told.fatal) == ("timed out", True)
    assert [line["text"] for line in told.traceback] == ["time.sleep(100)"]
    assert told.hint


@posix
def test_a_fresh_interpreter_shows_it_too(base: Path) -> None:
    for made in opened(UnforkedProcess, base / "fresh"):
        worker = start(made, "sleep", "kl", WorkerLimits(cpu_s=30, wall_s=60))
        worker._wall_left = 1.0
        told = failure(lambda: asked(worker, "kl"))  # noqa: B023 - called at once
        assert told.status == "timed out"
        assert [line["text"] for line in told.traceback] == ["time.sleep(100)"]
        assert not list((base / "fresh" / "work").iterdir())


@posix
def test_the_line_that_an_import_hangs_at_is_shown(plain: Any) -> None:
    told = failure(lambda: start(plain, "loop on import", "kl", WorkerLimits(cpu_s=1, wall_s=60)))
    assert (told.status, told.fatal) == ("timed out", True)
    assert [line["function"] for line in told.traceback] == ["<module>", f"variant_{NUMBER['loop on import']}"]
    assert "import" in told.hint


@posix
def test_who_does_not_listen_to_the_signal_is_ended_all_the_same(sandbox: Any) -> None:
    told = failed(sandbox, "deaf loop", "kl", WorkerLimits(cpu_s=1, wall_s=60))
    assert (told.status, told.traceback) == ("timed out", [])
    worker = start(sandbox, "deaf sleep", "kl")
    worker._wall_left = 1.0
    began = time.monotonic()
    told = failure(lambda: asked(worker, "kl"))
    assert (told.status, told.traceback) == ("timed out", [])
    assert time.monotonic() - began < 8
    worker = start(sandbox, "right", "kl")
    asked(worker, "kl")
    worker.close()


@posix
def test_a_forged_trace_is_at_most_a_wrong_line(sandbox: Any) -> None:
    told = failed(sandbox, "forged", "kl", WorkerLimits(cpu_s=1, wall_s=60))
    assert told.status == "timed out"
    first = reference().split("\n")[0]
    assert told.traceback == [{"line": 1, "function": "kl", "text": first}]


def test_of_a_trace_numbers_and_names_are_read_and_nothing_else(tmp_path: Path) -> None:
    copy = tmp_path / "VAE_Model.py"
    copy.write_bytes(b"first\r\n  second\x0cpage\nthird \xff\n")
    assert trace_lines(FORGED, copy) == [{"line": 1, "function": "kl", "text": "first"}]
    trace = "".join(f'  File "/a/VAE_Model.py", line {i} in {name}\n' for i, name in [(3, "<lambda>"), (2, "kl")])
    shown = [(line["line"], line["function"], line["text"]) for line in trace_lines(trace, copy)]
    assert shown == [(2, "kl", "second\x0cpage"), (3, "<lambda>", "third \N{REPLACEMENT CHARACTER}")]
    assert trace_lines("", copy) == []
    assert len(trace_lines(trace * 100, copy)) == 8


def test_the_file_of_a_trace_cannot_grow_and_what_is_handed_on_is_short() -> None:
    descriptor = new_trace()
    if descriptor is None:
        pytest.skip("no sealed files in memory here")
    with pytest.raises(OSError, match="not permitted"):
        os.pwrite(descriptor, b"x", 1 << 20)
    line = b'  File "' + b"\\" * 300 + b'VAE_Model.py", line 1 in kl\n'
    os.pwrite(descriptor, (line * 100)[: 16 << 10], 0)
    text = taken_trace(descriptor)
    assert 0 < len(repr(text)) < 3000, "a control message holds 4096 bytes"
    assert taken_trace(None) == ""
    os.pwrite(descriptor := new_trace() or 0, b'\x1b[2J\xffVAE_Model.py", line 1 in kl\n', 0)
    assert taken_trace(descriptor) == ""


@pytest.mark.parametrize(("variant", "size"), [("memory", "8.0 GiB"), ("array", "16.0 GiB")])
def test_a_failed_allocation_says_how_large_it_was_and_where(plain: Any, variant: str, size: str) -> None:
    told = failed(plain, variant, "kl")
    assert told.status == "out of memory"
    assert f" {size} " in told.message
    assert told.traceback[-1]["text"].startswith("x = ")
    assert told.hint
