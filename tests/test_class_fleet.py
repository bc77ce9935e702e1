"""Scheduling on a dask cluster: order, tries, workers that come, go and are unfit. The judges here are dummies."""

import threading
import time
from collections import Counter
from collections.abc import Iterator

import pytest
from distributed import Client, LocalCluster, get_worker

from grader.grading.jobs import Job, Outcome
from grader.instructor.class_runs import dask_judges
from grader.instructor.class_runs.dask_judges import ClusterLost, agree, outcomes

pytest.importorskip("distributed")


pytestmark = pytest.mark.filterwarnings("ignore::ResourceWarning", "ignore::DeprecationWarning")


class Dummy:
    """A judge that does what a submission says; counts what it did, for all judges together."""

    tries: Counter[bytes]
    open: int
    busy: int
    most: int

    def __init__(self) -> None:
        Dummy.open += 1

    def grade(self, job: Job) -> Outcome:
        Dummy.tries[job.content] += 1
        Dummy.busy += 1
        Dummy.most = max(Dummy.most, Dummy.busy)
        time.sleep(0.02)
        Dummy.busy -= 1
        if job.content.startswith(b"raise"):
            raise RuntimeError("no space left")
        if job.content == b"fail":
            return Outcome(None, "the judge died (tried twice)", again=True)
        if job.content == b"once" and Dummy.tries[job.content] == 1:
            return Outcome(None, "the judge died (tried twice)", again=True)
        if job.content == b"close":
            get_worker().loop.add_callback(get_worker().close, timeout=0.1, executor_wait=False)
            time.sleep(1.0)
        return Outcome({"content": job.content.decode()})

    def close(self) -> None:
        Dummy.open -= 1


@pytest.fixture
def dummies(monkeypatch: pytest.MonkeyPatch) -> None:
    Dummy.tries, Dummy.open, Dummy.busy, Dummy.most = Counter(), 0, 0, 0
    monkeypatch.setattr(dask_judges, "LastingJudge", Dummy)


@pytest.fixture
def client(dummies: None) -> Iterator[Client]:
    with (
        LocalCluster(n_workers=2, threads_per_worker=1, processes=False, dashboard_address="127.0.0.1:0") as cluster,
        Client(cluster) as client,
    ):
        yield client
    assert Dummy.open == 0, "judges end with their workers"


def cluster_of(client: Client) -> LocalCluster:
    assert isinstance(client.cluster, LocalCluster)
    return client.cluster


def jobs(*contents: str) -> dict[str, Job]:
    return {f"job {i}": Job(content.encode(), i, "process") for i, content in enumerate(contents)}


def asked(client: Client, waiting: dict[str, Job]) -> Iterator[tuple[str, Outcome]]:
    return outcomes(client, list(waiting), waiting.__getitem__)


def run(client: Client, *contents: str) -> dict[str, Outcome]:
    found = dict(asked(client, jobs(*contents)))
    assert sorted(found) == sorted(jobs(*contents))
    return found


@pytest.mark.slow
def test_every_job_has_its_outcome_and_workers_keep_their_judges(client: Client) -> None:
    contents = [f"submission {i}" for i in range(20)]
    found = run(client, *contents)
    assert [found[f"job {i}"].results for i in range(20)] == [{"content": content} for content in contents]
    assert (Dummy.open, Dummy.most) == (2, 2)
    assert set(Dummy.tries.values()) == {1}


@pytest.mark.slow
def test_outcomes_come_one_by_one_and_few_jobs_are_on_their_way(client: Client) -> None:
    coming = asked(client, jobs(*(f"submission {i}" for i in range(30))))
    next(coming)
    time.sleep(0.5)
    assert sum(Dummy.tries.values()) <= 4 + 1
    assert len(list(coming)) == 29


@pytest.mark.slow
@pytest.mark.parametrize(
    ("content", "problem", "tries"),
    [
        ("once", "", 2),
        ("fail", "the judge died (tried twice)", 2),
        ("raise", "the dask worker failed: RuntimeError: no space left", 2),
    ],
)
def test_what_failed_is_tried_again_and_never_stops_the_rest(
    client: Client, content: str, problem: str, tries: int
) -> None:
    found = run(client, "a", content, "b", "c")
    assert found["job 1"].problem == problem
    assert Dummy.tries[content.encode()] == tries
    assert all(found[f"job {i}"].results for i in (0, 2, 3))


@pytest.mark.long
def test_a_submission_that_ends_its_workers_does_not_take_the_others_along(client: Client) -> None:
    def replace_workers() -> None:
        while not stop.wait(0.1):
            cluster_of(client).scale(2)

    stop = threading.Event()
    replacing = threading.Thread(target=replace_workers)
    replacing.start()
    try:
        found = run(client, "a", "close", *"bcdefgh")
    finally:
        stop.set()
        replacing.join()
    assert all(found[f"job {i}"].results for i in range(9) if i != 1)


# ## Unfit workers
@pytest.mark.slow
def test_workers_agree_on_a_sandbox(client: Client) -> None:
    assert agree(client, "process") == "process"


@pytest.mark.parametrize(
    ("described", "words"),
    [
        ({"version": "old", "sandbox": "process", "problem": ""}, "version old instead of"),
        ({"version": "", "sandbox": "", "problem": "no bubblewrap"}, "no bubblewrap"),
    ],
)
def test_a_cluster_with_a_worker_that_is_unfit_is_refused(
    client: Client, monkeypatch: pytest.MonkeyPatch, described: dict[str, str], words: str
) -> None:
    monkeypatch.setattr(client, "run", lambda *_: {"tcp://a:1": described})
    with pytest.raises(ClusterLost, match=words):
        agree(client, "process")


def test_workers_that_differ_are_told(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    fit = {"version": dask_judges.grader_version(), "problem": ""}
    found = {"a": {**fit, "sandbox": "user"}, "b": {**fit, "sandbox": "bubblewrap"}}
    monkeypatch.setattr(client, "run", lambda *_: found)
    with pytest.raises(ClusterLost, match="different sandboxes"):
        agree(client, "auto")


@pytest.mark.slow
def test_a_worker_that_joins_later_and_is_unfit_takes_no_part(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    coming = asked(client, jobs(*(f"submission {i}" for i in range(40))))
    next(coming)
    monkeypatch.setattr(
        dask_judges, "describe_worker", lambda _: {"version": "old", "sandbox": "process", "problem": ""}
    )
    cluster_of(client).scale(3)
    found = dict(coming)
    assert len(found) == 39 and all(outcome.results for outcome in found.values())
    assert Dummy.most <= 2


@pytest.mark.slow
def test_a_scheduler_that_goes_away_ends_the_run(client: Client) -> None:
    coming = asked(client, jobs(*(f"submission {i}" for i in range(200))))
    next(coming)
    cluster_of(client).close()
    with pytest.raises(ClusterLost):
        list(coming)
