"""Training on a GPU, in a few minutes: `python -m tests.benchmarks gpu`.

Three loops take the same steps: the classic loop (tests/benchmarks/training.py), which copies each batch of its
DataLoader to the GPU; the plain loop of assignment/train.py, with all images on the GPU and fused Adam; and the plain
loop with the captured step of solution/cuda_graph.py. Then the whole run of `python -m solution` is timed.

The images are synthetic, and as many as SVHN has: 73,257 and 26,032. All cores draw them once, and they are kept.

Each table is printed as soon as it is measured. If a part fails, its traceback is printed, the other parts still run,
and the exit status is 1. Try `--quick` first: it runs every part once, at a tiny size.
"""

import csv
import json
import os
import subprocess
import tempfile
import time
import traceback
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import suppress
from dataclasses import asdict, dataclass, replace
from functools import partial
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from assignment import run
from assignment.evaluate import evaluate_elbo, hardware
from assignment.settings import RunError, Settings, choose_device, use_exact_arithmetic
from assignment.train import Step, epoch_noise, new_model, new_optimizer, train_epoch, train_step
from data import HouseNumbers, load, mat, normalise
from data.commandline import Parser, image_source, path, print_everywhere, quoted, whole, words
from data.house_numbers import SPLITS
from data.synthetic import house_number
from solution import VAE_Model
from solution.__main__ import tune
from solution.cuda_graph import CaptureError, backend_for, captured_step
from tests.benchmarks.measure import Variant, interleaved, machine, seconds, table
from tests.benchmarks.training import SKIPPED, SVHN, Classic, Ours, apart, at_least

CLASSIC, PLAIN, CAPTURED = "classic loop", "plain loop", "captured step"
KEPT = Path("results") / "synthetic"  # the images, in a folder for each size
QUICK = (2_000, 500)  # images to train on and to test on
AGREEMENT = 1e-5  # relative: losses that are further apart do not agree; on a CPU they were 1.6e-7 apart
MOST_PROCESSES = 16  # to draw images; each takes seconds to start
IMAGES_PER_PROCESS = 500  # fewer are not worth a process


class BenchmarkError(Exception):
    """A part measured something that must not be. The message is one line."""


@dataclass(frozen=True)
class Bench:
    """What all parts need.

    Attributes:
        settings: Settings of the training, with the source of the images and the device.
        rounds: How often each loop is measured.
        steps: Steps in each round.
        compared: Steps whose losses are compared.
        workers: Processes of the classic loop's DataLoader.
        out: Folder for the results of the whole run.
        page: A file for the tables, or None.
    """

    settings: Settings
    rounds: int
    steps: int
    compared: int
    workers: int
    out: Path
    page: Path | None

    @property
    def device(self) -> torch.device:
        """The device to measure."""
        return torch.device(self.settings.device)

    def images(self, split: str = "train") -> Tensor:
        """Return the images of a split, on the CPU: (N, 3, 32, 32) bytes."""
        return load(self.settings.data, split).images

    def say(self, text: str) -> None:
        """Print the text at once, and add it to the page."""
        print(text, flush=True)
        if self.page:
            with self.page.open("a", encoding="utf-8") as file:
                file.write(f"{text}\n")


# ## The images
def make_images(folder: Path, train: int, test: int) -> None:
    """Write synthetic images to a folder, if it does not have them: the images of `python -m data sample --seed 0`.

    Args:
        folder: The folder, to be used as `--data`.
        train: Number of training images.
        test: Number of test images.
    """
    paths = [folder / f"{split}_32x32.mat" for split in SPLITS]
    if all(file.exists() for file in paths):
        return
    draw = partial(house_number, 0)
    processes = min(_cores(), MOST_PROCESSES, (train + test) // IMAGES_PER_PROCESS)
    if processes > 1:
        # Not "fork", which is unsafe once torch has threads.
        with ProcessPoolExecutor(processes, mp_context=get_context("spawn")) as pool:
            drawn = list(pool.map(draw, range(train + test), chunksize=100))
    else:
        drawn = [draw(i) for i in range(train + test)]
    images = torch.from_numpy(np.stack([image for image, _ in drawn])).permute(0, 3, 1, 2).contiguous()
    labels = torch.tensor([label for _, label in drawn])
    for file, its_images, its_labels in zip(
        paths, images.split([train, test]), labels.split([train, test]), strict=True
    ):
        mat.write(file, HouseNumbers(its_images, its_labels))


def _cores() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


# ## The loops
def plain(images: Tensor, settings: Settings) -> Ours:
    """Return the plain loop, with new weights, for images on the device."""
    return Ours(images, settings, channels_last=images.device.type == "cpu")


def captured(images: Tensor, settings: Settings) -> Ours:
    """Return the plain loop with a captured step, with the same new weights.

    Raises:
        CaptureError: The step cannot be captured.
    """
    loop = plain(images, settings)
    loop.step = captured_step(loop.model, loop.optimizer, images, settings, backend_for(images.device))
    return loop


def ours(images: Tensor, settings: Settings) -> dict[str, Ours]:
    """Return the plain loop, and the captured one if the step can be captured: the first part says why not."""
    loops = {PLAIN: plain(images, settings)}
    with suppress(CaptureError):
        loops[CAPTURED] = captured(images, settings)
    return loops


# ## The parts
def capture(bench: Bench) -> None:
    """Capture the step."""
    if backend_for(bench.device) is None:
        bench.say(f"not captured: there is no captured step on the device {bench.device}")
        return
    images = bench.images().to(bench.device)
    taken = seconds(lambda: captured(images, bench.settings))
    bench.say(f"Captured in {taken:.2f} s; its replays give the results of ordinary steps.")


def steps(bench: Bench) -> None:
    """Time the steps of the three loops."""
    few = max(1, bench.steps // 4)  # the classic loop is slow, and needs fewer
    images = at_least(bench.images(), max(bench.steps, few + SKIPPED) * bench.settings.batch_size)
    classic = Classic(images, bench.settings, bench.workers, bench.device)
    loops = ours(images.to(bench.device), bench.settings)
    found = interleaved(
        [
            Variant(CLASSIC, lambda: classic.train(few)[0] / few),
            *(Variant(name, partial(_seconds_a_step, loop, bench.steps)) for name, loop in loops.items()),
        ],
        bench.rounds,
    )
    bench.say(
        f"Batch size {bench.settings.batch_size}; {bench.steps} steps a round, {few} of the classic loop, whose"
        f" DataLoader has {bench.workers} workers.\n\n{table(found, 'µs a step', 1e-6, CLASSIC)}"
    )


def _seconds_a_step(loop: Ours, count: int) -> float:
    return loop.train(count) / count


def losses(bench: Bench) -> None:
    """Compare the losses of the three loops: from the same weights, on the same batches, with the same noise.

    Raises:
        BenchmarkError: They do not agree.
    """
    count = bench.compared * bench.settings.batch_size
    images = at_least(bench.images(), count)[:count]
    _, expected = Classic(images, bench.settings, bench.workers, bench.device).train(bench.compared, skipped=0)
    found = {name: loop.losses(bench.compared) for name, loop in ours(images.to(bench.device), bench.settings).items()}
    differences = {name: apart(expected, values) for name, values in found.items()}
    rows = [
        f"| {name} | {values[0]:.3f} | {values[-1]:.3f} | {differences.get(name, 0.0):.1e} |"
        for name, values in {CLASSIC: expected, **found}.items()
    ]
    heading = f"| | loss of step 1, nats | of step {bench.compared} | at most apart from the classic loop, relative |"
    bench.say("\n".join([heading, "|---|---:|---:|---:|", *rows]))
    # `not <=` also holds for nan.
    if far := [name for name, difference in differences.items() if not difference <= AGREEMENT]:
        raise BenchmarkError(f"the losses disagree by more than {AGREEMENT:.0e} with those of the {CLASSIC}: {far}")
    bench.say(f"\nThe losses agree (at most {AGREEMENT:.0e} apart).")


def epochs(bench: Bench) -> None:
    """Time whole epochs: all images, and a test."""
    train_images, test_images = (bench.images(split).to(bench.device) for split in SPLITS)
    found = interleaved(
        [
            Variant(name, partial(seconds, partial(_epoch, loop, test_images)))
            for name, loop in ours(train_images, bench.settings).items()
        ],
        max(1, bench.rounds // 2),
    )
    bench.say(
        f"An epoch of {len(train_images):,} images, and a test on {len(test_images):,}.\n\n"
        f"{table(found, 'seconds an epoch', 1, PLAIN)}"
    )


def _epoch(loop: Ours, test_images: Tensor) -> None:
    settings = loop.settings
    train_epoch(loop.model, loop.optimizer, loop.images, settings, epoch=1, step=loop.step)
    noise = epoch_noise(len(test_images), settings.z_dim, settings.seed, epoch=0)
    evaluate_elbo(loop.model, test_images, noise, settings.batch_size)


def whole_run(bench: Bench) -> None:
    """Time the run of `python -m solution`.

    Raises:
        BenchmarkError: The step was not captured, although the device can do it.
    """
    used: list[Step] = []

    def tuned(*arguments: Any) -> Step:
        used.append(partial(tune, capture=True)(*arguments))
        return used[0]

    options = asdict(bench.settings)
    taken = seconds(lambda: run.run(VAE_Model, options, bench.out, resume=False, decoded_copy=True, tune=tuned))
    config = json.loads((bench.out / "config.json").read_text(encoding="utf-8"))
    report = json.loads((bench.out / "log_likelihood.json").read_text(encoding="utf-8"))
    with (bench.out / "metrics.csv").open(encoding="utf-8") as file:
        last = list(csv.DictReader(file))[-1]
    is_captured = used[0] is not train_step
    bench.say(
        f"\n| `python -m solution --epochs {last['epoch']}` | |\n|---|---:|\n"
        f"| the step was captured | {'yes' if is_captured else 'no'} |\n"
        f"| training, with a test and a checkpoint after each epoch | {config['training_seconds']:.1f} s |\n"
        f"| log-likelihood of {report['images']:,} images, K = {report['K']} | {report['seconds']:.1f} s |\n"
        f"| the whole run, with anchors and figures | {taken:.1f} s |\n"
        f"| final −ELBO of the test images | {-float(last['test_elbo']):.2f} nats |"
    )
    if not is_captured and backend_for(bench.device):
        raise BenchmarkError("the run used ordinary steps: the line above says why")


class Waiting(VAE_Model.VAE):
    """A model that waits for a result in each step, which a CUDA graph cannot."""

    def forward(self, x: Tensor, noise: Tensor | None = None) -> tuple[Tensor, Tensor, Tensor]:
        """Return what the reference does."""
        reconstruction, nll, kl = super().forward(x, noise)
        return reconstruction, nll + 0.0 * nll.mean().item(), kl


def refusal(bench: Bench) -> None:
    """Check that training goes on, and that random numbers can be drawn, after a capture that fails.

    Raises:
        BenchmarkError: The capture did not fail.
    """
    if backend_for(bench.device) is None:
        bench.say(f"nothing to check on the device {bench.device}")
        return
    B = bench.settings.batch_size
    images = at_least(bench.images(), B)[:B].to(bench.device)
    model = new_model(Waiting, images, bench.settings)
    optimizer = new_optimizer(model, bench.settings)
    try:
        captured_step(model, optimizer, images, bench.settings, backend_for(bench.device))
    except CaptureError as error:
        bench.say(f"refused: {error}")
    else:
        raise BenchmarkError("a model that waits for a result was captured")
    noise = torch.randn(B, bench.settings.z_dim, device=bench.device)
    nll, kl = train_step(model, optimizer, normalise(images), noise)
    bench.say(f"An ordinary step and random numbers still work: the loss is {(nll + kl).mean().item():.1f} nats.")


PARTS: dict[str, Callable[[Bench], None]] = {
    "Capturing the step": capture,
    "Steps": steps,
    "Losses": losses,
    "Epochs": epochs,
    "The whole run": whole_run,
    "A step that cannot be captured": refusal,  # last: it may leave the device in a bad state
}


def tried(bench: Bench, title: str, part: Callable[[Bench], None], start: float) -> bool:
    """Run a part; return whether it succeeded. An error is printed."""
    bench.say(f"\n## {title} (begun after {time.perf_counter() - start:.0f} s)\n")
    try:
        part(bench)
    except (BenchmarkError, RunError) as error:
        bench.say(f"\nFAILED: {error}")
    except Exception:
        bench.say(f"\nFAILED:\n\n{traceback.format_exc()}")
    else:
        return True
    return False


# ## The command
def main(argv: Sequence[str] | None = None) -> int:
    """Measure, and print the tables; return the exit status: 1 if a part failed, 2 if there is no such device."""
    print_everywhere()
    parser = _parser()
    options = parser.parse_args(argv)
    try:
        device = choose_device(options.device)
    except RunError:
        parser.error(f"there is no device {options.device!r} here that PyTorch can use; --device cpu captures nothing")
    if options.quick:
        options.rounds, options.steps, options.epochs = 1, 20, 1
    use_exact_arithmetic()
    with tempfile.TemporaryDirectory() as temporary:
        out = options.out or Path(temporary)
        try:
            out.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            parser.error(f"cannot create the folder {quoted(out)} ({error.strerror}): choose another --out")
        settings = Settings(epochs=options.epochs, features=options.features, device=str(device))
        page = out / "gpu.md" if options.out else None
        bench = Bench(settings, options.rounds, options.steps, options.compared, options.workers, out / "run", page)
        return _measure(bench, options.data, QUICK if options.quick else SVHN)


def _measure(bench: Bench, data: str | None, sizes: tuple[int, int]) -> int:
    """Make the images if there are none, and run all parts; return the exit status."""
    start = time.perf_counter()
    bench.say(f"{_gpu(bench.device)}\n{machine()}")
    failed = []
    if data is None:
        data = str(KEPT / "-".join(map(str, sizes)))
        if not tried(bench, "Images", lambda _: make_images(Path(str(data)), *sizes), start):
            failed.append("Images")
            data = "sample"
    bench.say(f"images: {data}")
    bench = replace(bench, settings=replace(bench.settings, data=data))
    failed += [title for title, part in PARTS.items() if not tried(bench, title, part, start)]
    bench.say(
        f"\n{time.perf_counter() - start:.0f} s; {'failed: ' + ', '.join(failed) if failed else 'no part failed'}"
    )
    return 1 if failed else 0


def _gpu(device: torch.device) -> str:
    """Return a line about the GPU, its driver and its CUDA version."""
    if device.type != "cuda":
        return f"no GPU: the device is {device}"
    query = ["nvidia-smi", "--query-gpu=driver_version", "--format=csv,noheader"]
    driver = "unknown"
    with suppress(OSError, subprocess.SubprocessError):
        driver = subprocess.run(query, capture_output=True, text=True, timeout=20, check=True).stdout.split("\n")[0]
    cudnn = torch.backends.cudnn.version()
    return f"{hardware(device)}, driver {driver}, CUDA {torch.version.cuda}, cuDNN {cudnn}"


def _parser() -> Parser:
    parser = Parser(prog="python -m tests.benchmarks gpu", description=__doc__)
    parser.add_argument(
        "--data", type=image_source, help=f"as for python -m solution [synthetic images, kept in {KEPT}]"
    )
    parser.add_argument("--rounds", type=whole(1), default=8, help="how often each loop is measured [8]")
    parser.add_argument("--steps", type=whole(1), default=400, help="in each round [400]")
    parser.add_argument("--compared", type=whole(1), default=100, help="steps whose losses are compared [100]")
    parser.add_argument("--epochs", type=whole(1), default=30, help="of the whole run [30]")
    parser.add_argument("--features", type=whole(1), default=32, help="width of the networks [32]")
    parser.add_argument("--workers", type=whole(0), default=4, help="of the classic loop's DataLoader [4]")
    parser.add_argument("--device", type=words, default="cuda", help="cuda, cuda:1, ...; cpu captures nothing [cuda]")
    parser.add_argument("--out", type=path, metavar="DIR", help="folder for the tables (gpu.md) and the run [none]")
    parser.add_argument(
        "--quick", action="store_true", help="every part at a tiny size, in place of --rounds, --steps and --epochs"
    )
    return parser
