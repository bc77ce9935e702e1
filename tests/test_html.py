"""report.html and index.html: what they say, and that no text of a student's becomes anything but text."""

import base64
import io
import math
import re
from dataclasses import dataclass, field, replace
from html.parser import HTMLParser
from itertools import pairwise
from pathlib import Path
from urllib.parse import unquote

import pytest
import torch
from PIL import Image

from grader.grading.training_run import pictures
from grader.instructor.class_runs.grades import Entry, record
from grader.instructor.pages import index
from grader.instructor.pages.class_pages import write_class_reports
from grader.judge.pictures import rows_of_images
from grader.judge.result import Result, TrainingPictures
from grader.judge.short_run import ShortRun
from grader.report import html
from grader.report.html import number, percent
from grader.report.results_json import Record
from tests.made_up_class import CATALOGUE, PARTS, POINTS, WRONG, a_class, checks, entry
from tests.wording import numbers

TITLE = "VAE, spring"
_VOID = {"input", "link", "meta", "img", "br"}  # have no end tag


@dataclass
class Element:
    """An element of a page, with the texts and the table cells in it."""

    tag: str
    attributes: dict[str, str | None]
    texts: list[str] = field(default_factory=list)
    cells: list["Element"] = field(default_factory=list)

    @property
    def text(self) -> str:
        return " ".join(" ".join(self.texts).split())

    def is_called(self, name: str) -> bool:
        """Return whether this is its id, one of its classes, or the id of its heading."""
        return any(name in (self.attributes.get(key) or "").split() for key in ("id", "class", "aria-labelledby"))


class Seen(HTMLParser):
    """What a browser would see of a page: its elements, its text, the text of each element, the rows of its tables."""

    def __init__(self, page: str):
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.texts: list[str] = []
        self._elements: list[Element] = []
        self._open: list[Element] = []
        self._silent = 0
        self.feed(page)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        self._silent += tag in ("style", "script")
        element = Element(tag, dict(attrs))
        self._elements.append(element)
        if tag in ("td", "th"):
            next(each for each in reversed(self._open) if each.tag == "tr").cells.append(element)
        if tag not in _VOID:
            self._open.append(element)

    def handle_endtag(self, tag: str) -> None:
        self._silent -= tag in ("style", "script")
        assert self._open.pop().tag == tag, "elements are nested"

    def handle_data(self, data: str) -> None:
        if not self._silent:
            self.texts.append(data)
            for element in self._open:
                element.texts.append(data)

    def texts_of(self, tag: str, name: str = "") -> list[str]:
        """Return the text of each element with this tag and, if it is given, with this id, class or heading."""
        return [each.text for each in self._elements if each.tag == tag and (not name or each.is_called(name))]

    def rows(self) -> list[list[str]]:
        """Return the texts of the cells of each row of each table."""
        return [[cell.text for cell in each.cells] for each in self._elements if each.tag == "tr"]

    def terms(self) -> list[tuple[str, str]]:
        """Return the terms of all lists of terms, with what is said about each."""
        return list(zip(self.texts_of("dt"), self.texts_of("dd"), strict=True))

    @property
    def text(self) -> str:
        return " ".join(" ".join(self.texts).split())

    def named(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes in self.tags if name == tag]


def report(one: Entry) -> Seen:
    return Seen(html.report_page(record(one), TITLE))


def class_page(entries: list[Entry], anonymous: bool = False) -> str:
    records = [record(one) for one in entries]
    return index.index_page(records, title=TITLE, catalogue=CATALOGUE, look_alikes=None, anonymous=anonymous)


# ## The report of one submission
def test_it_says_points_and_status_of_each_task_and_the_sum() -> None:
    seen = report(entry("ada", {"kl": "kl_missing_half", "mode": "not attempted"}))
    assert seen.texts_of("h1") == ["ada"]
    assert [numbers(score) for score in seen.texts_of("p", "score")] == [["12", "22"]]
    assert [[row[0], *row[2:]] for row in seen.rows()[1:]] == [
        ["kl", "2 / 10", "failed kl_missing_half"],
        ["mode", "0 / 2", "not attempted"],
        ["training", "10 / 10", "passed"],
    ]


def test_a_failed_check_is_explained_with_all_its_parts() -> None:
    seen = report(entry("ada", {"kl": "kl_missing_half"}))
    (heading,) = seen.texts_of("h3")
    assert heading.startswith("kl ") and heading.endswith(" kl_missing_half") and numbers(heading) == ["2", "10"]
    _, (_, value, _), (_, gradient, _) = PARTS
    assert seen.texts_of("h4")[0] == value and gradient not in seen.texts_of("h4")
    status = seen.texts_of("p", "fine")[0]
    assert "failed" in status and numbers(status) == ["0", "5"]
    assert seen.terms() == [
        ("expected", WRONG.expected),
        ("got", WRONG.got),
        ("deviation", WRONG.deviation),
        ("hint", CATALOGUE["kl_missing_half"].hint),
    ]


def test_checks_that_wait_for_the_value_are_listed_as_such() -> None:
    seen = report(entry("ada", {"kl": "kl_missing_half"}))
    _, _, (_, gradient, _) = PARTS
    (waiting,) = seen.texts_of("li")
    assert waiting.startswith(gradient)
    (follows,) = {one.explanation.expected for one in checks("kl", "kl_missing_half") if one.title == gradient}
    assert follows and follows not in seen.text


def test_not_attempted_is_not_called_wrong() -> None:
    seen = report(entry("ada", {"kl": "not attempted", "mode": "not attempted"}))
    (untouched,) = seen.texts_of("p", "quiet")
    assert "kl , mode" in untouched and "training" not in untouched
    assert "failed" not in seen.text


def test_a_worker_that_died_is_explained_once() -> None:
    seen = report(entry("ada", {"kl": "out of memory"}))
    assert seen.text.count("it out of memory") == 1
    assert numbers(seen.texts_of("p", "fine")[-1]) == ["1"], "one more check missed its points"


def test_what_ended_several_tasks_is_said_once() -> None:
    seen = report(entry("ada", dict.fromkeys(POINTS, "crashed"), "SyntaxError in line 3"))
    (heading,) = seen.texts_of("h3")
    assert "crashed" in heading.lower() and numbers(heading) == ["3"]
    assert seen.texts_of("p", "fine") == ["kl , mode , training"]
    assert seen.terms() == [("got", "SyntaxError in line 3")]
    assert seen.text.count("SyntaxError") == 1
    assert not seen.texts_of("li"), "no check is said to wait for another"


def test_full_points_leave_nothing_to_look_at() -> None:
    assert "Nothing: every check passed." in report(entry("ada")).text


def test_what_was_not_graded_says_why() -> None:
    assert "ada Not graded: no Python" in report(Entry("ada", "no Python")).text


def test_a_run_that_was_stopped_says_so() -> None:
    whole = entry("ada")
    assert not report(whole).texts_of("p", "note")
    assert whole.results is not None
    first = whole.results["tests"][0]
    first["score"], first["extra_data"]["status"] = 0.0, "not judged"
    (note,) = report(whole).texts_of("p", "note")
    assert "stopped" in note and numbers(note) == ["20", "22"]


def test_a_score_from_in_process_says_that_it_does_not_count() -> None:
    assert "does not count" in report(entry("ada", sandbox="in-process")).text
    assert "does not count" not in report(entry("ada")).text


def test_the_answer_is_not_given_away() -> None:
    """The catalogue's words for instructors stay in the report of the class."""
    assert CATALOGUE["kl_missing_half"].wrong not in report(entry("ada", {"kl": "kl_missing_half"})).text
    assert CATALOGUE["kl_missing_half"].wrong in Seen(class_page(a_class())).text


# ## The class
def test_the_index_names_the_class_its_tasks_and_everyone_in_it() -> None:
    page = Seen(class_page(a_class()))
    assert "12 submissions, 1 not graded" in page.text
    links = {a.get("href") for a in page.named("a")}
    assert {f"./{one.submission}/report.html" for one in a_class()} <= links
    for task in POINTS:
        assert task in page.text


def test_the_index_tells_the_misconceptions_by_frequency() -> None:
    text = Seen(class_page(a_class())).text
    first, second = "3 factor 1/2 forgotten in kl , 27 % of the class", "1 the standard deviation in mode , 9 %"
    assert text.index(first) < text.index(second)


def test_a_misconception_without_words_is_shown_by_its_id() -> None:
    page = index.index_page(
        [record(entry("a", {"kl": "kl_missing_half"}))], title=TITLE, catalogue={}, look_alikes=None
    )
    assert "kl_missing_half in kl" in Seen(page).text


def test_the_index_lists_trouble_and_what_was_not_graded() -> None:
    rows = Seen(class_page(a_class())).rows()
    places = {row[1]: row[0] for row in rows if len(row) > 4}
    assert [f"hangs No. {places['hangs']}", "timed out", "kl it timed out"] in rows
    assert ["unread No. 12", a_class()[-1].status] in rows


@pytest.mark.parametrize("entries", [[], [Entry("a", "no Python")], [entry("a")]], ids=["none", "ungraded", "one"])
@pytest.mark.parametrize("anonymous", [False, True])
def test_the_smallest_classes_have_a_page_too(entries: list[Entry], anonymous: bool) -> None:
    assert Seen(class_page(entries, anonymous)).named("h1")


def test_tasks_that_a_submission_was_not_graded_on_stay_empty() -> None:
    part = entry("part")
    assert part.results is not None
    part.results["extra_data"]["tasks"].pop("kl")
    part.results["tests"] = [test for test in part.results["tests"] if test["tags"] != ["kl"]]
    assert Seen(class_page([entry("whole"), part])).text


# ## Tasks without points
def without_points(one: Entry, *tasks: str) -> Entry:
    """Return an entry of an offering in which some tasks have no points."""
    assert one.results is not None
    for test in one.results["tests"]:
        if test["tags"][0] in tasks:
            test["score"] = test["max_score"] = 0.0
    return one


def test_a_task_without_points_shows_no_percentage_of_them() -> None:
    entries = [entry("a"), entry("b", {"kl": "crashed"}), entry("c", {"kl": "not attempted"})]
    rows = Seen(class_page([without_points(one, "kl") for one in entries])).rows()
    assert ["kl", "0", "–", "", "1", "0", "1", "1"] in rows, "no mean; one passed all, one none, one did not try"
    assert ["mode", "2", "100 %", "", "3", "0", "0", "0"] in rows


def test_a_class_without_points_has_no_median_and_nobody_full_points() -> None:
    text = Seen(class_page([without_points(entry("a"), *POINTS)])).text
    assert "These tasks have no points." in text
    assert "full points" not in text and "100 %" not in text


def test_a_wrong_task_without_points_is_explained_all_the_same() -> None:
    seen = report(without_points(entry("ada", {"kl": "kl_missing_half"}), "kl"))
    assert [row[2:] for row in seen.rows() if row[0] == "kl"] == [["0 / 0", "failed kl_missing_half"]]
    assert "Nothing: every check passed." not in seen.text
    assert ("hint", CATALOGUE["kl_missing_half"].hint) in seen.terms()
    assert "Nothing: every check passed." in report(without_points(entry("ada"), "kl")).text


# ## Names left out
NAMES = ["Ada Lovelace", "b0b", "Zoë", "O'Neill <x@y>"]


def named_class() -> list[Entry]:
    outcomes = [{"kl": "kl_missing_half"}, {"kl": "crashed"}, {"mode": "timed out"}, {}]
    graded = [entry(name, one, f"got       {name} wrote this") for name, one in zip(NAMES, outcomes, strict=True)]
    return [*graded, Entry("carol", "carol's file is no text")]


def test_the_anonymous_page_has_no_name_anywhere_in_the_file() -> None:
    page = class_page(named_class(), anonymous=True)
    for name in ("Ada", "Lovelace", "b0b", "Zo", "Neill", "carol", "wrote this", "report.html"):
        assert name not in page
    assert "No. 1" in page
    assert "5 submissions, 1 not graded" in Seen(page).text


def test_numbers_tell_no_names() -> None:
    """Equal scores are numbered by chance, not by the alphabet, and the same chance at every run."""
    records = [record(entry(f"student-{i:02}")) for i in range(30)]
    who = index.numbered(records)
    assert sorted(one.number for one in who.values()) == list(range(1, 31))
    assert [who[name].number for name in sorted(who)] != list(range(1, 31))
    assert index.numbered(records[::-1]) == who


def test_better_scores_have_smaller_numbers_and_the_ungraded_the_last() -> None:
    who = index.numbered([record(one) for one in a_class()])
    assert {who[f"full-{i}"].number for i in range(4)} == {1, 2, 3, 4}
    assert (who["nothing"].number, who["unread"].number) == (11, 12)


# ## Text from strangers
HOSTILE = [
    "<script>alert(1)</script>",
    '"><img src=x onerror=alert(1)>',
    "</style><style>body{display:none}",
    "</title></head><base href=http://example.org>",
    "' onmouseover='alert(1)",
    "{{7*7}} {% raw %} {# #}",
    "&lt;b&gt; &amp;",
    "javascript:alert(1)",
    "../../etc",
    "\x1b[31mred\x1b[0m\u202eevil\x00",
    "שלום مرحبا",
    "x" * 3000,
]
ALLOWED = """
    html head meta link title style script body main header footer nav section article div span p a i b strong small
    sup code pre bdi h1 h2 h3 h4 table thead tbody tr th td ol ul li dl dt dd br figure figcaption details summary
    label input
"""


def hostile_class(text: str) -> list[Entry]:
    lines = f"expected  {text}\ngot       {text}\nprinted   {text}\n          {text}"
    more = [entry(f"{text} {i}", {"kl": kind}, lines) for i, kind in enumerate(("wrong", "crashed", "timed out"))]
    return [*more, Entry(f"{text} 3", text), entry("plain")]


def without_names_and_texts(page: Seen) -> list[tuple[str, list[str]]]:
    return [(tag, sorted(attributes)) for tag, attributes in page.tags]


@pytest.mark.parametrize("text", HOSTILE, ids=[text[:16] for text in HOSTILE])
@pytest.mark.parametrize("kind", ["report", "index", "anonymous"])
def test_hostile_text_stays_text(text: str, kind: str) -> None:
    """The page has the very elements and attributes that it has with friendly text."""

    def page(words: str) -> Seen:
        entries = hostile_class(words)
        return report(entries[0]) if kind == "report" else Seen(class_page(entries, kind == "anonymous"))

    hostile, friendly = page(text), page("word")
    assert without_names_and_texts(hostile) == without_names_and_texts(friendly)
    assert {tag for tag, _ in hostile.tags} <= set(ALLOWED.split())
    assert not any(attribute.startswith("on") for _, attributes in hostile.tags for attribute in attributes)
    assert all((a.get("href") or "").startswith(("./", "#", "data:,")) for _, a in hostile.tags if "href" in a)
    assert "49" not in hostile.text
    assert not re.search("[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e]", hostile.text)


def test_links_lead_to_the_folder_whatever_it_is_called() -> None:
    for name in ["a b", "50%", "#1?x=y", "ünïcode", 'quote"d', "semi;colon", "&amp;"]:
        links = [a["href"] or "" for a in Seen(class_page([entry(name)])).named("a")]
        assert f"./{name}/report.html" in [unquote(link) for link in links]


# ## Self-contained
@pytest.mark.parametrize(
    "page", [html.report_page(record(entry("a")), TITLE), class_page(a_class())], ids=["report", "index"]
)
def test_a_page_needs_and_allows_nothing_from_elsewhere(page: str) -> None:
    seen = Seen(page)
    policy = next(m["content"] for m in seen.named("meta") if m.get("http-equiv") == "Content-Security-Policy")
    assert policy is not None
    assert policy.startswith("default-src 'none'; style-src 'unsafe-inline'; img-src data:; ")
    assert "unsafe" not in policy.replace("style-src 'unsafe-inline'", "")
    assert not any("src" in attributes for _, attributes in seen.tags)
    assert not re.search(r"https?://|@import|url\(", page)
    assert {"name": "viewport", "content": "width=device-width, initial-scale=1"} in seen.named("meta")


def test_tables_and_headings_can_be_read_aloud() -> None:
    for page in (report(entry("a", {"kl": "wrong"})), Seen(class_page(a_class()))):
        levels = [int(tag[1]) for tag, _ in page.tags if re.fullmatch("h[1-6]", tag)]
        assert levels[0] == 1
        assert levels.count(1) == 1
        assert all(b - a <= 1 for a, b in pairwise(levels)), "no level is left out"
        assert all(th.get("scope") in ("col", "row") for th in page.named("th"))
        ids = [a["id"] for _, a in page.tags if "id" in a]
        assert len(ids) == len(set(ids))
        for _, attributes in page.tags:
            assert attributes.get("aria-labelledby", ids[0]) in ids
        assert page.named("html") == [{"lang": "en"}]


def test_numbers_are_short_and_shares_honest() -> None:
    assert [number(x) for x in (10.0, 0.4, 12.345, -0.5, 0.0)] == ["10", "0.4", "12.35", "\N{MINUS SIGN}0.5", "0"]
    assert [percent(x).replace("\N{NO-BREAK SPACE}", "") for x in (0, 0.0001, 0.5, 0.9999, 1)] == [
        *("0%", "1%", "50%", "99%", "100%")
    ]  # fmt: skip


# ## Files
def test_a_class_run_writes_every_page(tmp_path: Path) -> None:
    write_class_reports(tmp_path, a_class(), title=TITLE, catalogue=CATALOGUE, given=[])
    pages = {str(p.relative_to(tmp_path)) for p in tmp_path.rglob("*") if p.is_file()}
    reports = {f"{one.submission}/report.html" for one in a_class()}
    assert pages == {"index.html", "index-anonymous.html", *reports}


@pytest.mark.parametrize("name", ["../up", "a/b", "/root", "..", ".", ""])
def test_no_page_is_written_outside_the_folder(tmp_path: Path, name: str) -> None:
    with pytest.raises(ValueError, match="not the name of a folder"):
        write_class_reports(tmp_path / "out", [Entry(name, "x")], title=TITLE, catalogue={}, given=[])
    assert not list(tmp_path.rglob("*"))


def test_a_page_that_cannot_be_written_leaves_the_old_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "report.html").write_text("old")

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "replace", full)
    with pytest.raises(OSError, match="No space"):
        html.write_report(tmp_path, Record("a", "x"), TITLE)
    assert [(p.name, p.read_text()) for p in tmp_path.iterdir()] == [("report.html", "old")]


# ## The training run
RUN = ShortRun(
    losses=[3400.0, math.nan, *(3100.0 - step for step in range(198))],
    moved={},
    nll=2900.0,
    kl=12.0,
    gap=0.9,
    constant_mean=3139.0,
    ppca=2882.0,
    pairs=torch.arange(3 * 64 * 256).remainder(256).to(torch.uint8).view(3, 64, 256),
)

CURVE = pictures(RUN)


def page_of(training: TrainingPictures) -> Seen:
    return Seen(html.report_page(Record("a", "graded", Result("a", (), 1.0, "process", 0, training=training)), TITLE))


def test_the_training_run_is_a_curve_and_a_strip_of_images_in_the_page_itself() -> None:
    seen = page_of(CURVE)
    (curve,), (line,), (strip,) = seen.named("svg"), seen.named("polyline"), seen.named("img")
    points = [tuple(map(float, point.split(","))) for point in str(line["points"]).split()]
    assert len(points) == 50 and all(0 <= x <= 640 and 0 <= y <= 180 for x, y in points)
    assert [x for x, _ in points] == sorted(x for x, _ in points)
    assert "from 3400 to" not in seen.text and "begins at 3400 nats" in seen.text
    assert "a constant image, 3139 nats" in str(curve["aria-label"]) and "PCA, 2882 nats" in seen.text
    kind, _, content = str(strip["src"]).partition(",")
    image = Image.open(io.BytesIO(base64.b64decode(content)))
    assert (kind, image.size, str(strip["alt"])[:12]) == ("data:image/png;base64", (256, 64), "Eight images")


def test_a_run_that_diverged_at_once_has_no_pictures() -> None:
    seen = page_of(pictures(replace(RUN, losses=[math.inf], pairs=None)))
    assert (seen.named("svg"), seen.named("img")) == ([], [])
    assert "training run" not in seen.text


def test_a_reconstruction_that_is_not_finite_is_still_a_picture() -> None:
    x = torch.zeros(8, 3, 32, 32, dtype=torch.float64)
    strip = rows_of_images(x, x / 0.0)
    assert (strip.shape, strip.dtype, int(strip[0, 40, 5])) == ((3, 64, 256), torch.uint8, 128)
