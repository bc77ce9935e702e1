"""Numbers that describe a set of images, to hold the synthetic house numbers against real ones."""

import torch

from data.anchors import constant_mean_nll, ppca_nll, principal_components
from data.house_numbers import HouseNumbers, normalise

PPCA_Z_DIM = 16
PCA_COUNTS = (1, 4, 16, 64)


def statistics(train: HouseNumbers, test: HouseNumbers) -> dict[str, float]:
    """Describe a set of images. Brightness is on the scale of bytes, likelihoods in nats per image on [-1, 1].

    The likelihoods and the shares of the components depend on how many images there are: compare equal numbers.

    Args:
        train: The images to describe.
        test: Held-out images of the same kind, for the likelihoods.
    """
    pixels = train.images.to(torch.float64)
    x, x_test = normalise(train.images), normalise(test.images)
    found = {f"mean of {name}": float(pixels[:, c].mean()) for c, name in enumerate(("red", "green", "blue"))}
    found |= {f"std of {name}": float(pixels[:, c].std()) for c, name in enumerate(("red", "green", "blue"))}
    channels = torch.corrcoef(pixels.transpose(0, 1).flatten(1))
    found["correlation red-green"] = float(channels[0, 1])
    found["correlation green-blue"] = float(channels[1, 2])
    found["correlation red-blue"] = float(channels[0, 2])
    # What a coloured pixel has beyond its grey: the spread between its channels.
    found["spread between channels"] = float(pixels.std(dim=1).mean())
    found["step to the next pixel across"] = float(pixels.diff(dim=3).abs().mean())
    found["step to the next pixel down"] = float(pixels.diff(dim=2).abs().mean())
    found["std within an image"] = float(pixels.flatten(2).std(dim=2).mean())
    own_mean = x.mean(dim=(2, 3), keepdim=True)
    found["nats: each image's own mean colour"] = 0.5 * float(((x - own_mean) ** 2).sum(dim=(1, 2, 3)).mean())
    zero = torch.zeros(1, *x.shape[1:])
    constant = constant_mean_nll(zero, zero)  # D/2 log 2π: what a perfect prediction costs
    found["nats: constant mean"] = constant_mean_nll(x, x_test) - constant
    found[f"nats: PPCA, z_dim {PPCA_Z_DIM}"] = ppca_nll(x, x_test, PPCA_Z_DIM) - constant
    rows = x.flatten(1)
    mean = rows.mean(dim=0, dtype=torch.float64)
    variance = float((rows - mean).square().sum(dim=1).mean())
    eigenvalues, _ = principal_components(rows, mean, max(PCA_COUNTS))
    for count in PCA_COUNTS:
        share = float(eigenvalues[:count].sum()) / variance if variance else float("nan")
        found[f"variance in {count} components"] = share
    return found
