"""What log_likelihood computes instead: its codes, its weights, and how they are combined; see recover.py.

The parts of a known model are linear, so every density has a closed form, and a probe records which codes went through
the decoder. So the judge can compute each weight.
"""

import math
from collections.abc import Mapping

import torch
from jaxtyping import Float64
from torch import Tensor

from . import oracles
from .answer import read_or_none
from .formula import ONE, across, fit
from .inputs import Draw, single
from .known_models import KnownModel, log_densities, random_model, true_posterior_model
from .misconceptions import Misconception, by_id
from .recover import Ask, Recovered, described, of_behaviour, shown
from .right_in_part import agreeing
from .tolerances import HALVES


def of_log_likelihood(result: str, ask: Ask, draw: Draw) -> Recovered | None:
    """Return how codes are drawn; if that is right, what a weight is made of, how they are combined, and in a batch."""
    if codes := _of_codes(ask, draw):  # wrong codes make every weight wrong
        return codes
    if part := _of_parts(random_model(draw), ask, draw):
        return part
    weight = _of_one_weight(random_model(draw, in_channels=1), ask, draw)  # log-variances that differ
    if weight is None or weight != Recovered():
        return weight
    known = true_posterior_model(draw, inflation=4.0, gain=2.0, in_channels=1).single()
    return _of_many_weights(known, ask, draw) or _of_batch(ask, draw)


def _of_codes(ask: Ask, draw: Draw) -> Recovered | None:
    """Return how the codes of one image are spread, if not like its posterior: a narrow one, far from the prior."""
    known, samples = true_posterior_model(draw, gain=10.0, in_channels=1).single(), 257
    called = _called(known, ask, draw, samples)
    if called is None:
        return None
    x, _, codes = called
    mean, std = known.head("mean", x), (0.5 * known.head("logvar", x)).exp()
    spread, center = codes.std(0), codes.mean(0)
    still = (spread < 0.01 * std[0]).nonzero().flatten().tolist()
    if len(still) == len(spread):
        found = miscounted(known, x, codes[:1], samples)
        return of_behaviour(found.id) if found else None
    if still:
        listed = ", ".join(map(str, still))
        return Recovered(f"the codes are mean + std * noise, without noise in dimension {listed}", _NOISE)
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
_NOISE = "Each dimension of each code needs its own noise. Where is it drawn?"


def _called(known: KnownModel, ask: Ask, draw: Draw, samples: int) -> tuple[Tensor, Tensor, Tensor] | None:
    """Return an image of the model, its estimate, and the codes that were decoded for it, if they are K."""
    z = draw.normal(1, known.sizes["z_dim"])
    x = single(known.decode(z) + draw.normal(1, *known.image_shape))
    answer = ask("log_likelihood", sizes=known.sizes, x=x.float(), K=samples, **known.as_dtype(torch.float32))
    value = read_or_none(answer, "value_0", [1], finite=True)
    codes = read_or_none(answer, "codes", ["n", known.sizes["z_dim"]], finite=True)
    return (x, value, codes) if value is not None and codes is not None and len(codes) == samples else None


def _of_parts(known: KnownModel, ask: Ask, draw: Draw) -> Recovered | None:
    """Return which part of a density is left out of a single weight; None if none of the parts, or nothing."""
    calls = [_called(known, ask, draw, 1) for _ in range(_CALLS // 4)]
    answered = [called for called in calls if called is not None]
    parts = [(value, weights_in_part(known, x, codes)) for x, value, codes in answered]
    for text in parts[0][1] if len(parts) == len(calls) else ():
        if all(bool(agreeing(value, part[text]).all()) for value, part in parts):
            return shown("log_likelihood", f"log w = {text}", _DENSITIES)
    return None


def _of_one_weight(known: KnownModel, ask: Ask, draw: Draw) -> Recovered | None:
    """Return what a single weight is made of, without a formula if it is right; None if nothing is found."""
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
    answers = torch.cat(values)
    if len(answers.unique()) > 1 and any(torch.equal(answers, answers.to(half).double()) for half in HALVES):
        return of_behaviour("numbers_rounded")
    formula = across([fit(answers, terms, most=4)], [{}], "")
    right = {"log p(x|z)": 1.0, "log p(z)": 1.0, "log q(z|x)": -1.0}
    if formula is None:
        return None
    return described("log_likelihood", "log w", formula, right) or Recovered()


def _of_many_weights(known: KnownModel, ask: Ask, draw: Draw) -> Recovered | None:
    """Return how the K weights of one image are combined; None if that is right, or nothing is found."""
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
                "sum(softmax(log w) * log w)": (log_w.softmax(0) * log_w).sum(),
                ONE: torch.ones((), dtype=torch.float64),
            }
        )
    terms = {text: torch.stack([row[text] for row in rows]) for text in rows[0]}
    formula = across([fit(torch.cat(values), terms, most=3)], [{}], "")
    right = {"logsumexp(log w)": 1.0, "log K": -1.0}
    return None if formula is None else described("log_likelihood", "log_likelihood", formula, right)


def _of_batch(ask: Ask, draw: Draw) -> Recovered | None:
    """Return what is wrong with the estimates of several images, if those of a single one are right."""
    known = true_posterior_model(draw, gain=10.0, in_channels=1).single()  # every weight of an image is p(x)
    results = {}
    for batch, samples in ((1, 3), (4, 3), (3, 3)):
        x = single(known.decode(draw.normal(batch, known.sizes["z_dim"])) + draw.normal(batch, *known.image_shape))
        answer = ask("log_likelihood", sizes=known.sizes, x=x.float(), K=samples, **known.as_dtype(torch.float32))
        value = read_or_none(answer, "value_0", [batch], finite=True)
        if value is None:
            return None
        weight, bias = known.tensors["decoder_weight"], known.tensors["decoder_bias"]
        exact = oracles.linear_log_likelihood(x.flatten(1), weight, bias)
        results[batch] = value, exact, bool(agreeing(value, exact).all())
    if not results[1][2] or (results[4][2] and results[3][2]):
        return None
    if results[4][2]:
        line = "the right log_likelihood for B = 4 and K = 3, wrong for B = 3 and K = 3"
        return Recovered(line, "Is an axis found by its length?")
    value, exact, _ = results[4]
    for text, other in {
        "mean of log_likelihood over the batch": exact.mean().expand_as(exact),
        "sum of log_likelihood over the batch": exact.sum().expand_as(exact),
        "log of the mean of all B K weights": (exact.logsumexp(0) - math.log(len(exact))).expand_as(exact),
        "log_likelihood of image 0 for every image": exact[:1].expand_as(exact),
        "log_likelihood of the images in reverse order": exact.flip(0),
    }.items():
        if bool(agreeing(value, other).all()):
            return shown("log_likelihood", f"log_likelihood = {text}", _BATCH)
    return of_behaviour("log_likelihood_batch")


_BATCH = "Which weights belong to which image? Write the shape of each tensor beside its line."
_DENSITIES = "Is each of the three densities of x and of the whole code?"
_LOG_2_PI = math.log(2 * math.pi)


def weights_in_part(known: KnownModel, x: Tensor, codes: Tensor) -> dict[str, Tensor]:
    """Return weights with a part left out of one density, or of another image, by texts."""
    log_x, log_p, log_q = log_densities(known, x, codes)
    mean, logvar, off = known.head("mean", x), known.head("logvar", x), known.decode(codes) - x

    def unit(numbers: Tensor) -> Tensor:
        return -0.5 * (numbers**2 + _LOG_2_PI).flatten(1).sum(1)

    def of_q(each: slice) -> Tensor:
        return unit(((codes - mean) / (0.5 * logvar).exp())[:, each]) - 0.5 * logvar[:, each].sum(1)

    weights = {
        "log p(x|z) + log p(z) - log q(z|x) - log(100)": log_x + log_p - log_q - math.log(100),
        "log p(x|z) + log p(z) - log q(z|x) - 1/2 sum(logvar)": log_x + log_p - log_q - 0.5 * logvar.sum(1),
        "log p(x|z) + log p(z) - log q(mean|x)": log_x + log_p - unit(0 * codes) + 0.5 * logvar.sum(1),
        "log p(x|z) without the last row of pixels + log p(z) - log q(z|x)": unit(off[:, :, :-1]) + log_p - log_q,
        "log p(x|z) without the last column of pixels + log p(z) - log q(z|x)": unit(off[..., :-1]) + log_p - log_q,
    }
    for channel in range(off.shape[1]):
        others = [each for each in range(off.shape[1]) if each != channel]
        text = f"log p(x|z) without channel {channel} + log p(z) - log q(z|x)"
        weights[text] = unit(off[:, others]) + log_p - log_q
    for text, each in {"first": slice(1, None), "last": slice(None, -1)}.items():
        left_out = f"without the {text} dimension"
        weights[f"log p(x|z) + log p(z) {left_out} - log q(z|x)"] = log_x + unit(codes[:, each]) - log_q
        weights[f"log p(x|z) + log p(z) - log q(z|x) {left_out}"] = log_x + log_p - of_q(each)
    for text, other in {"x / 127.5 - 1": x / 127.5 - 1, "(x + 1) / 2": (x + 1) / 2}.items():
        of_other = log_densities(known, other, codes)
        weights[f"log p(x|z) + log p(z) - log q(z|x), of the image {text}"] = of_other[0] + of_other[1] - of_other[2]
    return weights


def miscounted(
    known: KnownModel, x: Float64[Tensor, "1 C S S"], codes: Float64[Tensor, "n z"], K: int
) -> Misconception | None:
    """Return the misconception if the number of distinct codes is not K; None if it is, or no code was observed."""
    if len(codes) in (0, K):
        return None
    if len(codes) > 1:
        return by_id("log_likelihood_wrong_count")
    at_mode = torch.allclose(codes, known.head("mean", x), rtol=1e-4, atol=1e-4)
    return by_id("log_likelihood_mode_only" if at_mode else "log_likelihood_one_sample")
