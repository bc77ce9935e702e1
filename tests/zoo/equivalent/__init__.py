"""The equivalent submissions: right, and written differently. Each must score 100, less what its entry says."""

from tests.zoo.entry import Equivalent
from tests.zoo.equivalent import calls, distribution, layers, model, modules, own_parts, style

EQUIVALENT: tuple[Equivalent, ...] = (
    *distribution.EQUIVALENT,
    *model.EQUIVALENT,
    *layers.EQUIVALENT,
    *modules.EQUIVALENT,
    *calls.EQUIVALENT,
    *style.EQUIVALENT,
    *own_parts.EQUIVALENT,
)
