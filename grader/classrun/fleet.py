"""The judges on a dask cluster: each worker process keeps warm ones from one submission to the next.

Workers started by hand run in a copy of this project, and need no file system in common: a submission travels as bytes,
its results come back as text.
"""

import json
import queue
import uuid
from collections import Counter, deque
from collections.abc import Iterator, Mapping

from distributed import Client, Future, Reschedule, Worker, WorkerPlugin, as_completed, get_worker

from .job import Job, Outcome
from .judge import LastingJudge
from .sandbox import chosen
from .version import grader_version

TRIES = 2
_PLUGIN = "vae-judges"


class ClusterLost(Exception):  # noqa: N818
    """The scheduler is gone, or its workers cannot grade; the message says what to do."""


class Judges(WorkerPlugin):
    """What a dask worker keeps: a judge for each of its threads, started when it is needed, ended with the worker.

    Args:
        version: Of the grader; a worker of another one takes no part.
        sandbox: The sandbox by name; a worker where it does not work takes no part.
        apart: Whether workers may run on another machine or from another copy of the project.
    """

    name = _PLUGIN

    def __init__(self, version: str, sandbox: str, apart: bool):
        self.version, self.sandbox, self.apart = version, sandbox, apart

    def setup(self, worker: Worker) -> None:
        """Look whether this worker is fit; one that is not leaves, and its tasks go to others.

        Raises:
            RuntimeError: It is not; the message tells why.
        """
        self._all: list[LastingJudge] = []
        self._idle: queue.SimpleQueue[LastingJudge] = queue.SimpleQueue()
        self.unfit = _unfit(describe(self.sandbox), self.version) if self.apart else ""
        if self.unfit:
            worker.loop.add_callback(worker.close, reason="vae-unfit")
            raise RuntimeError(self.unfit)

    def teardown(self, worker: Worker) -> None:
        """End all judges, and the gradings that they are at."""
        for judge in self._all:
            judge.close()

    def grade(self, job: Job) -> Outcome:
        """Grade with a judge that is free."""
        if self.unfit:
            raise Reschedule
        try:
            judge = self._idle.get_nowait()
        except queue.Empty:
            judge = LastingJudge()
            self._all.append(judge)
        try:
            return judge.grade(job)
        finally:
            self._idle.put(judge)


def describe(sandbox: str) -> dict[str, str]:
    """Return what a worker is: `version` of its grader, the `sandbox` that a name stands for there, a `problem`."""
    try:
        return {"version": grader_version(), "sandbox": chosen(sandbox), "problem": ""}
    except Exception as error:  # told to the client, who may not have this kind
        return {"version": "", "sandbox": "", "problem": str(error)}


def _unfit(worker: Mapping[str, str], version: str) -> str:
    if worker["problem"] or worker["version"] == version:
        return worker["problem"]
    return f"another grader, {worker['version']} instead of {version}: update its copy of the project"


def agree(client: Client, sandbox: str) -> str:
    """Return the sandbox that all workers stand ready with.

    Raises:
        ClusterLost: There are no workers, one cannot import the grader or has another version, or they differ.
    """
    try:
        found = client.run(describe, sandbox)
    except Exception as error:  # whatever was raised there, most likely by an import
        raise ClusterLost(f"a worker cannot grade ({error}): start it in the folder of this project") from None
    for address, fitness in found.items():
        if problem := _unfit(fitness, grader_version()):
            raise ClusterLost(f"the worker {address} cannot grade: {problem}")
    names = {fitness["sandbox"] for fitness in found.values()}
    if len(names) != 1:
        raise ClusterLost(f"the workers have different sandboxes ({', '.join(sorted(names))}): name one with --sandbox")
    return names.pop()


def outcomes(client: Client, jobs: Mapping[str, Job], apart: bool = True) -> Iterator[tuple[str, Outcome]]:
    """Yield the outcome of each job as it comes; two jobs for each thread of the cluster are on their way at a time.

    Args:
        client: Of the cluster; workers may come and go.
        jobs: By a name; all with the same sandbox.
        apart: Whether workers may run on another machine or from another copy of the project.

    Raises:
        ClusterLost: The scheduler is gone.
    """
    client.register_plugin(Judges(grader_version(), next(iter(jobs.values())).sandbox, apart))
    run = uuid.uuid4().hex[:8]
    waiting, tries = deque(jobs), Counter[str]()
    active: dict[str, str] = {}
    done = as_completed(loop=client.loop)
    while waiting or active:
        while waiting and len(active) < 2 * max(1, _threads(client)):
            name = waiting.popleft()
            tries[name] += 1
            key = f"grade-{run}-{name}-{tries[name]}"
            future = client.submit(_grade, jobs[name].to_json(), key=key, pure=False)
            active[key] = name
            done.add(future)
        future = next(done)
        name = active.pop(str(future.key))
        outcome = _outcome(future)
        future.release()
        if outcome.again and tries[name] < TRIES:
            waiting.append(name)  # last: what kills workers should not drag its neighbours along again
        else:
            yield name, outcome


def _grade(job: bytes) -> bytes:
    """Run on a worker."""
    judges = get_worker().plugins[_PLUGIN]
    assert isinstance(judges, Judges)
    return judges.grade(Job.from_json(job)).to_json()


def _threads(client: Client) -> int:
    try:
        return sum(client.nthreads().values())
    except Exception:  # whatever a client without a scheduler meets
        raise ClusterLost("the connection to the scheduler is lost") from None


def _outcome(future: "Future[bytes]") -> Outcome:
    if future.status == "finished":
        try:
            return Outcome.from_json(future.result())
        except (json.JSONDecodeError, TypeError) as error:
            return Outcome(None, f"no answer from its worker ({error})", again=True)
    if future.status == "error":
        cause = future.exception()
        return Outcome(None, f"its dask worker failed: {type(cause).__name__}: {cause}", again=True)
    raise ClusterLost("the connection to the scheduler is lost")
