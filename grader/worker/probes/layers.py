"""The probe of Encoder and Decoder: run one in both modes, whole batches and single rows, and follow its gradients."""

from typing import Any

import torch
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode

from ..construct import Sizes, build
from ..errors import MissingName
from ..submission import Submission
from .found import Found, need_tensor


def call(submission: Submission, *, part: str, sizes: Sizes, x: Tensor) -> Found:
    """Run `model.encoder` or `model.decoder` of a freshly built model.

    Args:
        submission: The submission.
        part: `encoder` or `decoder`.
        sizes: Keyword arguments of VAE.
        x: Images (B, C, S, S) or codes (B, z).

    Returns:
        `train` and `batch` (eval mode): outputs for the whole of x; `alone`: eval outputs row by row, concatenated;
        facts `parameters` (name -> "ok", "zero", "cut" or "frozen": how the gradient of the eval output reaches it),
        `unregistered` (tensors that learn but that `parameters()` does not know), `transposed` (whether a transposed
        convolution ran).
    """
    model = build(submission, sizes)
    module = getattr(model, part, None)
    if not isinstance(module, nn.Module):
        raise MissingName(f"the model has no module `{part}`")
    with torch.no_grad():
        train = need_tensor(module.train()(x), f"{part}(x)")
        module.eval()
        alone = torch.cat([need_tensor(module(row), f"{part}(x)") for row in x.split(1)])
    with _ConvolutionLog() as log:
        batch = need_tensor(module(x), f"{part}(x)")
    facts: dict[str, Any] = {"transposed": log.transposed, **_gradients(model, module, batch)}
    return Found({"train": train, "batch": batch, "alone": alone}, facts)


class _ConvolutionLog(TorchDispatchMode):
    """Notes whether a transposed convolution ran, be it nn's or functional's."""

    transposed = False

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        # aten::convolution(input, weight, bias, stride, padding, dilation, transposed, output_padding, groups)
        if func is torch.ops.aten.convolution.default and args[6]:
            self.transposed = True
        return func(*args, **(kwargs or {}))


def _gradients(model: nn.Module, module: nn.Module, output: Tensor) -> dict[str, Any]:
    parameters = dict(module.named_parameters())
    known = {id(p) for p in model.parameters()}
    strangers = sum(id(leaf) not in known for leaf in _graph_leaves(output))
    if output.requires_grad:
        learning = {n: p for n, p in parameters.items() if p.requires_grad}
        cotangent = torch.randn_like(output)
        grads = torch.autograd.grad(output, list(learning.values()), cotangent, allow_unused=True)
        reached = dict(zip(learning, grads, strict=True))
    else:
        reached = {}
    return {
        "parameters": {n: _how_reached(p, reached.get(n)) for n, p in parameters.items()},
        "unregistered": strangers,
    }


def _how_reached(parameter: Tensor, gradient: Tensor | None) -> str:
    if not parameter.requires_grad:
        return "frozen"
    if gradient is None:
        return "cut"
    return "ok" if bool(gradient.abs().max() > 0) else "zero"


def _graph_leaves(output: Tensor) -> list[Tensor]:
    """Return the leaf tensors that the autograd graph of `output` would accumulate gradients in."""
    leaves, seen, todo = [], set(), [output.grad_fn]
    while todo:
        node = todo.pop()
        if node is None or node in seen:
            continue
        seen.add(node)
        if hasattr(node, "variable"):
            leaves.append(node.variable)
        todo.extend(parent for parent, _ in node.next_functions)
    return leaves
