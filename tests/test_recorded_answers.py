"""Answers recorded under the public seed are worth points under that seed alone, and official seeds are others."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import torch

from grader import test_kl
from grader.grading.options import GradingOptions
from grader.grading.probe import Probe
from grader.grading.seeds import official_seed
from grader.grading.session import Session
from grader.judge.check import CheckFailed
from grader.judge.inputs import Draw
from tests.zoo.build import reference

PUBLIC = 0
CHECKS = {name: check for name, check in vars(test_kl).items() if name.startswith("test_")}
FILE = """
import torch

ANSWERS = {answers!r}

class DiagonalGaussianDistribution:
    def __init__(self, mean, logvar=None):
        self.mean = mean
        self.logvar = torch.zeros_like(mean) if logvar is None else torch.clamp(logvar, -30.0, 20.0)
        self.std, self.var = torch.exp(0.5 * self.logvar), torch.exp(self.logvar)

    def kl(self):
        known = ANSWERS.get(str(self.mean.tolist()) + str(self.logvar.tolist()))
        return self.mean[:, 0] if known is None else torch.tensor(known, dtype=self.mean.dtype)
"""


def passed(text: str, seed: int, folder: Path, recorded: dict[str, list[float]] | None = None) -> set[str]:
    """Return the checks of kl that a submission passes; record inputs and answers on the way, if asked to."""
    file = folder / "VAE_Model.py"
    file.write_text(text, encoding="utf-8")
    session = Session(GradingOptions(file, seed=seed, lanes=1))
    ask = session.ask

    def recording(
        task: str, probe: str, arguments: Mapping[str, Any], tensors: Mapping[str, torch.Tensor], probe_seed: int
    ) -> Any:
        found = ask(task, probe, arguments, tensors, probe_seed)
        in_turn = {"_0": "value_first", "_1": "value_changed", "_2": "value_fresh"}
        for which, result in in_turn.items() if "mean_0" in tensors else [("", "value_0")]:
            mean = tensors[f"mean{which}"]
            logvar = tensors.get(f"logvar{which}", torch.zeros_like(mean)).clamp(-30.0, 20.0)
            assert recorded is not None
            recorded[str(mean.tolist()) + str(logvar.tolist())] = found[0][result].tolist()
        return found

    if recorded is not None:
        session.ask = recording  # type: ignore[method-assign, assignment]
    good = set()
    try:
        for name, check in CHECKS.items():
            kind = next(mark.kwargs["kind"] for mark in check.pytestmark if mark.name == "check")
            try:
                check(Probe(session, "kl", name, kind), Draw(seed, name))
            except CheckFailed:
                continue
            good.add(name)
    finally:
        session.close()
    return good


@pytest.fixture(scope="module")
def recording(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A file that knows the answers to all that is asked under the public seed, and nothing else."""
    answers: dict[str, list[float]] = {}
    assert passed(reference(), PUBLIC, tmp_path_factory.mktemp("reference"), answers) == set(CHECKS)
    return FILE.format(answers=answers)


@pytest.mark.slow
def test_the_public_seed_can_be_learned_by_heart(recording: str, tmp_path: Path) -> None:
    assert passed(recording, PUBLIC, tmp_path) == set(CHECKS) - {"test_gradient"}


@pytest.mark.slow
def test_an_official_seed_is_another_one_for_which_that_is_worth_nothing(recording: str, tmp_path: Path) -> None:
    seed = official_seed(b"a secret that students do not know", recording.encode())
    assert seed != PUBLIC
    assert passed(recording, seed, tmp_path) <= {"test_one_number_per_row"}
