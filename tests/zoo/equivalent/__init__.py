"""The equivalent submissions: right, and written differently. Each must score 100, less what its entry says."""

from ..entry import Equivalent
from . import calls, distribution, layers, model, modules, own_parts, style

EQUIVALENT: tuple[Equivalent, ...] = (
    *distribution.EQUIVALENT,
    *model.EQUIVALENT,
    *layers.EQUIVALENT,
    *modules.EQUIVALENT,
    *calls.EQUIVALENT,
    *style.EQUIVALENT,
    *own_parts.EQUIVALENT,
)
