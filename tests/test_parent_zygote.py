"""The parent zygote: each submission sees nobody else, none changes another's points, and it is replaced in time."""

import errno
import json
import os
import signal
import socket
import subprocess
import sys
import textwrap
import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import psutil
import pytest
import torch

from grader.grading.jobs import Job, Outcome, WarmJudge
from grader.instructor.class_runs.judging import warm_judge
from grader.instructor.class_runs.parents import Parents
from grader.sandbox import parent_zygote
from grader.sandbox.bubblewrap import Bubblewrap, inside
from grader.sandbox.interpreter import WORKER
from grader.sandbox.parent_zygote import NotForked, ParentLost, ParentZygote
from grader.sandbox.worker import Ceilings
from tests.acts import SMALL, ask, failure, in_use, is_gone, start, submission, why_not
from tests.gradings import REFERENCE
from tests.wording import numbers
from tests.zoo.hostile import INNOCENT, JUDGED, SIBLINGS
from tests.zoo.hostile.entry import AS_ANSWERED, Hostile
from tests.zoo.hostile.neighbourhood import problems, small_offering


@pytest.fixture(scope="module")
def parent() -> Iterator[ParentZygote]:
    if reason := why_not(Bubblewrap):
        pytest.skip(reason)
    started = ParentZygote()
    try:
        started.await_ready()
    except NotForked as refused:
        pytest.skip(f"no parent zygote here: {refused}")
    else:
        yield started
    finally:
        started.close()


def forked(parent: ParentZygote, folder: Path, *source: str, ceilings: Ceilings = Ceilings()) -> Any:  # noqa: B008
    """Open the sandbox of a submission, by default of the one that does what it is asked to do."""
    (folder / "home-of-sandbox").mkdir(parents=True)
    return parent.sandbox(submission(folder, *source), folder / "home-of-sandbox", ceilings)


def is_forked(sandbox: Any) -> bool:
    """Whether the zygote was forked from a parent, and not started by bubblewrap."""
    return not isinstance(sandbox._process, subprocess.Popen)


# ## What a submission sees
LOOK = """
import json, os
import torch

class DiagonalGaussianDistribution:
    def __init__(self, mean, logvar=None):
        pass

    def kl(self):
        status = dict(line.split(":", 1) for line in open("/proc/self/status").read().splitlines())
        seen = {
            "processes": sorted(int(name) for name in os.listdir("/proc") if name.isdigit()),
            "parent": os.getppid(),
            "descriptors": {n: os.readlink(f"/proc/self/fd/{n}").split(":")[0] for n in os.listdir("/proc/self/fd")
                            if os.path.exists(f"/proc/self/fd/{n}")},
            "privileges": [status[name].strip() for name in ("CapEff", "CapPrm", "CapBnd", "NoNewPrivs", "Seccomp")],
            "hidden": os.access("/vae-sandbox/kernel", os.R_OK),
            "files": [os.listdir(f) for f in ("/tmp", "/dev/shm", "..", os.path.dirname(__file__))],
            "spaces": {name: os.readlink(f"/proc/self/ns/{name}") for name in ("user", "pid", "mnt", "ipc", "net")},
            "writable": [path for path in ("/", "/proc/sys/kernel/core_pattern", "/dev", "/vae-sandbox", __file__,
                                           torch.__file__) if os.access(path, os.W_OK)],
            "last": open(__file__).read().splitlines()[-1],
        }
        return torch.tensor(list(json.dumps(seen).encode()), dtype=torch.uint8)
"""


def look(sandbox: Any) -> dict[str, Any]:
    worker = sandbox.start(SMALL, {}, 0)
    tensors, _ = worker.ask("distribution", {"name": "kl"}, {"mean": torch.zeros(1, 1)}, seed=7)
    return json.loads(bytes(tensors["value_0"].tolist()))


def test_a_submission_sees_itself_only(parent: ParentZygote, tmp_path: Path) -> None:
    sandbox = forked(parent, tmp_path / "one", f"{LOOK}\n# the last line")
    seen = look(sandbox)
    sandbox.close()
    assert is_forked(sandbox)
    assert seen["parent"] == 1 and len(seen["processes"]) == 2, "its zygote and itself"
    assert seen["privileges"] == ["0" * 16] * 3 + ["1", "2"]
    assert not seen["hidden"] and seen["writable"] == []
    temporary, *others = seen["files"]
    installed = {Path(prefix) for prefix in (sys.prefix, sys.base_prefix) if Path(prefix).is_relative_to("/tmp")}
    assert set(temporary) <= {path.parts[2] for path in installed}, "nothing, or the way to a Python that is in /tmp"
    assert others == [[], ["1"], ["VAE_Model.py"]] and seen["last"] == "# the last line"
    sockets = [kind for kind in seen["descriptors"].values() if kind == "socket"]
    assert len(sockets) == 2, "its own channel, for reading and for writing"


def test_two_submissions_share_no_namespace(parent: ParentZygote, tmp_path: Path) -> None:
    spaces = []
    for name in ("one", "two"):
        sandbox = forked(parent, tmp_path / name, LOOK)
        spaces.append(look(sandbox)["spaces"])
        if name == "two":
            outside = {kind: str(Path(f"/proc/{parent.process_id}/ns/{kind}").readlink()) for kind in spaces[0]}
            spaces.append(outside)
        sandbox.close()
    for kind in spaces[0]:
        assert spaces[0][kind] != spaces[2][kind] != spaces[1][kind], kind


def test_it_works_as_any_other_sandbox(parent: ParentZygote, tmp_path: Path) -> None:
    """Workers, limits, output, and the end of a zygote."""
    sandbox = forked(parent, tmp_path / "one", ceilings=Ceilings(threads=64))
    worker = start(sandbox)
    assert "hello σ²" in (ask(worker, "print") or worker.printed())
    first = ask(worker, "seed")
    worker.close()
    worker = start(sandbox)
    assert ask(worker, "seed") == first
    worker.close()
    ended = in_use(sandbox, "end")
    assert (ended.status, ended.fatal, numbers(ended.message)) == ("crashed", True, ["0"]), "the exit status"
    assert in_use(sandbox, "big tensor").status == "out of memory"
    assert failure(lambda: start(sandbox, "exit")).status == "crashed"
    zygote = sandbox.process_id
    sandbox._kill()
    assert ask(start(sandbox), "nothing") == "", "a lost zygote is replaced"
    assert is_forked(sandbox) and is_gone(zygote) and sandbox.process_id != zygote
    zygote = sandbox.process_id
    sandbox.close()
    assert is_gone(zygote)
    assert parent.end_zygote() > 0


def test_the_next_submission_ends_the_last_one(parent: ParentZygote, tmp_path: Path) -> None:
    """Also if the judge of the last one was killed, and did not end it."""
    left = forked(parent, tmp_path / "one")
    ask(start(left), "child")
    family = psutil.Process(left.process_id).children(recursive=True)
    assert len(family) == 2
    sandbox = forked(parent, tmp_path / "two")
    assert is_gone(left.process_id) and all(is_gone(process.pid) for process in family)
    assert ask(start(sandbox), "nothing") == ""
    sandbox.close()
    left.close()


def test_an_answer_that_nobody_waited_for_is_skipped(parent: ParentZygote) -> None:
    """A grading that was killed may leave one on the socket."""
    socket.send_fds(parent._control, [json.dumps({"do": "end", "number": "of a killed grading"}).encode()], [])
    assert parent.end_zygote() >= 0


@pytest.mark.parametrize(
    "code",
    [
        "import threading; threading.Thread(target=threading.Event().wait, daemon=True).start()",
        "import mmap; m = mmap.mmap(-1, 9)",
    ],
)
def test_a_parent_that_would_share_more_than_copies_says_so(code: str) -> None:
    program = f"""
        import sys; sys.path.insert(0, {str(WORKER.parent)!r})
        from worker.parent import unsafe_to_fork
        assert unsafe_to_fork() == ""
        {code}
        print(unsafe_to_fork())
    """
    command = [sys.executable, "-c", textwrap.dedent(program)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert "importing torch has" in done.stdout


# ## When it is refused, lost or old
@pytest.fixture
def refusing(monkeypatch: pytest.MonkeyPatch) -> None:
    """A machine that refuses further namespaces inside a sandbox."""
    if reason := why_not(Bubblewrap):
        pytest.skip(reason)
    monkeypatch.setattr(parent_zygote, "inside", lambda *given: [*inside(*given), "--disable-userns"])


@pytest.mark.usefixtures("refusing")
def test_where_namespaces_are_refused_each_submission_gets_a_sandbox(tmp_path: Path) -> None:
    parent = ParentZygote()
    with pytest.raises(NotForked, match="unshare: No space left on device"):
        parent.await_ready()
    sandbox = forked(parent, tmp_path)
    assert not is_forked(sandbox)
    assert ask(start(sandbox), "nothing") == ""
    sandbox.close()
    parent.close()


@pytest.mark.usefixtures("refusing")
def test_what_was_refused_is_not_tried_again(capfd: pytest.CaptureFixture[str]) -> None:
    parents = Parents()
    assert [parents.next(), parents.next(), parents.end_zygote()] == [None, None, 0.0]
    assert capfd.readouterr().err.count(f"unshare: {os.strerror(errno.ENOSPC)}") == 1


@pytest.mark.slow
def test_a_killed_parent_is_replaced(parent: ParentZygote, tmp_path: Path) -> None:
    parents = Parents()
    first = parents.next()
    assert first is not None
    os.kill(first.process_id, signal.SIGKILL)
    sandbox = forked(first, tmp_path)
    assert not is_forked(sandbox) and ask(start(sandbox), "nothing") == "", "nothing is lost meanwhile"
    sandbox.close()
    with pytest.raises(ParentLost, match="the parent zygote"):
        parents.end_zygote()
    second = parents.next()
    assert second is not None and second is not first and parents.end_zygote() == 0
    parents.close()


def test_a_parent_serves_a_number_of_submissions(monkeypatch: pytest.MonkeyPatch) -> None:
    started = []

    class Fake:
        def __init__(self) -> None:
            started.append(self)

        def await_ready(self) -> None:
            if len(started) > 2:
                raise ParentLost("no memory")

        def close(self) -> None:
            pass

    monkeypatch.setattr("grader.instructor.class_runs.parents.ParentZygote", Fake)
    parents = Parents(most=2)
    served = [parents.next() for _ in range(9)]
    assert served == [*[started[0]] * 2, *[started[1]] * 2, *[None] * 5]
    assert len(started) == 5, "after three failures, no more are started"


# ## Class runs
@pytest.fixture(scope="module")
def judge(parent: ParentZygote) -> Iterator[WarmJudge]:
    started = warm_judge("sample")
    yield started
    started.close()


def job(content: str | bytes, tasks: str = " or ".join(JUDGED)) -> Job:
    raw = content if isinstance(content, bytes) else content.encode()
    return Job(raw, 7, "bubblewrap", tasks=tasks, offering=small_offering())


def parent_of(judge: WarmJudge) -> int:
    """Return the id of the process of the judge's parent zygote."""
    (found,) = [p for p in psutil.Process(judge._process.pid).children() if "parent" in p.cmdline()]
    return int(found.pid)


@pytest.mark.slow
def test_no_hostile_file_changes_the_points_of_the_next(judge: WarmJudge) -> None:
    """Each one is graded between two innocent ones, which also look for what it left."""
    innocent = Hostile("innocent", INNOCENT, AS_ANSWERED)
    assert judge.grade(job(INNOCENT)).problem == ""
    same = parent_of(judge)
    for hostile in SIBLINGS:
        for each in (hostile, innocent):
            outcome = judge.grade(job(each.content))
            found = list(problems(each, outcome.results or {}, "no token"))
            assert not found, (each.name, hostile.name, outcome.problem)
    assert parent_of(judge) == same, "and none ended the parent"


def essentials(outcome: Outcome) -> Any:
    assert outcome.results is not None, outcome.problem
    extra = {key: value for key, value in outcome.results["extra_data"].items() if key != "seconds"}
    return outcome.results["tests"], extra


@pytest.mark.slow
def test_the_verdict_is_that_of_a_sandbox_from_scratch(judge: WarmJudge) -> None:
    wrong = REFERENCE.read_text(encoding="utf-8").replace("return 0.5 * torch.sum(", "return torch.sum(")
    ours = judge.grade(job(wrong, "kl or sample or encoder"))
    theirs = judge.grade(replace(job(wrong, "kl or sample or encoder"), fresh_sandbox=True))
    assert essentials(ours) == essentials(theirs)
    assert 0 < ours.sandbox_cpu_s < ours.cpu_s


@pytest.mark.slow
def test_a_submission_whose_parent_dies_is_graded_again(judge: WarmJudge) -> None:
    judge.grade(job(INNOCENT, "mode"))
    before = parent_of(judge)

    def kill_while_it_is_used() -> None:
        while not [p for p in psutil.Process(judge._process.pid).children() if "parent" not in p.cmdline()]:
            time.sleep(0.01)
        os.kill(before, signal.SIGKILL)

    killer = threading.Thread(target=kill_while_it_is_used)
    killer.start()
    outcome = judge.grade(job(REFERENCE.read_bytes(), "mode or kl"))
    killer.join()
    assert outcome.results is not None and outcome.results["score"] == 12.0, outcome.problem
    judge.grade(job(INNOCENT, "mode"))
    assert parent_of(judge) != before
