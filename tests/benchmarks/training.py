"""Training on the CPU, beside the loop that tutorials write: `python -m tests.benchmarks training`.

The classic loop: torchvision's SVHN with ToTensor and Normalize on PIL images, a DataLoader with two workers, default
Adam, NCHW, `.item()` in each step. Ours: what `python -m solution` does. Same model, same batches, same noise.
"""

import time
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor
from torch.utils.data import DataLoader

from assignment.evaluate import evaluate_elbo
from assignment.settings import Settings
from assignment.train import Step, epoch_noise, new_model, new_optimizer, permutation, train_epoch, train_step
from data import load
from data.commandline import Parser, image_source, whole
from solution.__main__ import use_channels_last
from solution.VAE_Model import VAE
from tests.benchmarks.measure import Variant, interleaved, machine, seconds, table

SKIPPED = 6  # batches of the classic loop before its clock starts: workers start, and fill their queue
SVHN = (73_257, 26_032)  # images to train on and to test on


class Classic:
    """The loop that tutorials write.

    Args:
        images: The images to train on, on the CPU: (N, 3, 32, 32) bytes.
        settings: Settings of the run.
        workers: Processes of the DataLoader.
        device: Where the model is. Each batch is copied there.
    """

    def __init__(self, images: Tensor, settings: Settings, workers: int = 2, device: str | torch.device = "cpu"):
        from torchvision import transforms
        from torchvision.datasets import SVHN

        class InMemory(SVHN):  # its __getitem__, without the check of the official files
            def __init__(self, transform: Any):
                self.data, self.labels = images.numpy(), torch.zeros(len(images), dtype=torch.int64).numpy()
                self.transform, self.target_transform = transform, None

        half = (0.5, 0.5, 0.5)
        to_tensor = transforms.Compose([transforms.ToTensor(), transforms.Normalize(half, half)])
        self.dataset, self.settings, self.workers, self.device = InMemory(to_tensor), settings, workers, device
        self.model = new_model(VAE, images[:1].to(device), settings)
        self.optimizer = torch.optim.Adam(self.model.parameters(), lr=settings.lr)

    def batches(self, order: Tensor | None) -> Iterator[Any]:
        """Yield (images, labels), in the given order, or as they are."""
        sampler = None if order is None else order.tolist()
        return iter(DataLoader(self.dataset, self.settings.batch_size, sampler=sampler, num_workers=self.workers))

    def train(self, steps: int, epoch: int = 1, skipped: int = SKIPPED) -> tuple[float, list[float]]:
        """Train; returns the seconds of the steps after the skipped ones, and all losses."""
        n, settings, losses = len(self.dataset), self.settings, []
        noise = epoch_noise(n, settings.z_dim, settings.seed, epoch).to(self.device).split(settings.batch_size)
        batches = self.batches(permutation(n, settings.seed, epoch))
        self.model.train()
        start = time.perf_counter()
        for step in range(skipped + steps):
            if step == skipped:
                start = time.perf_counter()
            x, _ = next(batches)
            _, nll, kl = self.model(x.to(self.device), noise[step])
            loss = (nll + kl).mean()
            self.optimizer.zero_grad()
            loss.backward()
            self.optimizer.step()
            losses.append(loss.item())
        return time.perf_counter() - start, losses

    def test(self, steps: int, skipped: int = SKIPPED) -> float:
        """Return the seconds of some steps of the -ELBO of test images."""
        batches, total = self.batches(None), 0.0
        self.model.eval()
        start = time.perf_counter()
        with torch.no_grad():
            for step in range(skipped + steps):
                if step == skipped:
                    start = time.perf_counter()
                _, nll, kl = self.model(next(batches)[0].to(self.device))
                total += (nll + kl).mean().item()
        return time.perf_counter() - start


class Ours:
    """What `python -m solution` does on a CPU, or some of it.

    Attributes:
        step: The training step; it can be replaced by a captured one.
    """

    def __init__(self, images: Tensor, settings: Settings, fused: bool = True, channels_last: bool = True):
        self.images, self.settings = images, settings
        self.step: Step = train_step
        self.model = new_model(VAE, images, settings)
        if channels_last:
            use_channels_last(self.model)
        self.optimizer = new_optimizer(self.model, settings)
        if not fused:
            self.optimizer = torch.optim.Adam(self.model.parameters(), lr=settings.lr)

    def train(self, steps: int) -> float:
        """Return the seconds of training on so many batches."""
        return seconds(lambda: self._train(steps))

    def losses(self, steps: int) -> list[float]:
        """Train on so many batches; return the loss of each step."""
        return [batch.mean().item() for batch in self._train(steps).split(self.settings.batch_size)]

    def _train(self, steps: int) -> Tensor:
        """Train on the first images, so many batches, in the order of epoch 1; return nll + kl of each image."""
        images = self.images[: steps * self.settings.batch_size]
        nll, kl = train_epoch(self.model, self.optimizer, images, self.settings, epoch=1, step=self.step)
        return nll + kl

    def test(self, steps: int) -> float:
        """Return the seconds of the -ELBO of so many batches."""
        images = self.images[: steps * self.settings.batch_size]
        noise = epoch_noise(len(images), self.settings.z_dim, self.settings.seed, epoch=0)
        return seconds(lambda: evaluate_elbo(self.model, images, noise, self.settings.batch_size))


def at_least(images: Tensor, count: int) -> Tensor:
    """Return the images, repeated if they are fewer than `count`: then exactly so many."""
    return images if len(images) >= count else images.repeat(-(-count // len(images)), 1, 1, 1)[:count]


def apart(losses: Sequence[float], others: Sequence[float]) -> float:
    """Return the largest relative difference between the losses of the same steps; nan if one of them is."""
    a, b = (torch.tensor(values, dtype=torch.float64) for values in (losses, others))
    return ((a - b).abs() / a.abs()).max().item()


def same_losses(images: Tensor, settings: Settings, steps: int, workers: int) -> str:
    """Train both from the same weights on the same batches; return how far apart their losses are."""
    images = images[: steps * settings.batch_size]
    _, classic = Classic(images, settings, workers).train(steps, skipped=0)
    ours = Ours(images, settings).losses(steps)
    return (
        f"{steps} steps from {classic[0]:.1f} to {classic[-1]:.1f} (classic) and {ours[-1]:.1f} (ours) nats:"
        f" at most {apart(classic, ours):.1e} apart, relative"
    )


def main(argv: Sequence[str] | None = None) -> None:
    """Measure, and print the tables."""
    parser = Parser(prog="python -m tests.benchmarks training", description=__doc__)
    parser.add_argument("--data", type=image_source, default="sample", help="as for python -m solution [sample]")
    parser.add_argument("--rounds", type=whole(1), default=12, help="how often each loop is measured [12]")
    parser.add_argument("--steps", type=whole(1), default=24, help="in each round [24]")
    parser.add_argument("--features", type=whole(1), default=32, help="width of the networks [32]")
    parser.add_argument("--workers", type=whole(0), default=2, help="of the classic loop's DataLoader [2]")
    parser.add_argument("--compared", type=whole(1), default=100, help="steps whose losses are compared [100]")
    options = parser.parse_args(argv)
    settings = replace(Settings(), features=options.features)
    needed = (max(options.steps + SKIPPED, options.compared)) * settings.batch_size
    images = at_least(load(options.data).images, needed)

    classic, steps = Classic(images, settings, options.workers), options.steps
    ours = Ours(images, settings)
    ways = {
        "images in memory": Ours(images, settings, fused=False, channels_last=False),
        "and fused Adam": Ours(images, settings, channels_last=False),
        "and channels_last: `python -m solution`": ours,
    }
    print(f"{machine()}\n\nTraining, batch size {settings.batch_size}, {steps} steps a round\n")
    trained = interleaved(
        [
            Variant("classic loop", lambda: classic.train(steps)[0]),
            *(Variant(name, lambda way=way: way.train(steps)) for name, way in ways.items()),  # type: ignore[misc]
        ],
        options.rounds,
    )
    print(table(trained, "ms a step", steps / 1000, "classic loop"))
    print("\nThe -ELBO of test images, after each epoch\n")
    tested = interleaved(
        [
            Variant("classic loop", lambda: classic.test(steps)),
            Variant("`python -m solution`", lambda: ours.test(steps)),
        ],
        options.rounds,
    )
    print(table(tested, "ms a batch", steps / 1000, "classic loop"))
    epochs = [
        [(SVHN[0] * train + SVHN[1] * test) / (steps * settings.batch_size) for train, test in zip(*pair, strict=True)]
        for pair in zip((list(trained.values())[i] for i in (0, -1)), tested.values(), strict=True)
    ]
    print(f"\nAn epoch of SVHN, {SVHN[0]:,} images and a test on {SVHN[1]:,}, put together from these\n")
    print(table(dict(zip(tested, epochs, strict=True)), "seconds", 1, "classic loop"))
    print(f"\nLosses: {same_losses(images, settings, options.compared, options.workers)}")
    print(machine())
