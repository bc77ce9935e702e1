"""Images of house numbers: SVHN, a synthetic sample, and the closed-form anchors computed from them.

Modules that need torch are imported on first use. So a command can read its options (commandline.py) without torch, and
can report that torch is not installed.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from data.anchors import constant_mean_nll, ppca_nll
    from data.house_numbers import DataError, HouseNumbers, normalise
    from data.loader import load

__all__ = ["DataError", "HouseNumbers", "constant_mean_nll", "load", "normalise", "ppca_nll"]
_HOMES = {"anchors": ("constant_mean_nll", "ppca_nll"), "house_numbers": ("DataError", "HouseNumbers", "normalise")}


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    home = next((home for home, names in _HOMES.items() if name in names), "loader")
    return getattr(import_module(f"data.{home}"), name)
