"""The equivalent submissions: right, and written differently. Each must score 100."""

from ..entry import Equivalent
from . import distribution, layers, model, style

EQUIVALENT: tuple[Equivalent, ...] = (
    *distribution.EQUIVALENT,
    *model.EQUIVALENT,
    *layers.EQUIVALENT,
    *style.EQUIVALENT,
)
