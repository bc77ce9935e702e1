"""The equivalent submissions: right, and written differently. Each must score 100."""

from ..entry import Equivalent
from . import calls, distribution, layers, model, modules, style

EQUIVALENT: tuple[Equivalent, ...] = (
    *distribution.EQUIVALENT,
    *model.EQUIVALENT,
    *layers.EQUIVALENT,
    *modules.EQUIVALENT,
    *calls.EQUIVALENT,
    *style.EQUIVALENT,
)
