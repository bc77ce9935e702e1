"""The pictures of a failed check: what they hold, of which checks there are some, and that no number breaks them."""

import io
import json
import math
from dataclasses import asdict
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest
import torch
from PIL import Image
from torch import Tensor

from grader.grading.options import GradingOptions
from grader.grading.probe import Probe
from grader.grading.session import Session
from grader.grading.verdicts import Grading
from grader.judge.check import CheckFailed, Verdict, fail, pictured, score
from grader.judge.inputs import Draw
from grader.judge.pictures import IMAGES, POINTS, histogram, scatter, strip
from grader.judge.result import Explanation, Histogram, Picture, Scatter, Strip
from tests.calibrate import checks
from tests.gradings import ROOT
from tests.zoo.build import source
from tests.zoo.wrong import WRONG


def normal(*shape: int) -> Tensor:
    return torch.randn(*shape, dtype=torch.float64, generator=torch.Generator().manual_seed(0))


def none_wrong(like: Tensor) -> Tensor:
    return torch.zeros(like.shape, dtype=torch.bool)


# ## Noise
def test_a_histogram_of_normal_noise_has_the_numbers_of_a_normal_distribution() -> None:
    found = histogram(normal(4, 50, 50))
    assert found is not None
    assert (found.edge, found.total, sum(found.counts), len(found.counts)) == (4.0, 10_000, 10_000, 32)
    assert abs(found.mean) < 0.1 and abs(found.std - 1) < 0.1
    assert abs(found.within[0] - 0.683) < 0.02 and abs(found.within[1] - 0.954) < 0.02
    assert found.distinct > 9_000


def test_repeated_noise_is_counted_once() -> None:
    found = histogram(normal(1, 10).expand(100, 10))
    assert found is not None and (found.total, found.distinct) == (1_000, 10)


def test_wide_noise_widens_the_figure_and_a_single_outlier_does_not() -> None:
    wide, outlier = histogram(50 * normal(1000)), histogram(torch.cat([normal(1000), torch.tensor([1e6]).double()]))
    assert wide is not None and outlier is not None
    assert wide.edge > 100 and sum(wide.counts) >= 980
    assert outlier.edge == 4.0 and (outlier.largest, sum(outlier.counts)) == (1e6, 1000)


# ## Numbers
def test_a_scatter_plot_has_a_point_for_each_number_and_says_which_are_wrong() -> None:
    expected = torch.tensor([0.0, 1.0, 2.0, 4.0]).double()
    got = torch.tensor([0.0, 1.0, 2.0, 8.0]).double()
    assert scatter(got, expected, got != expected) == Scatter(
        points=bytes([0, 0, 0, 64, 32, 0, 128, 64, 0, 255, 255, 1]),
        expected=(0.0, 4.0),
        got=(0.0, 8.0),
        total=4,
        wrong=1,
        unseen=0,
        line=(2.0286, -0.8, 0.96396),
        pairs=((0.0, 0.0), (1.0, 1.0), (2.0, 2.0), (4.0, 8.0)),
    )


def test_the_line_that_fits_a_factor_is_that_factor() -> None:
    expected = normal(50)
    found = scatter(2 * expected + 1, expected, none_wrong(expected))
    assert found is not None and found.line == (2.0, 1.0, 1.0)


def test_many_numbers_are_a_sample_of_them() -> None:
    expected = normal(3, 64, 64)
    found = scatter(-expected, expected, ~none_wrong(expected))
    assert found is not None
    assert (len(found.points), found.total, found.wrong) == (3 * POINTS, 3 * 64 * 64, 3 * 64 * 64)
    assert found.expected[0] < -2.5 and found.expected[1] > 2.5, "the extremes of the sample"


def test_a_plot_of_one_or_two_numbers_would_show_nothing() -> None:
    assert scatter(normal(2), normal(2) + 1, ~none_wrong(normal(2))) is None


# ## Paths
def test_a_strip_shows_the_path_above_the_expected_one_and_says_which_image_is_where() -> None:
    expected = torch.linspace(-1, 1, 7).double()[:, None, None, None].expand(7, 3, 4, 4)
    found = strip(expected.flip(0), expected)
    image = Image.open(io.BytesIO(found.image)).convert("RGB")
    assert image.size == (7 * 4, 2 * 4)
    assert [image.getpixel((x, y)) for x, y in ((0, 0), (27, 0), (0, 7), (27, 7))] == [
        (255, 255, 255), (0, 0, 0), (0, 0, 0), (255, 255, 255)
    ]  # fmt: skip
    assert found.shown == tuple(range(7)) and found.nearest == tuple(range(6, -1, -1))
    assert found.off == (2.0, 1.3333, 0.6667, 0.0, 0.6667, 1.3333, 2.0) and set(found.nearest_off) == {0.0}


@pytest.mark.parametrize("channels", [1, 2, 4])
def test_images_of_other_channels_are_grey(channels: int) -> None:
    found = strip(normal(3, channels, 5, 5), normal(3, channels, 5, 5))
    assert Image.open(io.BytesIO(found.image)).mode == "L"


def test_of_a_long_path_some_images_are_shown_with_both_ends() -> None:
    path = normal(100, 1, 4, 4)
    found = strip(path, path)
    assert (len(found.shown), found.shown[0], found.shown[-1], found.total) == (IMAGES, 0, 99, 100)
    assert found.nearest == found.shown


# ## Whatever comes back
ODD = [0.0, -0.0, math.nan, math.inf, -math.inf, 1e308, -1e308, 1e29, 5e-324, 1e-200, 2823.0, 2823.0000001]


def odd_numbers(seed: int) -> Tensor:
    """Return some odd numbers in a random order; with even seeds, only two different ones."""
    chance = torch.Generator().manual_seed(seed)
    among = torch.tensor(ODD, dtype=torch.float64)[torch.randperm(len(ODD), generator=chance)]
    among = among[: 2 if seed % 2 == 0 else len(ODD)]
    return among[torch.randint(len(among), (3 * 3 * 4 * 4,), generator=chance)].view(3, 3, 4, 4)


@pytest.mark.parametrize("seed", range(60))
def test_no_number_breaks_a_picture(seed: int) -> None:
    got, expected = odd_numbers(seed), normal(3, 3, 4, 4) if seed % 3 else odd_numbers(seed + 1000)
    right = expected.nan_to_num(nan=0.0).clamp(-10, 10)
    for picture in (histogram(got), scatter(got, expected, none_wrong(got)), strip(got, right)):
        numbers = json.dumps({k: v for k, v in asdict(picture).items() if not isinstance(v, bytes)} if picture else {})
        assert "NaN" not in numbers and "Infinity" not in numbers


# ## Of which checks
def picture_of(folder: Path, title: str) -> Picture | None:
    """Return the first picture of the checks that an entry of the zoo fails in its own task; None without any."""
    entry = next(one for one in WRONG if one.title == title)
    file = folder / "VAE_Model.py"
    file.write_text(source(entry), encoding="utf-8")
    session = Session(GradingOptions(file, sandbox="in-process"))
    try:
        for check in (each for each in checks(everything=True) if each.task == entry.task):
            try:
                check.function(Probe(session, check.task, check.name, check.kind), Draw(0, check.name))
            except CheckFailed as failed:
                if picture := failed.draws and failed.draws():
                    return picture
    finally:
        session.close()
    return None


@pytest.mark.parametrize(
    ("title", "mean", "std"),
    [
        ("sample: uniform noise", 0.5, 0.29),
        ("sample: noise too wide", 0.0, 1.2),
        ("prior_sample: uniform codes of unit variance", 0.0, 1.0),
        ("forward: uniform noise where none is given", 0.5, 0.29),
        ("forward: no noise unless given", 0.0, 0.0),
    ],
)
def test_noise_that_is_not_standard_normal_is_a_histogram(tmp_path: Path, title: str, mean: float, std: float) -> None:
    found = picture_of(tmp_path, title)
    assert isinstance(found, Histogram)
    assert (found.mean, found.std) == (pytest.approx(mean, abs=0.1), pytest.approx(std, abs=0.1))


@pytest.mark.parametrize("title", ["sample: one number per row", "prior_sample: one code for all"])
def test_noise_that_repeats_shows_how_few_numbers_differ(tmp_path: Path, title: str) -> None:
    found = picture_of(tmp_path, title)
    assert isinstance(found, Histogram) and found.distinct < 0.9 * found.total


@pytest.mark.parametrize("title", ["log_likelihood: codes from the prior", "log_likelihood: std not used"])
def test_codes_that_are_not_of_the_posterior_show_their_noise(tmp_path: Path, title: str) -> None:
    found = picture_of(tmp_path, title)
    assert isinstance(found, Histogram) and found.std > 2


def test_a_wrong_weight_of_right_codes_shows_no_noise(tmp_path: Path) -> None:
    assert picture_of(tmp_path, "log_likelihood: no prior") is None


@pytest.mark.parametrize(
    "title", ["kl: half forgotten", "nll: squared error", "encode: mean through tanh", "forward: variance for std"]
)
def test_wrong_numbers_are_a_scatter_plot(tmp_path: Path, title: str) -> None:
    found = picture_of(tmp_path, title)
    assert isinstance(found, Scatter) and found.wrong > 0


def test_a_reversed_path_is_a_strip_whose_images_are_the_expected_ones_from_the_other_end(tmp_path: Path) -> None:
    found = picture_of(tmp_path, "interpolate: reversed")
    assert isinstance(found, Strip)
    assert found.nearest == (6, 5, 4, 3, 2, 1, 0) and max(found.nearest_off) < 1e-3 < found.off[0]


def test_a_path_of_random_codes_is_a_strip_too(tmp_path: Path) -> None:
    assert isinstance(picture_of(tmp_path, "interpolate: random codes"), Strip)


# ## When they are made
def verdict_of(error: CheckFailed, **options: Any) -> Picture | None:
    """Return the picture in the verdict that a grading with these options makes of an error."""
    session = SimpleNamespace(printed=lambda task: "", tidy=lambda text: text, offering=SimpleNamespace(hints="full"))
    grading = Grading(cast(Any, None), cast(Any, session), GradingOptions(Path("VAE_Model.py"), **options))
    mark = SimpleNamespace(kwargs={"kind": "value", "share": 40})
    item = SimpleNamespace(
        path=ROOT / "grader" / "test_kl.py", name="test", function=pytest, get_closest_marker=lambda name: mark
    )
    return grading._verdict(cast(Any, item), error).picture


def test_a_picture_is_made_only_for_a_file() -> None:
    made: list[int] = []

    def draws() -> None:
        made.append(1)

    with pytest.raises(CheckFailed) as raised:
        fail("one", "another", draws=draws)
    for options, times in (({}, 0), ({"results": Path("r.json")}, 1), ({"report": Path("r.html")}, 2)):
        verdict_of(raised.value, **options)
        assert len(made) == times


def test_the_picture_of_a_block_takes_the_place_of_the_one_inside() -> None:
    for outer, shown in ((None, 2), (lambda: histogram(normal(3)), 3)):
        with pytest.raises(CheckFailed) as raised, pictured(outer):
            fail("one", "another", draws=lambda: histogram(normal(2)))
        picture = raised.value.draws and raised.value.draws()
        assert isinstance(picture, Histogram) and picture.total == shown


def test_what_follows_from_a_wrong_value_has_no_picture() -> None:
    seen = histogram(normal(3))
    value, late = (
        Verdict("kl", "test", "title", kind, 50, "failed", Explanation("x"), seen) for kind in ("value", "gradient")
    )
    (task,) = score([value, late], {"kl": 10})
    assert [check.picture for check in task.checks] == [seen, None]
