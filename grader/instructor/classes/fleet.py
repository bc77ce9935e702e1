"""The judges of a class run on a dask cluster: one of its own on this machine, or one that is there already.

Workers started by hand run in a copy of this project, and need no file system in common: a submission travels as bytes,
its results come back as text.
"""

import contextlib
import json
import logging
import queue
import shlex
import signal
import sys
import tempfile
import uuid
from collections import Counter, deque
from collections.abc import Iterator, Mapping

import dask
from distributed import Client, Future, LocalCluster, Reschedule, Worker, WorkerPlugin, as_completed, get_worker
from distributed.system import MEMORY_LIMIT

from .judging import Job, LastingJudge, Outcome
from .resume import grader_version
from .sandbox_here import chosen_here

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
        self.unfit = _unfit(describe_worker(self.sandbox), self.version) if self.apart else ""
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


def describe_worker(sandbox: str) -> dict[str, str]:
    """Return what a worker is: `version` of its grader, the `sandbox` that a name stands for there, a `problem`."""
    try:
        return {"version": grader_version(), "sandbox": chosen_here(sandbox), "problem": ""}
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
        found = client.run(describe_worker, sandbox)
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


_MEMORY_OF_A_JOB = 2 << 30  # judge, zygote and the largest worker of a usual submission take about half of that

_QUIET = {  # what looks after clusters of a thousand workers takes a core's twentieth here
    "distributed.worker.profile.enabled": False,
    "distributed.admin.tick.interval": "1s",
    "distributed.admin.tick.limit": "60s",
    "distributed.admin.system-monitor.interval": "5s",
    "distributed.client.scheduler-info-interval": "30s",
    "distributed.scheduler.active-memory-manager.start": False,
    "distributed.worker.memory.monitor-interval": "5s",
    "distributed.scheduler.http.routes": [],  # nobody asks the run by HTTP
    "distributed.worker.http.routes": [],
    "distributed.scheduler.allowed-failures": 1,  # the class run tries again itself
    "distributed.comm.timeouts.connect": "60s",
}


def usable_cores() -> int:
    """Return how many submissions this machine can grade at the same time: its cores, if each has 2 GiB of memory."""
    return max(1, min(dask.system.CPU_COUNT, MEMORY_LIMIT // _MEMORY_OF_A_JOB))


@contextlib.contextmanager
def local_cluster(jobs: int) -> Iterator[Client]:
    """Start a cluster on this machine, and end it.

    It talks over TLS with keys of its own: a submission whose sandbox has a network could otherwise give it orders.

    Args:
        jobs: Worker processes.
    """
    logging.getLogger("distributed").setLevel(logging.CRITICAL)
    with (
        tempfile.TemporaryDirectory(prefix="vae-dask-", ignore_cleanup_errors=True) as scratch,
        dask.config.set({**_QUIET, "temporary-directory": scratch}),
    ):
        with _ignored("SIGINT"), _ignored("SIGHUP"):  # inherited: both are this process's business alone
            cluster = LocalCluster(
                n_workers=jobs,
                threads_per_worker=1,
                processes=True,
                memory_limit=0,
                # Without an address it would listen at dask's usual port, and warn where another run has that.
                dashboard_address="127.0.0.1:0",
                scheduler_kwargs={"dashboard": False},
                worker_dashboard_address=None,
                security=True,
                silence_logs=logging.CRITICAL,
                local_directory=scratch,
            )
        with cluster, Client(cluster) as client:
            yield client


@contextlib.contextmanager
def cluster_at(address: str) -> Iterator[Client]:
    """Connect to a scheduler that is there already, and wait for its first worker.

    Raises:
        ClusterLost: There is none at this address.
    """
    logging.getLogger("distributed").setLevel(logging.CRITICAL)
    with dask.config.set(_QUIET):
        try:
            client = Client(address, timeout="15s")
        except (OSError, ValueError) as error:
            raise ClusterLost(f"no scheduler at {address} ({error}); start one with `dask scheduler`") from None
        with client:
            if not client.nthreads():
                start = shlex.join(["python", "-m", "dask", "worker", address, "--nthreads", "1"])
                print(f"waiting for a worker; in the project's folder: {start}", file=sys.stderr, flush=True)
                client.wait_for_workers(1)
            yield client


@contextlib.contextmanager
def _ignored(name: str) -> Iterator[None]:
    number = getattr(signal, name, None)
    if number is None:  # Windows has no SIGHUP
        yield
        return
    before = signal.signal(number, signal.SIG_IGN)
    try:
        yield
    finally:
        signal.signal(number, before)
