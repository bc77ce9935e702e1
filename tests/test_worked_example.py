"""How a check is made: the blocks of code in grader/README.md, run in their order, do what the page says they do."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import torch

from grader.grading.options import GradingOptions
from grader.grading.probe import Probe
from grader.grading.session import Session
from grader.judge import misconceptions, oracles
from grader.judge.check import CheckFailed
from grader.judge.inputs import Draw
from grader.judge.misconceptions import CATALOGUE
from tests.zoo.build import reference, source

PAGE = Path(__file__).parents[1] / "grader" / "README.md"
SEED = 3


@pytest.fixture(scope="module")
def example() -> dict[str, Any]:
    """The names that the page's blocks define, together."""
    text = PAGE.read_text(encoding="utf-8")
    section = text.partition("## How a check is made\n")[2].partition("\n## ")[0]
    blocks = re.findall(r"```python\n(.*?)```", section, re.DOTALL)
    assert len(blocks) == 4
    names: dict[str, Any] = {}
    for block in blocks:
        exec(compile(block, str(PAGE), "exec"), names)
    return names


@contextmanager
def opened(text: str, folder: Path) -> Iterator[Session]:
    file = folder / "VAE_Model.py"
    file.write_text(text, encoding="utf-8")
    session = Session(GradingOptions(file, seed=SEED, lanes=1))
    try:
        yield session
    finally:
        session.close()


def run(example: dict[str, Any], session: Session) -> None:
    name = "test_many_dimensions"
    example[name](Probe(session, "kl", name, "value"), Draw(SEED, name))


def test_the_check_passes_on_the_reference(example: dict[str, Any], tmp_path: Path) -> None:
    with opened(reference(), tmp_path) as session:
        run(example, session)


def test_the_check_fails_on_the_zoo_entry_and_names_the_misconception(
    example: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(misconceptions, "CATALOGUE", (*CATALOGUE, example["ONE_ONCE"]))
    with opened(source(example["ENTRY"]), tmp_path) as session, pytest.raises(CheckFailed) as failed:
        run(example, session)
    explanation = failed.value.explanation
    assert explanation.diagnosis == example["ENTRY"].diagnosis == example["ONE_ONCE"].id
    assert (explanation.hint, explanation.computes) == (
        example["ONE_ONCE"].hint,
        f"kl = {example['ONE_ONCE'].formulas[0]}",
    )


def test_other_mistakes_keep_their_names(example: dict[str, Any], tmp_path: Path) -> None:
    right = "return 0.5 * torch.sum(self.mean**2 + self.var - 1.0 - self.logvar, dim=1)"
    assert reference().count(right) == 1
    doubled = reference().replace(right, right.replace("0.5 * ", ""))
    with opened(doubled, tmp_path) as session, pytest.raises(CheckFailed) as failed:
        run(example, session)
    assert failed.value.explanation.diagnosis == "kl_missing_half"


def test_the_oracle_agrees_with_the_one_in_use(example: dict[str, Any]) -> None:
    draw = Draw(SEED, "oracle")
    mean, logvar = draw.normal(5, 7), draw.normal(5, 7)
    assert torch.allclose(example["kl"](mean, logvar), oracles.kl(mean, logvar), rtol=1e-12, atol=1e-12)


def test_it_is_a_check_with_a_share_and_a_title(example: dict[str, Any]) -> None:
    function = example["test_many_dimensions"]
    (mark,) = function.pytestmark
    assert (mark.name, mark.kwargs) == ("check", {"kind": "value", "share": 10})
    assert function.__doc__.startswith("kl() ") and "\n" not in function.__doc__


def test_the_example_is_not_in_the_catalogue(example: dict[str, Any]) -> None:
    """Else the page would teach what is there already."""
    assert example["ONE_ONCE"].id not in {misconception.id for misconception in CATALOGUE}
