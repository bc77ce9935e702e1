"""Official gradings draw what students cannot know: answers learned by heart under the public seed are worthless."""

import json
import os
from pathlib import Path
from typing import Any

import pytest

from grader.grading.seeds import VARIABLE, official_seed
from grader.platforms import classroom, gradescope
from grader.platforms.container import SANDBOX
from tests.autograder import laid_out
from tests.releases import SECRET
from tests.test_recorded_answers import CHECKS, FILE, PUBLIC, passed
from tests.zoo.build import reference

_SHAPE = 2.0  # points of kl for a result of the right shape: all that numbers learned by heart can earn


@pytest.fixture(scope="module")
def recording(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """A file that knows what kl() is asked under the public seed, and the answers, and nothing else."""
    answers: dict[str, list[float]] = {}
    assert passed(reference(), PUBLIC, tmp_path_factory.mktemp("reference"), answers) == set(CHECKS)
    return FILE.format(answers=answers).encode()


def kl(results: dict[str, Any]) -> float:
    return results["extra_data"]["tasks"]["kl"]["score"]


def on_classroom(folder: Path, content: bytes, monkeypatch: pytest.MonkeyPatch, secret: str) -> dict[str, Any]:
    """Grade as the workflow's step does; returns results.json."""
    (folder / "VAE_Model.py").write_bytes(content)
    monkeypatch.setenv(VARIABLE, secret)
    monkeypatch.setenv("GITHUB_OUTPUT", str(folder / "output"))
    options = [f"--submission={folder / 'VAE_Model.py'}", f"--report={folder / 'report'}"]
    assert classroom.main(options) == 0
    assert VARIABLE not in os.environ, "nothing that is started later inherits it"
    return json.loads((folder / "report" / "results.json").read_text(encoding="utf-8"))


@pytest.mark.slow
def test_on_gradescope_they_earn_nothing(recording: bytes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(SANDBOX, "process")
    root = laid_out(tmp_path, {"VAE_Model.py": recording})
    assert gradescope.main(["", str(root)]) == 0
    results = json.loads((root / "results" / "results.json").read_text(encoding="utf-8"))
    assert results["extra_data"]["seed"] == official_seed(SECRET, recording) != PUBLIC
    assert kl(results) <= _SHAPE


@pytest.mark.slow
def test_on_classroom_they_earn_nothing_where_there_is_a_secret_and_much_where_there_is_none(
    recording: bytes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "with").mkdir()
    (tmp_path / "without").mkdir()
    official = on_classroom(tmp_path / "with", recording, monkeypatch, SECRET.decode())
    public = on_classroom(tmp_path / "without", recording, monkeypatch, "")
    assert official["extra_data"]["seed"] == official_seed(SECRET, recording)
    assert public["extra_data"]["seed"] == PUBLIC
    assert kl(official) <= _SHAPE < kl(public)
