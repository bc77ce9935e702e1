"""Train the reference: `python -m solution`. See `python -m solution --help` for its options."""

import argparse
import sys
from collections.abc import Sequence
from functools import partial

from data.commandline import print_everywhere, refuse_without_package

try:
    import torch
    from jaxtyping import UInt8
    from torch import Tensor, nn

    from assignment import run
    from assignment.evaluate import Model
    from assignment.settings import Settings, parser
    from assignment.train import Step, train_step
    from solution import VAE_Model
    from solution.cuda_graph import CaptureError, backend_for, captured_step
except ModuleNotFoundError as error:
    refuse_without_package(error, "python -m solution")


def main(argv: Sequence[str] | None = None) -> int:
    """Train the reference, tuned for speed; returns the exit status."""
    print_everywhere()
    command = parser("python -m solution")
    command.add_argument(
        "--capture",
        action=argparse.BooleanOptionalAction,
        default=True,
        help="on a GPU, record the training step as a CUDA graph and replay it, which halves the time of an epoch [on]",
    )
    options = command.parse_args(argv)
    capture = vars(options).pop("capture")
    return run.main(VAE_Model, options, decoded_copy=True, tune=partial(tune, capture=capture))


def tune(
    model: Model,
    optimizer: torch.optim.Optimizer,
    images: UInt8[Tensor, "N C S S"],
    settings: Settings,
    capture: bool = True,
) -> Step:
    """Prepare the reference for speed, and return the training step: on a GPU a captured one, if `capture` is set."""
    if images.device.type == "cpu":
        use_channels_last(model)
    if capture and (backend := backend_for(images.device)):
        try:
            return captured_step(model, optimizer, images, settings, backend)
        except CaptureError as error:
            print(f"the training step is not captured: {error}")
    return train_step


def use_channels_last(model: Model) -> None:
    """Store the weights of all convolutions in the channels-last format, which is faster on CPUs.

    Results differ in rounding only. But the layers then return tensors that are not contiguous, so `x.view(...)` in a
    model's code may fail where `x.reshape(...)` or `x.flatten(1)` works. Use it only for models that are known to work.
    """
    for layer in model.modules():
        if isinstance(layer, (nn.Conv2d, nn.ConvTranspose2d)):
            layer.to(memory_format=torch.channels_last)


if __name__ == "__main__":
    sys.exit(main())
