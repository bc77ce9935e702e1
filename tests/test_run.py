"""The two commands: what they leave behind, what they say, and that nothing is lost when they are stopped."""

import csv
import errno
import json
import os
import random
import re
import shlex
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file
from torch import nn

from assignment import checkpoint
from assignment.run import main
from assignment.settings import RunError, Settings, parser
from data import load
from grader.judge.offering import load_offering
from solution import VAE_Model as reference
from solution.skeleton import REFERENCE, skeleton
from tests import ctrl_c

ROOT = Path(__file__).parents[1]
TINY = ["--limit", "20", "--batch-size", "8", "--features", "2", "--z-dim", "3", "--k", "2", "--device", "cpu"]
RESULTS = {
    "checkpoint.pt",
    "config.json",
    "curves.png",
    "interpolation.png",
    "log_likelihood.json",
    "metrics.csv",
    "model.safetensors",
    "reconstructions.png",
    "samples.png",
}


def command(module: ModuleType, *options: str, **more: Any) -> int:
    """Run the command with these options."""
    return main(module, parser(f"python -m {module.__package__}").parse_args(options), **more)


def go(module: ModuleType, out: Path, *options: str, **more: Any) -> int:
    """Start a tiny run."""
    return command(module, *TINY, "--out", str(out), *options, **more)


def resume(module: ModuleType, out: Path, *options: str) -> int:
    """Continue it, giving only these options."""
    return command(module, "--out", str(out), "--resume", *options)


def variant(name: str = "assignment", file: Path = REFERENCE, **replaced: Any) -> ModuleType:
    """A module like the reference's with other names in it."""
    module = ModuleType(f"{name}.VAE_Model")
    module.__dict__.update({**vars(reference), **replaced, "__package__": name, "__file__": str(file)})
    return module


class Dice(reference.VAE):
    """A VAE that also draws numbers of its own while it trains."""

    def forward(self, x: torch.Tensor, noise: torch.Tensor | None = None) -> Any:
        if self.training:
            x = nn.functional.dropout(x, 0.1) * (1 + 0.1 * np.random.rand())
        return super().forward(x, noise)


def interrupted_after(batches: int) -> type[Dice]:
    """A model that meets Ctrl-C when so many batches are done."""

    class Interrupted(Dice):
        count = 0

        def forward(self, x: torch.Tensor, noise: torch.Tensor | None = None) -> Any:
            if self.training:
                if type(self).count == batches:
                    raise KeyboardInterrupt
                type(self).count += 1
            return super().forward(x, noise)

    return Interrupted


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run of one epoch; tests that write take a copy."""
    out = tmp_path_factory.mktemp("run") / "results"
    assert go(reference, out, "--epochs", "1") == 0
    return out


@pytest.fixture
def run_folder(finished: Path, tmp_path: Path) -> Path:
    """A copy of the finished run."""
    return Path(shutil.copytree(finished, tmp_path / "results"))


def rows(out: Path) -> list[dict[str, str]]:
    with (out / "metrics.csv").open() as file:
        return list(csv.DictReader(file))


# ## What a run leaves behind
def test_a_run_leaves_all_results_and_nothing_else(finished: Path) -> None:
    assert {path.name for path in finished.iterdir()} == RESULTS


def test_the_metrics_add_up(finished: Path) -> None:
    (row,) = rows(finished)
    assert row["epoch"] == "1"
    for split in ("train", "test"):
        elbo, nll, kl = (float(row[f"{split}_{term}"]) for term in ("elbo", "nll", "kl"))
        assert -elbo == pytest.approx(nll + kl, abs=2e-4)
        assert nll > 2822.98, "no nll is below the constant"


def test_the_report_agrees_with_the_metrics_and_says_what_it_is_about(finished: Path) -> None:
    report = json.loads((finished / "log_likelihood.json").read_text())
    assert report["elbo"] == pytest.approx(float(rows(finished)[-1]["test_elbo"]), abs=1e-3)
    assert report["ppca_log_likelihood"] > report["constant_mean_log_likelihood"]
    assert report["constant"] == pytest.approx(2822.979, abs=1e-3)
    assert {name: report[name] for name in ("K", "images", "z_dim", "seed", "epochs")} == {
        "K": 2,
        "images": 20,
        "z_dim": 3,
        "seed": 0,
        "epochs": 1,
    }


def test_the_saved_weights_are_the_models(finished: Path) -> None:
    model = reference.VAE(z_dim=3, encoder_features=2, decoder_features=2)
    model.load_state_dict(load_file(finished / "model.safetensors"))
    saved = checkpoint.read(finished)["model"]
    assert all(torch.equal(tensor, saved[name]) for name, tensor in model.state_dict().items())


def test_the_configuration_repeats_the_options(finished: Path) -> None:
    config = json.loads((finished / "config.json").read_text())
    assert config["settings"]["lr"] == 1e-4
    assert config["settings"]["features"] == 2
    assert (config["train_images"], config["test_images"], config["epochs_done"]) == (20, 20, 1)


def test_every_picture_is_one(finished: Path) -> None:
    from matplotlib.image import imread

    for path in finished.glob("*.png"):
        pixels = imread(path)
        assert pixels.shape[0] > 300, path.name
        assert pixels.std() > 0.01, f"{path.name} is blank"


def test_the_reference_adds_a_picture_without_svhn_images(tmp_path: Path) -> None:
    assert go(reference, tmp_path, "--epochs", "1", decoded_copy=True) == 0
    assert {path.name for path in tmp_path.iterdir()} == RESULTS | {"reconstructions_decoded.png"}


@pytest.mark.parametrize(
    "options",
    [
        ["--limit", "1", "--k", "1"],
        ["--limit", "2", "--batch-size", "100000", "--z-dim", "1", "--ll-images", "1"],
        ["--limit", "3", "--batch-size", "1", "--features", "1"],
        ["--limit", "4000000000", "--ll-images", "4000000000"],
    ],
    ids=" ".join,
)
def test_the_least_and_the_most_that_options_allow_work_to_the_end(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, options: list[str]
) -> None:
    if options[1] == "4000000000":  # all images, and few of them
        few = load("sample", "test").images[:20]
        monkeypatch.setattr("assignment.run.load", lambda *_: SimpleNamespace(images=few))
    assert go(reference, tmp_path, "--epochs", "1", *options) == 0
    assert {path.name for path in tmp_path.iterdir()} == RESULTS

    def refuse(name: str) -> None:
        raise AssertionError(f"{name} is no JSON")

    for path in tmp_path.glob("*.json"):
        json.loads(path.read_text(), parse_constant=refuse)


@pytest.mark.slow
def test_settings_of_matplotlib_elsewhere_do_not_matter(tmp_path: Path) -> None:
    options = [*TINY, "--limit", "2", "--k", "1", "--epochs", "1", "--out", str(tmp_path / "out")]
    done = started("solution", *options, MPLBACKEND="junk")
    assert (done.returncode, done.stderr) == (0, "")
    assert {path.name for path in (tmp_path / "out").iterdir()} == RESULTS | {"reconstructions_decoded.png"}


def test_a_matplotlib_that_cannot_be_used_is_found_before_training(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    assert go(variant(VAE=interrupted_after(batches=0)), tmp_path / "out") == 1
    assert "matplotlib" in one_line(capsys)


def started(*words: str, **variables: str) -> "subprocess.CompletedProcess[str]":
    """Run `python -m` with these words."""
    return subprocess.run(
        [sys.executable, "-m", *words],
        cwd=ROOT,
        env={**os.environ, **variables},
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )


def test_each_stage_is_announced_where_no_bar_is_drawn(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """What comes after the last epoch takes most of a short run."""
    assert go(reference, tmp_path, "--epochs", "1") == 0
    stages = capsys.readouterr().out.partition("epoch 1/1")[2].splitlines()[1:]
    wanted = ["anchors", "figures", "log-likelihood of 20 test images, K = 2", "results written to"]
    assert len(stages) == len(wanted)
    assert all(words in line for words, line in zip(wanted, stages, strict=True)), stages


# ## Stopping and going on
def test_a_resumed_run_gives_the_numbers_of_an_uninterrupted_one(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Bit for bit, though the second epoch was begun (a batch of three was done) when Ctrl-C came."""
    whole, parted = tmp_path / "whole", tmp_path / "part one"
    assert go(variant(VAE=Dice), whole, "--epochs", "2") == 0
    assert go(variant(VAE=interrupted_after(batches=4)), parted, "--epochs", "2") == 130
    assert [row["epoch"] for row in rows(parted)] == ["1"]
    command = capsys.readouterr().err.rpartition("Continue with: ")[2]
    assert shlex.split(command)[3:] == ["--out", str(parted), "--resume"], "it can be pasted, blanks and all"
    assert resume(variant(VAE=Dice), parted) == 0
    for name in ("metrics.csv", "model.safetensors", "samples.png"):
        assert (whole / name).read_bytes() == (parted / name).read_bytes(), name
    assert checkpoint.read(whole)["metrics"] == checkpoint.read(parted)["metrics"]


def test_a_checkpoint_holds_the_state_of_every_generator(tmp_path: Path) -> None:
    """Python's own is tried here only: the type checks under pytest draw from it between two batches."""
    model = nn.Linear(1, 1)
    optimizer = torch.optim.Adam(model.parameters())
    checkpoint.save(tmp_path, checkpoint.Progress(Settings()), model, optimizer)
    draws = []
    for _ in range(2):
        checkpoint.restore(checkpoint.read(tmp_path), model, optimizer)
        draws.append((torch.rand(1).item(), np.random.rand(), np.random.randn(), random.random(), random.gauss()))
    assert draws[0] == draws[1]


def test_epochs_can_be_raised_later(tmp_path: Path, run_folder: Path) -> None:
    assert go(reference, tmp_path / "whole", "--epochs", "2") == 0
    assert resume(reference, run_folder, "--epochs", "2") == 0
    for name in ("metrics.csv", "model.safetensors"):
        assert (tmp_path / "whole" / name).read_bytes() == (run_folder / name).read_bytes()
    assert json.loads((run_folder / "log_likelihood.json").read_text())["epochs"] == 2


def test_ctrl_c_in_the_first_epoch_says_that_nothing_is_saved(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert go(variant(VAE=interrupted_after(batches=1)), tmp_path) == 130
    assert "nothing is saved" in capsys.readouterr().err
    assert go(reference, tmp_path, "--epochs", "1") == 0, "the folder can be used again"


@pytest.mark.slow
@pytest.mark.skipif(os.name == "nt", reason="Windows sends no signals to a child")
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_ctrl_c_ends_the_command_cleanly(tmp_path: Path, number: signal.Signals) -> None:
    command = [sys.executable, "-m", "solution", *TINY, "--epochs", "100000", "--out", str(tmp_path)]
    with subprocess.Popen(
        command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, preexec_fn=ctrl_c.listen
    ) as process:
        assert process.stdout is not None
        try:
            for line in process.stdout:  # the first line about an epoch comes after its checkpoint
                if line.startswith("epoch"):
                    break
            process.send_signal(number)
            _, errors = process.communicate(timeout=60)
        finally:
            process.kill()
    assert process.returncode == 130
    assert "Traceback" not in errors
    assert f"python -m solution --out {tmp_path} --resume" in errors
    assert len(checkpoint.read(tmp_path)["metrics"]) >= 1


def test_resuming_a_finished_run_draws_again_and_computes_nothing(run_folder: Path) -> None:
    kept = {name: (run_folder / name).read_bytes() for name in ("checkpoint.pt", "log_likelihood.json")}
    (run_folder / "curves.png").unlink()
    assert resume(variant(VAE=interrupted_after(batches=0)), run_folder) == 0
    assert (run_folder / "curves.png").exists()
    assert {name: (run_folder / name).read_bytes() for name in kept} == kept


@pytest.mark.parametrize("change", ["K", "source", "damage"])
def test_a_likelihood_that_no_longer_fits_is_estimated_again(run_folder: Path, tmp_path: Path, change: str) -> None:
    path = run_folder / "log_likelihood.json"
    path.write_text(path.read_text().replace('"elbo": -', '"elbo": -1'))  # an old, wrong number
    edited = tmp_path / "VAE_Model.py"
    edited.write_text("# a mistake was mended here\n")
    if change == "damage":
        path.write_text("{")
    module = variant(file=edited) if change == "source" else reference
    assert resume(module, run_folder, *(["--k", "3"] if change == "K" else [])) == 0
    report = json.loads(path.read_text())
    assert report["K"] == (3 if change == "K" else 2)
    assert json.loads((run_folder / "config.json").read_text())["settings"]["k"] == report["K"]
    assert report["elbo"] == pytest.approx(float(rows(run_folder)[-1]["test_elbo"]), abs=1e-3)


# ## Nothing is lost
@pytest.mark.parametrize("error", [OSError(errno.ENOSPC, "No space left on device"), KeyboardInterrupt()])
def test_a_crash_while_writing_leaves_the_old_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: BaseException
) -> None:
    path = tmp_path / "checkpoint.pt"
    checkpoint.write_atomically(path, b"old")

    def fail(_: int) -> None:
        raise error

    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", fail)
        with pytest.raises((RunError, KeyboardInterrupt), match=r"No space left on device|^$"):
            checkpoint.write_atomically(path, b"new, and much longer")
    assert path.read_bytes() == b"old"
    assert [p.name for p in tmp_path.iterdir()] == ["checkpoint.pt"]
    checkpoint.write_atomically(path, b"new")
    assert path.read_bytes() == b"new"


def test_a_full_disk_ends_the_run_in_one_line_and_keeps_the_last_checkpoint(
    run_folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    before = (run_folder / "checkpoint.pt").read_bytes()

    def fail(_: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "fsync", fail)
    assert resume(reference, run_folder, "--epochs", "2") == 1
    assert "No space left on device" in one_line(capsys)
    assert (run_folder / "checkpoint.pt").read_bytes() == before


def test_a_run_is_not_overwritten(run_folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    before = {path.name: path.read_bytes() for path in run_folder.iterdir()}
    assert go(reference, run_folder, "--epochs", "1") == 1
    assert "--resume" in one_line(capsys)
    assert {path.name: path.read_bytes() for path in run_folder.iterdir()} == before


# ## One clear line
@pytest.mark.skipif(os.name == "nt", reason="environments look otherwise on Windows")
def test_a_python_without_packages_is_told_what_to_do(tmp_path: Path) -> None:
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", tmp_path], check=True)
    for words in (["assignment"], ["solution", "--help"], ["data"], ["grader", "--help"], ["grader", "grade", "x.py"]):
        done = subprocess.run(
            [tmp_path / "bin" / "python", "-m", *words], cwd=ROOT, capture_output=True, text=True, check=False
        )
        assert (done.returncode, done.stdout) == (2, ""), words
        assert done.stderr.count("\n") == 1 and "has no package `" in done.stderr and "pip install" in done.stderr
        assert done.stderr.startswith(f"python -m {words[0]}: ")


def one_line(capsys: pytest.CaptureFixture[str]) -> str:
    """What was said on stderr: one line."""
    errors = capsys.readouterr().err
    assert errors.count("\n") == 1, errors
    return errors


@pytest.mark.parametrize(
    "options", [["--lr", "0.5"], ["--z-dim", "4"], ["--seed", "1"], ["--data", "svhn"], ["--limit", "9"]]
)
def test_a_run_is_resumed_with_its_own_settings_only(
    run_folder: Path, capsys: pytest.CaptureFixture[str], options: list[str]
) -> None:
    assert resume(reference, run_folder, *options) == 1
    assert options[0] in one_line(capsys)


def test_repeating_the_same_option_is_no_conflict(run_folder: Path) -> None:
    assert resume(reference, run_folder, "--lr", "0.0001", "--z-dim", "3") == 0


def test_fewer_epochs_than_were_done_are_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert go(reference, tmp_path, "--epochs", "2") == 0
    assert resume(reference, tmp_path, "--epochs", "1") == 1
    assert "2 epochs already" in one_line(capsys)


def test_there_must_be_a_run_to_resume(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert resume(reference, tmp_path / "none") == 1
    assert "no run to resume" in one_line(capsys)
    assert not (tmp_path / "none").exists()


def test_a_damaged_checkpoint_is_named(run_folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = run_folder / "checkpoint.pt"
    path.write_bytes(path.read_bytes()[:1000])
    assert resume(reference, run_folder) == 1
    assert "checkpoint.pt' cannot be read" in one_line(capsys)


def test_a_checkpoint_of_another_architecture_is_refused(run_folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    class Wider(reference.VAE):
        def __init__(self, **options: Any):
            super().__init__(**{**options, "encoder_features": 3})

    assert resume(variant(VAE=Wider), run_folder) == 1
    assert "other layers" in one_line(capsys)


def test_images_that_are_not_there_are_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        go(reference, tmp_path / "out", "--data", str(tmp_path / "nowhere"))
    assert ended.value.code == 2
    assert "nowhere" in one_line(capsys)
    assert not (tmp_path / "out").exists()


def test_a_place_that_can_not_be_written_is_found_before_training(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "file").write_text("in the way")
    assert go(variant(VAE=interrupted_after(batches=0)), tmp_path / "file" / "results") == 1
    assert "another --out" in one_line(capsys)


@pytest.mark.parametrize(
    "options",
    [["--lr", "0"], ["--lr", "nan"], ["--epochs", "0"], ["--batch-size", "x"], ["--seed", "-1"], ["--nonsense"]],
)
def test_wrong_options_end_with_status_2(options: list[str]) -> None:
    with pytest.raises(SystemExit) as raised:
        command(reference, *options)
    assert raised.value.code == 2


def test_a_loss_of_the_wrong_shape_is_found_before_training(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    class Summed(reference.VAE):
        def forward(self, x: torch.Tensor, noise: torch.Tensor | None = None) -> Any:
            reconstruction, nll, kl = super().forward(x, noise)
            return reconstruction, nll.sum(), kl

    assert go(variant(VAE=Summed), tmp_path / "out") == 1
    said = one_line(capsys)
    assert "VAE.forward" in said and " nll " in said and said.rstrip().endswith("(2,), not ()")


# ## A student's file
def written(tmp_path: Path, edit: Callable[[str], str]) -> ModuleType:
    """A student's VAE_Model.py, loaded: the skeleton after some edit."""
    file = tmp_path / "VAE_Model.py"
    file.write_text(edit(skeleton(REFERENCE.read_text(encoding="utf-8"), load_offering())), encoding="utf-8")
    module = ModuleType("assignment.VAE_Model")
    module.__dict__.update(__package__="assignment", __file__=str(file))
    exec(compile(file.read_text(encoding="utf-8"), str(file), "exec"), module.__dict__)
    return module


def test_an_untouched_skeleton_is_told_its_first_task(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert go(written(tmp_path, str), tmp_path / "out") == 1
    said = one_line(capsys)
    assert "`encoder`" in said and "TODO" in said


def test_a_todo_that_only_a_result_needs_costs_that_result_and_no_training(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    def todo(*_: object) -> None:
        raise NotImplementedError("TODO: interpolate")

    out = tmp_path / "out"
    assert go(variant(interpolate=todo), out, "--epochs", "1") == 1
    said = one_line(capsys)
    assert "`interpolate`" in said and "TODO" in said and " interpolation.png " in said and "--resume" in said
    assert {path.name for path in out.iterdir()} == RESULTS - {"interpolation.png"}
    assert resume(reference, out) == 0
    assert {path.name for path in out.iterdir()} == RESULTS


def test_a_students_own_exception_keeps_its_traceback(tmp_path: Path) -> None:
    class Broken(reference.VAE):
        def forward(self, x: torch.Tensor, noise: torch.Tensor | None = None) -> Any:
            raise NotImplementedError("my own words")

    with pytest.raises(NotImplementedError, match="my own words"):
        go(variant(VAE=Broken), tmp_path / "out")


@pytest.mark.parametrize("room", ["assignment", "solution"])
def test_both_commands_offer_the_same_options(room: str) -> None:
    done = subprocess.run([sys.executable, "-m", room, "--help"], cwd=ROOT, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith(f"usage: python -m {room}")
    offered = set(re.findall(r"--[\w-]+", done.stdout))
    assert offered >= {
        f"--{name}" for name in ["data", "epochs", "batch-size", "lr", "z-dim", "out", "device", "seed", "resume"]
    }
