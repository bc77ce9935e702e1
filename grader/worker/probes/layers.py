"""The probes of Encoder and Decoder: run one in both modes, on batches and single rows, and check its gradients."""

import contextlib
import time
from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.parameter import is_lazy

from ..errors import MissingName
from ..submission import LoadedSubmission, Sizes, build_model
from .common import Found, changed, gradients, in_turn, left_switched, need_tensor, sets_of, snapshot, switches

_INITIALISATIONS = 32
_PATIENCE = 1.0  # CPU seconds; after that, no further model is built


def call(submission: LoadedSubmission, *, part: str, sizes: Sizes, x: Tensor, **others: Tensor) -> Found:
    """Run `model.encoder` or `model.decoder` of a freshly built model.

    By chance, all units of a narrow layer may be dead after initialisation. Then every output is the same and no
    gradient flows, although the code is correct. So up to 32 models are built until one is alive; if none is, the
    first one is reported. With a final ReLU, a single channel is dead in every second model, and in all 32 models with
    probability 2e-10.

    Args:
        submission: The submission.
        part: `encoder` or `decoder`.
        sizes: Keyword arguments of VAE.
        x: Images (B, C, S, S) or codes (B, z).
        **others: `x_1` and `x_2`, inputs of the same shape, for calls one after another (see `found.in_turn`).

    Returns:
        Tensors: `batch`, the outputs for the whole of x in eval mode; `again`, the same a second time; `alone`, row by
        row; `train`, in train mode (B > 1). With `others` also `together`, the outputs for x and the others as one
        batch, computed before anything else; and `value_<when>`.

        Facts: `changed`, whether x was changed; `left`, modes that were not restored; `head_width`, the number of
        input features of the head `mean`; `parameters`, name -> "ok", "zero", "cut", "unused" or "frozen", how the
        gradient of the eval output reaches the parameter ("unused": not at all, and its layer was never called);
        `unregistered`, the number of trainable tensors that `parameters()` did not contain when the model was built;
        `transposed`, whether a transposed convolution enlarged its input.
    """
    first = _examined(submission, part, sizes, x, others)
    found, end = first, time.process_time() + _PATIENCE
    for _ in range(1, _INITIALISATIONS):
        if _is_alive(found) or time.process_time() > end:
            break
        found = _examined(submission, part, sizes, x, others)
    return found if _is_alive(found) else first


def outputs(submission: LoadedSubmission, *, part: str, sizes: Sizes, x: Tensor) -> Found:
    """Run a part of a freshly built model in eval mode on x, without any other call; return `batch`."""
    module = _part(build_model(submission, sizes), part)
    with torch.no_grad():
        return Found({"batch": need_tensor(module.eval()(x), f"{part}()")})


def _part(model: nn.Module, part: str) -> nn.Module:
    module = getattr(model, part, None)
    if not isinstance(module, nn.Module):
        raise MissingName(f"the model has no module `{part}`")
    return module


def _is_alive(found: Found) -> bool:
    """Whether outputs differ from row to row in both modes, and a gradient reaches every parameter."""
    several = [
        t for name in ("batch", "train") if (t := found.tensors.get(name)) is not None and t.dim() and len(t) > 1
    ]
    constant = any(bool((batch == batch[:1]).all()) for batch in several)
    return not constant and all(how == "ok" for how in found.facts["parameters"].values())


def _examined(submission: LoadedSubmission, part: str, sizes: Sizes, x: Tensor, others: dict[str, Tensor]) -> Found:
    model = build_model(submission, sizes)
    module = _part(model, part)
    known = {id(p) for p in model.parameters()}  # before any call, because an optimizer misses later parameters
    outputs: dict[str, Tensor] = {}
    before, left = snapshot({"x": x}), []
    with torch.no_grad():
        if others:
            outputs.update(_in_turn(module.eval(), part, {"x_0": x, **others}))
        if len(x) > 1:  # batch normalisation cannot train on one value per channel
            modes = switches(module.train())
            outputs["train"] = need_tensor(module(x), f"{part}()")
            left = left_switched(modes, module)
        module.eval()
        rows = [need_tensor(module(row), f"{part}()") for row in x.split(1)]
        outputs["alone"] = torch.cat([torch.atleast_1d(row) for row in rows])
        outputs["batch"], outputs["again"] = (need_tensor(module(x), f"{part}()") for _ in range(2))
        altered = changed(before, {"x": x})
        _stir(module)
    return Found(outputs, {"changed": altered, "left": left, **_facts(model, module, x, known)})


def _in_turn(module: nn.Module, part: str, inputs: dict[str, Tensor]) -> dict[str, Tensor]:
    def ask(values: dict[str, Tensor]) -> dict[str, Tensor]:
        return {"value": need_tensor(module(values["x"]), f"{part}()")}

    together = ask({"x": torch.cat([inputs[f"x_{i}"] for i in range(3)])})
    return {"together": together["value"].clone(), **in_turn(ask, sets_of(inputs))}


def _stir(module: nn.Module) -> None:
    """Change every parameter a little, so that layers initialised to zero, as in residual blocks, pass gradients."""
    for parameter in module.parameters():
        parameter.add_(0.05 * torch.randn_like(parameter))


def _facts(model: nn.Module, module: nn.Module, x: Tensor, known: set[int]) -> dict[str, Any]:
    with _calls(module) as called:
        output = need_tensor(module(x), "the output")
    parameters = {name: p for name, p in module.named_parameters() if p.numel() > 0}
    encoder = getattr(model, "encoder", module)
    borrowed = {id(p) for p in encoder.parameters()} if module is not encoder else set()
    nodes = _graph(output)
    learning = (
        {n: p for n, p in parameters.items() if p.requires_grad}
        if output.requires_grad and output.is_floating_point()
        else {}
    )
    reached = gradients(output, torch.randn_like(output), learning) if learning else {}
    return {
        "head_width": _width(getattr(model, "mean", None)),
        # A decoder may share layers with the encoder without using all of their parameters.
        "parameters": {
            name: how
            for name, p in parameters.items()
            if (how := _how_reached(p, reached.get(name), id(p) in called)) == "ok" or id(p) not in borrowed
        },
        "unregistered": sum(hasattr(node, "variable") and id(node.variable) not in known for node in nodes),
        # The autograd graph records for every convolution, of nn and of functional, whether it is transposed.
        "transposed": any(_upsamples(node) for node in nodes) if nodes else _runs_transposed_convolution(module, x),
    }


def _upsamples(node: Any) -> bool:
    """Whether a node of the graph is a transposed convolution whose output is larger than its input."""
    if not getattr(node, "_saved_transposed", False):
        return False
    kernel = node._saved_weight.shape[2:]
    steps = zip(
        node._saved_stride, kernel, node._saved_padding, node._saved_dilation, node._saved_output_padding, strict=True
    )
    # By the formula of nn.ConvTranspose2d: stride (input - 1) + dilation (kernel - 1) + 1 - 2 padding + output_padding.
    return any(s > 1 or d * (k - 1) - 2 * p + o > 0 for s, k, p, d, o in steps)


def _width(head: Any) -> int | None:
    """Return the number of input features of a head; None if unknown, as for a lazy layer before its first call."""
    return head.weight.shape[1] if isinstance(head, nn.Linear) and not is_lazy(head.weight) else None


def _runs_transposed_convolution(module: nn.Module, x: Tensor) -> bool:
    """Observe the operations for a transposed convolution; used only without a graph, as the import takes a second."""
    from torch.utils._python_dispatch import TorchDispatchMode

    class Watch(TorchDispatchMode):
        seen = False

        def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
            # aten::convolution(input, weight, bias, stride, padding, dilation, transposed, output_padding, groups)
            self.seen |= func is torch.ops.aten.convolution.default and bool(args[6])
            return func(*args, **(kwargs or {}))

    with Watch() as watch:
        module(x)
    return watch.seen


@contextlib.contextmanager
def _calls(module: nn.Module) -> Iterator[set[int]]:
    """Collect the ids of the parameters of each layer that is called in the block."""
    called: set[int] = set()
    hooks = [
        layer.register_forward_pre_hook(lambda layer, _: called.update(map(id, layer.parameters(recurse=False))))
        for layer in module.modules()
    ]
    try:
        yield called
    finally:
        for hook in hooks:
            hook.remove()


def _how_reached(parameter: Tensor, gradient: Tensor | None, called: bool) -> str:
    if not parameter.requires_grad:
        return "frozen"
    if gradient is None:
        return "cut" if called else "unused"
    return "ok" if bool(gradient.abs().max() > 0) else "zero"


def _graph(output: Tensor) -> list[Any]:
    """Return all nodes of the autograd graph of `output`; its leaves have a `variable`."""
    nodes: dict[Any, None] = {}
    todo = [output.grad_fn]
    while todo:
        node = todo.pop()
        if node is not None and node not in nodes:
            nodes[node] = None
            todo.extend(parent for parent, _ in node.next_functions)
    return list(nodes)
