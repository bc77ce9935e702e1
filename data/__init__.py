"""Images of house numbers: SVHN, a synthetic sample, and the closed-form anchors computed from them."""

from data.anchors import constant_mean_nll, ppca_nll
from data.house_numbers import DataError, HouseNumbers, normalise
from data.loader import load

__all__ = ["DataError", "HouseNumbers", "constant_mean_nll", "load", "normalise", "ppca_nll"]
