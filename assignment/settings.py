"""What describes a run, and the one error that ends it."""

from dataclasses import dataclass


class RunError(Exception):
    """What stops a run, in one line that says what to do."""


@dataclass(frozen=True)
class Settings:
    """All that describes a run; the defaults are those of the full run on SVHN.

    Attributes:
        data: Where the images come from, as for `data.load`.
        epochs: How often training sees each image.
        batch_size: Images per step.
        lr: Learning rate of Adam.
        z_dim: Latent dimensions.
        features: Width of encoder and decoder.
        seed: What all random numbers follow from.
        device: "auto", or the name of a torch device.
        limit: Use only the first so many images of either split; all if None.
        k: Importance samples K per image in the final estimate of the log-likelihood.
        ll_images: Estimate it on the first so many test images; on all if None.
        capture: Whether to record the training step once and replay it (see capture.py); if None, on a GPU only, and
            only a model that is known to allow it.
        deterministic: Whether an operation that can not repeat bit for bit is an error.
    """

    data: str = "sample"
    epochs: int = 30
    batch_size: int = 64
    lr: float = 1e-4
    z_dim: int = 32
    features: int = 32
    seed: int = 0
    device: str = "auto"
    limit: int | None = None
    k: int = 100
    ll_images: int | None = None
    capture: bool | None = None
    deterministic: bool = False
