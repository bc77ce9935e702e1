"""What a training step asks of the machine, and what the machine can do: `python -m tests.benchmarks roofline`.

Operations and bytes are counted by hand, layer by layer; the two ceilings are measured: a large matrix product for
arithmetic, a large copy for memory.
"""

import statistics
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

import torch

from assignment.settings import Settings
from data import load
from data.commandline import Parser, whole
from tests.benchmarks.measure import machine, seconds
from tests.benchmarks.training import Ours


@dataclass(frozen=True)
class Layer:
    """A layer of the reference, for one image.

    Attributes:
        name: What it is called.
        weights: How many weights it has; biases are left out.
        uses: How often each weight is used: the places of the smaller of its two grids.
        inputs: Numbers that come in.
        outputs: Numbers that go out.
    """

    name: str
    weights: int
    uses: int
    inputs: int
    outputs: int

    @property
    def flops(self) -> int:
        """Return the operations of the forward pass: a multiplication and an addition for each use of a weight."""
        return 2 * self.weights * self.uses


def reference(features: int = 32, z_dim: int = 32, size: int = 32, channels: int = 3) -> list[Layer]:
    """Return the layers of the reference: 4 x 4 kernels of stride 2, from the image to 8 f channels and back."""
    widths = [channels, features, 2 * features, 4 * features, 8 * features]
    convolutions = []
    for i, (wide, deep) in enumerate(pairwise(widths)):
        fine, coarse = (size // 2**i) ** 2, (size // 2 ** (i + 1)) ** 2
        convolutions.append(Layer(f"conv {wide} -> {deep}", 16 * wide * deep, coarse, wide * fine, deep * coarse))
    hidden = widths[-1] * (size // 16) ** 2
    mirrored = [
        Layer(f"transposed {c.name.split()[3]} -> {c.name.split()[1]}", c.weights, c.uses, c.outputs, c.inputs)
        for c in reversed(convolutions)
    ]
    return [
        *convolutions,
        Layer("mean and logvar", 2 * hidden * z_dim, 1, hidden, 2 * z_dim),
        Layer("decoder's linear", z_dim * hidden, 1, z_dim, hidden),
        *mirrored,
    ]


def step_flops(layers: Sequence[Layer], batch: int) -> int:
    """Return the operations of a step: backward asks for as much as forward twice, but for the images' gradient."""
    return batch * (3 * sum(layer.flops for layer in layers) - layers[0].flops)


def step_bytes(layers: Sequence[Layer], batch: int) -> int:
    """Return the bytes that a step moves at least, in float32, if nothing stays in a cache between two layers.

    Forward reads inputs and weights and writes outputs; backward reads them again with the outputs' gradients and
    writes gradients of inputs and weights; each activation (SiLU) reads and writes what it activates, both ways; Adam
    reads weight, gradient and two moments and writes three of them.
    """
    activated = sum(layer.outputs for layer in layers[:4]) + sum(layer.outputs for layer in layers[5:-1])
    moved = sum(3 * layer.inputs + 2 * layer.outputs for layer in layers) + 5 * activated
    weights = sum(layer.weights for layer in layers)
    return 4 * (batch * moved + (3 + 7) * weights)


def ceilings(size: int = 2048, megabytes: int = 256, repeats: int = 9) -> tuple[float, float]:
    """Return what the machine can do: operations a second (matrix product), bytes a second (copy); best of some."""
    a, b = torch.randn(size, size), torch.randn(size, size)
    source = torch.zeros(megabytes * 2**18)
    target = torch.zeros_like(source)
    torch.mm(a, b)
    products = min(seconds(lambda: torch.mm(a, b)) for _ in range(repeats))
    copies = min(seconds(lambda: target.copy_(source)) for _ in range(repeats))
    return 2 * size**3 / products, 2 * 4 * source.numel() / copies


def main(argv: Sequence[str] | None = None) -> None:
    """Count, measure, and print."""
    parser = Parser(prog="python -m tests.benchmarks roofline", description=__doc__)
    parser.add_argument("--features", type=whole(1), default=32, help="width of the networks [32]")
    parser.add_argument("--rounds", type=whole(1), default=9, help="how often each is measured [9]")
    parser.add_argument("--steps", type=whole(1), default=24, help="training steps in each round [24]")
    parser.add_argument("--size", type=whole(1), default=2048, help="of the matrices [2048]")
    options = parser.parse_args(argv)
    settings = replace(Settings(), features=options.features)
    layers, batch = reference(options.features, settings.z_dim), settings.batch_size
    print(f"{machine()}\n\n| layer | weights | MFLOP an image, forward |\n|---|---:|---:|")
    for layer in layers:
        print(f"| {layer.name} | {layer.weights:,} | {layer.flops / 1e6:.2f} |")
    flops, moved = step_flops(layers, batch), step_bytes(layers, batch)
    ours = Ours(load("sample").images, settings)
    ours.train(options.steps)
    times = [ours.train(options.steps) / options.steps for _ in range(options.rounds)]
    peak, bandwidth = ceilings(options.size, repeats=options.rounds)
    floor = max(flops / peak, moved / bandwidth)
    best, median = min(times), statistics.median(times)
    print(f"\na step of {batch}: {flops / 1e9:.2f} GFLOP, {moved / 1e6:.0f} MB; {flops / moved:.0f} FLOP a byte")
    print(
        f"measured ceilings: {peak / 1e9:.0f} GFLOP/s, {bandwidth / 1e9:.1f} GB/s; {peak / bandwidth:.0f} FLOP a byte"
    )
    print(f"floor of a step: {1e3 * flops / peak:.1f} ms of arithmetic, {1e3 * moved / bandwidth:.1f} ms of memory")
    print(
        f"a step, best of {len(times)}: {1e3 * best:.1f} ms, {flops / best / 1e9:.0f} GFLOP/s, {floor / best:.0%} of"
        f" the ceiling; median {1e3 * median:.1f} ms"
    )
    print(machine())
