"""Inputs drawn by hypothesis: it looks for small, large and odd sizes where a fixed list would not."""

from typing import TYPE_CHECKING, TypeVar

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

    collect()
    return drawn
