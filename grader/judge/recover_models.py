"""What the methods of the model compute instead: see recover.py and, for the longest, recover_likelihood.py.

The parts of a known model are linear, so the judge can compute what each candidate would give, and which code an image
was decoded from.
"""

from collections.abc import Callable
from dataclasses import replace
from functools import partial

import torch
from torch import Tensor

from . import oracles
from .answer import Answer, read_or_none
from .example import example_of_model
from .formula import ONE, across, fit
from .inputs import Draw
from .known_models import KnownModel, random_model
from .misconceptions import Misconception, by_id
from .recover import Ask, Recovered, bent, described, of_behaviour, of_elements, shown
from .recover_likelihood import of_log_likelihood
from .recover_path import of_interpolate
from .right_in_part import agreeing, bound
from .tolerances import SAME_DRAW


def of_model(task: str, result: str, ask: Ask, draw: Draw, train: bool = False) -> Recovered:
    """Return what is found out about a wrong result of a task: its formula, and an input that shows it.

    Args:
        task: `encode`, `decode`, `prior_sample`, `forward`, `log_likelihood` or `interpolate`.
        result: Which of its results is wrong.
        ask: Calls a probe; None if there is no answer.
        draw: Source of the inputs.
        train: Whether the result is wrong in train mode.
    """
    found = _FORMULAS[task](result, partial(ask, train=train), draw) or Recovered()
    return replace(found, example=example_of_model(task, ask))


def _read(answer: Answer | None, name: str, *shape: int | str) -> Tensor | None:
    return read_or_none(answer, name, shape)


def _of_encode(result: str, ask: Ask, draw: Draw) -> Recovered | None:
    """Return what encode gives as `mean` or `logvar`: functions of the outputs of the heads, h = encoder(x)."""
    known = random_model(draw)
    x = draw.uniform(-1, 1, 12, *known.image_shape)
    value = _read(ask("encode", sizes=known.sizes, x=x, **known.tensors), result, 12, known.sizes["z_dim"])
    if value is None:
        return None
    heads = {f"self.{name}(h)": known.head(name, x) for name in ("mean", "logvar")}
    terms: dict[str, Tensor] = {ONE: torch.ones_like(value)}
    for text, head in heads.items():
        terms |= bent(text, head)
    weight, bias = known.tensors[f"{result}_weight"], known.tensors[f"{result}_bias"]

    def of_hidden(hidden: Tensor) -> Tensor:
        return hidden @ weight.T + bias

    def of_image(image: Tensor) -> Tensor:
        return known.head(result, image)

    hidden = x.flatten(1) @ known.tensors["encoder_weight"].T
    others = {
        f"self.{result}(relu(h))": of_hidden(hidden.relu()),
        f"self.{result}(tanh(h))": of_hidden(hidden.tanh()),
        f"self.{result}(sigmoid(h))": of_hidden(hidden.sigmoid()),
        f"self.{result}(h - mean of h over the batch)": of_hidden(hidden - hidden.mean(0)),
        f"self.{result}(mean of h over the batch)": of_hidden(hidden.mean(0).expand_as(hidden)),
        f"self.{result}(h of image 0)": of_hidden(hidden[:1].expand_as(hidden)),
        f"self.{result}(layer_norm(h))": of_hidden(torch.nn.functional.layer_norm(hidden, hidden.shape[1:])),
        f"self.{result}(encoder(x / 127.5 - 1))": of_image(x / 127.5 - 1),
        f"self.{result}(encoder((x + 1) / 2))": of_image((x + 1) / 2),
        **{f"self.{result}(encoder({text}))": of_image(image) for text, image in _images_in_part(x).items()},
    }
    found = of_elements("encode", result, value, terms, {f"self.{result}(h)": 1.0}, others)
    return found or _random("encode", result, value, known, ask, x=x)


def _random(task: str, result: str, value: Tensor, known: KnownModel, ask: Ask, **inputs: Tensor) -> Recovered | None:
    """Return whether two calls in eval mode, where nothing may be random, differ in a result of this shape."""
    answers = [ask(task, sizes=known.sizes, train=False, **inputs, **known.tensors) for _ in range(2)]
    if any(answer and (answer.names("own") or answer.names("inside")) for answer in answers):
        return None  # parameters of its own are drawn anew for each model
    one, other = (_read(answer, result, *value.shape) for answer in answers)
    same = one is None or other is None or torch.allclose(one, other, equal_nan=True)
    return None if same else of_behaviour("numbers_random")


def _images_in_part(x: Tensor) -> dict[str, Tensor]:
    """Return images with a part set to zero, by texts."""
    parts: dict[str, Tensor] = {}
    for channel in range(x.shape[1]):
        parts[f"x without channel {channel}"] = x * (torch.arange(x.shape[1]) != channel).view(-1, 1, 1)
    half, rows = x.shape[2] // 2, torch.arange(x.shape[2])
    for text, kept in {"upper": rows < half, "lower": rows >= half}.items():
        parts[f"the {text} half of x"] = x * kept.view(-1, 1)
    for text, kept in {"left": rows < half, "right": rows >= half}.items():
        parts[f"the {text} half of x"] = x * kept
    return parts


def _of_decode(result: str, ask: Ask, draw: Draw) -> Recovered | None:
    """Return what decode gives as `mean` or `logvar`: functions of the decoder's output y."""
    known = random_model(draw)
    z = draw.normal(6, known.sizes["z_dim"])
    value = _read(ask("decode", sizes=known.sizes, z=z, **known.tensors), result, 6, *known.image_shape)
    if value is None:
        return None
    terms, others = _of_image(known, z, "z")
    right = {"self.decoder(z)": 1.0} if result == "mean" else {}
    found = of_elements("decode", result, value, terms, right, others)
    return found or _random("decode", result, value, known, ask, z=z)


def _of_image(known: KnownModel, z: Tensor, code: str) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
    """Return terms of an image, and candidates for the whole of it, by their texts; `code` is the name of the code."""
    image = known.decode(z)
    terms = {ONE: torch.ones_like(image), **bent(f"self.decoder({code})", image)}
    return terms, {
        f"self.decoder({code}), turned": image.transpose(2, 3),
        "self.decoder(0)": known.decode(0 * z),
        f"self.decoder(2 {code})": known.decode(2 * z),
        f"self.decoder({code} / |{code}|)": known.decode(z / z.norm(dim=1, keepdim=True)),
        f"self.decoder({code} / std of the {code})": known.decode(z / z.std()),
        f"self.decoder({code} without the last dimension)": known.decode(_without_last(z)),
        f"self.decoder({code} of row 0) for every row": known.decode(z[:1]).expand_as(image),
        f"mean of self.decoder({code}) over the batch": image.mean(0).expand_as(image),
    }


def _without_last(z: Tensor) -> Tensor:
    return torch.cat([z[:, :-1], torch.zeros_like(z[:, -1:])], dim=1)


def _of_prior_sample(result: str, ask: Ask, draw: Draw) -> Recovered | None:
    """Return what VAE.sample makes of given noise z: functions of the decoder's output."""
    known = random_model(draw)
    z = draw.normal(6, known.sizes["z_dim"])
    arguments = {"sizes": known.sizes, "batch_size": 6, "noise": z.float(), "calls": 2}
    answer = ask("prior_sample", **arguments, **known.as_dtype(torch.float32))
    one, other = (_read(answer, f"value_{i}", 6, *known.image_shape) for i in (0, 1))
    if one is None or other is None:
        return None
    if not torch.equal(one, other):
        found = pixel_noise(known, one)
        return of_behaviour(found.id if found else "numbers_random")
    terms, others = _of_image(known, z, "noise")
    return of_elements("prior_sample", "image", one, terms, {"self.decoder(noise)": 1.0}, others)


def pixel_noise(known: KnownModel, images: Tensor) -> Misconception | None:
    """Return the misconception of sampled pixels, if the part of each image that no code explains looks like noise."""
    unexplained = (images - known.decode(known.codes(images))).flatten(1)
    # Unit noise in 768 pixels has a mean of 0 +- 0.04 and a standard deviation of 1 +- 0.03.
    centred = unexplained.mean(dim=1).abs() < 0.3
    unit = (unexplained.std(dim=1) - 1).abs() < 0.2
    return by_id("prior_sample_sampled_pixels") if bool((centred & unit).all()) else None


def _of_forward(result: str, ask: Ask, draw: Draw) -> Recovered | None:
    """Return what forward gives as `reconstruction` (by its code), `nll` or `kl`, for given noise."""
    known, batch = random_model(draw), 24
    x, noise = draw.uniform(-1, 1, batch, *known.image_shape), draw.normal(batch, known.sizes["z_dim"])
    answer = ask("forward", sizes=known.sizes, x=x.float(), noise=noise.float(), **known.as_dtype(torch.float32))
    image = _read(answer, "reconstruction_0", batch, *known.image_shape)
    if image is None:
        return None
    if result == "reconstruction":
        return _of_code(known, x, noise, image)
    value = _read(answer, f"{result}_0", batch)
    if value is None:
        return None
    nll, kl = _nll(image, x), oracles.kl(known.head("mean", x), known.head("logvar", x))
    right = {"nll of x" if result == "nll" else "kl of the posterior": 1.0}
    if bool(agreeing(value, nll if result == "nll" else kl).all()):
        return _bounded_kl(ask, draw) if result == "kl" else None
    for text, other in {**_other_losses(known, x, image), **_losses_in_part(known, x, image)}.items():
        if bool(agreeing(value, other).all()):
            size = f", D = {x[0].numel()} pixels" if text.endswith("/ D") else ""
            return shown("forward", f"{result} = {text}", "Which numbers are added up, and how often?", size)
    terms = {
        "nll of x": nll,
        "kl of the posterior": kl,
        ONE: torch.ones_like(nll),
        "sum((x - reconstruction)^2)": ((x - image) ** 2).flatten(1).sum(1),
        "sum(|x - reconstruction|)": (x - image).abs().flatten(1).sum(1),
        "sum(reconstruction^2)": (image**2).flatten(1).sum(1),
    }
    formula = across([fit(value, terms, most=3)], [{}], "")
    return None if formula is None else described("forward", result, formula, right)


def _bounded_kl(ask: Ask, draw: Draw) -> Recovered | None:
    """Return from which bound on kl is right, among posteriors closer to the prior."""
    known, batch = random_model(draw, head_scale=0.4), 64
    x = draw.uniform(-1, 1, batch, *known.image_shape)
    noise = draw.normal(batch, known.sizes["z_dim"])
    answer = ask("forward", sizes=known.sizes, x=x.float(), noise=noise.float(), **known.as_dtype(torch.float32))
    value, kl = _read(answer, "kl_0", batch), oracles.kl(known.head("mean", x), known.head("logvar", x))
    text = "" if value is None else bound(agreeing(value, kl), {"it": kl[:, None]})
    return Recovered(f"the right kl {text}", "Is anything clamped, or replaced beyond a bound?") if text else None


def _nll(image: Tensor, x: Tensor) -> Tensor:
    return oracles.nll(image, torch.zeros_like(image), x, [1, 2, 3])


def _other_losses(known: KnownModel, x: Tensor, image: Tensor) -> dict[str, Tensor]:
    """Return what stands in place of nll or kl, by texts."""
    mean, logvar = known.head("mean", x), known.head("logvar", x)
    nll, kl, pixels, pixel = _nll(image, x), oracles.kl(mean, logvar), x[0].numel(), torch.nn.functional
    entropy = pixel.binary_cross_entropy_with_logits(image, x / 2 + 0.5, reduction="none").flatten(1).sum(1)
    found = {
        "nll of x under decode(mean)": _nll(known.decode(mean), x),
        "nll of the reconstruction itself": _nll(image, image),
        "sum of the cross-entropy of (x + 1) / 2 and sigmoid(reconstruction)": entropy,
    }
    for name, loss in {"nll": nll, "kl": kl}.items():
        text = "nll of x" if name == "nll" else "kl of the posterior"
        found |= {
            f"{text} / D": loss / pixels,
            f"{name} of the first image": loss[:1].expand_as(loss),
            f"mean of {name} over the batch": loss.mean().expand_as(loss),
            f"sum of {name} over the batch": loss.sum().expand_as(loss),
        }
    return found


def _losses_in_part(known: KnownModel, x: Tensor, image: Tensor) -> dict[str, Tensor]:
    """Return nll without some pixels, and kl without a dimension, by texts."""
    mean, logvar, parts = known.head("mean", x), known.head("logvar", x), {}
    for channel in range(x.shape[1]):
        others = [each for each in range(x.shape[1]) if each != channel]
        parts[f"nll of x without channel {channel}"] = _nll(image[:, others], x[:, others])
        same = x.clone()
        same[:, channel] = image[:, channel]
        parts[f"nll of x without the error of channel {channel}"] = _nll(image, same)
    for text, kept in {
        "the last row of pixels": (slice(None, -1), slice(None)),
        "the last column of pixels": (slice(None), slice(None, -1)),
        "the border": (slice(1, -1), slice(1, -1)),
    }.items():
        parts[f"nll of x without {text}"] = _nll(image[:, :, *kept], x[:, :, *kept])
    for text, each in {"last": slice(None, -1), "first": slice(1, None)}.items():
        parts[f"kl of the posterior without the {text} dimension"] = oracles.kl(mean[:, each], logvar[:, each])
    return parts


def of_another_code(ask: Ask, draw: Draw, train: bool) -> Recovered | None:
    """Return that nll and reconstruction use two codes, if nll is right for given noise; else what is wrong with it."""
    known = random_model(draw)
    x, noise = draw.uniform(-1, 1, 6, *known.image_shape), draw.normal(6, known.sizes["z_dim"])
    given = {"x": x.float(), "noise": noise.float(), "train": train}
    answer = ask("forward", sizes=known.sizes, **given, **known.as_dtype(torch.float32))
    image, nll = _read(answer, "reconstruction_0", *x.shape), _read(answer, "nll_0", len(x))
    if image is None or nll is None or not bool(agreeing(nll, _nll(image, x)).all()):
        return of_model("forward", "nll", ask, draw, train)
    return of_behaviour("forward_another_code")


def _of_code(known: KnownModel, x: Tensor, noise: Tensor, image: Tensor) -> Recovered | None:
    """Return from which code a reconstruction was decoded; the decoder has no bend."""
    code, mean, logvar = known.codes(image), known.head("mean", x), known.head("logvar", x)
    if float((known.decode(code) - image).abs().max()) > SAME_DRAW:  # no code gives this image
        right = known.decode(oracles.sample(mean, logvar, noise))
        terms = {ONE: torch.ones_like(image), "x": x, **bent("the right image", right)}
        return of_elements("forward", "reconstruction", image, terms, {"the right image": 1.0})
    std, var = (0.5 * logvar).exp(), logvar.exp()
    terms = {
        ONE: torch.ones_like(mean),
        "mean": mean,
        "std * noise": std * noise,
        "var * noise": var * noise,
        "logvar * noise": logvar * noise,
        "noise": noise,
        "std": std,
        "logvar": logvar,
    }
    others = {
        "mean + std * noise, without the last dimension of noise": mean + std * _without_last(noise),
        "mean + std * noise, with noise of row 0 for every row": mean + std * noise[:1],
        "mean + std * noise, without the last dimension": _without_last(mean + std * noise),
        "mean + std * noise of row 0 for every row": (mean + std * noise)[:1].expand_as(mean),
    }
    for text, seen in {"x / 127.5 - 1": x / 127.5 - 1, "(x + 1) / 2": (x + 1) / 2, **_images_in_part(x)}.items():
        other = oracles.sample(known.head("mean", seen), known.head("logvar", seen), noise)
        others[f"mean + std * noise, with the posterior of {text}"] = other
    return of_elements("forward", "the decoded code", code, terms, {"mean": 1.0, "std * noise": 1.0}, others)


_FORMULAS: dict[str, Callable[[str, Ask, Draw], Recovered | None]] = {
    "encode": _of_encode,
    "decode": _of_decode,
    "prior_sample": _of_prior_sample,
    "forward": _of_forward,
    "log_likelihood": of_log_likelihood,
    "interpolate": of_interpolate,
}
