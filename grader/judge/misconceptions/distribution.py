"""The wrong formulas of DiagonalGaussianDistribution's methods, on a check's own inputs."""

import math
from collections.abc import Sequence

import torch
from torch import Tensor

from .catalogue import by_id
from .misconception import Misconception

Known = list[tuple[Misconception, Tensor]]


def named(task: str, formulas: dict[str, Tensor]) -> Known:
    """Return formulas with the misconceptions that they stand for, by their names within the task."""
    return [(by_id(f"{task}_{name}"), values) for name, values in formulas.items()]


def wrong_sample(mean: Tensor, logvar: Tensor, noise: Tensor) -> Known:
    """Return what each misconception of `sample` would give."""
    std, var = (0.5 * logvar).exp(), logvar.exp()
    return named(
        "sample",
        {
            "var_for_std": mean + var * noise,
            "logvar_for_std": mean + logvar * noise,
            "std_twice": mean + (0.25 * logvar).exp() * noise,
            "no_mean": std * noise,
            "noise_ignored": mean,
            "noise_only": noise,
            "std_ignored": mean + noise,
            "std_inverted": mean + noise / std,
            "minus_noise": mean - std * noise,
            "std_added": mean + std + noise,
        },
    )


def wrong_kl(mean: Tensor, logvar: Tensor) -> Known:
    """Return what each misconception of `kl` would give, (B,)."""
    std, var, square = (0.5 * logvar).exp(), logvar.exp(), mean**2
    half = {
        "std_for_var": square + std - 1 - logvar,
        "logvar_plus": square + var - 1 + logvar,
        "missing_one": square + var - logvar,
        "mean_not_squared": mean + var - 1 - logvar,
        "mean_missing": var - 1 - logvar,
        "log_std": square + var - 1 - 0.5 * logvar,
        "reversed": (1 + square) / var - 1 + logvar,
        "var_missing": square - 1 - logvar,
        "var_squared": square + var**2 - 1 - logvar,
    }
    right = square + var - 1 - logvar
    whole = {
        "missing_half": right,
        "negated": -0.5 * right,
        "mean_over_dims": 0.5 * right / mean.shape[1],
        "missing_half_mean": square + 0.5 * (var - 1 - logvar),
    }
    return named("kl", {**{k: 0.5 * v.sum(1) for k, v in half.items()}, **{k: v.sum(1) for k, v in whole.items()}})


def wrong_nll(mean: Tensor, logvar: Tensor, sample: Tensor, dims: Sequence[int]) -> Known:
    """Return what each misconception of `nll` would give."""
    std, var, error = (0.5 * logvar).exp(), logvar.exp(), sample - mean
    constant = torch.full_like(mean, math.log(2 * math.pi))
    square, axes = error**2, tuple(dims)
    count = math.prod(mean.shape[d] for d in axes)
    half = {
        "no_constant": logvar + square / var,
        "no_half": 2 * (constant + logvar + square / var),
        "negated": -(constant + logvar + square / var),
        "no_logvar": constant + square / var,
        "std_for_var": constant + logvar + square / std,
        "no_var": constant + logvar + square,
        "logvar_no_half": constant + 2 * logvar + square / var,
        "constant_no_half": 2 * constant + logvar + square / var,
        "constant_once": constant / count + logvar + square / var,
        "mean_over_dims": (constant + logvar + square / var) / count,
        "squared_error": 2 * square,
        "half_squared_error": square,
        "logvar_minus": constant - logvar + square / var,
        "error_not_squared": constant + logvar + error / var,
        "var_multiplied": constant + logvar + square * var,
        "pi_once": constant - math.log(2) + logvar + square / var,
    }
    return named("nll", {name: 0.5 * terms.sum(axes) for name, terms in half.items()})


def wrong_mode(mean: Tensor, logvar: Tensor) -> Known:
    """Return what each misconception of `mode` would give."""
    std, var = (0.5 * logvar).exp(), logvar.exp()
    return named(
        "mode",
        {
            "std": std,
            "var": var,
            "logvar": logvar,
            "zero": torch.zeros_like(mean),
            "density": 1 / (std * math.sqrt(2 * math.pi)),
            "plus_std": mean + std,
        },
    )
