"""Which part of a result is right: an index of an axis, or numbers up to a bound; never what chance may show."""

import pytest
import torch
from torch import Tensor

from grader.judge.right_in_part import agreeing, bound, indices
from tests.wording import numbers


def mask(*shape: int, wrong: tuple[slice | int, ...]) -> Tensor:
    """Return a mask that is true except at some places."""
    right = torch.ones(shape, dtype=torch.bool)
    right[wrong] = False
    return right


EVERY = slice(None)


@pytest.mark.parametrize(
    ("right", "text"),
    [
        (mask(40, wrong=(0,)), "except for the first row of 40"),
        (mask(40, wrong=(slice(1, None),)), "for the first row of 40 only"),
        (mask(6, 5, wrong=(EVERY, 4)), "except for the last dimension of 5"),
        (mask(6, 3, 8, 8, wrong=(EVERY, slice(0, 2))), "for the last channel of 3 only"),
        (mask(6, 3, 8, 8, wrong=(EVERY, EVERY, 7)), "except for the last row of pixels of 8"),
        (mask(6, 5, wrong=(EVERY, 2)), "except for dimension 2 (of 0 to 4)"),
        # Rows in the middle are wrong by chance, and so is a single number.
        (mask(40, wrong=(7,)), ""),
        (mask(6, 5, wrong=(3, 4)), ""),
        (mask(6, 5, wrong=(EVERY,)), ""),
        (mask(6, 5, wrong=(slice(0, 0),)), ""),
    ],
)
def test_an_index_that_tells_right_from_wrong_is_named(right: Tensor, text: str) -> None:
    assert indices(right) == text


def test_a_bound_is_named_if_it_divides_right_from_wrong() -> None:
    values = torch.arange(-20, 21, dtype=torch.float64)[:, None] / 10
    features = {"mean": values, "|mean|": values.abs()}
    at_most = bound((values <= 1).squeeze(1), features)
    assert " mean " in at_most and "at most 1;" in at_most and numbers(at_most) == ["1", "1.1"]
    of_size = bound((values.abs() <= 1), features)
    assert of_size == at_most.replace(" mean ", " |mean| ")
    at_least = bound((values >= 0).squeeze(1), features)
    assert " mean " in at_least and "at least 0;" in at_least and at_least.endswith(" -0.1")
    assert bound((values * 10).round().squeeze(1) % 2 == 0, features) == ""
    assert bound(torch.arange(41) > 2, features) == "", "three wrong numbers are below some bound by chance"


def test_a_bound_holds_for_every_dimension_of_a_row() -> None:
    rows = torch.tensor([[0.0, 1.0], [1.0, 0.5]] * 4 + [[0.0, 3.0], [4.0, 1.0]] * 4, dtype=torch.float64)
    said = bound((rows < 2).all(1), {"var": rows})
    assert " every var " in said and "at most 1;" in said and numbers(said) == ["1", "3"]


def test_numbers_agree_to_rounding_only() -> None:
    wanted = torch.tensor([1.0, 100.0, 0.0], dtype=torch.float64)
    assert agreeing(wanted * (1 + 1e-7), wanted).all()
    assert agreeing(wanted * 1.0003, wanted).tolist() == [True, False, True]  # 0.0003 is rounding beside 100
