"""What all benchmarks share: interleaved timing, a table, and a line about the machine."""

import os
import statistics
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import torch

from assignment.evaluate import hardware


@dataclass(frozen=True)
class Variant:
    """One way to do the work.

    Attributes:
        name: What it is called in the table.
        run: Does it once; returns the seconds that count.
    """

    name: str
    run: Callable[[], float]


def seconds(work: Callable[[], object]) -> float:
    """Return the wall time of some work, on the CPU and on a GPU that is in use."""
    _wait_for_gpu()
    start = time.perf_counter()
    work()
    _wait_for_gpu()
    return time.perf_counter() - start


def _wait_for_gpu() -> None:
    if torch.cuda.is_initialized():
        torch.cuda.synchronize()


def interleaved(variants: Sequence[Variant], rounds: int) -> dict[str, list[float]]:
    """Measure A B C A B C ...: what slows the machine down for a while slows all of them down.

    One round before the first warms up and does not count.
    """
    for variant in variants:
        variant.run()
    found: dict[str, list[float]] = {variant.name: [] for variant in variants}
    for _ in range(rounds):
        for variant in variants:
            found[variant.name].append(variant.run())
    return found


def table(found: Mapping[str, Sequence[float]], unit: str, per: float, baseline: str) -> str:
    """Return the measurements in Markdown: medians, the lower quartile, and how many times as fast as the baseline.

    Args:
        found: Seconds of each variant, round by round.
        unit: What `per` counts: "ms a step".
        per: What to divide seconds by to have this unit.
        baseline: The variant to compare with. Ratios are medians over rounds of the ratio within a round, and what
            the lower quartiles give: where others use the machine, the latter says more.
    """
    lines = [
        f"| | n | {unit}, median | lower quartile | ratio, median of rounds | ratio of lower quartiles |",
        "|---|---:|---:|---:|---:|---:|",
    ]
    for name, times in found.items():
        ratio = statistics.median(a / b for a, b in zip(found[baseline], times, strict=True))
        quartiles = _lower_quartile(found[baseline]) / _lower_quartile(times)
        median, low = statistics.median(times) / per, _lower_quartile(times) / per
        lines.append(f"| {name} | {len(times)} | {median:.2f} | {low:.2f} | {ratio:.2f} | {quartiles:.2f} |")
    return "\n".join(lines)


def _lower_quartile(times: Sequence[float]) -> float:
    return sorted(times)[len(times) // 4]


def machine() -> str:
    """Return a line about what computed."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    load = f", load {os.getloadavg()[0]:.1f}" if hasattr(os, "getloadavg") else ""
    return f"{hardware(torch.device('cpu'))}, {cores} cores{load}; torch {torch.__version__}"
