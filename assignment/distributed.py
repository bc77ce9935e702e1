"""Several processes that train one model together: `torchrun --nproc-per-node 2 -m assignment`.

Every process holds the whole model and all images. In each step it computes the gradient of its own slice of the
batch; the gradients are added up, and every process takes the same step of Adam (synchronous data parallelism, Goyal et
al. 2017, section 2). The batch is divided, not multiplied: the numbers are those of one process, but for rounding.

Without torchrun there is one process, `ALONE`, and nothing here communicates.
"""

import contextlib
import io
import os
import sys
import traceback
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, TypeAlias

import torch
from jaxtyping import Float, Float64, Int64, UInt8
from torch import Tensor, nn
from torch import distributed as dist

from assignment.settings import RunError
from data import normalise

Step: TypeAlias = Callable[
    [Int64[Tensor, " B"], Float[Tensor, "B z"]], tuple[Float[Tensor, " B"], Float[Tensor, " B"]]
]  # (indices of the images, noise) -> (nll, kl) of each image before the step

PATIENCE = timedelta(hours=1)  # how long to wait for the others: rank 0 alone draws pictures and computes anchors


class LostError(Exception):
    """Another process of the run is gone."""


@dataclass(frozen=True)
class Team:
    """The processes of a run, seen by one of them.

    Attributes:
        rank: Which one this is, from 0. Rank 0 leads: it alone reads and writes files and prints.
        size: How many there are.
        store: What they share besides tensors: who failed first. None if there is only one.
    """

    rank: int = 0
    size: int = 1
    store: Any = None

    @property
    def leads(self) -> bool:
        """Whether this process is the one that reads and writes files and prints."""
        return self.rank == 0

    def part(self, n: int) -> slice:
        """Return this process's share of n things in a row: all shares differ by one at most, and may be empty."""
        return slice(n * self.rank // self.size, n * (self.rank + 1) // self.size)

    def sum(self, tensor: Tensor) -> Tensor:
        """Return the sum of the processes' tensors, the same in all of them, bit for bit; it replaces `tensor`.

        Raises:
            LostError: Another process is gone.
        """
        if self.size > 1:
            with _losses():
                dist.all_reduce(tensor)
        return tensor

    def same(self, value: Any) -> Any:
        """Return what the leader calls with; what the others call with is not looked at.

        Raises:
            LostError: Another process is gone.
        """
        box = [value]
        if self.size > 1:
            with _losses():
                dist.broadcast_object_list(box, device=torch.device("cpu"))
        return box[0]

    def batches(self, n: int, batch_size: int) -> list[slice]:
        """Return the batches of n images that this process evaluates: whole ones, each in turn."""
        every = [slice(start, min(start + batch_size, n)) for start in range(0, n, batch_size)]
        return every[self.rank :: self.size]

    def gather(self, n: int, batch_size: int, found: Sequence[Float[Tensor, " _"]]) -> Float64[Tensor, " {n}"]:
        """Put together, on the CPU, what each process found for the images of its `batches`."""
        whole = torch.zeros(n, dtype=torch.float64)
        if found:  # with fewer batches than processes, some have none
            values = torch.cat(list(found)).cpu().double()
            whole[torch.cat([torch.arange(n)[batch] for batch in self.batches(n, batch_size)])] = values
        return self.sum(whole)

    def spread(self, model: nn.Module) -> None:
        """Give every process the leader's weights and buffers."""
        if self.size > 1:
            with torch.no_grad(), _losses():
                for tensor in model.state_dict().values():
                    dist.broadcast(tensor, src=0)

    def speaks(self) -> bool:
        """Whether this process is the first to fail, and so the one to say why: one error, one message."""
        if self.store is None:
            return True
        with contextlib.suppress(RuntimeError):  # the process that held the store is gone: it has spoken
            return bool(self.store.compare_set("first to fail", "", str(self.rank)) == str(self.rank).encode())
        return False

    @contextlib.contextmanager
    def silence(self) -> Iterator[None]:
        """Keep quiet what is printed, unless this process leads."""
        if self.leads:
            yield
        else:
            with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
                yield


ALONE = Team()


def call_in_team(work: Callable[[Team], int]) -> int:
    """Do the work of a command with all processes that torchrun started; returns its exit status.

    torchrun tells each process by environment variables who it is and where the others are. Without them the work is
    done by this process alone. One of several processes does not return: it ends here and at once, since the threads
    by which torch communicates now and then abort a process that ends slowly.
    """
    if int(os.environ.get("WORLD_SIZE", "1")) == 1 or not {"RANK", "MASTER_ADDR", "MASTER_PORT"} <= os.environ.keys():
        return work(ALONE)
    store, rank, size = next(dist.rendezvous("env://"))
    backend = "cpu:gloo,cuda:nccl" if torch.cuda.is_available() else "gloo"
    dist.init_process_group(backend, store=store, rank=rank, world_size=size, timeout=PATIENCE)
    status = 1
    try:
        status = work(Team(rank, size, store))
    except SystemExit as error:  # of a wrong option
        status = error.code if isinstance(error.code, int) else 1
    except BaseException:
        traceback.print_exc()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(status)


def own_device(device: torch.device, team: Team) -> torch.device:
    """Return the GPU of this process among those of its machine; any other device is shared.

    Raises:
        RunError: There are more processes than GPUs.
    """
    if device.type != "cuda" or team.size == 1:
        return device
    local, there = int(os.environ.get("LOCAL_RANK", team.rank)), torch.cuda.device_count()
    if local >= there:
        raise RunError(f"this machine has {there} GPUs: start no more processes on it, or choose --device cpu")
    torch.cuda.set_device(local)
    return torch.device("cuda", local)


def batch_statistics(model: nn.Module) -> str | None:
    """Return the name of a layer that mixes the images of a batch while it trains (BatchNorm), None if there is none.

    Such a layer would see a slice of each batch only, and its running averages would differ between processes.
    """
    mixing = nn.modules.batchnorm._BatchNorm
    return next((name for name, module in model.named_modules() if isinstance(module, mixing)), None)


def shared_step(
    model: nn.Module, optimizer: torch.optim.Optimizer, images: UInt8[Tensor, "N C S S"], team: Team
) -> Step:
    """Return the training step of one process among several; it is called with the whole batch in each.

    The gradient of a batch's mean is the sum of the slices' gradients, each divided by the size of the whole batch. So
    slices need not be equal: 41 images over 2 processes are 20 and 21, and a slice may hold no image at all.
    """
    parameters = list(model.parameters())

    def step(indices: Int64[Tensor, " B"], noise: Float[Tensor, "B z"]) -> tuple[Tensor, Tensor]:
        B, mine = len(indices), team.part(len(indices))
        terms = torch.zeros(2, B, device=images.device)
        optimizer.zero_grad()
        if mine.start < mine.stop:
            _, nll, kl = model(normalise(images[indices[mine]]), noise[mine])
            ((nll + kl).sum() / B).backward()
            terms[:, mine] = torch.stack([nll, kl]).detach()
        _add_up(parameters, terms, team)
        optimizer.step()
        return terms[0], terms[1]

    return step


def _add_up(parameters: list[nn.Parameter], terms: Float[Tensor, "2 B"], team: Team) -> None:
    """Replace gradients and terms by their sums over the processes: one message for all of them.

    A parameter that had a gradient in no process keeps none, so that Adam leaves it alone.
    """
    had = torch.tensor([p.grad is not None for p in parameters], dtype=terms.dtype, device=terms.device)
    gradients = [torch.zeros_like(p) if p.grad is None else p.grad for p in parameters]
    tensors = [terms, had, *gradients]
    sums = team.sum(torch.cat([tensor.reshape(-1) for tensor in tensors])).split([t.numel() for t in tensors])
    for tensor, total in zip(tensors, sums, strict=True):
        tensor.copy_(total.view(tensor.shape))
    for parameter, gradient, count in zip(parameters, gradients, had.tolist(), strict=True):
        parameter.grad = gradient if count else None


@contextlib.contextmanager
def _losses() -> Iterator[None]:
    """Say in one line what torch says in many when a process at the other end is gone."""
    try:
        yield
    except RuntimeError as error:
        reason = str(error).strip().split("\n")[0]
        raise LostError(f"another process of this run is gone ({reason}): go on with --resume") from error
