"""Each benchmark runs, with sizes that tell nothing about speed: no test asserts a time."""

from dataclasses import replace
from pathlib import Path

import pytest
import torch

from assignment.settings import Settings
from data import load
from data.synthetic import house_numbers
from tests.benchmarks import gpu, likelihood, roofline, training
from tests.benchmarks.__main__ import NAMES, main
from tests.benchmarks.measure import Variant, interleaved, table
from tests.test_cuda_graph import Recorder
from tests.wording import lines_with

TINY = ["--features", "2", "--rounds", "1"]


def test_variants_take_turns() -> None:
    turns: list[str] = []

    def work(name: str) -> float:
        turns.append(name)
        return 1.0

    found = interleaved([Variant(name, lambda name=name: work(name)) for name in "ab"], rounds=2)  # type: ignore[misc]
    assert turns == ["a", "b"] * 3, "the first round warms up"
    assert found == {"a": [1.0, 1.0], "b": [1.0, 1.0]}


def test_the_table_says_how_often_how_long_and_how_many_times_as_fast() -> None:
    text = table({"slow": [4.0, 2.0, 2.0], "fast": [1.0, 1.0, 2.0]}, "ms", 0.001, "slow")
    assert "| slow | 3 | 2000.00 | 2000.00 | 1.00 | 1.00 |" in text
    assert "| fast | 3 | 1000.00 | 1000.00 | 2.00 | 2.00 |" in text


def test_training_runs_and_both_loops_learn_the_same(capsys: pytest.CaptureFixture[str]) -> None:
    training.main([*TINY, "--steps", "2", "--workers", "0", "--compared", "3"])
    printed = capsys.readouterr().out
    assert "| classic loop | 1 |" in printed
    assert float(printed.split("at most ")[1].split(" apart")[0]) < 1e-5


def test_losses_that_are_no_numbers_are_apart() -> None:
    assert training.apart([2.0, 4.0], [2.0, 5.0]) == 0.25
    assert not training.apart([2.0, 4.0], [2.0, float("nan")]) <= 1.0


# ## On a GPU: here a stand-in captures the steps
@pytest.fixture
def bench(tmp_path: Path) -> gpu.Bench:
    """A bench for the CPU, with 70 training images: one full batch and a smaller one."""
    gpu.make_images(tmp_path / "images", train=70, test=6)
    settings = Settings(data=str(tmp_path / "images"), epochs=1, features=2, device="cpu")
    return gpu.Bench(settings, rounds=1, steps=2, compared=3, workers=0, out=tmp_path / "run", page=None)


@pytest.fixture
def with_captured_steps(monkeypatch: pytest.MonkeyPatch) -> None:
    for module in ("tests.benchmarks.gpu", "solution.__main__"):
        monkeypatch.setattr(f"{module}.backend_for", lambda _: Recorder())


@pytest.mark.usefixtures("with_captured_steps")
def test_gpu_runs_all_parts_and_names_those_that_failed(
    bench: gpu.Bench, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The stand-in also captures a step that CUDA would refuse, so the last part fails."""
    sizes = ["--rounds", "1", "--steps", "2", "--compared", "3", "--epochs", "1", "--features", "2", "--workers", "0"]
    out = tmp_path / "out"
    assert gpu.main(["--device", "cpu", "--data", bench.settings.data, "--out", str(out), *sizes]) == 1
    page = (out / "gpu.md").read_text(encoding="utf-8")
    assert page.count("| captured step | 1 |") == 2, "steps and epochs"
    assert "The losses agree" in page
    assert lines_with(page, "captured", "| yes |")
    assert page.count("FAILED") == 1 and page.endswith(f": {list(gpu.PARTS)[-1]}\n")
    printed = capsys.readouterr().out
    assert all(line in printed for line in page.splitlines())


def test_without_a_captured_step_gpu_says_so(bench: gpu.Bench, capsys: pytest.CaptureFixture[str]) -> None:
    gpu.capture(bench)
    gpu.steps(bench)
    printed = capsys.readouterr().out
    assert lines_with(printed, "captured", "device cpu")
    assert "| plain loop | 1 |" in printed and "| captured step |" not in printed


def test_losses_that_disagree_fail(
    bench: gpu.Bench, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    right = gpu.plain
    monkeypatch.setattr(gpu, "plain", lambda images, settings: right(images, replace(settings, lr=2e-4)))
    assert not gpu.tried(bench, "Losses", gpu.losses, start=0.0)
    assert "FAILED: the losses disagree" in capsys.readouterr().out


def test_an_error_of_one_part_is_shown_and_stops_nothing(bench: gpu.Bench, capsys: pytest.CaptureFixture[str]) -> None:
    def broken(_: gpu.Bench) -> None:
        raise RuntimeError("an illegal memory access")

    assert not gpu.tried(bench, "Steps", broken, start=0.0)
    printed = capsys.readouterr().out
    assert "Traceback" in printed and "an illegal memory access" in printed


def test_images_for_the_gpu_are_those_of_the_sample_command(bench: gpu.Bench) -> None:
    """So that `python -m data sample` gives the same ones."""
    expected = house_numbers(0, range(70, 76))
    found = load(bench.settings.data, "test")
    assert torch.equal(found.images, expected.images) and torch.equal(found.labels, expected.labels)


def test_without_a_gpu_one_line_says_so(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        gpu.main(["--device", "cuda:99"])
    assert ended.value.code == 2
    assert lines_with(capsys.readouterr().err, "'cuda:99'", "--device cpu")


# ## Likelihood, and what a step asks of the machine
def test_likelihood_runs_and_is_exact_where_it_must_be(capsys: pytest.CaptureFixture[str]) -> None:
    likelihood.main([*TINY, "--images", "4", "--k", "2", "--many", "20"])
    printed = capsys.readouterr().out
    assert "| plain loop | 1 |" in printed
    assert float(printed.split("variance times 1.0: at most ")[1].split()[0]) < 0.01


def test_the_plain_loop_estimates_the_same_quantity() -> None:
    model = likelihood.Linear(z_dim=3)
    images = torch.randint(0, 256, (2, 3, 32, 32), dtype=torch.uint8)
    exact = model.exact(images / 127.5 - 1)
    torch.testing.assert_close(likelihood.plain_loop(model, images, K=3).double(), exact, rtol=0, atol=0.01)


def test_operations_are_counted_as_by_hand() -> None:
    """A convolution of 32 -> 64 channels on 16 x 16: 8 x 8 places, 16 x 32 weights for each of 64 outputs."""
    layers = roofline.reference()
    assert layers[1].flops == 2 * (8 * 8) * 64 * (16 * 32)
    assert layers[-2].flops == layers[1].flops, "the decoder mirrors the encoder"
    assert sum(layer.weights for layer in layers) == 1_477_632


def test_roofline_runs(capsys: pytest.CaptureFixture[str]) -> None:
    roofline.main([*TINY, "--steps", "2", "--size", "64"])
    assert "GFLOP/s" in capsys.readouterr().out


def test_the_command_names_its_benchmarks(capsys: pytest.CaptureFixture[str]) -> None:
    assert main([]) == 0
    printed = capsys.readouterr().out
    assert all(name in printed for name in NAMES)
    assert main(["nonsense"]) == 2
