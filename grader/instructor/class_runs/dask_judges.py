"""The judges of a class run on a dask cluster: a local one that the run starts, or one that is already running.

Workers started by hand run in a copy of this project. They need no shared file system: submissions are sent as bytes,
results come back as text.
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
from collections.abc import Callable, Iterator, Mapping, Sequence

import dask
from distributed import Client, Future, LocalCluster, Reschedule, Worker, WorkerPlugin, as_completed, get_worker
from distributed.system import MEMORY_LIMIT

from grader.grading.jobs import Job, Outcome

from .judging import LastingJudge
from .resume import grader_version
from .sandbox_here import chosen_here

TRIES = 2
LOST = "the connection to the scheduler is lost"
_PLUGIN = "vae-judges"


class ClusterLost(Exception):  # noqa: N818
    """The scheduler cannot be reached, or its workers cannot grade; the message says what to do."""


class Judges(WorkerPlugin):
    """A worker plugin that keeps one judge per thread. Judges start on demand and end with the worker.

    Args:
        version: Version of the grader; workers with another version are not used.
        sandbox: Name of the sandbox; workers where it does not work are not used.
        apart: Whether workers may run on another machine or from another copy of the project.
    """

    name = _PLUGIN

    def __init__(self, version: str, sandbox: str, apart: bool):
        self.version, self.sandbox, self.apart = version, sandbox, apart

    def setup(self, worker: Worker) -> None:
        """Check whether this worker can grade; if not, it leaves the cluster and its tasks go to other workers.

        Raises:
            RuntimeError: The worker cannot grade; the message says why.
        """
        self._all: list[LastingJudge] = []
        self._idle: queue.SimpleQueue[LastingJudge] = queue.SimpleQueue()
        self.unfit = _unfit(describe_worker(self.sandbox), self.version) if self.apart else ""
        if self.unfit:
            worker.loop.add_callback(worker.close, reason="vae-unfit")
            raise RuntimeError(self.unfit)

    def teardown(self, worker: Worker) -> None:
        """End all judges, and the gradings in progress."""
        for judge in self._all:
            judge.close()

    def grade(self, job: Job) -> Outcome:
        """Grade with an idle judge."""
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
    """Describe a worker: `version` of its grader, the `sandbox` that is used there, and a `problem` if there is one."""
    try:
        return {"version": grader_version(), "sandbox": chosen_here(sandbox), "problem": ""}
    except Exception as error:  # sent to the client as text, as it may not know this type
        return {"version": "", "sandbox": "", "problem": str(error)}


def _unfit(worker: Mapping[str, str], version: str) -> str:
    if worker["problem"] or worker["version"] == version:
        return worker["problem"]
    return f"its grader has version {worker['version']} instead of {version}: update its copy of the project"


def agree(client: Client, sandbox: str) -> str:
    """Return the sandbox that all workers use.

    Raises:
        ClusterLost: There are no workers, a worker cannot import the grader or has another version of it, or the
            workers have different sandboxes.
    """
    try:
        found = client.run(describe_worker, sandbox)
    except Exception as error:  # any error on the worker, most likely an import error
        raise ClusterLost(f"a worker cannot grade ({error}): start it in the folder of this project") from None
    for address, fitness in found.items():
        if problem := _unfit(fitness, grader_version()):
            raise ClusterLost(f"the worker {address} cannot grade: {problem}")
    names = {fitness["sandbox"] for fitness in found.values()}
    if len(names) != 1:
        raise ClusterLost(f"the workers have different sandboxes ({', '.join(sorted(names))}): name one with --sandbox")
    return names.pop()


def outcomes(
    client: Client, names: Sequence[str], job: Callable[[str], Job], apart: bool = True
) -> Iterator[tuple[str, Outcome]]:
    """Yield the outcome of each job as soon as it is known. At most two jobs per thread of the cluster are submitted.

    Args:
        client: Client of the cluster; workers may join and leave.
        names: Names of the jobs.
        job: Returns the job of a name; all have the same sandbox.
        apart: Whether workers may run on another machine or from another copy of the project.

    Raises:
        ClusterLost: The scheduler cannot be reached any more.
    """
    client.register_plugin(Judges(grader_version(), job(names[0]).sandbox, apart))
    run = uuid.uuid4().hex[:8]
    waiting, tries = deque(names), Counter[str]()
    active: dict[str, str] = {}
    done = as_completed(loop=client.loop)
    while waiting or active:
        while waiting and len(active) < 2 * max(1, _threads(client)):
            name = waiting.popleft()
            tries[name] += 1
            key = f"grade-{run}-{name}-{tries[name]}"
            future = client.submit(_grade, job(name).to_json(), key=key, pure=False)
            active[key] = name
            done.add(future)
        future = next(done)
        name = active.pop(str(future.key))
        outcome = _outcome(future)
        future.release()
        if outcome.again and tries[name] < TRIES:
            waiting.append(name)  # at the end, so that a job that kills workers does not hit the same neighbours again
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
    except Exception:  # any error of a client without a scheduler
        raise ClusterLost(LOST) from None


def _outcome(future: "Future[bytes]") -> Outcome:
    if future.status == "finished":
        try:
            return Outcome.from_json(future.result())
        except (json.JSONDecodeError, TypeError) as error:
            return Outcome(None, f"the dask worker's answer cannot be read ({error})", again=True)
    if future.status == "error":
        cause = future.exception()
        return Outcome(None, f"the dask worker failed: {type(cause).__name__}: {cause}", again=True)
    raise ClusterLost(LOST)


_MEMORY_OF_A_JOB = 2 << 30  # judge, zygote and largest worker of a typical submission need about half of that

_QUIET = {  # with dask's defaults, made for large clusters, its monitoring takes 5 % of a core
    "distributed.worker.profile.enabled": False,
    "distributed.admin.tick.interval": "1s",
    "distributed.admin.tick.limit": "60s",
    "distributed.admin.system-monitor.interval": "5s",
    "distributed.client.scheduler-info-interval": "30s",
    "distributed.scheduler.active-memory-manager.start": False,
    "distributed.worker.memory.monitor-interval": "5s",
    "distributed.scheduler.http.routes": [],  # the run needs no HTTP server
    "distributed.worker.http.routes": [],
    "distributed.scheduler.allowed-failures": 1,  # the class run repeats failed jobs itself
    "distributed.comm.timeouts.connect": "60s",
}


def usable_cores() -> int:
    """Return how many submissions this machine can grade at once: one per core, but at most one per 2 GiB of memory."""
    return max(1, min(dask.system.CPU_COUNT, MEMORY_LIMIT // _MEMORY_OF_A_JOB))


@contextlib.contextmanager
def local_cluster(jobs: int) -> Iterator[Client]:
    """Start a cluster on this machine, and end it on exit.

    It communicates over TLS with its own keys. Otherwise a submission whose sandbox has a network could control it.

    Args:
        jobs: Number of worker processes.
    """
    logging.getLogger("distributed").setLevel(logging.CRITICAL)
    with (
        tempfile.TemporaryDirectory(prefix="vae-dask-", ignore_cleanup_errors=True) as scratch,
        dask.config.set({**_QUIET, "temporary-directory": scratch}),
    ):
        with _ignored("SIGINT"), _ignored("SIGHUP"):  # workers inherit this: only this process handles both
            cluster = LocalCluster(
                n_workers=jobs,
                threads_per_worker=1,
                processes=True,
                memory_limit=0,
                # By default it would listen on dask's usual port, and warn if another run uses that.
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
    """Connect to a running scheduler, and wait for its first worker.

    Raises:
        ClusterLost: There is no scheduler at this address.
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
                print(f"waiting for a worker; start one in the project's folder: {start}", file=sys.stderr, flush=True)
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
