"""What the methods of the model and `interpolate` compute instead: see recover.py.

The parts of a known model are linear, so the judge can compute what each candidate would give, and which code an image
was decoded from.
"""

import math
from collections.abc import Callable, Mapping
from dataclasses import replace

import torch
from torch import Tensor

from . import oracles
from .answer import Answer, read_or_none
from .example import example_of_model
from .formula import ONE, across, fit
from .inputs import Draw, single
from .known_models import KnownModel, random_model, true_posterior_model
from .recover import Ask, Recovered, described, of_elements
from .tolerances import SAME_DRAW, UNIT_NICE
from .wrong_formulas import log_densities


def of_model(task: str, result: str, ask: Ask, draw: Draw) -> Recovered:
    """Return what is found out about a wrong result of a task: its formula, and an input that shows it.

    Args:
        task: `encode`, `decode`, `prior_sample`, `forward`, `log_likelihood` or `interpolate`.
        result: Which of its results is wrong.
        ask: Calls a probe; None if there is no answer.
        draw: Source of the inputs.
    """
    found = _FORMULAS[task](result, ask, draw) or Recovered()
    return replace(found, example=example_of_model(task, ask))


def _read(answer: Answer | None, name: str, *shape: int | str) -> Tensor | None:
    return read_or_none(answer, name, shape, finite=True)


def _bent(of: str, value: Tensor) -> dict[str, Tensor]:
    """Return an output of a layer, and usual functions of it, by their texts; `of` is its text."""
    return {
        of: value,
        f"sigmoid({of})": value.sigmoid(),
        f"tanh({of})": value.tanh(),
        f"relu({of})": value.relu(),
        f"|{of}|": value.abs(),
        f"exp({of})": value.exp(),
        f"exp({of} / 2)": (value / 2).exp(),
        f"softplus({of})": torch.nn.functional.softplus(value),
        f"({of})^2": value**2,
    }


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
        terms |= _bent(text, head)
    hidden = x.flatten(1) @ known.tensors["encoder_weight"].T
    for text, other in {
        "relu(h)": hidden.relu(),
        "tanh(h)": hidden.tanh(),
        "sigmoid(h)": hidden.sigmoid(),
        "h - mean of h over the batch": hidden - hidden.mean(0),
        "mean of h over the batch": hidden.mean(0).expand_as(hidden),
        "layer_norm(h)": torch.nn.functional.layer_norm(hidden, hidden.shape[1:]),
        "encoder(x / 127.5 - 1)": (x / 127.5 - 1).flatten(1) @ known.tensors["encoder_weight"].T,
        "encoder((x + 1) / 2)": ((x + 1) / 2).flatten(1) @ known.tensors["encoder_weight"].T,
    }.items():
        name = result
        terms[f"self.{name}({text})"] = other @ known.tensors[f"{name}_weight"].T + known.tensors[f"{name}_bias"]
    return of_elements("encode", result, value, terms, {f"self.{result}(h)": 1.0})


def _of_decode(result: str, ask: Ask, draw: Draw) -> Recovered | None:
    """Return what decode gives as `mean` or `logvar`: functions of the decoder's output y."""
    known = random_model(draw)
    z = draw.normal(6, known.sizes["z_dim"])
    value = _read(ask("decode", sizes=known.sizes, z=z, **known.tensors), result, 6, *known.image_shape)
    if value is None:
        return None
    return of_elements(
        "decode", result, value, _of_image(known, z), {"self.decoder(z)": 1.0} if result == "mean" else {}
    )


def _of_image(known: KnownModel, z: Tensor) -> dict[str, Tensor]:
    image, length = known.decode(z), z.norm(dim=1, keepdim=True)
    return {
        ONE: torch.ones_like(image),
        **_bent("self.decoder(z)", image),
        "self.decoder(z), turned": image.transpose(2, 3),
        "self.decoder(0)": known.decode(0 * z),
        "self.decoder(2 z)": known.decode(2 * z),
        "self.decoder(z / |z|)": known.decode(z / length),
        "mean of self.decoder(z) over the batch": image.mean(0).expand_as(image),
    }


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
        return Recovered(hint="Two calls with the same noise give different images. What in it is random?")
    scaled = {"self.decoder(noise / std of the noise)": known.decode(z / z.std())}
    terms = {text.replace("(z", "(noise"): term for text, term in _of_image(known, z).items()} | scaled
    return of_elements("prior_sample", "image", one, terms, {"self.decoder(noise)": 1.0})


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
    unit, sum_of = torch.zeros_like(image), x - image
    nll, kl = oracles.nll(image, unit, x, [1, 2, 3]), oracles.kl(known.head("mean", x), known.head("logvar", x))
    terms = {
        "nll of x": nll,
        "kl of the posterior": kl,
        "nll of the first image": nll[:1].expand_as(nll),
        "kl of the first image": kl[:1].expand_as(kl),
        ONE: torch.ones_like(nll),
        "nll of the reconstruction itself": oracles.nll(image, unit, image, [1, 2, 3]),
        "sum((x - reconstruction)^2)": (sum_of**2).flatten(1).sum(1),
        "sum(|x - reconstruction|)": sum_of.abs().flatten(1).sum(1),
        "mean of nll over the batch": nll.mean().expand_as(nll),
        "mean of kl over the batch": kl.mean().expand_as(kl),
        "sum of nll over the batch": nll.sum().expand_as(nll),
        "sum of kl over the batch": kl.sum().expand_as(kl),
    }
    pixels = x[0].numel()
    right = {"nll of x" if result == "nll" else "kl of the posterior": 1.0}
    found = fit(value, terms, most=3)
    if found is None:
        return None
    formula = across([found], [{}], "")
    if len(found) == 1 and math.isclose(next(iter(found.values())) * pixels, 1.0, rel_tol=UNIT_NICE):
        return Recovered(f"{result} = {next(iter(found))} / {pixels}, the number of pixels", "Is it a sum, or a mean?")
    return None if formula is None else described("forward", result, formula, right)


def _of_code(known: KnownModel, x: Tensor, noise: Tensor, image: Tensor) -> Recovered | None:
    """Return from which code a reconstruction was decoded; the decoder has no bend."""
    code = known.codes(image)
    if float((known.decode(code) - image).abs().max()) > SAME_DRAW:  # no code gives this image
        right = known.decode(oracles.sample(known.head("mean", x), known.head("logvar", x), noise))
        terms = {ONE: torch.ones_like(image), "x": x, **_bent("the right image", right)}
        return of_elements("forward", "reconstruction", image, terms, {"the right image": 1.0})
    mean, logvar = known.head("mean", x), known.head("logvar", x)
    std, var = (0.5 * logvar).exp(), logvar.exp()
    terms = {
        "mean": mean,
        "std * noise": std * noise,
        "var * noise": var * noise,
        "logvar * noise": logvar * noise,
        "noise": noise,
        "std": std,
        "logvar": logvar,
        ONE: torch.ones_like(mean),
    }
    return of_elements("forward", "the decoded code", code, terms, {"mean": 1.0, "std * noise": 1.0})


def _of_log_likelihood(result: str, ask: Ask, draw: Draw) -> Recovered | None:
    """Return how codes are drawn; if that is right, what a weight is made of; if that too, how they are combined."""
    if codes := _of_codes(ask, draw):  # wrong codes make every weight wrong
        return codes
    weight = _of_one_weight(random_model(draw, in_channels=1), ask, draw)  # log-variances that differ
    if weight is not None and (weight.computes or weight.hint):
        return weight
    known = true_posterior_model(draw, inflation=4.0, gain=2.0, in_channels=1).single()
    return _of_many_weights(known, ask, draw) if weight is not None else None


def _of_codes(ask: Ask, draw: Draw) -> Recovered | None:
    """Return how the codes of one image are spread, if not like its posterior: a narrow one, far from the prior."""
    known, samples = true_posterior_model(draw, gain=10.0, in_channels=1).single(), 257
    called = _called(known, ask, draw, samples)
    if called is None:
        return None
    x, _, codes = called
    mean, std = known.head("mean", x), (0.5 * known.head("logvar", x)).exp()
    spread, center = codes.std(0), codes.mean(0)
    around = {"mean": mean[0], "0": 0 * mean[0]}
    wide = {"std": std[0], "var": std[0] ** 2, "1": 1 + 0 * std[0], "sqrt(std)": std[0].sqrt()}
    for place, at in around.items():
        for scale, width in wide.items():
            # With 257 codes, a spread is known to 5 % and a center to 0.07 of the spread; the candidates are far apart.
            if bool((spread / width - 1).abs().max() < 0.4) and bool((center - at).abs().max() < 0.5 * width.max()):
                if (place, scale) == ("mean", "std"):
                    return None
                text = f"the codes are {place} + {scale} * noise".replace("1 * ", "").replace("0 + noise", "noise")
                return Recovered(text, "The codes must be samples of the posterior of their image. Are they?")
    return None


_CALLS = 24


def _called(known: KnownModel, ask: Ask, draw: Draw, samples: int) -> tuple[Tensor, Tensor, Tensor] | None:
    """Return an image of the model, its estimate, and the codes that were decoded for it, if they are K."""
    z = draw.normal(1, known.sizes["z_dim"])
    x = single(known.decode(z) + draw.normal(1, *known.image_shape))
    answer = ask("log_likelihood", sizes=known.sizes, x=x.float(), K=samples, **known.as_dtype(torch.float32))
    value, codes = _read(answer, "value_0", 1), _read(answer, "codes", "n", known.sizes["z_dim"])
    return (x, value, codes) if value is not None and codes is not None and len(codes) == samples else None


def _of_one_weight(known: KnownModel, ask: Ask, draw: Draw) -> Recovered | None:
    values: list[Tensor] = []
    rows: list[Mapping[str, Tensor]] = []
    for _ in range(_CALLS):
        called = _called(known, ask, draw, 1)
        if called is None:
            return None
        x, value, codes = called
        log_x, log_p, log_q = log_densities(known, x, codes)
        mean, logvar = known.head("mean", x), known.head("logvar", x)
        values.append(value)
        rows.append(
            {
                "log p(x|z)": log_x,
                "log p(z)": log_p,
                "log q(z|x)": log_q,
                "kl": oracles.kl(mean, logvar),
                "sum((x - image)^2)": ((x - known.decode(codes)) ** 2).sum().reshape(1),
                "sum(z^2)": (codes**2).sum(1),
                "sum(logvar)": logvar.sum(1),
                "sum((z - mean)^2/var)": ((codes - mean) ** 2 / logvar.exp()).sum(1),
                ONE: torch.ones(1, dtype=torch.float64),
            }
        )
    terms = {text: torch.cat([row[text] for row in rows]) for text in rows[0]}
    formula = across([fit(torch.cat(values), terms, most=4)], [{}], "")
    right = {"log p(x|z)": 1.0, "log p(z)": 1.0, "log q(z|x)": -1.0}
    if formula is None:
        return None
    return described("log_likelihood", "log w", formula, right) or Recovered()


def _of_many_weights(known: KnownModel, ask: Ask, draw: Draw) -> Recovered | None:
    values: list[Tensor] = []
    rows: list[Mapping[str, Tensor]] = []
    for i in range(_CALLS):
        samples = 3 + i % 5
        called = _called(known, ask, draw, samples)
        if called is None:
            return None
        x, value, codes = called
        log_x, log_p, log_q = log_densities(known, x, codes)
        log_w = log_x + log_p - log_q
        values.append(value)
        rows.append(
            {
                "logsumexp(log w)": log_w.logsumexp(0),
                "mean(log w)": log_w.mean(),
                "sum(log w)": log_w.sum(),
                "max(log w)": log_w.max(),
                "min(log w)": log_w.min(),
                "median(log w)": log_w.median(),
                "log K": torch.tensor(math.log(samples), dtype=torch.float64),
                "log(K - 1)": torch.tensor(math.log(samples - 1), dtype=torch.float64),
                "logsumexp(log w) / K": log_w.logsumexp(0) / samples,
                ONE: torch.ones((), dtype=torch.float64),
            }
        )
    terms = {text: torch.stack([row[text] for row in rows]) for text in rows[0]}
    formula = across([fit(torch.cat(values), terms, most=3)], [{}], "")
    right = {"logsumexp(log w)": 1.0, "log K": -1.0}
    return None if formula is None else described("log_likelihood", "log_likelihood", formula, right)


def _of_interpolate(result: str, ask: Ask, draw: Draw, count: int = 7) -> Recovered | None:
    """Return at which codes interpolate decodes: the weights of z_1 and z_2 for each image."""
    known = random_model(draw)
    z_1, z_2 = (draw.normal(1, known.sizes["z_dim"]) for _ in range(2))
    arguments = {"sizes": known.sizes, "z_1": z_1.float(), "z_2": z_2.float(), "n_samples": count}
    value = _read(ask("interpolate", **arguments, **known.as_dtype(torch.float32)), "value", count, *known.image_shape)
    if value is None:
        return None
    codes = known.codes(value)
    ends = torch.cat([z_1, z_2])
    weights = torch.linalg.lstsq(ends.T, codes.T).solution  # (2, count)
    if float((known.decode(weights.T @ ends) - value).abs().max()) > 10 * SAME_DRAW:
        return None
    steps = torch.arange(count, dtype=torch.float64) / (count - 1)
    if torch.allclose(weights, torch.stack([1 - steps, steps]), atol=SAME_DRAW):
        return None
    listed = [", ".join(f"{float(w):.3g}" for w in row.round(decimals=3) + 0.0) for row in weights]
    hint = "Which weights do the first and the last image need, and is the distance between neighbours the same?"
    text = f"for n_samples = {count}, codes that are {listed[0]} times z_1 plus {listed[1]} times z_2"
    return Recovered(text, hint)


_FORMULAS: dict[str, Callable[[str, Ask, Draw], Recovered | None]] = {
    "encode": _of_encode,
    "decode": _of_decode,
    "prior_sample": _of_prior_sample,
    "forward": _of_forward,
    "log_likelihood": _of_log_likelihood,
    "interpolate": _of_interpolate,
}
