"""Each benchmark runs, with sizes that tell nothing about speed: no test asserts a time."""

import pytest
import torch

from tests.benchmarks import likelihood, roofline, training
from tests.benchmarks.__main__ import NAMES, main
from tests.benchmarks.measure import Variant, interleaved, table

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
