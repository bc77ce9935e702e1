"""The cluster of a class run: one of its own on this machine, or one that is there already."""

import contextlib
import logging
import shlex
import signal
import sys
import tempfile
from collections.abc import Iterator

import dask
from distributed import Client, LocalCluster
from distributed.system import MEMORY_LIMIT

from .fleet import ClusterLost

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
def local(jobs: int) -> Iterator[Client]:
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
def at(address: str) -> Iterator[Client]:
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
