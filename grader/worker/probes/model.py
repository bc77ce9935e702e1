"""The probes of VAE and interpolate: build a model from known linear parts, call one method, compute gradients.

If a probe takes a `first` input, the method is called on it before the call that is checked, since one call must not
influence the next. Facts are `changed`, the inputs that were changed in place; `left`, the modes that were not
restored; `own`, the parameters outside the known parts, which were changed before the call; and `inside`, the layers
inside encoder and decoder that were used directly.
"""

from typing import Any

import torch
from torch import Tensor

from ..submission import LoadedSubmission, Sizes, build_known, head_weight, layers_used, own_parameters
from .common import (
    Found,
    attribute,
    changed,
    in_turn,
    leaves,
    left_switched,
    method,
    need_tensor,
    pull_back,
    sets_of,
    snapshot,
    switches,
    three_results,
)


def encode(
    submission: LoadedSubmission,
    *,
    sizes: Sizes,
    x: Tensor,
    first: Tensor | None = None,
    train: bool = False,
    cotangent_mean: Tensor | None = None,
    cotangent_logvar: Tensor | None = None,
    **known: Tensor,
) -> Found:
    """Call VAE.encode; return `mean` and `logvar` of the posterior and the gradients of each of them."""
    model = build_known(submission, sizes, known, x.dtype).train(train)
    inputs = {**leaves({"x": x}), **_parameters(model)}
    before, modes = snapshot({"x": inputs["x"]}), switches(model)
    call = method(model, "VAE", "encode")
    if first is not None:
        call(first)
    posterior = call(inputs["x"])
    left = left_switched(modes, model)
    found = {name: attribute(posterior, name, "encode()") for name in ("mean", "logvar")}
    for name, cotangent in (("mean", cotangent_mean), ("logvar", cotangent_logvar)):
        if cotangent is not None:
            pulled = _pulled(found[name], cotangent, inputs)
            found.update({f"{name}_{k}": v for k, v in pulled.items()})
    return Found(found, {"changed": changed(before, {"x": inputs["x"]}), "left": left, **_own(model)})


def decode(
    submission: LoadedSubmission,
    *,
    sizes: Sizes,
    z: Tensor,
    first: Tensor | None = None,
    train: bool = False,
    cotangent: Tensor | None = None,
    **known: Tensor,
) -> Found:
    """Call VAE.decode; return `mean`, `logvar`, `std` and `var` of the likelihood, and the gradients of the mean."""
    model = build_known(submission, sizes, known, z.dtype).train(train)
    inputs = {**leaves({"z": z}), **_parameters(model)}
    before, modes = snapshot({"z": inputs["z"]}), switches(model)
    call = method(model, "VAE", "decode")
    if first is not None:
        call(first)
    likelihood = call(inputs["z"])
    left = left_switched(modes, model)
    found = {name: attribute(likelihood, name, "decode()") for name in ("mean", "logvar", "std", "var")}
    gradients = {} if cotangent is None else _pulled(found["mean"], cotangent, inputs)
    return Found({**found, **gradients}, {"changed": changed(before, {"z": inputs["z"]}), "left": left, **_own(model)})


def prior_sample(
    submission: LoadedSubmission,
    *,
    sizes: Sizes,
    batch_size: int,
    noise: Tensor | None = None,
    first: Tensor | None = None,
    train: bool = False,
    calls: int = 1,
    **known: Tensor,
) -> Found:
    """Call VAE.sample on one model; return `value_<i>`, one per call, and `earlier`, if `first` is the noise of one.

    The judge recognises a result by what an earlier call returned, so it has to see that too.
    """
    model = build_known(submission, sizes, known, torch.float32).train(train)
    before, modes = snapshot({"noise": noise}), switches(model)
    draw = method(model, "VAE", "sample")
    options = {} if noise is None else {"noise": noise}
    earlier = None if first is None else draw(len(first), noise=first)
    values = [need_tensor(draw(batch_size, **options), "VAE.sample()") for _ in range(calls)]
    altered, left = changed(before, {"noise": noise}), left_switched(modes, model)
    found = {f"value_{i}": v for i, v in enumerate(values)} | ({"earlier": earlier} if type(earlier) is Tensor else {})
    return Found(found, {"changed": altered, "left": left, **_own(model)})


def forward(
    submission: LoadedSubmission,
    *,
    sizes: Sizes,
    x: Tensor,
    noise: Tensor | None = None,
    first: Tensor | None = None,
    train: bool = True,
    calls: int = 1,
    cotangent_reconstruction: Tensor | None = None,
    cotangent_nll: Tensor | None = None,
    cotangent_kl: Tensor | None = None,
    **known: Tensor,
) -> Found:
    """Call the model; return `reconstruction_<i>`, `nll_<i>` and `kl_<i>` of call i, and the gradients of each."""
    model = build_known(submission, sizes, known, x.dtype).train(train)
    inputs = {**leaves({"x": x}), **_parameters(model)}
    watched = {"x": inputs["x"], **({} if noise is None else {"noise": noise})}
    before, modes = snapshot(watched), switches(model)
    found: dict[str, Tensor] = {}
    call = method(model, "VAE", "forward")
    if first is not None:
        call(first)
    for i in range(calls):
        found.update(_triple(call(inputs["x"], *([] if noise is None else [noise])), i))
    altered, left = changed(before, watched), left_switched(modes, model)
    cotangents = {"reconstruction": cotangent_reconstruction, "nll": cotangent_nll, "kl": cotangent_kl}
    for name, cotangent in cotangents.items():
        if cotangent is not None:
            pulled = _pulled(found[f"{name}_0"], cotangent, inputs)
            found.update({f"{name}_{k}": v for k, v in pulled.items()})
    return Found(found, {"changed": altered, "left": left, **_own(model)})


def log_likelihood(
    submission: LoadedSubmission,
    *,
    sizes: Sizes,
    x: Tensor,
    K: int | None = None,
    first: Tensor | None = None,
    train: bool = False,
    calls: int = 1,
    **known: Tensor,
) -> Found:
    """Call VAE.log_likelihood on one model; return `value_<i>`, one per call, and the `codes` that were decoded.

    `codes` is left out if the codes cannot be stored (see `_joined`).
    """
    model = build_known(submission, sizes, known, x.dtype).train(train)
    before, modes = snapshot({"x": x}), switches(model)
    estimate = method(model, "VAE", "log_likelihood")
    options = {} if K is None else {"K": K}
    if first is not None:
        estimate(first, K=2)
    codes: list[Tensor] = []
    model.decoder.register_forward_pre_hook(
        lambda _, args, named: codes.extend(z.detach().clone() for z in (*args, *named.values())), with_kwargs=True
    )
    values = [need_tensor(estimate(x, **options), "log_likelihood()") for _ in range(calls)]
    facts = {"changed": changed(before, {"x": x}), "left": left_switched(modes, model), **_own(model)}
    return Found({**{f"value_{i}": v for i, v in enumerate(values)}, **_joined(codes, sizes["z_dim"])}, facts)


def _joined(codes: list[Tensor], z_dim: int) -> dict[str, Tensor]:
    """Return the `codes` as one tensor (n, z); an empty dictionary if they cannot be stored, as inside torch.vmap."""
    try:
        joined = torch.cat([torch.empty(0, z_dim), *(code.float() for code in codes)])
    except Exception:
        return {}
    return {"codes": joined} if len(joined) and bool(joined.isfinite().all()) else {}


def interpolate(
    submission: LoadedSubmission,
    *,
    sizes: Sizes,
    z_1: Tensor,
    z_2: Tensor,
    n_samples: int,
    first: bool = False,
    strided: bool = False,
    train: bool = False,
    **known: Tensor,
) -> Found:
    """Call interpolate twice; return its images as `value` and `again`.

    With `first`, it is called before that for another pair of codes. With `strided`, the codes are columns of a matrix,
    so that their values are not contiguous in memory.
    """
    function = submission.find("interpolate")
    model = build_known(submission, sizes, known, z_1.dtype).train(train)
    if strided:
        z_1, z_2 = torch.stack([z_1[0], z_2[0]], dim=1).T.split(1)
    before, modes = snapshot({"z_1": z_1, "z_2": z_2}), switches(model)
    if first:
        function(model, 2 * z_2, z_1, n_samples + 1)
    value, again = (need_tensor(function(model, z_1, z_2, n_samples), "interpolate()") for _ in range(2))
    facts = {"changed": changed(before, {"z_1": z_1, "z_2": z_2}), "left": left_switched(modes, model), **_own(model)}
    return Found({"value": value, "again": again}, facts)


def remembered(
    submission: LoadedSubmission, *, task: str, sizes: Sizes, arguments: dict[str, int] | None = None, **tensors: Tensor
) -> Found:
    """Call one method of a model for three sets of inputs of equal shapes, see `found.in_turn`.

    Args:
        submission: The submission.
        task: The task of the method: `encode`, `decode`, `prior_sample`, `forward`, `log_likelihood` or `interpolate`.
        sizes: Keyword arguments of VAE.
        arguments: The arguments of the method that are not tensors.
        **tensors: Parameters of the known model, and inputs `<name>_0` to `<name>_2`.
    """
    inputs = {name: tensor for name, tensor in tensors.items() if name[-2:] in ("_0", "_1", "_2")}
    known = {name: tensor for name, tensor in tensors.items() if name not in inputs}
    model = build_known(submission, sizes, known, next(iter(inputs.values())).dtype).eval()

    def ask(values: dict[str, Tensor]) -> dict[str, Tensor]:
        return _asked(submission, model, task, {**values, **(arguments or {})})

    return Found(in_turn(ask, sets_of(inputs)))


# These arguments are passed by position, as in the other probes, since a student may have renamed them.
_POSITIONAL = {
    "encode": ("x",),
    "decode": ("z",),
    "prior_sample": ("batch_size",),
    "forward": ("x", "noise"),
    "log_likelihood": ("x",),
    "interpolate": ("z_1", "z_2", "n_samples"),
}


def _asked(submission: LoadedSubmission, model: Any, task: str, arguments: dict[str, Any]) -> dict[str, Tensor]:
    """Call the method of a task and return its results by name."""
    positional = [arguments[name] for name in _POSITIONAL[task]]
    named = {name: value for name, value in arguments.items() if name not in _POSITIONAL[task]}
    if task == "interpolate":
        return {"value": need_tensor(submission.find("interpolate")(model, *positional), "interpolate()")}
    name = "sample" if task == "prior_sample" else task
    answer = method(model, "VAE", name)(*positional, **named)
    if task in ("encode", "decode"):
        return {each: attribute(answer, each, f"{task}()") for each in ("mean", "logvar")}
    if task == "forward":
        return {each.removesuffix("_0"): value for each, value in _triple(answer, 0).items()}
    return {"value": need_tensor(answer, f"{name}()")}


def _own(model: Any) -> dict[str, list[str]]:
    return {"own": list(own_parameters(model)), "inside": layers_used(model)}


def _parameters(model: Any) -> dict[str, Tensor]:
    """Return the parameters of the known parts, by the names that the judge uses for them."""
    return {
        "encoder_weight": model.encoder.known_weight,
        "mean_weight": head_weight(model, "mean"),
        "logvar_weight": head_weight(model, "logvar"),
        "decoder_weight": model.decoder.known_weight,
    }


def _pulled(output: Tensor, cotangent: Tensor, inputs: dict[str, Tensor]) -> dict[str, Tensor]:
    """Return the vector-Jacobian products; for the weights of the heads, only the columns of the known features."""
    hidden = len(inputs["encoder_weight"])
    pulled = pull_back(output, cotangent, inputs)
    heads = {f"grad_{name}_weight" for name in ("mean", "logvar")}
    return {name: grad[:, :hidden] if name in heads else grad for name, grad in pulled.items()}


def _triple(result: Any, call: int) -> dict[str, Tensor]:
    names = ("reconstruction", "nll", "kl")
    return {f"{name}_{call}": part for name, part in zip(names, three_results(result), strict=True)}
