"""The training probe's own loop and optimizer, held to those that a student uses."""

from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from assignment.settings import Settings
from assignment.train import new_model, new_optimizer, train_epoch
from data import load
from grader.worker.probes.training import train
from grader.worker.submission import LoadedSubmission
from grader.worker.submission import load_submission as load_file

REFERENCE = Path(__file__).resolve().parents[1] / "solution" / "VAE_Model.py"
SIZES = {"in_channels": 3, "decoder_features": 4, "encoder_features": 4, "z_dim": 3, "input_size": 32}


@pytest.mark.parametrize("seed", [0, 7])
def test_the_probe_has_the_losses_of_the_training_loop(seed: int) -> None:
    """Over two epochs of 100 images, with a last batch of 36."""
    images = load("sample").images[:100]
    submission = LoadedSubmission(load_file(REFERENCE), {})
    found = train(
        submission, sizes=SIZES, images=images, settings={"steps": 4, "batch_size": 64, "lr": 2e-3, "seed": seed}
    )

    settings = Settings(batch_size=64, lr=2e-3, z_dim=3, features=4, seed=seed)
    model = new_model(submission.module.VAE, images, settings)
    optimizer = new_optimizer(model, settings)
    losses = []
    for epoch in (1, 2):
        nll, kl = train_epoch(model, optimizer, images, settings, epoch)
        losses += [float(part.mean()) for part in (nll + kl).split(64)]

    assert found.facts["losses"] == pytest.approx(losses, rel=1e-5)
    for name, trained in model.state_dict().items():
        torch.testing.assert_close(found.tensors[f"state.{name}"], trained, rtol=0, atol=2e-4)


@pytest.mark.parametrize(("momentum", "unmoved"), [(0.0, ["encoder.norm"]), (0.1, []), (None, [])])
def test_the_probe_names_batch_norm_whose_statistics_never_change(momentum: float | None, unmoved: list[str]) -> None:
    submission = LoadedSubmission(load_file(REFERENCE), {})
    module: Any = submission.module

    class WithNorm(module.Encoder):
        def __init__(self, *args: Any, **sizes: Any):
            super().__init__(*args, **sizes)
            self.norm = nn.BatchNorm2d(3, momentum=momentum)

        def forward(self, x: Tensor) -> Tensor:
            return super().forward(self.norm(x))

    module.Encoder = WithNorm
    settings = {"steps": 2, "batch_size": 8, "lr": 2e-3, "seed": 0}
    found = train(submission, sizes=SIZES, images=load("sample").images[:16], settings=settings)
    assert found.facts["unmoved"] == unmoved
