"""The probe of DiagonalGaussianDistribution: build one, call one method, pull cotangents back."""

from typing import Any

from torch import Tensor

from ..construct import lean_on_standins
from ..submission import Submission
from .found import Found, changed, leaves, method, need_tensor, pull_back, snapshot

_ATTRIBUTES = ("mean", "logvar", "std", "var")


def call(
    submission: Submission,
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
        sample, noise, dims: Arguments of the method; what is None is not passed.
        cotangent: What to pull back through the first result; without it no gradient is recorded.
        calls: How often to call the method on each object.
        objects: How many objects to build from the same parameters.
        strided: Hand the tensors over with permuted strides, as a transposed view holds them.

    Returns:
        `value_<i>`, one per call, object by object; `grad_<input>` of the first; fact `changed`: the inputs and
        attributes that the method changed in place.
    """
    distribution_class = submission.find("DiagonalGaussianDistribution")
    lean_on_standins(submission)
    inputs: dict[str, Tensor | None] = {"mean": mean, "logvar": logvar, "sample": sample, "noise": noise}
    if strided:
        inputs = {k: None if t is None else _restride(t) for k, t in inputs.items()}
    if cotangent is not None:
        inputs = {**inputs, **leaves(inputs)}
    before = snapshot(inputs)
    arguments: dict[str, Any] = {k: inputs[k] for k in ("sample", "noise") if inputs[k] is not None}
    if dims is not None:
        arguments["dims"] = list(dims)
    values: list[Tensor] = []
    altered: set[str] = set()
    for _ in range(objects):
        made = distribution_class(inputs["mean"], inputs["logvar"])
        attributes = snapshot({a: getattr(made, a, None) for a in _ATTRIBUTES})
        for _ in range(calls):
            values.append(need_tensor(method(made, "DiagonalGaussianDistribution", name)(**arguments), f"{name}()"))
        altered.update(changed(attributes, {a: getattr(made, a, None) for a in _ATTRIBUTES}))
    altered.update(changed(before, inputs))
    if dims is not None and arguments["dims"] != dims:
        altered.add("dims")
    given = {k: t for k, t in inputs.items() if t is not None}
    gradients = {} if cotangent is None else pull_back(values[0], cotangent, given)
    return Found({**{f"value_{i}": v for i, v in enumerate(values)}, **gradients}, {"changed": sorted(altered)})


def _restride(tensor: Tensor) -> Tensor:
    """Return the same values in memory whose first and last dimension are swapped."""
    return tensor.transpose(0, -1).contiguous().transpose(0, -1)
