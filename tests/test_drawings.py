"""The figures of a report, and the button that copies its lines of Python: what a page holds of them."""

import re
from itertools import pairwise

import pytest

from grader.judge.result import Histogram, Picture, Scatter, Strip
from grader.report import html
from grader.report.drawings import HIGH, WIDE, figure_of
from grader.report.results_json import Record
from tests.made_up_class import PICTURES, result
from tests.test_html import Seen
from tests.wording import numbers

NOISE, NUMBERS, PATH = PICTURES
LINES = "import torch\nprint(q.kl())  # expected: [1 < 2] & '\"'"


def page(picture: Picture | None = None, reproduce: str = "") -> str:
    graded = result({"kl": "wrong"}, picture=picture, reproduce=reproduce)
    return html.report_page(Record("ada", "graded", graded), "VAE")


def shape(picture: Picture, name: str) -> list[tuple[float, float]]:
    """Return the points at which the lines of a shape begin or end (M and L), as (x, y)."""
    outline = dict(figure_of(picture).shapes)[name]
    return [(float(x), float(y)) for x, y in re.findall(r"[ML ](-?[\d.]+) (-?[\d.]+)", outline)]


# ## Noise
def test_the_bars_of_noise_stand_beside_a_normal_curve_of_the_same_area() -> None:
    assert isinstance(NOISE, Histogram)
    bars = dict(figure_of(NOISE).shapes)["bars"]
    heights = [-float(height) for height in re.findall(r"v(-[\d.]+)", bars)]
    assert len(heights) == 2, "an empty bin has no bar"
    assert heights[1] / heights[0] == pytest.approx(7 / 3, rel=0.01)
    curve = shape(NOISE, "line")
    assert curve[0][0] == 0 and curve[-1][0] == WIDE and all(0 <= y <= HIGH for _, y in curve)
    area = sum((HIGH - y + HIGH - z) / 2 * (b - a) for (a, y), (b, z) in pairwise(curve))
    of_one = heights[0] / 30 * WIDE / len(NOISE.counts)  # the area of one number
    assert area / of_one == pytest.approx(NOISE.total, rel=0.05)


def test_noise_is_said_in_numbers_beside_those_of_a_normal_distribution() -> None:
    seen = Seen(page(NOISE))
    (caption,) = seen.texts_of("figcaption")
    assert numbers(caption) == ["55", "110"], "distinct numbers, and all"
    for row in ("mean 0.2 0", "standard deviation 0.5 1", "between −1 and 1 90% 68%", "110, 10 of them outside"):
        assert row in seen.text


# ## Numbers
def test_numbers_are_dots_and_the_wrong_ones_squares_on_the_scale_of_the_dashed_line() -> None:
    assert isinstance(NUMBERS, Scatter)
    assert shape(NUMBERS, "right") == [(0.0, HIGH)]
    assert shape(NUMBERS, "wrong") == [(160.6, 134.8), (WIDE, 0.0)]
    (left, low), (right, high) = shape(NUMBERS, "equal")
    assert (left, right) == (0.0, WIDE)
    # got goes from -3 to 5, expected from -1.5 to 2.5
    assert (low, high) == (pytest.approx(HIGH * (1 - 1.5 / 8), abs=0.1), pytest.approx(HIGH * (1 - 5.5 / 8), abs=0.1))


def test_numbers_are_said_in_words() -> None:
    seen = Seen(page(NUMBERS))
    (caption,) = seen.texts_of("figcaption")
    wrong, line, hidden = ["3", "4"], ["2", "0"], ["1"]
    assert numbers(caption) == [*wrong, "1", *line, *hidden], "1 is the correlation"
    assert "got = 2 × expected + 0" in caption
    assert ["0.5", "1"] in seen.rows()


# ## Paths
def test_a_path_is_an_image_in_the_page_with_a_row_of_numbers_for_each() -> None:
    assert isinstance(PATH, Strip)
    seen = Seen(page(PATH))
    (image,) = seen.named("img")
    assert str(image["src"]).startswith("data:image/png;base64,") and image["alt"]
    assert [numbers(caption) for caption in seen.texts_of("figcaption")] == [["2", "6"]]
    assert all(row in seen.rows() for row in (["0", "0", "0", "0"], ["5", "1.25", "2", "0.5"]))


# ## All figures
@pytest.mark.parametrize("picture", PICTURES, ids=lambda picture: type(picture).__name__)
def test_every_figure_has_a_text_alternative_and_a_table(picture: Picture) -> None:
    seen = Seen(page(picture))
    (named,) = [*(a["aria-label"] for a in seen.named("svg")), *(a["alt"] for a in seen.named("img"))]
    assert named
    assert len(seen.named("figcaption")) == len(seen.named("details")) == 1
    assert all(th.get("scope") in ("col", "row") for th in seen.named("th"))


def test_a_check_without_picture_has_no_figure() -> None:
    seen = Seen(page())
    assert not (seen.named("figure") or seen.named("svg") or seen.named("img"))


@pytest.mark.parametrize(
    "picture",
    [
        Histogram((), 0.0, 0, 0, 0.0, 0.0, 0.0, 0.0, (0.0, 0.0)),
        Scatter(b"", (0.0, 0.0), (0.0, 0.0), 0, 0, 0, (0.0, 0.0, 0.0), ()),
        Scatter(b"\x01", (1.0, -1.0), (1.0, -1.0), 1, 1, 1, (0.0, 0.0, 0.0), ()),
        Strip(b"", (), 0, (), (), ()),
    ],
    ids=str,
)
def test_an_empty_picture_breaks_no_page(picture: Picture) -> None:
    """A results.json may be edited; what has the right types is drawn."""
    assert "<figure" in page(picture)


# ## Copying
def policy(text: str) -> str:
    return next(str(m["content"]) for m in Seen(text).named("meta") if "http-equiv" in m)


def test_lines_to_copy_come_with_the_script_that_the_policy_allows() -> None:
    text = page(reproduce=LINES)
    (script,) = re.findall(r"<script>(.*?)</script>", text, re.DOTALL)
    assert f"script-src '{html.script_hash(script)}'" in policy(text)
    assert LINES in "".join(Seen(text).texts), "as text, escaped"


def test_a_report_without_lines_to_copy_has_no_script() -> None:
    assert "script-src" not in policy(page()) and "<script" not in page()
