"""Load the one file of a submission, build models from it, and put the stand-ins of other tasks onto them."""

import contextlib
import copy
import importlib.util
import math
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.parameter import is_lazy

from .errors import MissingName, WrongType

MODULE_NAME = "VAE_Model"
_PYPLOT = "matplotlib.pyplot"


class LoadedSubmission:
    """A loaded submission: the module, and the stand-ins that this task may lean on.

    Args:
        module: The student's module.
        standins: Modules made of the stand-ins' sources, by task id; never the one of the task under check.

    Attributes:
        own: Stand-ins that the running probe does without: the student's own methods answer in their place.
    """

    def __init__(self, module: ModuleType, standins: dict[str, ModuleType]):
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
        """Put a function in the place of a student's method."""
        self._replaced.setdefault((owner, name), vars(owner).get(name))
        setattr(owner, name, function)

    def own_method(self, owner: type, name: str) -> Any:
        """Return the student's own function, whatever has been put in its place; None if there is none."""
        return self._replaced.get((owner, name)) or getattr(owner, name, None)

    def put_back(self, owner: type, name: str) -> None:
        """Undo `replace`; a method that the class itself did not have is inherited again."""
        if (owner, name) in self._replaced:
            own = self._replaced.pop((owner, name))
            delattr(owner, name) if own is None else setattr(owner, name, own)


@contextlib.contextmanager
def own_command_line(path: Path) -> Iterator[None]:
    """Show the student's code the command line of a file that is run without options, rather than ours."""
    before = sys.argv, sys.orig_argv
    sys.argv, sys.orig_argv = [path.name], [sys.executable, path.name]
    try:
        yield
    finally:
        sys.argv, sys.orig_argv = before


def load_submission(path: Path) -> ModuleType:
    """Import the student's file as the module `VAE_Model`; whatever it raises goes through."""
    spec = importlib.util.spec_from_file_location(MODULE_NAME, path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[MODULE_NAME] = module
    spec.loader.exec_module(module)
    return module


def draw_without_windows(path: Path) -> None:
    """Let pyplot draw into memory whichever backend a file asks for: a worker has no display, and none is needed."""
    if "pyplot" in path.read_text(encoding="utf-8", errors="replace"):
        with contextlib.suppress(Exception):  # the student's own import will tell
            pyplot: Any = importlib.import_module(_PYPLOT)
            switch = pyplot.switch_backend
            pyplot.switch_backend = lambda *_, **__: switch("agg")


def module_from_source(name: str, source: str) -> ModuleType:
    """Return a module made of source text that the judge sent: stand-ins lie nowhere in a worker's reach."""
    module = ModuleType(f"standin_{name}")
    exec(compile(source, f"<stand-in {name}>", "exec"), module.__dict__)  # trusted: it came from the judge
    return module


Sizes = dict[str, int]
_HEADS = ("mean", "logvar")


def build_model(submission: LoadedSubmission, sizes: Sizes) -> Any:
    """Return VAE(**sizes) on the CPU.

    The student's own parts are tried first. Where a constructor fails, those that this task may lean on are replaced,
    one after the other, so that a mistake in `Encoder` costs nobody else anything; what still fails is raised.
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
    """Put the stand-ins of methods onto the student's own classes, so that helpers beside them stay reachable.

    Where this probe asks for the student's own method in place of a stand-in, it is put back.
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

    Where the student's heads take more features than the known encoder has, it gives zeros for the rest: what his code
    knows about the width of a feature stays true.

    Args:
        submission: The submission.
        sizes: Keyword arguments of VAE.
        known: `encoder_weight` (hidden, D), `mean_weight` and `logvar_weight` (z, hidden), their biases `*_bias`,
            `decoder_weight` (D, z), `decoder_bias` (D,), `decoder_bend` ().
        dtype: Of all parameters.
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
        head = nn.Linear(width, z_dim, dtype=known["encoder_weight"].dtype)  # a narrower one would round the weights
        weight = torch.cat([known[f"{name}_weight"], torch.zeros(z_dim, width - hidden)], dim=1)
        head.load_state_dict({"weight": weight, "bias": known[f"{name}_bias"]})
        _put_in_place(model, name, head)
    with torch.no_grad():  # the formulas have no parameters: one that starts without effect must not stay unseen
        for parameter in own_parameters(model).values():
            parameter.add_(torch.randn_like(parameter))
    return model.to(dtype)


def find_heads(submission: LoadedSubmission, model: nn.Module, sizes: Sizes) -> None:
    """Give the names `mean` and `logvar` to heads that a student calls otherwise, if it is clear which they are.

    His own `encode` tells: its mean and its log-variance are the very outputs of two other linear layers, or of the two
    halves of one, and layers called `mean` and `logvar` are not asked, or there are none.
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
    except Exception:  # what is wrong with it, the task will tell
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
    """Put over a layer that is both heads: it answers with what the two known ones say, side by side."""

    known_halves: tuple[nn.Linear, nn.Linear]

    __call__ = nn.Module.__call__

    def forward(self, hidden: Tensor) -> Tensor:
        return torch.cat([head(hidden) for head in self.known_halves], dim=-1)


def own_parameters(model: nn.Module) -> dict[str, Tensor]:
    """Return, by name, the parameters that learn and are none of encoder, heads and decoder."""
    parts = (getattr(model, name) for name in ("encoder", "mean", "logvar", "decoder"))
    known = {id(parameter) for part in parts for parameter in part.parameters()}
    every = model.named_parameters()
    return {name: p for name, p in every if p.requires_grad and id(p) not in known and not is_lazy(p)}


def _features(head: Any) -> int:
    """Return how many features a head takes; 0 if it does not say."""
    return head.in_features if isinstance(head, nn.Linear) and not is_lazy(head.weight) else 0


def _put_over(model: nn.Module, name: str, mixin: type[nn.Module]) -> Any:
    """Let a part of the model answer as a known one does, and return it.

    It stays the student's own object, of a class that is derived from his: whatever else holds it, attributes and
    helper methods find what they expect.
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
    """Put over a replaced part too: notes which of its layers are used by name, since those answer as they did."""

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
        """Let code that goes through the layers meet the whole as one of them; `known_trying` runs the own layers."""
        own = super().__iter__()  # type: ignore[misc]
        return own if self.known_trying else iter((self,))


def layers_used(model: nn.Module) -> list[str]:
    """Return which layers inside the replaced parts the student's code used, as he may have written it."""
    used = [f"self.{name}{layer}" for name in ("encoder", "decoder") for layer in getattr(model, name).known_inside]
    return list(dict.fromkeys(used))


class _KnownHead(nn.Module):
    """Put over a head that is no nn.Linear: its layers and attributes are still found, and a known one answers."""

    known_head: nn.Linear

    __call__ = nn.Module.__call__

    def forward(self, hidden: Tensor) -> Tensor:
        return self.known_head(hidden)


def _put_in_place(model: nn.Module, name: str, head: nn.Linear) -> None:
    """Turn one of the model's heads into a known one; it keeps its identity and attributes of its own."""
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
    """Return the known weight (z, hidden) of a head."""
    head = getattr(model, name)
    return getattr(head, "known_head", head).weight


def _is_shared(model: nn.Module, part: nn.Module) -> bool:
    return sum(getattr(model, name, None) is part for name in ("encoder", "decoder", "mean", "logvar")) > 1
