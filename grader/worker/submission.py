"""Load the one file of a submission, and find the names of the contract in it."""

import contextlib
import importlib.util
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

from .errors import MissingName

MODULE_NAME = "VAE_Model"
_PYPLOT = "matplotlib.pyplot"


class Submission:
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


def load(path: Path) -> ModuleType:
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
