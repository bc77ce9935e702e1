"""The pages in a real browser, a headless Chromium: without complaint, on a phone, in the dark, and without names."""

import itertools
import json
import random
import re
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import unquote, urlparse

import pytest

from grader.instructor.class_runs.grades import Entry
from grader.instructor.pages import index
from grader.instructor.pages.class_pages import write_class_reports
from tests.browser import MISSING, Browser, Page, program
from tests.made_up_class import CATALOGUE, a_class, entry
from tests.test_look_alikes import GIVEN, disguised, student, text

pytestmark = pytest.mark.skipif(program() is None, reason=MISSING)

PHONE = 360  # pixels, of a small phone
EVIL = ["<script>document.title = 'owned'</script>", '"><img src=x onerror="document.title=\'owned\'">', "W" * 2000]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """All pages of a class with everything in it: trouble, hostile names and texts, look-alikes, an earlier run."""
    root = tmp_path_factory.mktemp("class")
    chance = random.Random(1)
    mine = text(student(chance))
    twins = [entry("ann", source=mine), entry("bob", source=disguised(mine, chance))]
    evil = [entry(f"evil {i}", {"kl": "crashed"}, f"got       {words}") for i, words in enumerate(EVIL)]
    evil += [entry("'><b id=owned>x<b x='", {"kl": "kl_missing_half"}), Entry("e" * 200, EVIL[0])]
    entries = [*a_class(), *twins, *evil]
    before = [entry(f"full-{i}", {"kl": "wrong"}, EVIL[i]) for i in range(3)]
    write_class_reports(root / "before", before, title="Before", catalogue={}, given=[])
    for one in before:
        (root / "before" / one.submission / "results.json").write_text(json.dumps(one.results))
    write_class_reports(
        root / "out", entries, title="VAE, spring", catalogue=CATALOGUE, given=GIVEN, compare_with=root / "before"
    )
    return root / "out"


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    with Browser(tmp_path_factory.mktemp("profile")) as running:
        yield running


PAGES = ["index.html", "index-anonymous.html", "compare.html", "half-0/report.html", "evil 1/report.html",
         "evil 2/report.html", "unread/report.html"]  # fmt: skip


@pytest.mark.parametrize("name", PAGES)
def test_a_page_is_drawn_without_complaint_and_asks_nobody_for_anything(
    browser: Browser, folder: Path, name: str
) -> None:
    page = browser.open(folder / name)
    assert page.complaints() == []
    assert page.requests() == [(folder / name).as_uri()]
    assert "owned" not in page.evaluate("document.title")
    assert page.evaluate("document.querySelectorAll('img, #owned').length") == 0


@pytest.mark.parametrize("name", ["index.html", "half-0/report.html"])
@pytest.mark.parametrize(
    "html",
    [
        "<img src='https://example.org/x.png'>",
        "<img src=x onerror='document.title = 1'>",
        "<link rel=stylesheet href='https://example.org/x.css'>",
        "<style>@import 'https://example.org/x.css'</style>",
        "<iframe src='https://example.org'></iframe>",
        "<iframe srcdoc='<script>parent.document.title = 1</script>'></iframe>",
    ],
)
def test_the_policy_would_refuse_what_escaping_let_through(
    browser: Browser, folder: Path, name: str, html: str
) -> None:
    page = browser.open(folder / name)
    title = page.evaluate("document.title")
    page.evaluate(f"document.body.insertAdjacentHTML('beforeend', {json.dumps(html)})")
    page.evaluate("new Promise(done => setTimeout(done, 50))")
    assert any("Content Security Policy" in complaint for complaint in page.complaints())
    assert page.evaluate("document.title") == title


@pytest.mark.parametrize("name", PAGES)
def test_a_phone_scrolls_down_but_never_sideways(browser: Browser, folder: Path, name: str) -> None:
    page = browser.open(folder / name, width=PHONE, height=740, phone=True)
    page.evaluate("document.querySelectorAll('details').forEach(d => { d.open = true })")
    assert page.evaluate("document.documentElement.scrollWidth") <= PHONE
    assert page.evaluate("window.innerWidth") == PHONE, "the page was not shrunk to fit"
    small = "[...document.querySelectorAll('body *')].filter(e => e.innerText?.trim() && e.tagName !== 'SUP'"
    assert page.evaluate(f"{small} && parseFloat(getComputedStyle(e).fontSize) < 10).length") == 0


LUMINANCE = """
  const rgb = color => color.match(/[\\d.]+/g).map(Number);
  const linear = v => (v /= 255) <= .03928 ? v / 12.92 : ((v + .055) / 1.055) ** 2.4;
  const luminance = color => { const [r, g, b] = rgb(color).map(linear); return .2126 * r + .7152 * g + .0722 * b; };
"""
CONTRAST = (
    f"(() => {{{LUMINANCE}"
    + """
  const behind = e => {
    for (; e; e = e.parentElement) {
      const color = getComputedStyle(e).backgroundColor;
      if ((rgb(color)[3] ?? 1) > 0) return color;
    }
  };
  let least = [99, ''];
  const walk = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  for (let text; (text = walk.nextNode());) {
    const e = text.parentElement;
    if (!text.data.trim() || !e.checkVisibility({visibilityProperty: true}) || e.closest('.unseen, script')) continue;
    const [a, b] = [luminance(getComputedStyle(e).color), luminance(behind(e))].sort((x, y) => y - x);
    const contrast = (a + .05) / (b + .05);
    if (contrast < least[0]) least = [contrast, e.className + ': ' + text.data.trim()];
  }
  return least;
})()"""
)  # the least contrast of a text with what lies behind it (WCAG 2), and which text that is


@pytest.mark.parametrize("name", ["index.html", "compare.html", "half-0/report.html"])
def test_light_and_dark_are_two_faces_of_the_page_and_both_can_be_read(
    browser: Browser, folder: Path, name: str
) -> None:
    paper = "getComputedStyle(document.body).backgroundColor"
    light, dark = browser.open(folder / name), browser.open(folder / name, dark=True)
    brightness = [sum(map(int, re.findall(r"\d+", page.evaluate(paper)))) for page in (light, dark)]
    assert brightness[0] > 600 > 200 > brightness[1]
    for page in (light, dark):
        page.evaluate("document.querySelectorAll('details').forEach(d => { d.open = true })")
        contrast, text_of_it = page.evaluate(CONTRAST)
        assert contrast >= 4.5, f"WCAG AA: {text_of_it}"


# ## Names
def _names(folder: Path) -> list[str]:
    return [one.name for one in folder.iterdir() if one.is_dir()]


def _shown(page: Page) -> str:
    """Return all that can be seen or hovered over: texts, titles, addresses of visible links."""
    text_of_page: str = page.evaluate("document.body.innerText")
    attributes: str = page.evaluate(
        "[...document.querySelectorAll('[href], [title], [aria-label]')].filter(e => e.checkVisibility())"
        ".map(e => [e.href, e.title, e.ariaLabel].join(' ')).join(' ')"
    )
    return text_of_page + unquote(attributes)


def test_a_switch_hides_every_name_and_shows_them_again(browser: Browser, folder: Path) -> None:
    page = browser.open(folder / "index.html")
    page.evaluate("document.querySelectorAll('details').forEach(d => { d.open = true })")
    assert all(name in _shown(page) for name in _names(folder))
    page.click("label.switch")
    hidden = _shown(page).replace(str(folder), "")
    assert [name for name in _names(folder) if name in hidden] == []
    assert "No. 1" in hidden
    assert "Misconceptions" in hidden
    for source_of_names in ("shared line", "wrote this", "Changes"):
        assert source_of_names not in hidden
    page.click("label.switch")
    assert all(name in _shown(page) for name in _names(folder))


def test_the_switch_works_by_keyboard_and_shows_where_the_focus_is(browser: Browser, folder: Path) -> None:
    page = browser.open(folder / "index.html")
    page.key("Tab", 9)
    assert page.evaluate("document.activeElement.id") == "no-names"
    assert page.evaluate("getComputedStyle(document.querySelector('.switch')).outlineStyle") == "solid"
    page.key(" ", 32, " ")
    assert "full-0" not in _shown(page).replace(str(folder), "")


def test_the_switch_needs_no_script(browser: Browser, folder: Path) -> None:
    page = browser.open(folder / "index.html")
    page.call("Emulation.setScriptExecutionDisabled", value=True)
    page.go((folder / "index.html").as_uri())
    page.click("label.switch")
    assert "full-0" not in _shown(page).replace(str(folder), "")


def test_the_anonymous_page_shows_no_name(browser: Browser, folder: Path) -> None:
    page = browser.open(folder / "index-anonymous.html")
    shown = _shown(page).replace(str(folder), "")
    assert [name for name in _names(folder) if name in shown] == []


# ## Links and sorting
def test_every_link_leads_somewhere(browser: Browser, folder: Path) -> None:
    for name in PAGES:
        page = browser.open(folder / name)
        for address in page.evaluate("[...document.querySelectorAll('a')].map(a => a.href)"):
            url = urlparse(address)
            file = Path(unquote(url.path))
            assert file.is_file(), address
            if url.fragment:
                assert f'id="{url.fragment}"' in file.read_text(encoding="utf-8")


def test_a_click_on_a_name_opens_the_report(browser: Browser, folder: Path) -> None:
    page = browser.open(folder / "index.html")
    page.go(page.evaluate("[...document.querySelectorAll('#all a')].find(a => a.textContent === 'std').href"))
    assert page.evaluate("document.querySelector('h1').textContent") == "std"


def _column(page: Page, number: int) -> list[str]:
    rows = "[...document.querySelectorAll('#all tbody tr')]"
    found: list[str] = page.evaluate(f"{rows}.map(row => [...row.cells].at({number}).innerText)")
    return found


def test_a_click_on_a_head_sorts_by_that_column_and_a_second_one_turns_it(browser: Browser, folder: Path) -> None:
    page = browser.open(folder / "index.html")
    points = [float(value) for value in _column(page, 2)]
    assert points == sorted(points, reverse=True), "the best first, without a click"
    page.click("#all th:nth-child(2) button")
    names = _column(page, 1)
    assert names == page.evaluate(f"{names}.sort((a, b) => a.localeCompare(b))")
    page.click("#all th:nth-child(2) button")
    assert _column(page, 1) == names[::-1]
    page.click("#all th:last-child button")
    seconds = [
        float(value) for value in _column(page, -1 % page.evaluate("document.querySelector('#all tr').cells.length"))
    ]
    assert seconds == sorted(seconds, reverse=True), "the slowest first"
    assert page.evaluate("document.querySelector('#all th:last-child').ariaSort") == "descending"


def test_a_table_with_many_rows_is_shown_and_sorted_in_pages(
    browser: Browser, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(index, "PAGE", 5)
    write_class_reports(tmp_path, [entry(f"s{i:02}") for i in range(12)], title="VAE", catalogue={}, given=[])
    page = browser.open(tmp_path / "index.html")
    place = "document.querySelector('#pager span').textContent"
    assert len(_column(page, 1)) == 5
    page.click("#all th:nth-child(2) button")
    assert (_column(page, 1), page.evaluate(place)) == ([f"s{i:02}" for i in range(5)], "1 to 5 of 12")
    page.click("#pager button:last-child")
    page.click("#pager button:last-child")
    assert (_column(page, 1), page.evaluate(place)) == (["s10", "s11"], "11 to 12 of 12")
    assert page.evaluate("[...document.querySelectorAll('#pager button')].map(b => b.disabled)") == [False, True]
    assert page.complaints() == []


def test_hidden_names_leave_no_trace_in_the_order_of_rows(browser: Browser, folder: Path) -> None:
    page = browser.open(folder / "index.html")
    page.click("#all th:nth-child(2) button")
    page.click("label.switch")
    numbers = [int(value) for value in _column(page, 0)]
    assert all(b == a + 1 for a, b in itertools.pairwise(numbers))
