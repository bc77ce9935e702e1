"""`python -m data`: what is here, how to get more, and one clear line when that fails. No test uses the network."""

import http.client
import inspect
import socket
import subprocess
import sys
import urllib.error
from pathlib import Path

import pytest
import torch

from data import load, mat, official
from data.__main__ import SAMPLE, main
from data.house_numbers import SPLITS
from tests.data import noise
from tests.wording import numbers

SITE = "ufldl.stanford.edu/housenumbers"


class Connection:
    """Stands in for torchvision.datasets.SVHN: writes a file like a download does, or fails half-way."""

    def __init__(self, error: BaseException | None = None, images: int = 4):
        self.error, self.images, self.calls = error, images, 0
        self.timeout: float | None = None

    def __call__(self, root: str, split: str = "train", download: bool = False) -> None:
        assert download
        self.calls += 1
        self.timeout = socket.getdefaulttimeout()
        path = Path(root) / f"{split}_32x32.mat"
        mat.write(path, noise(self.images, seed=len(split)))
        if self.error is not None:
            path.write_bytes(path.read_bytes()[:1000])
            raise self.error


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty place for SVHN, and official files that are small: size and md5 of four images of noise."""
    import hashlib

    place = tmp_path / "svhn"
    monkeypatch.setattr(official, "FOLDER", place)
    for split in SPLITS:
        mat.write(tmp_path / "model.mat", noise(4, seed=len(split)))
        content = (tmp_path / "model.mat").read_bytes()
        small = official.OfficialFile(f"{split}_32x32.mat", len(content), hashlib.md5(content).hexdigest())
        monkeypatch.setitem(official.OFFICIAL, split, small)
    return place


def connect(monkeypatch: pytest.MonkeyPatch, connection: Connection) -> Connection:
    monkeypatch.setattr("torchvision.datasets.SVHN", connection)
    return connection


def test_status_counts_the_sample_and_says_how_to_get_svhn(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 4
    assert "2,048 images" in lines[0]
    assert "512 images" in lines[1]
    assert "python -m data fetch" in lines[2]


def test_status_reports_a_damaged_sample(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("data.loader.SAMPLE", tmp_path / "gone")
    assert main([]) == 1
    assert "there is no such file" in capsys.readouterr().out


def test_fetch_puts_both_files_in_place_once(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    connection = connect(monkeypatch, Connection())
    before = socket.getdefaulttimeout()
    assert main(["fetch"]) == 0
    assert sorted(file.name for file in folder.iterdir()) == ["test_32x32.mat", "train_32x32.mat"]
    assert torch.equal(load("svhn", "test").images, noise(4, seed=len("test")).images)
    assert main(["fetch"]) == 0
    assert connection.calls == 2
    assert capsys.readouterr().out.count("already exists") == 2
    assert connection.timeout == official.STALLED_SECONDS
    assert socket.getdefaulttimeout() == before


@pytest.mark.parametrize(
    "error",
    [
        urllib.error.URLError("Name or service not known"),
        TimeoutError("timed out"),
        http.client.IncompleteRead(b"half"),
        RuntimeError("File not found or corrupted."),
        OSError(28, "No space left on device"),
    ],
    ids=lambda error: type(error).__name__,
)
def test_fetch_without_a_connection_is_one_clear_line_and_leaves_nothing(
    error: BaseException, folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    connect(monkeypatch, Connection(error))
    assert main(["fetch"]) == 1
    line = capsys.readouterr().err
    assert line.startswith("error: ")
    assert line.count("\n") == 1
    assert str(error) in line
    for file in official.OFFICIAL.values():
        assert file.name in line
        assert f"{file.size:,} bytes" in line
        assert file.md5 in line
    assert SITE in line
    assert str(folder) in line
    assert list(folder.iterdir()) == []


def test_fetch_refuses_what_is_not_svhn(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    connect(monkeypatch, Connection(images=5))
    assert main(["fetch"]) == 1
    assert official.NOT_SVHN in capsys.readouterr().err
    assert list(folder.iterdir()) == []


def test_fetch_stopped_by_hand_leaves_nothing(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    connect(monkeypatch, Connection(KeyboardInterrupt()))
    assert main(["fetch"]) == 1
    said = capsys.readouterr().err
    assert "interrupted" in said and said.count("\n") == 1
    assert list(folder.iterdir()) == []


def test_fetch_keeps_a_file_that_is_here_when_the_other_fails(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    connect(monkeypatch, Connection())
    assert main(["fetch"]) == 0
    (folder / "test_32x32.mat").write_bytes(b"damaged since")
    connect(monkeypatch, Connection(urllib.error.URLError("gone")))
    assert main(["fetch"]) == 1
    assert len(load("svhn", "train")) == 4


def test_the_official_files_are_those_that_torchvision_knows() -> None:
    from torchvision.datasets import SVHN

    for split in SPLITS:
        url, name, md5 = SVHN.split_list[split]
        assert (name, md5) == (official.OFFICIAL[split].name, official.OFFICIAL[split].md5)
        assert url == official.SITE + name
    assert {"root", "split", "download"} <= set(inspect.signature(SVHN).parameters)


def test_sample_makes_a_pair_that_load_understands(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    arguments = ["sample", "--seed", "3", "--train", "6", "--test", "2", "--out"]
    assert main([*arguments, str(tmp_path / "a")]) == 0
    assert main([*arguments, str(tmp_path / "b")]) == 0
    assert (len(load(tmp_path / "a")), len(load(tmp_path / "a", "test"))) == (6, 2)
    for name in ("train_32x32.mat", "test_32x32.mat"):
        assert (tmp_path / "a" / name).read_bytes() == (tmp_path / "b" / name).read_bytes()
    assert "6 images" in capsys.readouterr().out


def test_another_sample_never_takes_the_place_of_the_one_that_comes_along(capsys: pytest.CaptureFixture[str]) -> None:
    before = [(SAMPLE / f"{split}_32x32.mat").stat().st_mtime_ns for split in SPLITS]
    with pytest.raises(SystemExit) as caught:
        main(["sample", "--seed", "1"])
    assert caught.value.code == 2
    assert "need --out DIR" in capsys.readouterr().err
    assert [(SAMPLE / f"{split}_32x32.mat").stat().st_mtime_ns for split in SPLITS] == before


@pytest.mark.parametrize(
    "arguments",
    [["sample", "--train", "0"], ["sample", "--seed", "-1"], ["sample", "--test", "many"], ["draw"], ["sheet"]],
    ids=" ".join,
)
def test_wrong_usage_ends_with_status_2(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        main(arguments)
    assert caught.value.code == 2
    assert "; see python -m data" in capsys.readouterr().err


def test_sample_into_a_place_that_is_a_file_fails_with_one_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "file").write_text("mine")
    assert main(["sample", "--train", "1", "--test", "1", "--out", str(tmp_path / "file")]) == 1
    assert capsys.readouterr().err.count("\n") == 1
    assert (tmp_path / "file").read_text() == "mine"


def test_compare_prints_a_table(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    mat.write(tmp_path / "mine.mat", noise(20))
    assert main(["compare", str(tmp_path / "mine.mat")]) == 0
    lines = capsys.readouterr().out.splitlines()
    images, *sources = lines[0].strip("| ").split(" | ")
    assert numbers(images) == ["16", "4"] and sources[:2] == ["sample", "mine.mat"]
    assert all(line.count("|") == 5 for line in lines)


def test_sheet_draws_the_first_images(tmp_path: Path) -> None:
    import numpy as np
    from PIL import Image

    numbers = noise(3)
    mat.write(tmp_path / "train.mat", numbers)
    mat.write(tmp_path / "test.mat", numbers)
    assert main(["sheet", str(tmp_path), "--out", str(tmp_path / "look.png")]) == 0
    with Image.open(tmp_path / "look.png") as picture:
        pixels = np.asarray(picture)
    assert pixels.shape == (6 * 64, 12 * 64, 3)
    assert np.array_equal(pixels[0:64:2, 64:128:2], numbers.images[1].permute(1, 2, 0).numpy())
    assert (pixels[64:] == 255).all()


def test_sheet_of_a_strange_kind_fails_with_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["sheet", "--out", str(tmp_path / "look.strange")]) == 1
    assert capsys.readouterr().err.count("\n") == 1


def test_the_command_runs_from_a_shell_and_shows_its_examples() -> None:
    root = Path(__file__).parent.parent
    shown = subprocess.run(
        [sys.executable, "-m", "data", "--help"], cwd=root, capture_output=True, text=True, timeout=60
    )
    assert shown.returncode == 0
    assert "examples:" in shown.stdout
    failed = subprocess.run(
        [sys.executable, "-m", "data", "sheet", "gone", "--out", "x.png"],
        cwd=root,
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert failed.returncode == 2
    assert failed.stderr.count("\n") == 1
