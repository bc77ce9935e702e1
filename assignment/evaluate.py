"""Measure how good a model is: its ELBO, its importance-sampled log-likelihood, and two baselines ("anchors").

All numbers are in nats per image, for images scaled to [-1, 1] and a likelihood of unit variance. They include the
constant D/2 log 2π of the normal density, which is the same for every model. So only differences have a meaning:

    constant mean  <  ELBO  <=  log-likelihood

PPCA is above the constant mean. With enough data and training, a good model is above PPCA.
"""

import math
import platform
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any, TypeAlias

import torch
from jaxtyping import Float, Float64, UInt8
from torch import Tensor
from tqdm import tqdm

from data import constant_mean_nll, normalise, ppca_nll

Model: TypeAlias = Any  # a VAE with the interface of VAE_Model.py: the student's or the reference


@torch.no_grad()
def evaluate_elbo(
    model: Model,
    images: UInt8[Tensor, "N C S S"],
    noise: Float[Tensor, "N z"],
    batch_size: int = 64,
) -> tuple[Float64[Tensor, " N"], Float64[Tensor, " N"]]:
    """Return nll and kl of each image in nats, on the CPU. The estimate of the ELBO is -(nll + kl).

    Args:
        model: The model. It is in eval mode afterwards.
        images: The images, on the model's device.
        noise: The noise for the posterior sample of each image.
        batch_size: The number of images in a batch.
    """
    model.eval()
    noise = noise.to(images.device)
    nll, kl = [], []
    for x, its_noise in zip(images.split(batch_size), noise.split(batch_size), strict=True):
        _, batch_nll, batch_kl = model(normalise(x), its_noise)
        nll.append(batch_nll)
        kl.append(batch_kl)
    return torch.cat(nll).cpu().double(), torch.cat(kl).cpu().double()


@torch.no_grad()
def evaluate_log_likelihood(
    model: Model,
    images: UInt8[Tensor, "N C S S"],
    K: int = 100,
    batch_size: int = 64,
    seed: int = 0,
) -> Float64[Tensor, " N"]:
    """Return the importance-sampled log p(x) of each image in nats, on the CPU.

    On average the estimate is too low (Burda et al. 2016, theorem 1). The bias decreases when K increases, so always
    report K with the estimate.

    Args:
        model: The model. It is in eval mode afterwards. It draws its own noise from torch's global generator. This
            function seeds that generator for each batch, with a number that depends on `seed` and on the index of the
            first image of the batch.
        images: The images, on the model's device.
        K: The number of importance samples per image.
        batch_size: The number of images in a batch.
        seed: The random seed for the noise.
    """
    model.eval()
    values = []
    for start in tqdm(range(0, len(images), batch_size), f"log-likelihood, K = {K}", leave=False, disable=None):
        torch.manual_seed(1_000_003 * seed + start)
        values.append(model.log_likelihood(normalise(images[start : start + batch_size]), K))
    return torch.cat(values).cpu().double()


def mean_and_standard_error(values: Float64[Tensor, " N"]) -> tuple[float, float]:
    """Return the mean over images and its standard error, the standard deviation of the values divided by sqrt(N).

    The standard error says how much the mean would typically change with other images of the same kind. For one image
    it is unknown: nan.
    """
    standard_error = values.std().item() / math.sqrt(len(values)) if len(values) > 1 else math.nan
    return values.mean().item(), standard_error


def anchors(
    train_images: UInt8[Tensor, "N C S S"], test_images: UInt8[Tensor, "M C S S"], z_dim: int
) -> dict[str, float]:
    """Return the log-likelihood of the test images, in nats, under two models that have closed forms.

    The constant mean always predicts the mean training image: a VAE that is not above it has learnt nothing. PPCA is
    the best linear decoder with the same number of latent dimensions: a VAE above it benefits from its non-linear
    decoder.
    """
    train, test = normalise(train_images.cpu()), normalise(test_images.cpu())
    return {
        "constant_mean_log_likelihood": -constant_mean_nll(train, test),
        "ppca_log_likelihood": -ppca_nll(train, test, z_dim),
    }


def log_likelihood_report(
    model: Model,
    test_images: UInt8[Tensor, "M C S S"],
    noise: Float[Tensor, "M z"],
    anchors: Mapping[str, float],
    K: int,
    batch_size: int,
    seed: int,
) -> dict[str, Any]:
    """Return the contents of log_likelihood.json: estimates for the test images, and how they were computed.

    Args:
        model: The trained model.
        test_images: The images, on the model's device.
        noise: The noise for the posterior samples of the ELBO.
        anchors: The result of `anchors` for the same images.
        K: The number of importance samples per image.
        batch_size: The number of images in a batch.
        seed: The random seed for the noise of the log-likelihood.
    """
    start = time.perf_counter()
    nll, kl = evaluate_elbo(model, test_images, noise, batch_size)
    log_likelihood, standard_error = mean_and_standard_error(
        evaluate_log_likelihood(model, test_images, K, batch_size, seed)
    )
    D = test_images[0].numel()
    return {
        "unit": "nats per image, images scaled to [-1, 1]",
        "elbo": -(nll + kl).mean().item(),
        "log_likelihood": log_likelihood,
        "standard_error": None if math.isnan(standard_error) else standard_error,  # JSON has no nan
        "K": K,
        "images": len(test_images),
        **anchors,
        "z_dim": noise.shape[1],
        "constant": 0.5 * D * math.log(2.0 * math.pi),
        "constant_is": f"D/2 log(2 pi) with D = {D}; each log-likelihood here includes it, with a minus sign",
        "seed": seed,
        "seconds": round(time.perf_counter() - start, 1),
        "hardware": hardware(test_images.device),
        "torch": torch.__version__,
    }


def hardware(device: torch.device) -> str:
    """Return the name of the processor or GPU, so that times can be compared."""
    if device.type == "cuda":
        return torch.cuda.get_device_name(device)
    cpuinfo = Path("/proc/cpuinfo")  # on Linux only; elsewhere, use the platform module
    names = [line for line in cpuinfo.read_text().splitlines() if "model name" in line] if cpuinfo.exists() else []
    name = names[0].split(":")[1].strip() if names else platform.processor() or platform.machine()
    return f"{name}, {torch.get_num_threads()} threads" + (", mps" if device.type == "mps" else "")
