"""Load the file of a submission, build models from it, and replace parts of them by the stand-ins of other tasks."""

import contextlib
import copy
import importlib.util
import math
import sys
from collections.abc import Iterator
from pathlib import Path
from types import FunctionType, ModuleType
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.parameter import is_lazy

from .errors import MissingName, WrongType

MODULE_NAME = "VAE_Model"
_PYPLOT = "matplotlib.pyplot"


class LoadedSubmission:
    """A loaded submission: the module, and the stand-ins that this task may use.

    Args:
        module: The student's module.
        standins: Classes created from the source texts of the stand-ins, by task id. The stand-in of the task that is
            being checked is never among them.

    Attributes:
        own: Ids of stand-ins that the current probe does not use; the student's own methods are called instead.
    """

    def __init__(self, module: ModuleType, standins: dict[str, type[Any]]):
        self.module = module
        self.standins = standins
        self.own: frozenset[str] = frozenset()
        self._replaced: dict[tuple[type, str], Any] = {}

    def find(self, name: str) -> Any:
        """Return a class or function of the student's module.

        Raises:
            MissingName: The module has no such name.
        """
        if not hasattr(self.module, name):
            raise MissingName(f"the file defines no `{name}`")
        return getattr(self.module, name)

    def replace(self, owner: type, name: str, function: Any) -> None:
        """Replace a student's method by a function."""
        self._replaced.setdefault((owner, name), vars(owner).get(name))
        setattr(owner, name, function)

    def own_method(self, owner: type, name: str) -> Any:
        """Return the student's own function, even if it has been replaced; None if there is none."""
        return self._replaced.get((owner, name)) or getattr(owner, name, None)

    def put_back(self, owner: type, name: str) -> None:
        """Undo `replace`; if the class itself did not define the method, it inherits the method again."""
        if (owner, name) in self._replaced:
            own = self._replaced.pop((owner, name))
            delattr(owner, name) if own is None else setattr(owner, name, own)


@contextlib.contextmanager
def own_command_line(path: Path) -> Iterator[None]:
    """Set the command line that the student's code sees to that of a file run without options, not the grader's."""
    before = sys.argv, sys.orig_argv
    sys.argv, sys.orig_argv = [path.name], [sys.executable, path.name]
    try:
        yield
    finally:
        sys.argv, sys.orig_argv = before


def load_submission(path: Path) -> ModuleType:
    """Import the student's file as the module `VAE_Model`; errors that it raises are not caught."""
    spec = importlib.util.spec_from_file_location(MODULE_NAME, path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[MODULE_NAME] = module
    spec.loader.exec_module(module)
    return module


def draw_without_windows(path: Path) -> None:
    """Make pyplot draw into memory, regardless of the backend that a file selects, since a worker has no display."""
    if "pyplot" in path.read_text(encoding="utf-8", errors="replace"):
        with contextlib.suppress(Exception):  # the student's own import will raise the same error
            pyplot: Any = importlib.import_module(_PYPLOT)
            switch = pyplot.switch_backend
            pyplot.switch_backend = lambda *_, **__: switch("agg")


def standin_from_source(name: str, source: str) -> type[Any]:
    """Return the last class of a source text that the judge sent; a worker has no file with stand-ins.

    Python's messages show the qualified names of functions and classes: the stand-in around them is left out.
    """
    module = ModuleType(f"standin_{name}")
    exec(compile(source, f"<stand-in {name}>", "exec"), module.__dict__)  # trusted, since the judge sent it
    standin: type[Any] = list(vars(module).values())[-1]
    _leave_out(f"{standin.__name__}.", standin)
    return standin


def _leave_out(prefix: str, owner: type) -> None:
    for value in vars(owner).values():
        if isinstance(value, type | FunctionType):
            value.__qualname__ = value.__qualname__.removeprefix(prefix)
        if isinstance(value, type):
            _leave_out(prefix, value)


Sizes = dict[str, int]
_HEADS = ("mean", "logvar")


def build_model(submission: LoadedSubmission, sizes: Sizes) -> Any:
    """Return VAE(**sizes) on the CPU.

    The student's own parts are tried first. If a constructor fails, the parts for which this task has stand-ins are
    replaced one after another, so that a mistake in `Encoder` does not affect other tasks. If the constructor still
    fails, the last error is raised.
    """
    vae_class = submission.find("VAE")
    try:
        return _checked(vae_class(**sizes, device=torch.device("cpu")))
    except Exception as error:
        failure = error
    for part in ("decoder", "encoder", "vae"):
        if part not in submission.standins:
            continue
        submission.standins[part].install_constructor(submission.module)
        try:
            return _checked(vae_class(**sizes, device=torch.device("cpu")))
        except Exception as error:
            failure = error
    raise failure


def _checked(model: Any) -> Any:
    if not isinstance(model, nn.Module):
        raise WrongType("VAE(...) is not an nn.Module")
    return model


def lean_on_standins(submission: LoadedSubmission) -> None:
    """Replace methods of the student's own classes by their stand-ins; other methods of these classes still work.

    If the current probe uses the student's own method instead of a stand-in (see `own`), that method is restored.
    """
    for name, standin in submission.standins.items():
        if hasattr(standin, "install"):
            standin.install(submission.module)
        elif hasattr(standin, "REPLACES"):
            class_name, method = standin.REPLACES.split(".")
            owner = submission.find(class_name)
            if name not in submission.own:
                submission.replace(owner, method, getattr(standin, method))
            else:
                submission.put_back(owner, method)


def build_known(submission: LoadedSubmission, sizes: Sizes, known: dict[str, Tensor], dtype: torch.dtype) -> Any:
    """Return a model whose encoder, heads and decoder are known linear maps.

    If the student's heads take more features than the known encoder has, the encoder appends zeros. So the feature
    width that the student's code expects stays correct.

    Args:
        submission: The submission.
        sizes: Keyword arguments of VAE.
        known: `encoder_weight` (hidden, D), `mean_weight` and `logvar_weight` (z, hidden), their biases `*_bias`,
            `decoder_weight` (D, z), `decoder_bias` (D,), `decoder_bend` ().
        dtype: The dtype of all parameters.
    """
    model = build_model(submission, sizes)
    find_heads(submission, model, sizes)
    lean_on_standins(submission)
    hidden, z_dim = known["encoder_weight"].shape[0], sizes["z_dim"]
    width = max(hidden, _features(getattr(model, "mean", None)))
    shape = (sizes["in_channels"], sizes["input_size"], sizes["input_size"])
    decoder = [known[f"decoder_{name}"] for name in ("weight", "bias", "bend")]
    _put_over(model, "encoder", submission.standins["encoder"].KnownEncoder).know(known["encoder_weight"], width)
    _put_over(model, "decoder", submission.standins["decoder"].KnownDecoder).know(*decoder, shape)
    for name in ("mean", "logvar"):
        # A lower precision would round the weights.
        head = nn.Linear(width, z_dim, dtype=known["encoder_weight"].dtype)
        weight = torch.cat([known[f"{name}_weight"], torch.zeros(z_dim, width - hidden)], dim=1)
        head.load_state_dict({"weight": weight, "bias": known[f"{name}_bias"]})
        _put_in_place(model, name, head)
    with torch.no_grad():
        # The formulas have no parameters. Move extra ones, so that even those without an initial effect are noticed.
        for parameter in own_parameters(model).values():
            parameter.add_(torch.randn_like(parameter))
    return model.to(dtype)


def find_heads(submission: LoadedSubmission, model: nn.Module, sizes: Sizes) -> None:
    """Give the names `mean` and `logvar` to heads that a student named differently, if it is clear which they are.

    The student's own `encode` is run to find them. Its mean and log-variance must equal the outputs of two other linear
    layers, or the two halves of the output of one layer. Layers named `mean` and `logvar` must not exist, or must not
    be called.
    """
    parts = [getattr(model, name, None) for name in ("encoder", "decoder", *_HEADS)]
    known = {id(m) for part in parts if isinstance(part, nn.Module) for m in part.modules()}
    others = [m for m in model.modules() if isinstance(m, nn.Linear) and id(m) not in known]
    encode = submission.own_method(type(model), "encode")
    if encode is None or not others:
        return
    asked: list[tuple[nn.Module, Tensor]] = []
    heads = [head for head in parts[2:] if isinstance(head, nn.Module)]
    hooks = [m.register_forward_hook(lambda m, _, output: asked.append((m, output))) for m in [*others, *heads]]
    modes = [(m, m.training) for m in model.modules()]
    try:
        shape = (2, sizes["in_channels"], sizes["input_size"], sizes["input_size"])
        with torch.no_grad():
            posterior = encode(model.eval(), torch.linspace(-1, 1, math.prod(shape)).view(shape))
        if not any(m is head for m, _ in asked for head in heads):
            _name_heads(model, asked, posterior.mean, posterior.logvar)
    except Exception:  # the check of the task reports what is wrong
        pass
    finally:
        for m, training in modes:
            m.training = training
        for hook in hooks:
            hook.remove()


def _name_heads(model: nn.Module, outputs: list[tuple[Any, Tensor]], mean: Tensor, logvar: Tensor) -> None:
    whole = [next((m for m, output in outputs if _equal(output, value)), None) for value in (mean, logvar)]
    if whole[0] is not None and whole[1] is not None and whole[0] is not whole[1]:
        for name, head in zip(_HEADS, whole, strict=True):
            setattr(model, name, head)
        return
    for layer, output in outputs:
        for halves, names in (((mean, logvar), _HEADS), ((logvar, mean), _HEADS[::-1])):
            if _equal(output, torch.cat(halves, dim=1)):
                heads = tuple(nn.Linear(layer.in_features, mean.shape[1]) for _ in names)
                for name, head in zip(names, heads, strict=True):
                    setattr(model, name, head)
                vars(layer).update(known_halves=heads)
                layer.__class__ = type(type(layer).__name__, (_BothHeads, type(layer)), {})
                return


def _equal(one: Tensor, other: Tensor) -> bool:
    return one.shape == other.shape and torch.equal(one, other)


class _BothHeads(nn.Module):
    """Mixin for one layer that is both heads: it returns the outputs of the two known heads, concatenated."""

    known_halves: tuple[nn.Linear, nn.Linear]

    __call__ = nn.Module.__call__

    def forward(self, hidden: Tensor) -> Tensor:
        return torch.cat([head(hidden) for head in self.known_halves], dim=-1)


def own_parameters(model: nn.Module) -> dict[str, Tensor]:
    """Return, by name, the trainable parameters that are not in the encoder, the heads or the decoder."""
    parts = (getattr(model, name) for name in ("encoder", "mean", "logvar", "decoder"))
    known = {id(parameter) for part in parts for parameter in part.parameters()}
    every = model.named_parameters()
    return {name: p for name, p in every if p.requires_grad and id(p) not in known and not is_lazy(p)}


def _features(head: Any) -> int:
    """Return the number of input features of a head; 0 if it is unknown."""
    return head.in_features if isinstance(head, nn.Linear) and not is_lazy(head.weight) else 0


def _put_over(model: nn.Module, name: str, mixin: type[nn.Module]) -> Any:
    """Make a part of the model compute what a known part computes, and return it.

    The part stays the student's own object; its class becomes a subclass of the student's class. So other references
    to the object still work, and so do its attributes and helper methods.
    """
    part = getattr(model, name, None)
    if not isinstance(part, nn.Module):
        part = nn.Module()
        setattr(model, name, part)
    elif _is_shared(model, part):
        part = copy.copy(part)
        vars(part).update({key: value.copy() for key, value in vars(part).items() if isinstance(value, dict)})
        setattr(model, name, part)
    vars(part).pop("forward", None)
    vars(part).update(known_inside=[], known_trying=False)
    part.__class__ = type(type(part).__name__, (_NotesLayers, mixin, type(part)), {})
    return part


class _NotesLayers(nn.Module):
    """Mixin for a replaced part: records which of its layers are used directly, since these are not replaced."""

    known_inside: list[str]
    known_trying: bool

    def __getattr__(self, name: str) -> Any:
        found = super().__getattr__(name)
        if isinstance(found, nn.Module):
            self.known_inside.append(f".{name}")
        return found

    def __getitem__(self, index: Any) -> Any:
        self.known_inside.append(f"[{index}]")
        return super().__getitem__(index)  # type: ignore[misc]

    def __iter__(self) -> Any:
        """Yield the whole part as the only layer, or the student's own layers while `known_trying` is true."""
        own = super().__iter__()  # type: ignore[misc]
        return own if self.known_trying else iter((self,))


def layers_used(model: nn.Module) -> list[str]:
    """Return which layers inside the replaced parts the student's code used, in the form of Python expressions."""
    used = [f"self.{name}{layer}" for name in ("encoder", "decoder") for layer in getattr(model, name).known_inside]
    return list(dict.fromkeys(used))


class _KnownHead(nn.Module):
    """Mixin for a head that is not an nn.Linear: it computes the known head; its layers and attributes still exist."""

    known_head: nn.Linear

    __call__ = nn.Module.__call__

    def forward(self, hidden: Tensor) -> Tensor:
        return self.known_head(hidden)


def _put_in_place(model: nn.Module, name: str, head: nn.Linear) -> None:
    """Turn one of the model's heads into a known one; the object and its own attributes are kept."""
    own = getattr(model, name, None)
    if not isinstance(own, nn.Module) or _is_shared(model, own):
        setattr(model, name, head)
    elif isinstance(own, nn.Linear):
        own.__class__ = nn.Linear
        vars(own).update(vars(head))
    else:
        vars(own).pop("forward", None)
        own.__class__ = type(type(own).__name__, (_KnownHead, type(own)), {})
        own.add_module("known_head", head)


def head_weight(model: nn.Module, name: str) -> Tensor:
    """Return the weight (z, hidden) of a known head."""
    head = getattr(model, name)
    return getattr(head, "known_head", head).weight


def _is_shared(model: nn.Module, part: nn.Module) -> bool:
    return sum(getattr(model, name, None) is part for name in ("encoder", "decoder", "mean", "logvar")) > 1
