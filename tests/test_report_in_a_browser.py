"""The report of one submission in a headless Chromium: its figures, light, dark and on a phone, and the copy button."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from grader.judge.result import Result, TaskResult
from grader.report import html
from grader.report.results_json import Record
from tests.browser import MISSING, Browser, Page, program
from tests.made_up_class import PICTURES, POINTS, checks
from tests.test_html import CURVE
from tests.test_pages_in_a_browser import CONTRAST, LUMINANCE, PHONE

pytestmark = pytest.mark.skipif(program() is None, reason=MISSING)

LINES = (
    "import torch\nq = DiagonalGaussianDistribution(torch.tensor([[0.0]]))\nprint(q.kl())  # 'a' < \"b\" & " + "W" * 300
)
CODE = "document.querySelector('pre.code').textContent"


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A report with a figure of each kind."""
    tasks = tuple(
        TaskResult(task, checks(task, "wrong", picture=picture, reproduce=LINES))
        for task, picture in zip(POINTS, PICTURES, strict=True)
    )
    graded = Result("VAE_Model.py", tasks, 1.0, "process", 0, training=CURVE)
    path = tmp_path_factory.mktemp("report") / "report.html"
    path.write_text(html.report_page(Record("ada", "graded", graded), "VAE"), encoding="utf-8")
    return path


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    with Browser(tmp_path_factory.mktemp("profile")) as running:
        yield running


def opened(page: Page) -> Page:
    page.evaluate("document.querySelectorAll('details').forEach(d => { d.open = true })")
    return page


@pytest.mark.parametrize("dark", [False, True])
def test_it_is_drawn_without_complaint_and_asks_nobody_for_anything(browser: Browser, report: Path, dark: bool) -> None:
    page = opened(browser.open(report, dark=dark))
    assert page.complaints() == []
    assert [url for url in page.requests() if not url.startswith("data:image/png")] == [report.as_uri()]
    assert page.evaluate("[...document.images].every(image => image.naturalWidth > 0)")
    contrast, text = page.evaluate(CONTRAST)
    assert contrast >= 4.5, f"WCAG AA: {text}"


LEAST = (
    f"(() => {{{LUMINANCE}"
    + """
  const card = luminance(getComputedStyle(document.querySelector('.card')).backgroundColor);
  return [...document.querySelectorAll('.plot path:not(.axis), .plot text')].map(e => {
    const style = getComputedStyle(e);
    const color = luminance(style.fill === 'none' ? style.stroke : style.fill);
    return (Math.max(card, color) + .05) / (Math.min(card, color) + .05);
  }).sort((a, b) => a - b)[0];
})()"""
)  # the least contrast of a line, a bar or a label with the card behind it


@pytest.mark.parametrize("dark", [False, True])
def test_what_is_drawn_stands_out_from_the_paper(browser: Browser, report: Path, dark: bool) -> None:
    assert browser.open(report, dark=dark).evaluate(LEAST) >= 3, "WCAG 1.4.11"


def test_a_phone_shows_it_without_scrolling_sideways_and_with_labels_large_enough(
    browser: Browser, report: Path
) -> None:
    page = opened(browser.open(report, width=PHONE, height=740, phone=True))
    assert page.evaluate("document.documentElement.scrollWidth") <= PHONE
    assert page.evaluate("window.innerWidth") == PHONE, "the page was not shrunk to fit"
    labels = "[...document.querySelectorAll('svg text')].map(e => e.getBoundingClientRect())"
    assert page.evaluate(f"Math.min(...{labels}.map(box => box.height))") >= 10
    assert page.evaluate(f"{labels}.every(box => box.left >= 0 && box.right <= {PHONE})")


# ## Copying
def said(page: Page) -> str:
    """Return what the button says once it has said something."""
    text: str = page.evaluate(
        "new Promise(done => { const said = document.querySelector('.copy [role=status]'); const look = () => {"
        " said.textContent ? done(said.textContent) : setTimeout(look, 10); }; look(); })"
    )
    return text


def test_the_button_copies_the_lines(browser: Browser, report: Path) -> None:
    page = browser.open(report)
    browser.call("Browser.grantPermissions", permissions=["clipboardReadWrite", "clipboardSanitizedWrite"])
    page.click(".copy button")
    assert said(page) == "Copied."
    assert page.evaluate("navigator.clipboard.readText()") == page.evaluate(CODE) == LINES


def test_the_button_works_by_keyboard(browser: Browser, report: Path) -> None:
    page = browser.open(report)
    page.evaluate("document.querySelector('.copy button').focus()")
    page.key("Enter", 13, "\r")
    assert said(page) == "Copied."


@pytest.mark.parametrize("clipboard", ["undefined", "{writeText: () => Promise.reject(new Error('refused'))}"])
def test_without_the_clipboard_the_lines_are_copied_in_the_old_way(
    browser: Browser, report: Path, clipboard: str
) -> None:
    page = browser.open(report)
    page.evaluate(f"Object.defineProperty(navigator, 'clipboard', {{value: {clipboard}}})")
    page.click(".copy button")
    assert said(page) == "Copied."
    assert page.evaluate("getSelection().toString()") == LINES


def test_if_copying_is_refused_the_lines_are_selected(browser: Browser, report: Path) -> None:
    page = browser.open(report)
    page.evaluate("Object.defineProperty(navigator, 'clipboard', {value: undefined})")
    page.evaluate("document.execCommand = () => false; undefined")
    page.click(".copy button")
    assert said(page) != "Copied." and "Ctrl+C" in said(page)
    assert page.evaluate("getSelection().toString()") == LINES
    assert page.complaints() == []


def test_without_scripts_the_lines_are_there_and_no_button_is(browser: Browser, report: Path) -> None:
    page = browser.open(report)
    page.call("Emulation.setScriptExecutionDisabled", value=True)
    page.go(report.as_uri())
    assert page.evaluate("document.querySelectorAll('button').length") == 0
    assert page.evaluate(CODE) == LINES
    assert page.evaluate("getComputedStyle(document.querySelector('pre.code')).userSelect") in ("auto", "text")
