"""Inputs drawn by hypothesis: it looks for small, large and odd sizes where a fixed list would not."""

import contextlib
from typing import TYPE_CHECKING, TypeVar
from unittest import mock

if TYPE_CHECKING:
    from hypothesis.strategies import SearchStrategy

_T = TypeVar("_T")


def examples(strategy: "SearchStrategy[_T]", count: int, seed: int) -> list[_T]:
    """Return about `count` different examples of a strategy, the same for the same seed.

    They are drawn first and tried afterwards, outside hypothesis: a failure must not be retried or shrunk in a worker
    that may be gone, and costs one verdict. (`derandomize=True` would ignore the seed.)
    """
    import hypothesis  # here: it takes a second, and the training run should start before that
    from hypothesis import HealthCheck, Phase

    drawn: list[_T] = []

    @hypothesis.seed(seed)
    @hypothesis.settings(
        max_examples=count,
        database=None,
        deadline=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @hypothesis.given(strategy)
    def collect(example: _T) -> None:
        drawn.append(example)

    with _nothing_from_loaded_modules():
        collect()
    return drawn


def _nothing_from_loaded_modules() -> contextlib.AbstractContextManager[object]:
    """Keep hypothesis from drawing the numbers that stand in whatever project modules are loaded at the moment.

    Recent versions do so, and a seed would then mean other inputs in a class run, which has other modules loaded than
    `pytest grader/`. They know no option against it.
    """
    from hypothesis.internal.conjecture import providers

    if not hasattr(providers, "_get_local_constants"):  # older ones look at no module
        return contextlib.nullcontext()
    none = providers.Constants()
    return mock.patch.object(providers, "_get_local_constants", return_value=none)
