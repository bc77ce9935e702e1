"""Several processes: the numbers are one process's, only the leader writes and speaks, and failures end all of them."""

import contextlib
import os
import re
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest
import torch
from torch import nn

from assignment import checkpoint
from assignment.distributed import ALONE, Team, batch_statistics, call_in_team
from assignment.evaluate import evaluate_elbo, evaluate_log_likelihood
from assignment.run import choose_step, main
from assignment.train import RunError, Settings, new_optimizer
from solution import VAE_Model as reference
from tests.test_train import bytes_of

ROOT = Path(__file__).parents[1]
# 17 images in batches of 8: the last one holds a single image, so that one process has none of it
TINY = ["--limit", "17", "--batch-size", "8", "--features", "2", "--z-dim", "3", "--k", "3", "--device", "cpu"]


def free_port() -> int:
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        return int(server.getsockname()[1])


@contextlib.contextmanager
def started(command: Sequence[str], size: int = 2) -> Iterator[list[subprocess.Popen[str]]]:
    """Start the processes as torchrun does, by environment variables; end those that are left."""
    common = {
        **os.environ,
        "WORLD_SIZE": str(size),
        "MASTER_ADDR": "127.0.0.1",
        "MASTER_PORT": str(free_port()),
        "GLOO_SOCKET_IFNAME": "lo",
        "OMP_NUM_THREADS": "1",
        # The first process keeps the common store, which is torchrun's task otherwise: torch warns when it is gone.
        "TORCH_CPP_LOG_LEVEL": "ERROR",
    }
    processes = [
        subprocess.Popen(
            [sys.executable, *command],
            cwd=ROOT,
            env={**common, "RANK": str(rank), "LOCAL_RANK": str(rank)},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for rank in range(size)
    ]
    try:
        yield processes
    finally:
        for process in processes:
            process.kill()
            process.communicate()


def launched(*options: str) -> tuple[int, str, str]:
    """Run the solution in two processes by torchrun itself, which finds a free port; returns status and what was said.

    The launcher and its processes are a group of their own, of which nothing is left afterwards.
    """
    launcher = [
        sys.executable,
        "-m",
        "torch.distributed.run",
        "--standalone",
        "--nproc-per-node",
        "2",
        "-m",
        "solution",
    ]
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "GLOO_SOCKET_IFNAME": "lo"}
    with subprocess.Popen(
        [*launcher, *options],
        cwd=ROOT,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    ) as process:
        try:
            printed, errors = process.communicate(timeout=120)
        finally:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
    return process.returncode, printed, errors


def together(*options: str, command: Sequence[str] = ("-m", "solution"), size: int = 2) -> list[tuple[int, str, str]]:
    """Run a command in several processes; returns the exit status, output and errors of each."""
    with started([*command, *options], size) as processes:
        found = [process.communicate(timeout=120) for process in processes]
        return [(process.returncode, *texts) for process, texts in zip(processes, found, strict=True)]


def weights(out: Path) -> dict[str, torch.Tensor]:
    return dict(checkpoint.read(out)["model"])


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path, tuple[int, str, str]]:
    """Two epochs by one process, and the same by two: their folders, and what the two said."""
    alone, shared = (tmp_path_factory.mktemp("runs") / name for name in ("alone", "shared"))
    assert main(reference, [*TINY, "--epochs", "2", "--out", str(alone)], decoded_copy=True, tuned=True) == 0
    return alone, shared, launched(*TINY, "--epochs", "2", "--out", str(shared))


def test_two_processes_learn_what_one_learns(runs: tuple[Path, Path, tuple[int, str, str]]) -> None:
    """Within float error, though the last batch of each epoch has one image: the second process has none of it."""
    alone, shared, (status, _, errors) = runs
    assert status == 0, errors
    for row, expected in zip(checkpoint.read(shared)["metrics"], checkpoint.read(alone)["metrics"], strict=True):
        assert row == pytest.approx(expected, rel=1e-6)
    expected_weights = weights(alone)
    for name, tensor in weights(shared).items():
        torch.testing.assert_close(tensor, expected_weights[name], rtol=1e-5, atol=1e-6)


def test_the_leader_alone_writes_and_prints(runs: tuple[Path, Path, tuple[int, str, str]]) -> None:
    alone, shared, (_, printed, errors) = runs
    assert {path.name for path in shared.iterdir()} == {path.name for path in alone.iterdir()}
    assert len(printed.splitlines()) == 4, "the images, two epochs, where the results are"
    assert "2 processes" in printed
    assert errors == ""


def test_the_likelihood_is_that_of_one_process_bit_for_bit(
    runs: tuple[Path, Path, tuple[int, str, str]],
) -> None:
    """One process estimates it anew for the weights that two have trained; three batches are shared out."""
    _, shared, _ = runs
    report = shared / "log_likelihood.json"
    estimated = re.sub(r'"seconds".*', "", report.read_text())
    report.unlink()
    assert main(reference, ["--out", str(shared), "--resume"], decoded_copy=True, tuned=True) == 0
    assert re.sub(r'"seconds".*', "", report.read_text()) == estimated


def test_runs_go_on_with_another_number_of_processes(runs: tuple[Path, Path, tuple[int, str, str]]) -> None:
    alone, shared, _ = runs
    assert main(reference, ["--out", str(shared), "--resume", "--epochs", "3"], tuned=True) == 0
    said = together("--out", str(alone), "--resume", "--epochs", "3")
    assert [status for status, _, _ in said] == [0, 0], said
    last, expected = (checkpoint.read(out)["metrics"][2] for out in (alone, shared))
    assert last == pytest.approx(expected, rel=1e-6)


# ## Failures
FAILING = f"""
import sys
sys.path.insert(0, {str(ROOT)!r})
from types import ModuleType
from assignment.run import main
from solution import VAE_Model as reference
import os, signal

class Failing(reference.VAE):
    calls = 0
    def forward(self, x, noise=None):
        type(self).calls += self.training
        if self.calls == 2:
            FAIL
        return super().forward(x, noise)

module = ModuleType("assignment.VAE_Model")
module.__dict__.update({{**vars(reference), "VAE": Failing, "__package__": "assignment", "__file__": "there"}})
sys.exit(main(module))
"""


@pytest.mark.parametrize(
    ("source", "failure", "said"),
    [
        ("nowhere", "pass", r"^python -m assignment: nowhere: there is no such file .*$"),  # which both would say
        ("sample", "if os.environ['RANK'] == '1': raise ValueError('my own words')", r"ValueError: my own words$"),
        (
            "sample",
            "if os.environ['RANK'] == '1': os.kill(os.getpid(), signal.SIGKILL)",
            r"^python -m assignment: another process of this run is gone .*$",
        ),
    ],
)
def test_a_process_that_fails_ends_all_with_one_message(tmp_path: Path, source: str, failure: str, said: str) -> None:
    code = FAILING.replace("FAIL", failure)
    found = together(*TINY, "--data", source, "--out", str(tmp_path / "out"), command=("-c", code))
    assert all(status != 0 for status, _, _ in found), found
    messages = [errors for _, _, errors in found if errors]
    assert len(messages) == 1, messages
    assert re.search(said, messages[0].strip())
    assert "gloo" not in messages[0] or messages[0].count("\n") == 1


# ## Shares
@pytest.mark.parametrize(("n", "size"), [(64, 2), (41, 2), (1, 2), (41, 3), (2, 3), (0, 2)])
def test_shares_are_disjoint_complete_and_even(n: int, size: int) -> None:
    shares = [list(range(n)[Team(rank, size).part(n)]) for rank in range(size)]
    assert [i for share in shares for i in share] == list(range(n))
    assert max(map(len, shares)) - min(map(len, shares)) <= 1


@pytest.mark.parametrize(("n", "batch_size", "size"), [(17, 8, 2), (5, 8, 2), (100, 7, 3)])
def test_batches_are_shared_out_whole(n: int, batch_size: int, size: int) -> None:
    every = ALONE.batches(n, batch_size)
    shared = [Team(rank, size).batches(n, batch_size) for rank in range(size)]
    assert sorted((batch for one in shared for batch in one), key=lambda batch: int(batch.start)) == every
    assert every[-1].stop == n


class Deaf(Team):
    """A process that hears nothing of the others: its sums are its own share."""

    def sum(self, tensor: torch.Tensor) -> torch.Tensor:
        return tensor


@pytest.mark.parametrize("size", [2, 5])
def test_shares_of_an_estimate_add_up_bit_for_bit(size: int) -> None:
    """Whichever process does which batch: each batch has a seed of its own. Of five processes two have none."""
    torch.manual_seed(0)
    model = reference.VAE(z_dim=3, encoder_features=2, decoder_features=2, input_size=16)
    images, noise = bytes_of(6), torch.randn(6, 3)
    shares = [Deaf(rank, size) for rank in range(size)]
    likelihood = [evaluate_log_likelihood(model, images, K=2, batch_size=2, team=team) for team in (ALONE, *shares)]
    nll = [evaluate_elbo(model, images, noise, batch_size=2, team=team)[0] for team in (ALONE, *shares)]
    for whole, *parts in (likelihood, nll):
        assert torch.equal(torch.stack(parts).sum(dim=0), whole)


def test_one_process_communicates_with_nobody() -> None:
    assert call_in_team(lambda team: 7 if team is ALONE else 0) == 7
    assert ALONE.leads
    assert ALONE.same(3) == 3
    assert ALONE.speaks()
    assert ALONE.sum(torch.ones(2)).tolist() == [1, 1]


def test_statistics_over_a_batch_are_refused() -> None:
    """Each process would normalise by its own slice: another training than one process's."""
    model = nn.Sequential(nn.Conv2d(3, 3, 1), nn.BatchNorm2d(3))
    assert batch_statistics(model) == "1"
    assert batch_statistics(model[0]) is None
    optimizer = new_optimizer(model, Settings())
    with pytest.raises(RunError, match="1 takes statistics over a batch"):
        choose_step(model, optimizer, bytes_of(4), Settings(), team=Team(0, 2))


def test_a_shared_step_is_not_captured(capsys: pytest.CaptureFixture[str]) -> None:
    model = reference.VAE(z_dim=3, encoder_features=2, decoder_features=2, input_size=16)
    settings = Settings(capture=True, z_dim=3)
    assert choose_step(model, new_optimizer(model, settings), bytes_of(4), settings, team=Team(0, 2)) is not None
    assert capsys.readouterr().out == "the training step is not captured, since several processes share it\n"
