"""The probes of DiagonalGaussianDistribution: build one, call one method, compute vector-Jacobian products."""

from collections.abc import Mapping
from typing import Any

from torch import Tensor

from ..submission import LoadedSubmission, lean_on_standins
from .common import Found, changed, in_turn, leaves, method, need_tensor, pull_back, sets_of, snapshot

_ATTRIBUTES = ("mean", "logvar", "std", "var")


def call(
    submission: LoadedSubmission,
    *,
    name: str,
    mean: Tensor,
    logvar: Tensor | None = None,
    sample: Tensor | None = None,
    noise: Tensor | None = None,
    dims: list[int] | None = None,
    cotangent: Tensor | None = None,
    calls: int = 1,
    objects: int = 1,
    strided: bool = False,
) -> Found:
    """Call method `name` on fresh distributions.

    Args:
        submission: The submission.
        name: `sample`, `kl`, `nll` or `mode`.
        mean, logvar: Parameters of the distribution, both (B, ...).
        sample, noise, dims: Arguments of the method; an argument that is None is not passed.
        cotangent: The cotangent of the first result; if None, no gradient is recorded.
        calls: How often to call the method on each object.
        objects: How many objects to build from the same parameters.
        strided: Whether to pass tensors with permuted strides, like those of a transposed view.

    Returns:
        `value_<i>`, one per call, object by object; `grad_<input>`, the gradients of the first result; fact `changed`,
        the inputs and attributes that the method changed in place.
    """
    distribution_class = submission.find("DiagonalGaussianDistribution")
    lean_on_standins(submission)
    inputs: dict[str, Tensor | None] = {"mean": mean, "logvar": logvar, "sample": sample, "noise": noise}
    if strided:
        inputs = {k: None if t is None else restride(t) for k, t in inputs.items()}
    if cotangent is not None:
        inputs = {**inputs, **leaves(inputs)}
    before = snapshot(inputs)
    arguments = _arguments(inputs, dims)
    values: list[Tensor] = []
    altered: set[str] = set()
    for _ in range(objects):
        distribution = _build(distribution_class, inputs, strided)
        attributes = snapshot({a: getattr(distribution, a, None) for a in _ATTRIBUTES})
        for _ in range(calls):
            values.append(_answer(distribution, name, arguments))
        altered.update(changed(attributes, {a: getattr(distribution, a, None) for a in _ATTRIBUTES}))
    altered.update(changed(before, inputs))
    if dims is not None and arguments["dims"] != dims:
        altered.add("dims")
    present = {k: t for k, t in inputs.items() if t is not None}
    gradients = {} if cotangent is None else pull_back(values[0], cotangent, present)
    return Found({**{f"value_{i}": v for i, v in enumerate(values)}, **gradients}, {"changed": sorted(altered)})


def remembered(submission: LoadedSubmission, *, name: str, dims: list[int] | None = None, **inputs: Tensor) -> Found:
    """Call method `name` for three sets of inputs of equal shapes, to find results cached from earlier calls.

    Args:
        submission: The submission.
        name: `sample`, `kl`, `nll` or `mode`.
        dims: Argument of nll.
        **inputs: `mean_<i>`, `logvar_<i>`, and the method's argument, `sample_<i>` or `noise_<i>`, for i from 0 to 2.

    Returns:
        `value_first`, `value_changed` and `value_fresh`, the answers for inputs 0, 1 and 2, see `found.in_turn`;
        `value_kept`, a second answer for inputs 2, read after all calls; `value_argument`, the answer of that same
        object after its argument was overwritten in place with that of inputs 1.
    """
    distribution_class = submission.find("DiagonalGaussianDistribution")
    lean_on_standins(submission)
    sets = sets_of(inputs)

    def ask(values: Mapping[str, Tensor]) -> dict[str, Tensor]:
        return {"value": _answer(_build(distribution_class, values), name, _arguments(values, dims))}

    found = in_turn(ask, sets)
    last = {key: tensor.clone() for key, tensor in sets[2].items()}
    distribution = _build(distribution_class, last)
    found["value_kept"] = _answer(distribution, name, _arguments(last, dims))
    for key in ("sample", "noise"):
        if key in last:
            last[key].copy_(sets[1][key])
    found["value_argument"] = _answer(distribution, name, _arguments(last, dims))
    _answer(_build(distribution_class, sets[1]), name, _arguments(sets[1], dims))
    return Found(found)


def _build(distribution_class: Any, inputs: Mapping[str, Tensor | None], strided: bool = False) -> Any:
    """Return a distribution; if the constructor, which is not part of a task, fails on strided tensors, copy them."""
    mean, logvar = inputs["mean"], inputs["logvar"]
    try:
        return distribution_class(mean, logvar)
    except Exception:
        if not strided or mean is None:
            raise
        return distribution_class(mean.contiguous(), None if logvar is None else logvar.contiguous())


def _arguments(inputs: Mapping[str, Tensor | None], dims: list[int] | None) -> dict[str, Any]:
    tensors = {key: inputs[key] for key in ("sample", "noise") if inputs.get(key) is not None}
    return tensors | ({} if dims is None else {"dims": list(dims)})


def _answer(distribution: Any, name: str, arguments: dict[str, Any]) -> Tensor:
    return need_tensor(method(distribution, "DiagonalGaussianDistribution", name)(**arguments), f"{name}()")


def restride(tensor: Tensor) -> Tensor:
    """Return the same values, stored in memory as if the first and last dimension were swapped."""
    return tensor.transpose(0, -1).contiguous().transpose(0, -1)
