"""What interpolate computes instead: at which codes it decodes, or what it does to their images; see recover.py."""

import math

import torch
from torch import Tensor

from .answer import read_or_none
from .formula import ONE
from .inputs import Draw
from .known_models import KnownModel, random_model
from .recover import Ask, Recovered, bent, of_elements, shown
from .right_in_part import agreeing, indices
from .tolerances import SAME_DRAW


def of_interpolate(result: str, ask: Ask, draw: Draw, count: int = 7) -> Recovered | None:
    """Return at which codes interpolate decodes: the weights of z_1 and z_2 for each image."""
    called = _path(random_model(draw), ask, draw, count)
    if called is None:
        return None
    known, z_1, z_2, value = called
    steps = torch.arange(count, dtype=torch.float64) / (count - 1)
    right_codes = torch.lerp(z_1, z_2, steps[:, None])
    codes, ends = known.codes(value), torch.cat([z_1, z_2])
    if not torch.allclose(known.decode(codes), value, atol=10 * SAME_DRAW):  # no codes give these images
        right = known.decode(right_codes)
        terms = {ONE: torch.ones_like(right), **bent("the right image", right)}
        return of_elements("interpolate", "image", value, terms, {"the right image": 1.0})
    weights = torch.linalg.lstsq(ends.T, codes.T).solution  # (2, count)
    if not torch.allclose(weights.T @ ends, codes, atol=SAME_DRAW):
        return _other_codes(codes, right_codes)
    if torch.allclose(weights, torch.stack([1 - steps, steps]), atol=SAME_DRAW):
        return _mixed(ask, draw, count)
    return _named_path(weights, torch.nn.functional.cosine_similarity(z_1, z_2).acos()) or _listed_path(weights)


def _other_codes(codes: Tensor, right: Tensor) -> Recovered | None:
    """Return what is known about codes that are no mixtures of both ends."""
    z_dim = codes.shape[1]
    across_code = torch.lerp(right[:1], right[-1:], torch.linspace(0, 1, z_dim, dtype=codes.dtype))
    if torch.allclose(codes, across_code.expand_as(codes), atol=SAME_DRAW):
        text = "w = j / (z - 1) in dimension j of every code (1 - w) z_1 + w z_2"
        return Recovered(text, "The weight must change from image to image. Along which axis does it change?")
    text = indices((codes - right)[1:-1].abs() < SAME_DRAW)  # both ends may be right by chance
    return Recovered(f"the right codes {text}", "Does each dimension move along the path?") if text else None


def _path(known: KnownModel, ask: Ask, draw: Draw, count: int) -> tuple[KnownModel, Tensor, Tensor, Tensor] | None:
    """Return a model, two codes and the images between them; None if they cannot be read."""
    z_1, z_2 = (draw.normal(1, known.sizes["z_dim"]) for _ in range(2))
    arguments = {"sizes": known.sizes, "z_1": z_1.float(), "z_2": z_2.float(), "n_samples": count}
    answer = ask("interpolate", **arguments, **known.as_dtype(torch.float32))
    value = read_or_none(answer, "value", (count, *known.image_shape))
    return None if value is None else (known, z_1, z_2, value)


def _mixed(ask: Ask, draw: Draw, count: int) -> Recovered | None:
    """Return whether images are mixed, which only a decoder that is not linear tells from mixed codes."""
    called = _path(random_model(draw, bend=1.0), ask, draw, count)
    if called is None:
        return None
    known, z_1, z_2, value = called
    images = torch.lerp(known.decode(z_1), known.decode(z_2), torch.linspace(0, 1, count).double().view(-1, 1, 1, 1))
    mixed = bool(agreeing(value, images).all())
    return shown("interpolate", "images (1 - w) decode(z_1) + w decode(z_2)", "") if mixed else None


def _named_path(weights: Tensor, angle: Tensor) -> Recovered | None:
    """Return the weights of both ends, (2, n), as a formula of the position i; None if none of these is right."""
    n, i = weights.shape[1], torch.arange(weights.shape[1], dtype=torch.float64)
    even = i / (n - 1)
    positions = {
        "1 - i / (n - 1)": 1 - even,
        "i / n": i / n,
        "(i + 1) / n": (i + 1) / n,
        "(i + 1) / (n + 1)": (i + 1) / (n + 1),
        "(i / (n - 1))^2": even**2,
        "sqrt(i / (n - 1))": even.sqrt(),
        "i / (n - 1) / 2": even / 2,
        "1/2 - cos(pi i / (n - 1)) / 2": 0.5 - 0.5 * torch.cos(math.pi * even),
        "i / (n - 1) rounded to 0 or 1": even.round(),
        "i / (n - 1) rounded down to 0 or 1": even.floor(),
        "0": 0 * even,
        "1": 1 + 0 * even,
        "1/2": 0.5 + 0 * even,
    }
    paths = {f"w = {text}": torch.stack([1 - w, w]) for text, w in positions.items()}
    paths["codes z_1 + w z_2"] = torch.stack([1 + 0 * even, even])
    paths["codes on an arc"] = torch.stack([((1 - even) * angle).sin(), (even * angle).sin()]) / angle.sin()
    for text, path in paths.items():
        if torch.allclose(weights, path, atol=SAME_DRAW):
            of_all = " for the codes (1 - w) z_1 + w z_2 and i = 0 to n - 1"
            hint = _ROUNDED if "rounded" in text else _WEIGHTS
            return shown("interpolate", text, hint, of_all if text.startswith("w = ") else ", w = i / (n - 1)")
    return None


_ROUNDED = "Rounded weights are 0 or 1, so each image is one of the two ends. What rounds them?"
_WEIGHTS = "Which weights do the first and the last image need, and is the distance between neighbours the same?"


def _listed_path(weights: Tensor) -> Recovered:
    listed = [", ".join(f"{float(w):.3g}" for w in row.round(decimals=3) + 0.0) for row in weights]
    text = f"for n_samples = {weights.shape[1]}, codes that are {listed[0]} times z_1 plus {listed[1]} times z_2"
    return Recovered(text, _WEIGHTS)
