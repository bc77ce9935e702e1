"""Two closed-form models of images, used as anchors to judge an ELBO, and statistics of a set of images.

A loss of 2,930 nats means little without a comparison: how low can the loss get, and how low is it for a simple model?
Two models give answers without training. Both use the VAE's likelihood, x ~ N(mean of x, I) on images scaled to
[-1, 1], so all three NLLs contain the same constant D/2 log 2π and can be compared directly.

* The constant mean: no latent code at all. A VAE with a collapsed posterior reaches this value.
* Probabilistic PCA (Tipping and Bishop 1999, "Probabilistic Principal Component Analysis") with noise variance 1:

      p(z) = N(0, I)        p(x|z) = N(W z + mean, I)

  This *is* a VAE, with a linear decoder and the exact posterior. Its best W has a closed form, so its likelihood is the
  one that a correct, converged linear VAE with the same number of latent dimensions reaches (Lucas et al. 2019, "Don't
  Blame the ELBO!"). It depends only on the data and z_dim, and has no hand-tuned parameter.

The position of a VAE between them, (constant mean - VAE) / (constant mean - PPCA), each as NLL of held-out images, is
0 for a model that learnt nothing and 1 for the linear model. A deep decoder exceeds 1 after enough training.
"""

import math
from typing import Any

import torch
from jaxtyping import Float, Float64
from torch import Tensor

from data.house_numbers import HouseNumbers, normalise


def constant_mean_nll(train: Float[Tensor, "N C H W"], test: Float[Tensor, "M C H W"]) -> float:
    """Return the mean NLL of `test` under N(mean of `train`, I), in nats per image, constant included.

    Args:
        train: Normalised images to take the mean of.
        test: Held-out images with the same scale.

    Raises:
        ValueError: A set is empty, or the shapes of the images differ.
    """
    _, residual, _ = _centre(train, test)
    return _standard_normal_nll(residual)


def ppca_nll(train: Float[Tensor, "N C H W"], test: Float[Tensor, "M C H W"], z_dim: int) -> float:
    r"""Return the mean NLL of `test` under probabilistic PCA fitted to `train`, in nats per image, constant included.

    With noise variance 1, the likelihood of the training images is maximal for W = U (Λ - I)^(1/2), where the columns
    of U are eigenvectors of their covariance and Λ contains the z_dim largest eigenvalues λ (Tipping and Bishop 1999,
    equation 7). Directions with λ <= 1 are already explained by the noise and are omitted. Then p(x) = N(mean, C) with
    C = U (Λ - I) U^T + I, which has eigenvalues λ along U and 1 elsewhere. So, for r = x - mean,

        -log p(x) = D/2 log 2π + 1/2 Σ log λ + 1/2 (|r|² - Σ (1 - 1/λ) (u^T r)²)

    Args:
        train: Normalised images to fit the model to.
        test: Held-out images with the same scale.
        z_dim: Latent dimensions; 0 gives the constant mean.

    Raises:
        ValueError: A set is empty, the shapes of the images differ, or z_dim is negative.
    """
    if z_dim < 0:
        raise ValueError(f"z_dim must be 0 or more, not {z_dim}")
    rows, residual, mean = _centre(train, test)
    if z_dim == 0 or not (rows - mean).any():  # no latent code, or all images are equal: nothing to decompose
        return _standard_normal_nll(residual)
    eigenvalues, eigenvectors = principal_components(rows, mean, z_dim)
    useful = eigenvalues > 1.0
    eigenvalues, eigenvectors = eigenvalues[useful], eigenvectors[:, useful]
    explained = (1.0 - 1.0 / eigenvalues) * ((residual @ eigenvectors) ** 2).mean(dim=0)
    return _standard_normal_nll(residual) + 0.5 * float(torch.log(eigenvalues).sum() - explained.sum())


def principal_components(
    rows: Float[Tensor, "N D"], mean: Float64[Tensor, " D"], count: int
) -> tuple[Float64[Tensor, " K"], Float64[Tensor, "D K"]]:
    """Return the largest eigenvalues of the covariance of `rows`, in descending order, and their eigenvectors.

    The covariance is the maximum-likelihood estimate: divided by N, not N - 1.

    Args:
        rows: One row per image.
        mean: Mean of the rows.
        count: Number of eigenvalues K, at least 1. If N or D is smaller, K is the smaller of these.
    """
    n, dims = rows.shape
    # Compute all components if that is cheap: this is exact even if the covariance has a very low rank.
    if min(n, dims) <= 256 or count > min(n, dims) // 4:
        _, singular, vectors = torch.linalg.svd(rows.double() - mean, full_matrices=False)
        return singular[:count] ** 2 / n, vectors[:count].T
    import numpy as np
    from scipy.sparse.linalg import eigsh

    # A fixed start vector for the Lanczos iterations; with scipy's random one, the last digits vary between calls.
    start = np.random.RandomState(0).standard_normal(dims)
    found, basis = eigsh(_covariance(rows, mean), k=count, which="LA", v0=start)
    order = np.argsort(-found)
    return torch.from_numpy(found[order]), torch.from_numpy(basis[:, order])


def _covariance(rows: Float[Tensor, "N D"], mean: Float64[Tensor, " D"]) -> Any:
    """Return the covariance for `eigsh`: as a matrix, or as an operator that computes products with vectors."""
    n, dims = rows.shape
    if n >= dims:
        total = torch.zeros(dims, dims, dtype=torch.float64)
        for chunk in rows.split(4096):  # all of SVHN in float64 would need 2 GB
            centred = chunk.double() - mean
            total.addmm_(centred.T, centred)
        return (total / n).numpy()
    from scipy.sparse.linalg import LinearOperator

    centred = rows.double() - mean  # N < D: two products with N x D matrices are cheaper than a D x D matrix

    def product(vector: Any) -> Any:
        return (centred.T @ (centred @ torch.from_numpy(vector).flatten()) / n).numpy()

    return LinearOperator((dims, dims), matvec=product, dtype="float64")


def _centre(
    train: Float[Tensor, "N C H W"], test: Float[Tensor, "M C H W"]
) -> tuple[Float[Tensor, "N D"], Float64[Tensor, "M D"], Float64[Tensor, " D"]]:
    """Return the rows of `train`, the rows of `test` minus the mean of `train`, and that mean, all on the CPU."""
    if len(train) == 0 or len(test) == 0:
        raise ValueError(f"no images: {len(train)} to train on, {len(test)} to test on")
    if train.shape[1:] != test.shape[1:]:
        raise ValueError(f"the images have different shapes: {tuple(train.shape[1:])} and {tuple(test.shape[1:])}")
    rows = train.detach().cpu().flatten(1)
    mean = rows.mean(dim=0, dtype=torch.float64)
    return rows, test.detach().cpu().flatten(1).double() - mean, mean


def _standard_normal_nll(residual: Float64[Tensor, "M D"]) -> float:
    """Return the mean of -log N(residual; 0, I) over the rows."""
    dims = residual.shape[1]
    return 0.5 * dims * math.log(2.0 * math.pi) + 0.5 * float((residual**2).sum(dim=1).mean())


PPCA_Z_DIM = 16
PCA_COUNTS = (1, 4, 16, 64)


def statistics(train: HouseNumbers, test: HouseNumbers) -> dict[str, float]:
    """Compute statistics of a set of images.

    Brightness is in bytes (0 to 255); likelihoods are in nats per image, for images scaled to [-1, 1]. Likelihoods and
    the variance of components depend on the number of images, so compare only sets of equal size.

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
    # The amount of colour: 0 for grey pixels.
    found["spread between channels"] = float(pixels.std(dim=1).mean())
    found["step to the next pixel across"] = float(pixels.diff(dim=3).abs().mean())
    found["step to the next pixel down"] = float(pixels.diff(dim=2).abs().mean())
    found["std within an image"] = float(pixels.flatten(2).std(dim=2).mean())
    own_mean = x.mean(dim=(2, 3), keepdim=True)
    found["nats: each image's own mean colour"] = 0.5 * float(((x - own_mean) ** 2).sum(dim=(1, 2, 3)).mean())
    zero = torch.zeros(1, *x.shape[1:])
    constant = constant_mean_nll(zero, zero)  # D/2 log 2π, the NLL of a perfect prediction
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
